"""A whole machine on a real project: the same candles give the same record, whatever happens meanwhile."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from functools import partial
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import structlog

from scripts.local_supabase.processes import Process
from shared.log import setup
from tests.machine.recording import MINUTES, SYMBOLS, Recording
from tests.machine.scenes import wipe
from tests.stacks import Stack
from tests.waiting import until
from workers.life import Machine


@pytest.fixture(scope="module")
def recording(own_stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Recording:
    return Recording(own_stack, tmp_path_factory.mktemp("recording"))


@pytest.fixture(scope="module")
async def first(recording: Recording) -> dict[str, Any]:
    """What an undisturbed run on an empty record leaves."""
    wipe(recording.stack)
    machine = await recording.machine("first", watch=[str(recording.scene.user_id)])
    told = StringIO()
    setup(json=True, stream=told)
    try:
        status = await machine.run()
    finally:
        structlog.reset_defaults()
    log = [json.loads(line) for line in told.getvalue().splitlines()]
    return {"record": recording.record(), "status": status, "outcomes": recording.outcomes(), "log": log}


async def test_candles_become_signals_orders_and_closed_positions(
    recording: Recording, first: dict[str, Any]
) -> None:
    status, outcomes = first["status"], first["outcomes"]
    assert status.errors == []
    assert status.candles == MINUTES * len(SYMBOLS)
    assert status.count("signals", "inserted") == sum(outcomes.values()) > 20
    assert status.count("signals", "rejected") == 0
    assert {"stop_loss", "take_profit"} & outcomes.keys()
    assert status.latency.count > 0
    assert recording.ask("select count(*) from public.orders where status = 'unresolved'") == [(0,)]
    fees = recording.ask("select min(fees) > 0 from public.positions where status = 'closed'")
    assert fees == [(True,)]


async def test_the_log_has_the_whole_way_of_a_signal_from_its_candle_to_its_last_fill(
    recording: Recording, first: dict[str, Any]
) -> None:
    won = "select s.id::text, s.symbol, s.interval, (extract(epoch from s.triggered_at) * 1000)::bigint"
    closed = recording.ask(f"{won} from public.signals s where s.status = 'closed' order by s.id")
    assert len(closed) > 5
    for number, symbol, interval, fired_ms in closed:
        lines = [
            line
            for line in first["log"]
            if line.get("signal_id") == number or number in line.get("signal_ids", ())
        ]
        events = [line["event"] for line in lines]
        assert lines[0]["candle"] == f"{symbol}|{interval}|{fired_ms}"
        assert events[:3] == ["signals_fired", "signals_stored", "signal_judged"]
        assert events[3] == "signal_watched"
        assert {line.get("action") for line in lines if line["event"] == "signal_watched"} == {"ready"}
        trading = events[4:]
        assert trading[0] == "order_intended"
        assert trading[-1] == "position_closed"
        # Once for each fill in the record.
        fills = recording.ask(f"select count(*) from public.trade_executions where signal_id = '{number}'")
        assert trading.count("order_filled") == fills[0][0] >= 2
        assert all(line["timestamp"] and line["level"] == "info" for line in lines)
    by_candle = [line for line in first["log"] if line["event"] == "signals_fired"]
    assert sum(line["count"] for line in by_candle) == first["status"].count("signals", "fired")


async def test_the_events_of_every_signal_replay_to_its_status(
    recording: Recording, first: dict[str, Any]
) -> None:
    wrong = recording.ask(
        "select s.id, s.status, e.to_status from public.signals s join lateral ("
        "  select e.to_status from public.signal_events e"
        "  where e.signal_id = s.id and e.to_status is not null order by e.number desc limit 1"
        ") e on true where e.to_status <> s.status"
    )
    broken = recording.ask(
        "select e.signal_id from public.signal_events e join lateral ("
        "  select b.to_status from public.signal_events b where b.signal_id = e.signal_id"
        "  and b.to_status is not null and b.number < e.number order by b.number desc limit 1"
        ") b on true where e.to_status is not null and e.from_status is distinct from b.to_status"
    )
    assert (wrong, broken) == ([], [])


async def test_no_signal_is_used_before_it_was_ready_and_nothing_fills_on_its_candle(
    recording: Recording, first: dict[str, Any]
) -> None:
    early = recording.ask(
        "select s.id from public.signals s"
        " join public.signal_positions l on l.signal_id = s.id"
        " join public.trade_executions t on t.position_id = l.position_id"
        " where t.executed_at <= s.triggered_at or t.executed_at < s.ready_at"
    )
    assert early == []


async def test_the_machine_told_the_project_how_it_was(recording: Recording, first: dict[str, Any]) -> None:
    machine_id = first["status"].machine_id
    rows = recording.ask(f"select roles, status from public.cloud_machines where machine_id = '{machine_id}'")
    assert rows == [(["signals", "analysis", "monitoring", "trading"], "stopped")]
    assert recording.ask("select count(*) from public.signal_queue where leased_until is not null") == [(0,)]


async def test_the_same_candles_on_an_empty_record_give_the_same_to_the_last_digit(
    recording: Recording, first: dict[str, Any]
) -> None:
    wipe(recording.stack)
    await (await recording.machine("second")).run()
    assert recording.record() == first["record"]


async def test_a_database_killed_in_the_middle_changes_nothing(
    recording: Recording, first: dict[str, Any]
) -> None:
    wipe(recording.stack)
    machine = await recording.machine("disturbed")
    running = asyncio.create_task(machine.run())
    for candles, part in ((150, "postgres"), (400, "api"), (650, "postgres")):
        await until(partial(has_seen, machine, candles), timeout=120)
        kill(recording.stack, part)
    status = await running
    assert status.errors == []
    assert sum(status.waits.values()) > 0
    assert recording.record() == first["record"]


def has_seen(machine: Machine, candles: int) -> bool:
    return machine.status.candles > candles


def kill(stack: Stack, part: str) -> None:
    """End a part of the stack as a power cut would; its supervisor starts it again."""
    process = Process.read(stack.settings.pids / f"{part}.json")
    assert process is not None
    os.kill(process.pid, signal.SIGKILL)


async def test_a_second_run_over_the_same_candles_inserts_nothing_twice(
    recording: Recording, first: dict[str, Any], tmp_path: Path
) -> None:
    before = recording.record()[0]
    machine = await recording.machine("again", paper=recording.folder / "disturbed" / "paper")
    status = await machine.run()
    assert status.errors == []
    assert status.count("signals", "inserted") == 0
    assert status.count("signals", "duplicates") == before
    assert recording.record()[0] == before
