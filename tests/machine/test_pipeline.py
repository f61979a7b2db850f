"""Analysis and monitoring against the real database: every arrow once, whoever is restarted in between."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import psycopg
import pytest

from shared.identity import floor_ms
from shared.wakes import Wakes
from shared.work import claim
from tests.charts import draw
from tests.machine.floor import NOON, Floor
from tests.machine.scenes import machine_connection, wipe
from tests.stacks import Stack
from workers.analysis.role import AnalysisRole
from workers.analysis.rules import RuleBasedAnalyst


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
