"""A machine registers before it works, tells that it lives, and releases everything when told to stop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from datetime import datetime
from typing import Any

import pytest

from shared.candles import Candle, Gate
from shared.clock import Clock, MarketClock, WallClock
from shared.errors import NotSent, Refused
from shared.identity import from_ms
from shared.market import Market
from shared.models import MarketKind
from shared.realtime import Arrival
from shared.wakes import Wakes
from tests.charts import START_MS, draw
from tests.machine.roles import FakeRole
from tests.waiting import until
from workers.life import Companion, Machine
from workers.signals.feeds.feed import FeedKind
from workers.status import Status


class Line:
    """A database that notes calls."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.away = 0

    def names(self) -> list[str]:
        return [name for name, _ in self.calls]

    async def __call__(self, name: str, params: Mapping[str, Any], /) -> Any:
        if self.away:
            self.away -= 1
            raise NotSent("the database is away")
        self.calls.append((name, dict(params)))
        return None


class Reel:
    """A feed of drawn candles that waits at the end until it is closed, unless it is `finite`."""

    kind: FeedKind = "simulated"
    description = "drawn candles"
    market: MarketKind = "usdm"
    symbols = ("BTCUSDT",)

    def __init__(self, count: int, *, finite: bool = False, fault: Exception | None = None) -> None:
        self.gate = Gate()
        self.closed = asyncio.Event()
        self._count = count
        self._finite = finite
        self._fault = fault

    async def open(self) -> list[Candle]:
        return []

    async def batches(self) -> AsyncIterator[list[Candle]]:
        for candle in draw(self._count):
            yield [candle]
        if self._fault is not None:
            raise self._fault
        if not self._finite:
            await self.closed.wait()

    async def close(self) -> None:
        self.closed.set()


class Plant:
    """A machine of two roles, with all its parts at hand."""

    def __init__(self, clock: Clock, feed: Reel, *companions: Companion) -> None:
        self.line, self.feed, self.wakes, self.market = Line(), feed, Wakes(), Market()
        self.log: list[tuple[str, str, datetime]] = []
        self.closed: list[str] = []
        self.signals = FakeRole("signals", clock, self.wakes, self.log, "analysis")
        self.analysis = FakeRole("analysis", clock, self.wakes, self.log)
        self.market.subscribe(lambda candle: self.wakes.wake("signals"))
        self.status = Status("sig-00000001", isinstance(clock, MarketClock))
        self.machine = Machine(
            self.status,
            [self.signals, self.analysis],
            feed,
            clock,
            self.market,
            self.wakes,
            self.line,
            companions=companions,
            closers=[self._close],
        )

    async def _close(self) -> None:
        self.closed.append("connection")

    def told(self) -> list[str]:
        return [params["status"] for name, params in self.line.calls if name == "machine_heartbeat"]


def replaying(count: int = 4) -> Plant:
    return Plant(MarketClock(from_ms(START_MS)), Reel(count, finite=True))


async def test_a_replay_runs_to_its_end_and_releases_everything() -> None:
    plant = replaying()
    status = await plant.machine.run()
    assert plant.line.names()[0] == "register_machine"
    assert plant.line.calls[0][1]["roles"] == ["signals", "analysis"]
    assert (status.candles, status.done["signals"], status.state) == (4, 4, "stopped")
    assert [entry[:2] for entry in plant.log[-2:]] == [("signals", "stop"), ("analysis", "stop")]
    assert plant.told()[-1] == "stopped"
    assert plant.feed.closed.is_set()
    assert plant.closed == ["connection"]


async def test_a_live_machine_works_until_it_is_told_to_stop() -> None:
    plant = Plant(WallClock(), Reel(3, finite=False))
    running = asyncio.create_task(plant.machine.run())
    await until(lambda: plant.status.candles == 3)
    await until(lambda: plant.analysis.counts["steps"] > 0)
    assert plant.status.state == "running"
    plant.machine.stop()
    await running
    assert plant.told()[0] == "running"
    assert plant.told()[-1] == "stopped"


class Clumsy:
    """A companion that fails twice before it works."""

    name = "clumsy"

    def __init__(self) -> None:
        self.runs = 0

    async def run(self) -> None:
        self.runs += 1
        if self.runs < 3:
            raise AttributeError("what nobody thought of")
        await asyncio.Event().wait()

    async def close(self) -> None:
        """Nothing is held."""


async def test_a_companion_that_fails_stops_nobody_and_begins_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workers.life.COMPANION_PAUSE", 0)
    clumsy = Clumsy()
    plant = Plant(WallClock(), Reel(3, finite=False), clumsy)
    running = asyncio.create_task(plant.machine.run())
    await until(lambda: clumsy.runs == 3)
    assert (plant.status.state, plant.status.error_count) == ("running", 2)
    plant.machine.stop()
    await running


async def test_a_start_waits_for_the_database() -> None:
    plant = replaying(1)
    plant.line.away = 1
    status = await plant.machine.run()
    assert status.waits["machine"] == 1
    assert status.candles == 1


async def test_told_to_stop_while_it_waits_for_the_database_it_just_ends() -> None:
    plant = replaying(1)
    plant.line.away = 10_000
    running = asyncio.create_task(plant.machine.run())
    await until(lambda: plant.status.waits["machine"] > 0)
    plant.machine.stop()
    await running
    assert plant.log == []
    assert plant.closed == ["connection"]


async def test_a_defect_in_a_role_rises_after_everything_was_released() -> None:
    plant = replaying()
    plant.analysis.faults = [ZeroDivisionError("a defect")]
    with pytest.raises(ZeroDivisionError):
        await plant.machine.run()
    assert plant.status.errors == ["machine: a defect"]
    assert [entry[:2] for entry in plant.log[-2:]] == [("signals", "stop"), ("analysis", "stop")]
    assert plant.closed == ["connection"]


async def test_a_feed_that_breaks_stops_a_live_machine_and_is_shown() -> None:
    plant = Plant(WallClock(), Reel(1, finite=False, fault=Refused("the venue closed the stream")))
    await plant.machine.run()
    assert plant.status.errors == ["feed: the venue closed the stream"]
    assert plant.status.state == "stopped"


async def test_a_replay_that_waits_for_its_next_candle_ends_at_once_when_told_to() -> None:
    plant = Plant(MarketClock(from_ms(START_MS)), Reel(2))
    running = asyncio.create_task(plant.machine.run())
    await until(lambda: plant.status.candles == 2)
    plant.machine.stop()
    await running
    assert plant.status.state == "stopped"


async def test_in_a_replay_no_message_decides_when_a_role_works() -> None:
    plant = replaying()
    plant.machine._hear(Arrival("machines", "work", {"stage": "analysis", "count": 2}, 0.0))
    assert not plant.wakes.take("analysis")
    plant.machine._hear(Arrival("machines", "traders", {"count": 1}, 0.0))
    assert plant.wakes.take("traders")


async def test_messages_become_wakes() -> None:
    plant = Plant(WallClock(), Reel(0))
    plant.machine._hear(Arrival("machines", "work", {"stage": "analysis", "count": 2}, 0.0))
    assert plant.wakes.take("analysis")
    assert not plant.wakes.take("traders")
    plant.machine._hear(Arrival("machines", "traders", {"count": 1}, 0.0))
    assert plant.wakes.take("traders")
    plant.machine._hear(Arrival("machines", "something else", {}, 0.0))
    assert not plant.wakes.take("signals")
