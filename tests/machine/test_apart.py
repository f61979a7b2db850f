"""Roles on machines of their own: what wakes one is the other's work, told by Realtime."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest

from shared.candles import Candle, Gate
from shared.identity import floor_ms
from shared.models import MarketKind
from tests.charts import draw
from tests.machine.scenes import Scene, settings_of, wipe
from tests.stacks import Stack
from tests.waiting import until
from workers.analysis.readings import WINDOW
from workers.machine import Machine, build
from workers.signals.feeds.feed import FeedKind

# No poll comes to help within this test.
NEVER = 3600.0


class Ticker:
    """A live feed: the test says when a candle closes."""

    kind: FeedKind = "live"
    description = "candles of a test"
    market: MarketKind = "usdm"
    symbols = ("BTCUSDT",)

    def __init__(self) -> None:
        self.gate = Gate()
        self._candles: asyncio.Queue[Candle | None] = asyncio.Queue()

    async def open(self) -> list[Candle]:
        return []

    def show(self, candle: Candle) -> None:
        self._candles.put_nowait(candle)

    async def batches(self) -> AsyncIterator[list[Candle]]:
        while (candle := await self._candles.get()) is not None:
            yield [candle]

    async def close(self) -> None:
        self._candles.put_nowait(None)


class Site:
    """Two machines on the same market: one that fires, one that analyses and monitors."""

    def __init__(self, stack: Stack, folder: Path) -> None:
        self.stack = stack
        self.folder = folder
        self.feeds: list[Ticker] = []
        self.machines: list[Machine] = []
        self.running: list[asyncio.Task[object]] = []
        self.minute = datetime.now(UTC).replace(second=0, microsecond=0)
        self.history = draw(
            WINDOW + 5,
            start_ms=floor_ms(self.minute) - (WINDOW + 5) * 60_000,
            noise=0.0005,
            drift=0.0003,
            seed=4,
        )

    async def open(self, *roles: str) -> Machine:
        feed = Ticker()
        machine = await build(
            settings_of(self.stack),
            feed=feed,
            warm=self.history[:-1],
            replaying=False,
            roles=roles,
            state=self.folder / "-".join(roles),
            poll_seconds=NEVER,
        )
        self.feeds.append(feed)
        self.machines.append(machine)
        self.running.append(asyncio.create_task(machine.run()))
        await until(lambda: machine.status.state == "running")
        return machine

    def show(self, candle: Candle) -> None:
        for feed in self.feeds:
            feed.show(candle)

    def status(self) -> list[str]:
        with psycopg.connect(self.stack.db_url) as database:
            return [row[0] for row in database.execute("select status::text from public.signals").fetchall()]

    async def close(self) -> None:
        for machine in self.machines:
            machine.stop()
        await asyncio.gather(*self.running)


@pytest.fixture
async def site(own_stack: Stack, tmp_path: Path) -> AsyncIterator[Site]:
    wipe(own_stack)
    with psycopg.connect(own_stack.db_url, autocommit=True) as database:
        database.execute("update public.traders set status = 'paused'")
    one = Site(own_stack, tmp_path)
    yield one
    await one.close()


async def test_a_signal_of_one_machine_becomes_ready_on_another(site: Site) -> None:
    scene = Scene(site.stack, conditions=["volume > 1000"])
    scene.open_days(site.minute - timedelta(days=1), site.minute + timedelta(days=1))
    signals = await site.open("signals")
    analyst = await site.open("analysis", "monitoring")
    await until(lambda: all(one._realtime is not None and one._realtime.lives for one in site.machines))
    last = site.history[-1]
    loud = Candle(
        last.symbol, "1m", last.open_ms, last.close_ms, last.open, last.high, last.low, last.close, 5000.0
    )
    site.show(loud)
    await until(lambda: site.status() == ["monitoring"])
    assert signals.status.count("signals", "inserted") == 1
    price = round(last.close * 1.0003, 4)
    site.show(
        Candle(
            "BTCUSDT", "1m", loud.close_ms, loud.close_ms + 60_000, last.close, price, last.close, price, 1.0
        )
    )
    await until(lambda: site.status() == ["ready"])
    assert analyst.status.errors == []


async def test_a_trader_made_while_machines_run_fires_at_the_next_candles(site: Site) -> None:
    signals = await site.open("signals")
    await until(lambda: signals._realtime is not None and signals._realtime.lives)
    assert signals.status.count("signals", "traders") == 0
    scene = Scene(site.stack, conditions=["volume > 1000"])
    scene.open_days(site.minute - timedelta(days=1), site.minute + timedelta(days=1))
    await until(lambda: signals.status.count("signals", "traders") == 1)


async def test_leases_and_machines_are_told_when_they_stop(site: Site) -> None:
    machine = await site.open("analysis", "monitoring")
    await site.close()
    with psycopg.connect(site.stack.db_url) as database:
        query = "select roles, status from public.cloud_machines where machine_id = %s"
        rows = database.execute(query, [machine.status.machine_id]).fetchall()
    assert rows == [(["analysis", "monitoring"], "stopped")]
