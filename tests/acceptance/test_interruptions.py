"""A machine that is killed, and a database that goes away: the record becomes what it would have been."""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path
from typing import Any

from tests.acceptance.conftest import SYMBOLS, Undisturbed
from tests.acceptance.journey import Run, add_trader, ask, read_record, running
from tests.outages import absent
from tests.stacks import Stack
from tests.waiting import until

OUTAGE_SECONDS = 30


def count(stack: Stack, query: str) -> int:
    ((number,),) = ask(stack, query)
    return int(number)


def reached(stack: Stack, run: Run, query: str, most: int) -> bool:
    """Whether a run came so far; it must not be over yet."""
    assert_running(run)
    return count(stack, query) > most


def assert_running(run: Run) -> None:
    if not run.is_running:
        raise RuntimeError(f"the run ended too early: {run.end()}")


def assert_same(found: Any, expected: Any, *names: str) -> None:
    for name in names:
        assert found[name] == expected[name], name


TRADED = ("signals", "orders", "positions", "fills")
# What the trail tells of an analysis that was begun and given back.
GIVEN_BACK = {"analysis_started", "status_changed", "lease_expired"}


async def test_a_machine_killed_again_and_again_comes_to_the_same_record(
    undisturbed: Undisturbed, project: Stack, busy_candles: Path, tmp_path: Path
) -> None:
    add_trader(project, "busy", SYMBOLS)
    moments = (
        ("select count(*) from public.signals", 4),
        ("select count(*) from public.positions where status <> 'closed'", 0),
        ("select count(*) from public.positions where status = 'closed'", 2),
    )
    words = ("--candles", str(busy_candles))
    for query, most in moments:
        with running(project, tmp_path, *words) as run:
            await until(partial(reached, project, run, query, most), timeout=60)
            run.kill()
    with running(project, tmp_path, *words) as run:
        summary, _ = run.end()
    assert summary["errors"] == []
    assert summary["positions_unprotected"] == summary["orders_unresolved"] == 0
    assert summary["inserted"] + summary["duplicates"] == undisturbed.summary["signals"]
    found, expected = read_record(project), undisturbed.record
    assert_same(found, expected, *TRADED)
    told, foretold = ([(row[0], row[2]) for row in record["events"]] for record in (found, expected))
    for event in foretold:
        told.remove(event)
    assert {kind for _, kind in told} <= GIVEN_BACK


async def test_thirty_seconds_without_the_database_in_the_middle_of_a_run_change_nothing(
    undisturbed: Undisturbed, fragile_stack: Stack, busy_candles: Path, tmp_path: Path
) -> None:
    add_trader(fragile_stack, "busy", SYMBOLS)
    held = "select count(*) from public.positions where status <> 'closed'"
    with running(fragile_stack, tmp_path, "--candles", str(busy_candles)) as run:
        await until(partial(reached, fragile_stack, run, held, 0), timeout=60)
        with absent(fragile_stack, "postgres"):
            began = time.monotonic()
            await until(lambda: time.monotonic() - began > OUTAGE_SECONDS, timeout=OUTAGE_SECONDS + 30)
            assert_running(run)
        summary, errors = run.end()
    assert summary["errors"] == []
    assert "Traceback" not in errors
    assert summary["candles"] == undisturbed.summary["candles"]
    assert summary["positions_unprotected"] == summary["orders_unresolved"] == 0
    assert summary["realized_pnl"] == undisturbed.summary["realized_pnl"]
    assert_same(read_record(fragile_stack), undisturbed.record, *TRADED, "snapshots", "events")
