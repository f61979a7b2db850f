"""Analysis and monitoring against the real database: every arrow once, whoever is restarted in between."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest

from shared.clock import MarketClock
from shared.identity import floor_ms
from shared.market import Market
from shared.wakes import Wakes
from shared.work import claim
from tests.charts import draw, follow
from tests.machine.scenes import Scene, machine_connection, wipe
from tests.stacks import Stack
from workers.analysis.readings import WINDOW
from workers.analysis.role import AnalysisRole
from workers.analysis.rules import RuleBasedAnalyst
from workers.monitoring.role import MonitoringRole

# The market's time of these tests: a whole hour of yesterday, which has its partitions anyway.
NOON = datetime.now(UTC).replace(hour=12, minute=0, second=0, microsecond=0) - timedelta(days=1)


class Floor:
    """One symbol's market at NOON, with machines that analyse and monitor on it."""

    def __init__(self, stack: Stack, **trader: Any) -> None:
        self.stack = stack
        self.scene = Scene(stack, **trader)
        self.scene.open_days(NOON, NOON + timedelta(days=1))
        start = floor_ms(NOON) - WINDOW * 60_000
        self.history = draw(WINDOW, start_ms=start, noise=0.0005, drift=0.0003, seed=4)
        self.clock = MarketClock(NOON)
        self.market = Market()
        for candle in self.history:
            self.market.publish(candle)
        self.machines = AsyncExitStack()

    async def analyst(self) -> AnalysisRole:
        """An analysis role on a machine of its own."""
        connection = await self.machines.enter_async_context(machine_connection(self.stack, "analyst"))
        role = AnalysisRole(connection.call, self.clock, self.market, Wakes(), RuleBasedAnalyst())
        await role.start()
        return role

    async def monitor(self) -> MonitoringRole:
        """A monitoring role on a machine of its own."""
        connection = await self.machines.enter_async_context(machine_connection(self.stack, "analyst"))
        role = MonitoringRole(connection.call, self.clock, self.market, Wakes())
        await role.start()
        return role

    async def fire(self, count: int = 1) -> list[UUID]:
        """Record signals of the last minutes, the newest at NOON."""
        async with machine_connection(self.stack, "signal_worker") as worker:
            return [await self.scene.fire(worker, NOON - timedelta(minutes=n)) for n in range(count)]

    async def close(self, role: MonitoringRole, *moves: float) -> None:
        """Candles whose closes move by these shares of the price, each looked at by `role`."""
        for move in moves:
            last = self.history[-1]
            price = round(last.close * (1 + move), 4)
            high, low = max(price, last.close), min(price, last.close)
            candle = follow(last, [(high, low, price)])[0]
            self.history.append(candle)
            self.clock.advance_ms(candle.close_ms)
            self.market.publish(candle)
            await role.step()

    def leases(self) -> dict[UUID, bool]:
        """Whether each queued signal of this user is leased."""
        with psycopg.connect(self.stack.db_url) as database:
            query = (
                "select q.signal_id, q.leased_until is not null from public.signal_queue q"
                " join public.signals s on s.id = q.signal_id where s.user_id = %s"
            )
            return dict(database.execute(query, [self.scene.user_id]).fetchall())


@pytest.fixture
async def floor(own_stack: Stack) -> AsyncIterator[Floor]:
    wipe(own_stack)  # claims take whatever waits, whoever made it
    one = Floor(own_stack)
    async with one.machines:
        yield one


async def test_a_signal_goes_from_new_to_ready_and_leaves_each_arrow_once(floor: Floor) -> None:
    fired = await floor.fire()
    await (await floor.analyst()).step()
    monitor = await floor.monitor()
    await monitor.step()
    await floor.close(monitor, 0.0001)
    assert floor.scene.signals() == [(fired[0], "ready", None)]
    ways = [(before, after) for _, before, after in floor.scene.events(fired[0]) if after is not None]
    assert ways == [
        (None, "new"),
        ("new", "analyzing"),
        ("analyzing", "monitoring"),
        ("monitoring", "ready"),
    ]
    assert floor.leases() == {fired[0]: False}


async def test_a_broken_setup_expires_with_its_reason(floor: Floor) -> None:
    fired = await floor.fire()
    await (await floor.analyst()).step()
    monitor = await floor.monitor()
    await monitor.step()
    await floor.close(monitor, -0.02)
    assert floor.scene.signals() == [(fired[0], "expired", "setup_invalidated")]
    assert floor.leases() == {}


