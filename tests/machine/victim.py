"""A machine in a process of its own, to be killed: `python -m tests.machine.victim CANDLES STATE`.

The project is in the environment, as for every machine.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from shared.settings import load
from workers.machine import build
from workers.signals.feeds.recorded import RecordedFeed


async def main(candles: Path, state: Path) -> None:
    """Replay these candles with every role."""
    feed = RecordedFeed(candles, market="usdm")
    warm = await feed.open()
    machine = await build(load(), feed=feed, warm=warm, replaying=True, state=state)
    await machine.run()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), Path(sys.argv[2])))
