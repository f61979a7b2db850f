"""The bridge of a benchmark: a whole machine with the trading role, as `up` runs it, until standard input
closes: `python -m scripts.bench.bridge_process PRICES`.

PRICES is a JSON object by symbol; the market stands still there and closes a candle each minute. It tells on
standard output, a JSON object a line, when it runs, and of each entry how long it took from the decision to
the commit of its intent and to the last byte of its request.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import ExitStack
from contextvars import ContextVar
from time import perf_counter, time
from typing import Any, Self
from unittest.mock import patch

import aiohttp
import uvloop

from shared import log as logs
from shared.candles import MINUTE_MS, Candle, Gate
from shared.errors import ConfigurationError
from shared.models import MarketKind
from shared.settings import load
from shared.work import Work
from workers.machine import Machine, build
from workers.signals.feeds.feed import FeedKind
from workers.status import Status
from workers.trading import desk
from workers.trading.decisions.entries import Conditions, Refusal, decide_entry
from workers.trading.ledger import Account, Facts, Ledger, State
from workers.trading.orders import Leg, Order, client_order_id
from workers.trading.venues.gate import Held
from workers.trading.venues.venue import Venue

NAME = "bridge"


class StillFeed:
    """A market that does not move: a candle of each symbol at the end of each minute."""

    kind: FeedKind = "simulated"
    market: MarketKind = "usdm"
    description = "a market that stands still"

    def __init__(self, prices: Mapping[str, float]) -> None:
        self.symbols = tuple(sorted(prices))
        self.gate = Gate()
        self._prices = prices
        self._closed = asyncio.Event()

    async def open(self) -> list[Candle]:
        """The candles of the minute before."""
        return self._candles(self._minute())

    async def batches(self) -> AsyncIterator[list[Candle]]:
        """One batch at the end of each minute."""
        while True:
            due = self._minute() + MINUTE_MS
            try:
                async with asyncio.timeout(due / 1000 - time()):
                    await self._closed.wait()
            except TimeoutError:
                yield self._candles(due)
            else:
                return

    async def close(self) -> None:
        """No more candles."""
        self._closed.set()

    def _minute(self) -> int:
        return int(time() * 1000) // MINUTE_MS * MINUTE_MS

    def _candles(self, close_ms: int) -> list[Candle]:
        return [
            Candle(symbol, "1m", close_ms - MINUTE_MS, close_ms, price, price, price, price, 1e6)
            for symbol, price in sorted(self._prices.items())
        ]


class Probe:
    """Notes of each entry when it was decided, when its intent was committed, and when its request left.

    It stands around the pure decision, around the commit, and behind aiohttp's writing of a request: that
    returns when the socket has taken the bytes.
    """

    def __init__(self) -> None:
        self._decided: dict[str, float] = {}
        self._committed: dict[str, float] = {}
        # The entry whose request is being made, as seen from the request's own task.
        self._placing: ContextVar[str | None] = ContextVar("placing", default=None)
        self._patches = ExitStack()

    def __enter__(self) -> Self:
        record, place, write = Ledger.record, Venue.place, aiohttp.ClientRequest.write_bytes
        make_ready = Venue._make_ready

        def timed_decision(work: Work, it: Conditions) -> list[dict[str, Any]] | Refusal:
            decision = decide_entry(work, it)
            if not isinstance(decision, Refusal):
                self._decided[client_order_id(work.signal_id, Leg.ENTRY, 1)] = perf_counter()
            return decision

        async def timed_record(ledger: Ledger, account: Account, facts: Facts, at: Any) -> State:
            state = await record(ledger, account, facts, at)
            for order in state.orders:
                if order.client_order_id in self._decided:
                    self._committed.setdefault(order.client_order_id, perf_counter())
            return state

        async def named_place(
            venue: Venue, order: Order, attached: list[Order], held: Held | None = None
        ) -> Any:
            token = self._placing.set(order.client_order_id if order.leg is Leg.ENTRY else None)
            try:
                return await place(venue, order, attached, held)
            finally:
                self._placing.reset(token)

        async def named_holding(
            venue: Venue, held: Held, gate: Any, order: Order, attached: list[Order]
        ) -> Any:
            # In a task of its own.
            self._placing.set(order.client_order_id)
            return await make_ready(venue, held, gate, order, attached)

        async def timed_write(request: aiohttp.ClientRequest, *args: Any, **named: Any) -> None:
            await write(request, *args, **named)
            if request.method == "POST":
                self._note_sent(self._placing.get())

        for place_of, name, timed in (
            (desk, "decide_entry", timed_decision),
            (Ledger, "record", timed_record),
            (Venue, "place", named_place),
            (Venue, "_make_ready", named_holding),
            (aiohttp.ClientRequest, "write_bytes", timed_write),
        ):
            self._patches.enter_context(patch.object(place_of, name, timed))
        return self

    def __exit__(self, *_: object) -> None:
        self._patches.close()

    def _note_sent(self, client_id: str | None) -> None:
        decided = self._decided.pop(client_id or "", None)
        if client_id is None or decided is None:
            return
        committed = self._committed.pop(client_id)
        tell(
            event="sent",
            client_order_id=client_id,
            decided_at=decided,
            committed_ms=(committed - decided) * 1000,
            sent_ms=(perf_counter() - decided) * 1000,
        )


def tell(**what: Any) -> None:
    """One line to whoever started this."""
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


async def main(prices: Mapping[str, float]) -> None:
    """Run until standard input closes."""
    begun = perf_counter()
    logs.setup(json=True, stream=sys.stderr)
    settings = load()
    if settings.sigtrail_state is None:
        raise ConfigurationError("SIGTRAIL_STATE is not set: a benchmark keeps nothing of its own elsewhere")
    feed = StillFeed(prices)
    warm = await feed.open()
    state = settings.sigtrail_state / NAME
    state.mkdir(parents=True, exist_ok=True)
    with Probe():
        machine = await build(
            settings, feed=feed, replaying=False, state=state, warm=warm, roles=("trading",), machine_id=NAME
        )
        running = asyncio.create_task(machine.run())
        telling = asyncio.create_task(_tell_running(machine, running, begun))
        over = asyncio.create_task(_input_closed())
        await asyncio.wait({over, running}, return_when=asyncio.FIRST_COMPLETED)
        over.cancel()
        await telling
        machine.stop()
        status = await running
    tell(event="stopped", counts=dict(status.counts["trading"]), errors=status.error_count)


async def _tell_running(machine: Machine, running: asyncio.Task[Status], begun: float) -> None:
    while machine.status.state == "starting" and not running.done():  # noqa: ASYNC110 - a machine tells nobody
        await asyncio.sleep(0.005)
    tell(event="running", seconds=perf_counter() - begun)


async def _input_closed() -> None:
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    await reader.read()


if __name__ == "__main__":
    uvloop.run(main(json.loads(sys.argv[1])))
