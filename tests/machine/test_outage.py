"""The real Realtime server is killed, and stopped in its tracks: no signal is lost, the wakes come back."""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from scripts.local_supabase.processes import Process
from shared.client import Connection
from shared.realtime import Arrival, Realtime, Timing
from shared.work import claim
from tests.machine.scenes import Scene, machine_connection
from tests.stacks import Stack
from tests.waiting import until

IMPATIENT = Timing(pulse=0.3, reply=1.0, join=2, first_pause=0.1, longest_pause=0.5, farewell=0.3)


class Analyst:
    """What a machine does with wakes, reduced to claiming: it notes each signal that it was given."""

    def __init__(self, stack: Stack, connection: Connection) -> None:
        self.claimed: list[UUID] = []
        self.wakes: list[Arrival] = []
        self.reads = 0
        self._connection = connection
        self.realtime = Realtime(stack.url, stack.publishable_key, connection.token, timing=IMPATIENT)
        self.realtime.subscribe("machines", self.wakes.append, self.read)

    async def read(self) -> None:
        soon = datetime.now(UTC) + timedelta(minutes=1)
        for work in await claim(self._connection.call, "analysis", soon, most=500, lease_seconds=600):
            self.claimed.append(work.signal_id)
        self.reads += 1


@pytest.fixture
async def analyst(own_stack: Stack) -> AsyncIterator[Analyst]:
    async with machine_connection(own_stack, "analyst") as connection:
        one = Analyst(own_stack, connection)
        await one.realtime.start()
        await until(lambda: one.reads >= 1)
        yield one
        await one.realtime.stop()


@pytest.fixture
async def worker(own_stack: Stack) -> AsyncIterator[Connection]:
    async with machine_connection(own_stack, "signal_worker") as connection:
        yield connection


def realtime_process(stack: Stack) -> Process:
    process = Process.read(stack.settings.pids / "realtime.json")
    assert process is not None
    return process


def minutes_ago(minutes: int) -> datetime:
    return datetime.now(UTC).replace(second=0, microsecond=0) - timedelta(minutes=minutes)


async def hear_a_wake(scene: Scene, worker: Connection, analyst: Analyst) -> None:
    """Fire until a wake arrives: the stream may be live a moment after the subscription."""
    heard = len(analyst.wakes)
    minutes = iter(range(30, 3000))

    async def fired_and_heard() -> bool:
        await scene.fire(worker, minutes_ago(next(minutes)), "ETHUSDT")
        return len(analyst.wakes) > heard

    await until(fired_and_heard, every=0.2)
    assert {(wake.event, wake.payload["stage"]) for wake in analyst.wakes[heard:]} >= {("work", "analysis")}


async def test_a_killed_server_costs_a_catch_up_and_no_signal(
    own_stack: Stack, worker: Connection, analyst: Analyst
) -> None:
    scene = Scene(own_stack)
    scene.open_days(minutes_ago(3 * 1440), minutes_ago(0))
    lives = analyst.realtime.lives
    os.kill(realtime_process(own_stack).pid, signal.SIGKILL)
    fired = await scene.fire(worker, minutes_ago(5))
    await until(lambda: analyst.realtime.lives > lives)
    await until(lambda: fired in analyst.claimed)
    await hear_a_wake(scene, worker, analyst)


async def test_a_server_that_stops_answering_is_left_and_found_again(
    own_stack: Stack, worker: Connection, analyst: Analyst
) -> None:
    scene = Scene(own_stack)
    scene.open_days(minutes_ago(3 * 1440), minutes_ago(0))
    process = realtime_process(own_stack)
    os.kill(process.pid, signal.SIGSTOP)
    try:
        await until(lambda: analyst.realtime.failures >= 2, timeout=60)
        assert not analyst.realtime.subscribed.is_set()
        fired = await scene.fire(worker, minutes_ago(7))
        assert fired not in analyst.claimed
    finally:
        os.kill(process.pid, signal.SIGCONT)
    await until(lambda: fired in analyst.claimed, timeout=60)
    await hear_a_wake(scene, worker, analyst)
