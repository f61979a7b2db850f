"""The dashboards in supabase/snippets say of a run what plain counting says of it."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row

from tests.acceptance.conftest import Undisturbed
from tests.stacks import Stack

SNIPPETS = Path(__file__).resolve().parents[2] / "supabase" / "snippets"
NAMES = sorted(path.stem for path in SNIPPETS.glob("*.sql"))

Row = dict[str, Any]


def show(stack: Stack, name: str) -> list[Row]:
    """What a dashboard shows in the SQL editor: as postgres, one statement."""
    with psycopg.connect(stack.db_url, row_factory=dict_row) as connection:
        return connection.execute((SNIPPETS / f"{name}.sql").read_bytes()).fetchall()


@pytest.mark.parametrize("name", NAMES)
def test_every_dashboard_has_something_to_show(
    name: str, undisturbed: Undisturbed, busy_stack: Stack
) -> None:
    assert show(busy_stack, name)


def test_the_sources_hold_every_signal(undisturbed: Undisturbed, busy_stack: Stack) -> None:
    (cloud,) = show(busy_stack, "signals_by_source_and_machine")
    assert (cloud["source"], cloud["signals"]) == ("cloud", undisturbed.summary["signals"])
    assert cloud["realized_pnl"] == Decimal(undisturbed.summary["realized_pnl"])


def test_the_funnel_narrows_to_what_was_closed(undisturbed: Undisturbed, busy_stack: Stack) -> None:
    steps = {one["status"]: one for one in show(busy_stack, "funnel_by_status_and_outcome")}
    assert steps["new"]["reached"] == undisturbed.summary["signals"]
    assert steps["closed"]["reached"] == undisturbed.summary["positions_closed"]
    assert list(steps) == ["new", "analyzing", "monitoring", "ready", "in_position", "closed"]
    for before, after in (("monitoring", "ready"), ("ready", "in_position")):
        # Whoever was there went on, ended there, or is there still.
        assert steps[before]["reached"] - steps[before]["ended_here"] >= steps[after]["reached"]
    ends = undisturbed.summary["signals_by_outcome"]
    shown: dict[str, int] = {}
    for step in steps.values():
        for code, count in (step["outcomes"] or {}).items():
            shown[code] = shown.get(code, 0) + count
    assert shown == ends


def test_what_was_not_traded_has_its_reasons(undisturbed: Undisturbed, busy_stack: Stack) -> None:
    reasons = {one["code"]: one["signals"] for one in show(busy_stack, "why_signals_were_not_traded")}
    traded = {"take_profit", "stop_loss", "trailing_stop", "time_exit"}
    ends = undisturbed.summary["signals_by_outcome"]
    assert reasons == {code: count for code, count in ends.items() if code not in traded}


@pytest.mark.parametrize("name", ["profit_by_trader", "profit_by_symbol", "profit_by_source"])
def test_profit_adds_up_however_it_is_split(name: str, undisturbed: Undisturbed, busy_stack: Stack) -> None:
    rows = show(busy_stack, name)
    assert sum(one["trades"] for one in rows) == undisturbed.summary["positions_closed"]
    assert sum(one["realized_pnl"] for one in rows) == Decimal(undisturbed.summary["realized_pnl"])


def test_every_entry_has_its_slippage(undisturbed: Undisturbed, busy_stack: Stack) -> None:
    rows = show(busy_stack, "slippage_and_fill_rate")
    entered = undisturbed.summary["positions_closed"] + undisturbed.summary["positions_open"]
    assert sum(one["filled_whole"] for one in rows) == entered
    assert all(0 < one["fill_percent"] <= 100 for one in rows)


def test_quota_use_counts_every_signal(undisturbed: Undisturbed, busy_stack: Stack) -> None:
    assert sum(one["signals"] for one in show(busy_stack, "quota_use")) == undisturbed.summary["signals"]


def test_the_days_of_a_run_are_well(undisturbed: Undisturbed, busy_stack: Stack) -> None:
    days = show(busy_stack, "partition_health")
    assert {one["state"] for one in days} == {"well"}
    assert {one["tier"] for one in days} == {"hot"}


def test_jobs_are_all_there(undisturbed: Undisturbed, busy_stack: Stack) -> None:
    jobs = {one["job"]: one for one in show(busy_stack, "job_health")}
    assert {"rollup", "partitions", "leases", "prune", "analytics"} <= set(jobs)
    assert all(one["failures"] == 0 for one in jobs.values())
