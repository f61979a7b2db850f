"""Live, a role steps when it is woken or polled, and one failing role harms no other."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime

import pytest

from shared.clock import WallClock
from shared.errors import NotAllowed, NotSent, Refused
from shared.wakes import Wakes
from tests.machine.roles import FakeRole
from tests.waiting import until
from workers.live import live
from workers.status import Status
from workers.stepping import Stepping


class Loop:
    """Two roles in a live loop, where the first wakes the second."""

    def __init__(self) -> None:
        self.wakes = Wakes()
        self.stopping = asyncio.Event()
        self.status = Status("sig-00000001", replay=False)
        self.log: list[tuple[str, str, datetime]] = []
        self.signals = FakeRole("signals", WallClock(), self.wakes, self.log, "trading")
        self.trading = FakeRole("trading", WallClock(), self.wakes, self.log)

    @asynccontextmanager
    async def running(self, poll_seconds: float = 60.0) -> AsyncIterator[asyncio.Task[None]]:
        stepping = Stepping(self.status, self.stopping, first_pause=0.01)
        roles = [self.signals, self.trading]
        task = asyncio.create_task(
            live(roles, self.wakes, stepping, self.stopping, poll_seconds=poll_seconds)
        )
        try:
            yield task
        finally:
            self.stopping.set()
            await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
def loop() -> Loop:
    return Loop()


async def test_a_wake_goes_from_role_to_role(loop: Loop) -> None:
    async with loop.running():
        loop.wakes.wake("signals")
        await until(lambda: loop.trading.counts["steps"] == 1)
    assert loop.status.done == {"signals": 1, "trading": 1}


async def test_without_wakes_the_slow_poll_finds_the_work(loop: Loop) -> None:
    async with loop.running(poll_seconds=0.02):
        await until(lambda: loop.trading.counts["steps"] > 2)


async def test_a_role_waits_for_the_database_while_the_other_goes_on(loop: Loop) -> None:
    loop.signals.faults = [NotSent("away")] * 2
    async with loop.running():
        loop.wakes.wake("signals")
        await until(lambda: loop.status.waits["signals"] >= 1)
        loop.wakes.wake("trading")
        await until(lambda: loop.trading.counts["steps"] >= 1)
        await until(lambda: loop.signals.counts["steps"] == 1)
    assert loop.status.error_count == 0


async def test_a_failed_step_is_shown_and_taken_again(loop: Loop) -> None:
    loop.signals.faults = [Refused("a rule said no")]
    async with loop.running():
        loop.wakes.wake("signals")
        await until(lambda: loop.signals.counts["steps"] == 1)
    assert loop.status.errors == ["signals: a rule said no"]


@pytest.mark.parametrize("fault", [NotAllowed("the token is not valid"), KeyError("a defect")])
async def test_what_no_waiting_heals_stops_every_role_and_is_raised(loop: Loop, fault: Exception) -> None:
    loop.signals.faults = [fault]
    async with loop.running() as task:
        loop.wakes.wake("signals")
        with pytest.raises(type(fault)):
            await task
    assert loop.stopping.is_set()


async def test_stopping_ends_roles_that_wait_for_a_wake(loop: Loop) -> None:
    async with loop.running() as task:
        loop.stopping.set()
        await until(task.done)
    assert task.exception() is None
