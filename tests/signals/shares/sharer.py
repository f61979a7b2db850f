"""A machine that evaluates its shares until it is killed: `python -m tests.signals.shares.sharer STATE`.

Its candles come over standard input: each line is a JSON list of those that closed together, each as
`[symbol, open_ms, open, high, low, close, volume]`. The first line is the history. The project is in the
environment, as for every machine.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from pathlib import Path

from shared import log as logs
from shared.candles import MINUTE_MS, Candle, Gate
from shared.models import MarketKind
from shared.settings import load
from workers.machine import build
from workers.signals.feeds.feed import FeedKind

VENUE = "pipe"


class PipeFeed:
    """Live candles, as whoever holds the pipe says them."""

    kind: FeedKind = "live"
    description = "candles from a pipe"
    market: MarketKind = "usdm"

    def __init__(self, reader: asyncio.StreamReader) -> None:
        self.gate = Gate()
        self.symbols: tuple[str, ...] = ()
        self._reader = reader

    async def open(self) -> list[Candle]:
        return await self._read() or []

    async def batches(self) -> AsyncIterator[list[Candle]]:
        while batch := await self._read():
            yield batch
        await asyncio.Event().wait()

    async def close(self) -> None:
        return

    async def _read(self) -> list[Candle] | None:
        line = await self._reader.readline()
        rows = json.loads(line) if line else []
        return [Candle(row[0], "1m", row[1], row[1] + MINUTE_MS, *row[2:]) for row in rows] or None


async def main(state: Path) -> None:
    """Run the role signals for good."""
    logs.setup(json=True, stream=sys.stderr)
    reader = asyncio.StreamReader(limit=2**24)
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), sys.stdin
    )
    feed = PipeFeed(reader)
    warm = await feed.open()
    machine = await build(
        load(),
        feed=feed,
        warm=warm,
        replaying=False,
        state=state,
        roles=["signals"],
        machine_id=state.name,
        region="test",
        shared=VENUE,
    )
    await machine.run()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