async def test_a_snapshot_keeps_the_lease(floor: Floor) -> None:
    fired = await floor.fire()
    await (await floor.analyst()).step()
    monitor = await floor.monitor()
    await monitor.step()
    await floor.close(monitor, *[-0.0001] * 11)
    assert monitor.counts["snapshots"] == 11
    assert monitor.counts["refused"] == 0
    assert floor.leases() == {fired[0]: True}
    await floor.close(monitor, 0.0002, 0.0002, 0.0002, 0.0002, 0.0002, 0.0002, 0.0002)
    assert floor.scene.signals() == [(fired[0], "ready", None)]


async def test_another_machine_goes_on_where_a_stopped_one_left_off(floor: Floor) -> None:
    fired = await floor.fire()
    await (await floor.analyst()).step()
    first = await floor.monitor()
    await first.step()
    await floor.close(first, -0.0002, -0.0001)
    await first.stop()
    assert floor.leases() == {fired[0]: False}
    second = await floor.monitor()
    await second.step()
    assert second.watching == 1
    await floor.close(second, 0.0004)
    assert floor.scene.signals() == [(fired[0], "ready", None)]


async def test_a_restarted_machine_takes_its_own_claims_up_at_once(floor: Floor) -> None:
    fired = await floor.fire(3)
    async with machine_connection(floor.stack, "analyst") as connection:
        lost = await claim(connection.call, "analysis", NOON, most=10, lease_seconds=600, after_fence=0)
        assert [one.signal_id for one in lost] == sorted(fired)
        nobody = await floor.analyst()
        await nobody.step()
        assert nobody.counts["claimed"] == 0
        role = AnalysisRole(connection.call, floor.clock, floor.market, Wakes(), RuleBasedAnalyst())
        await role.start()
        await role.step()
        assert role.counts["claimed"] == 3
        again = await claim(connection.call, "analysis", NOON, most=10, after_fence=0)
        assert again == []
    for signal in fired:
        kinds = [kind for kind, _, _ in floor.scene.events(signal)]
        assert kinds.count("analysis_started") == 1


async def test_a_snapshot_sent_twice_is_recorded_once(floor: Floor) -> None:
    fired = await floor.fire()
    await (await floor.analyst()).step()
    async with machine_connection(floor.stack, "analyst") as connection:
        (work,) = await claim(connection.call, "monitoring", NOON, most=10)
        item = {**work.reference(), "price": "100", "action": "continue", "hold": True}
        body = {"snapshots": [item], "at": NOON.isoformat()}
        for _ in range(2):
            answer = await connection.call("record_monitoring", body)
            assert answer["refused"] == []
    with psycopg.connect(floor.stack.db_url) as database:
        query = "select number from public.signal_monitoring_snapshots where signal_id = %s"
        assert database.execute(query, fired).fetchall() == [(1,)]


async def test_two_machines_never_judge_the_same_signal(floor: Floor) -> None:
    fired = await floor.fire(10)
    analysts = [await floor.analyst() for _ in range(3)]
    await asyncio.gather(*(one.step() for one in analysts))
    for one in analysts:
        await one.start()
        await one.step()
    assert {status for _, status, _ in floor.scene.signals()} <= {"monitoring", "rejected"}
    assert sum(one.counts["claimed"] for one in analysts) == 10
    for signal in fired:
        kinds = [kind for kind, _, _ in floor.scene.events(signal)]
        assert kinds.count("analysis_started") == 1
        assert kinds.count("analysis_completed") == 1


async def test_signals_over_the_traders_limit_are_rejected_by_the_database(own_stack: Stack) -> None:
    wipe(own_stack)
    floor = Floor(own_stack, ai_analysis_limit=2)
    async with floor.machines:
        await floor.fire(5)
        await (await floor.analyst()).step()
        outcomes = [code for _, _, code in floor.scene.signals()]
        assert outcomes.count("analysis_limit") == 3


async def test_without_history_the_trail_says_what_was_missing(floor: Floor) -> None:
    floor.market.publish(draw(1, symbol="ETHUSDT", start_ms=floor_ms(NOON) - 60_000)[0])
    async with machine_connection(floor.stack, "signal_worker") as worker:
        fired = await floor.scene.fire(worker, NOON, "ETHUSDT")
    await (await floor.analyst()).step()
    assert floor.scene.signals() == [(fired, "rejected", "analysis_failed")]
    with psycopg.connect(floor.stack.db_url) as database:
        query = (
            "select error_info ->> 'error' from public.signal_events"
            " where signal_id = %s and error_info is not null"
        )
        assert database.execute(query, [fired]).fetchall() == [
            ("not_enough_history: 1 of 120 candles of 1m",)
        ]
