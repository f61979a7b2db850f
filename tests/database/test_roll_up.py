"""The roll-up counts each event once, in the period its signal fired in, and stands in nobody's way."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

from tests.database.days import move, noon_of, open_day
from tests.database.stage import Stage, ingest, one, row, together


def totals(stage: Stage, user: UUID, period: str) -> list[tuple[datetime, int]]:
    return stage.operator.execute(
        "select period_start, total_signals from public.signal_metrics_summary"
        " where user_id = %s and period_type = %s order by 1",
        (user, period),
    ).fetchall()


def roll_up(stage: Stage) -> dict[str, Any]:
    did = one(stage.operator, "select private.roll_up()")
    assert isinstance(did, dict)
    return did


def test_what_commits_late_goes_to_the_minute_it_fired_in(stage: Stage) -> None:
    day, user = date(2018, 3, 25), stage.user()
    trader = stage.trader(user)
    open_day(stage, day)
    slow = stage.connect(autocommit=False)
    slow.execute("set timezone = 'Europe/Berlin'")
    ingest(slow, [row(trader, "SLOW", noon_of(day))])
    for minute in range(3):
        ingest(stage.operator, [row(trader, f"Q{minute}", noon_of(day) + timedelta(minutes=minute))])
    roll_up(stage)
    assert totals(stage, user, "minute") == []
    slow.commit()
    roll_up(stage)
    roll_up(stage)
    assert [total for _, total in totals(stage, user, "minute")] == [2, 1, 1]
    assert totals(stage, user, "hour") == [(noon_of(day), 4)]
    assert totals(stage, user, "day") == [(datetime(2018, 3, 25, tzinfo=UTC), 4)]


def test_a_day_knows_its_last_write_and_is_hot_again(stage: Stage) -> None:
    day, trader = date(2018, 3, 26), stage.trader(stage.user())
    open_day(stage, day)
    book = "update private.partition_days set opened_at = now() - interval '30 days' where day = %s"
    stage.operator.execute(book, (day,))
    tier = "select private.day_tier(%s)"
    assert one(stage.operator, tier, day) == "cold"
    ingest(stage.operator, [row(trader, at=noon_of(day))])
    roll_up(stage)
    written = one(stage.operator, "select last_write_at from private.partition_days where day = %s", day)
    recorded = "select created_at from public.signals where trader_id = %s"
    assert written == one(stage.operator, recorded, trader)
    assert one(stage.operator, tier, day) == "hot"


def test_whoever_edits_a_trader_waits_for_nobody_and_loses_nothing(stage: Stage) -> None:
    day = date(2018, 3, 27)
    edited, other = stage.trader(stage.user()), stage.trader(stage.user())
    open_day(stage, day)
    ingest(stage.machine("signal_worker"), [row(edited, at=noon_of(day)), row(other, at=noon_of(day))])
    person = stage.connect(autocommit=False)
    person.execute("update public.traders set name = 'Mine' where id = %s", (edited,))
    stage.operator.execute("set lock_timeout = '5s'")
    generated = "select total_signals_generated from public.traders where id = %s"
    roll_up(stage)
    assert one(stage.operator, generated, other) == 1
    assert one(stage.operator, generated, edited) == 0
    person.commit()
    roll_up(stage)
    assert one(stage.operator, generated, edited) == 1


def test_many_roll_ups_at_once_count_once(stage: Stage) -> None:
    day, user = date(2018, 3, 28), stage.user()
    trader = stage.trader(user)
    open_day(stage, day)
    connections = [stage.connect() for _ in range(4)]
    for step in range(3):
        ingest(
            stage.operator,
            [row(trader, f"S{step}-{i}", noon_of(day) + timedelta(hours=step)) for i in range(20)],
        )
        together([partial(one, connection, "select private.roll_up()") for connection in connections])
    roll_up(stage)
    assert totals(stage, user, "day") == [(datetime(2018, 3, 28, tzinfo=UTC), 60)]
    assert (
        one(stage.operator, "select total_signals_generated from public.traders where id = %s", trader) == 60
    )


def test_a_summary_that_was_dropped_does_not_come_back_in_part(stage: Stage) -> None:
    day, user = date(2018, 3, 29), stage.user()
    open_day(stage, day)
    ingest(stage.operator, [row(stage.trader(user), at=noon_of(day))])
    roll_up(stage)
    stage.operator.execute(
        "update private.partition_days set opened_at = '2020-01-01',"
        " last_write_at = now() - interval '8 days' where day = %s",
        (day,),
    )
    one(stage.operator, "select private.run_job('prune')")
    assert totals(stage, user, "minute") == []
    signal = one(stage.operator, "select id from public.signals where user_id = %s", user)
    move(stage, signal, "analyzing", "rejected", outcome="low_confidence")
    roll_up(stage)
    assert totals(stage, user, "minute") == []
    rejected = "select sum(rejected_signals) from public.signal_metrics_summary where user_id = %s"
    assert one(stage.operator, rejected + " and period_type = 'hour'", user) == 1
    assert one(stage.operator, rejected + " and period_type = 'day'", user) == 1


def test_one_run_counts_a_backlog_of_many_small_writes(stage: Stage) -> None:
    day, user = date(2018, 3, 31), stage.user()
    trader = stage.trader(user)
    open_day(stage, day)
    roll_up(stage)
    # As after big batches: the next step would read few transactions.
    stage.operator.execute("update private.rollups set step_tx = 20 where name = 'events'")
    others = "do $$ begin for i in 1..300 loop perform pg_current_xact_id(); commit; end loop; end; $$"
    for second in range(20):
        ingest(stage.operator, [row(trader, f"S{second}", noon_of(day) + timedelta(seconds=second))])
        stage.operator.execute(others)
    report = one(stage.operator, "select private.run_job('rollup')")
    assert report["ok"], report
    assert report["steps"] > 1
    assert sum(total for _, total in totals(stage, user, "minute")) == 20
    generated = "select total_signals_generated from public.traders where id = %s"
    assert one(stage.operator, generated, trader) == 20


def test_counting_what_is_not_settled_leaves_the_size_of_a_step(stage: Stage) -> None:
    size = "select step_tx from private.rollups where name = 'events'"
    roll_up(stage)
    before = one(stage.operator, size)
    for _ in range(3):
        roll_up(stage)
    assert one(stage.operator, size) >= min(before, 1000)
