"""The realtime server is away for longer than its client would try: nothing is lost, and all catch up."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from shared.candles import Candle, Gate
from shared.client import Connection, connect_user
from shared.identity import floor_ms
from shared.models import MarketKind
from shared.realtime import Arrival, Realtime
from tests.acceptance.journey import add_trader, ask
from tests.charts import draw
from tests.machine.scenes import settings_of
from tests.outages import absent
from tests.stacks import Stack
from tests.waiting import until
from workers.analysis.readings import WINDOW
from workers.machine import Machine, build
from workers.signals.feeds.feed import FeedKind

# The unmodified client gives up for good after five attempts, which take some fifteen seconds.
OUTAGE_SECONDS = 60
SYMBOLS = ("BTCUSDT", "ETHUSDT")
LIVE_MINUTES = 12


class Shown:
    """A live feed of candles that the test shows."""

    kind: FeedKind = "live"
    description = "candles of a test"
    market: MarketKind = "usdm"
    symbols = SYMBOLS

    def __init__(self) -> None:
        self.gate = Gate()
        self._batches: asyncio.Queue[list[Candle] | None] = asyncio.Queue()

    async def open(self) -> list[Candle]:
        return []

    def show(self, batch: list[Candle]) -> None:
        self._batches.put_nowait(batch)

    async def batches(self) -> AsyncIterator[list[Candle]]:
        while (batch := await self._batches.get()) is not None:
            yield batch

    async def close(self) -> None:
        self._batches.put_nowait(None)


class Site:
    """Two machines on one live market: one that fires, and one that does all else."""

    def __init__(self, stack: Stack, folder: Path) -> None:
        self.stack = stack
        self._folder = folder
        self._minute = 0
        self._feeds: list[Shown] = []
        self._running: list[asyncio.Task[Any]] = []
        self.machines: list[Machine] = []
        start = datetime.now(UTC).replace(second=0, microsecond=0) - timedelta(minutes=WINDOW + LIVE_MINUTES)
        self._charts = [
            draw(
                WINDOW + LIVE_MINUTES,
                seed=place,
                symbol=symbol,
                start_ms=floor_ms(start),
                noise=0.0005,
                drift=0.0003,
            )
            for place, symbol in enumerate(SYMBOLS)
        ]

    async def open(self, *roles: str) -> None:
        """Start a machine with these roles."""
        feed = Shown()
        warm = sorted(
            (candle for chart in self._charts for candle in chart[:WINDOW]),
            key=lambda one: (one.open_ms, one.symbol),
        )
        machine = await build(
            settings_of(self.stack),
            feed=feed,
            warm=warm,
            replaying=False,
            roles=roles,
            state=self._folder / "-".join(roles),
        )
        self._feeds.append(feed)
        self.machines.append(machine)
        self._running.append(asyncio.create_task(machine.run()))

    async def close_candles(self, minutes: int) -> None:
        """Let some minutes close, of which each fires a signal in one of the two symbols, and is stored."""
        for _ in range(minutes):
            place = WINDOW + self._minute
            loud = self._minute % 2
            batch = [
                with_volume(chart[place], 5000.0 if number == loud else 1.0)
                for number, chart in enumerate(self._charts)
            ]
            for feed in self._feeds:
                feed.show(batch)
            self._minute += 1
            await until(lambda: len(self.signals()) == self._minute)

    def signals(self) -> dict[UUID, str]:
        """The status of each signal on record."""
        return dict(ask(self.stack, "select id, status::text from public.signals"))

    async def stop(self) -> None:
        for machine in self.machines:
            machine.stop()
        await asyncio.gather(*self._running)


def with_volume(one: Candle, volume: float) -> Candle:
    return Candle(
        one.symbol, one.interval, one.open_ms, one.close_ms, one.open, one.high, one.low, one.close, volume
    )


class Person:
    """A console: it shows what messages tell, and reads over REST what they may have missed."""

    def __init__(self, stack: Stack, connection: Connection, user: UUID) -> None:
        self.shown: set[UUID] = set()
        self.heard: set[UUID] = set()
        self._connection = connection
        self.realtime = Realtime(stack.url, stack.publishable_key, connection.token)
        self.realtime.subscribe(f"user:{user}:signals", self.hear, self.catch_up)

    def hear(self, arrival: Arrival) -> None:
        told = {UUID(row["id"]) for row in arrival.payload["rows"]}
        self.heard |= told
        self.shown |= told

    async def catch_up(self) -> None:
        answer = await self._connection.client.table("signals").select("id").execute()
        rows: Any = answer.data
        self.shown |= {UUID(row["id"]) for row in rows}


@pytest.fixture
async def site(fragile_stack: Stack, tmp_path: Path) -> AsyncIterator[Site]:
    one = Site(fragile_stack, tmp_path)
    yield one
    await one.stop()


def analysed(statuses: Sequence[str]) -> bool:
    return not {"new", "analyzing"} & set(statuses)


async def test_an_outage_longer_than_the_clients_patience_loses_no_signal(site: Site) -> None:
    trader = add_trader(site.stack, "loud", SYMBOLS, conditions=["volume > 1000"])
    ((user,),) = ask(site.stack, "select user_id from public.traders where id = %s", trader)
    await site.open("signals")
    await site.open("analysis", "monitoring", "trading")
    connection = await connect_user(settings_of(site.stack), str(user))
    await connection.call("watch_signals", {"seconds": 600})
    person = Person(site.stack, connection, user)
    await person.realtime.start()
    listeners = [person.realtime, *(one._realtime for one in site.machines if one._realtime is not None)]
    assert len(listeners) == 3
    try:
        await until(lambda: all(one.subscribed.is_set() for one in listeners))
        await site.close_candles(3)
        await until(lambda: person.heard == set(site.signals()))

        with absent(site.stack, "realtime"):
            began = time.monotonic()
            await until(lambda: not any(one.subscribed.is_set() for one in listeners))
            await site.close_candles(5)
            # No message comes, and the slow poll finds the work.
            await until(lambda: analysed(list(site.signals().values())))
            await until(lambda: time.monotonic() - began > OUTAGE_SECONDS, timeout=OUTAGE_SECONDS + 10)
            assert len(person.shown) == 3

        await until(lambda: all(one.subscribed.is_set() for one in listeners), timeout=60)
        await until(lambda: person.shown == set(site.signals()))
        assert all(one.lives == 2 for one in listeners)
        await site.close_candles(LIVE_MINUTES - 8)
        await until(lambda: person.shown == set(site.signals()))
        await until(lambda: analysed(list(site.signals().values())))
    finally:
        await person.realtime.stop()
        await connection.close()
    assert len(person.heard) > 3
    assert len(site.signals()) == LIVE_MINUTES
    await site.stop()
    assert [one.status.errors for one in site.machines] == [[], []]
    fired = site.machines[0].status
    assert fired.count("signals", "fired") == fired.count("signals", "inserted") == LIVE_MINUTES
