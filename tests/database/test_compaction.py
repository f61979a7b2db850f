"""Compaction removes what the archive holds and nobody traded, and nothing else, come what may."""

from __future__ import annotations

from datetime import date

import psycopg
import pytest

from tests.database.days import (
    archive,
    compact,
    events_of,
    move,
    open_day,
    record,
    reject,
    signals_of,
    trade,
)
from tests.database.stage import Stage, ingest, one, row


def settle(stage: Stage, day: date) -> None:
    """The roll-up and the archive have both been there."""
    stage.operator.execute("select private.roll_up()")
    archive(stage, day)


def test_what_was_traded_stays_with_its_whole_story(stage: Stage) -> None:
    day, trader = date(2016, 1, 1), stage.trader(stage.user())
    open_day(stage, day)
    signals = record(stage, trader, day, 6)
    reject(stage, *signals[:3])
    trade(stage, signals[3])
    move(stage, signals[4], "analyzing")
    story = [event for event in events_of(stage.operator, day) if event[0] in signals[3:]]
    settle(stage, day)

    answer = compact(stage.operator, day)
    assert answer["state"] == "compacted"
    assert (answer["kept_signals"], answer["removed_signals"]) == (3, 3)
    assert (answer["kept_events"], answer["removed_events"]) == (len(story), 9)
    # The traded one, and those that are not over.
    assert signals_of(stage.operator, day) == signals[3:]
    assert events_of(stage.operator, day) == story
    book = (
        "select compacted_at is not null and warmed_at is not null from private.partition_days where day = %s"
    )
    assert one(stage.operator, book, day) is True
    # Nothing is left to do.
    assert compact(stage.operator, day)["removed_signals"] == 0


def test_the_archive_and_the_roll_up_go_first(stage: Stage) -> None:
    day, trader = date(2016, 1, 2), stage.trader(stage.user())
    open_day(stage, day)
    reject(stage, *record(stage, trader, day, 2))
    assert compact(stage.operator, day) == {"day": "2016-01-02", "state": "not_archived"}
    archive(stage, day)
    counting = stage.connect(autocommit=False)
    counting.execute("select from private.rollups for update")
    assert compact(stage.operator, day) == {"day": "2016-01-02", "state": "not_counted"}
    counting.rollback()
    assert compact(stage.operator, day)["state"] == "compacted"
    assert signals_of(stage.operator, day) == []
    stage.operator.execute("select private.roll_up()")
    counted = "select total_signals_generated from public.traders where id = %s"
    assert one(stage.operator, counted, trader) == 2
    summary = (
        "select sum(total_signals) from public.signal_metrics_summary s join public.traders t using (user_id)"
    )
    assert one(stage.operator, summary + " where t.id = %s and period_type = 'day'", trader) == 2


def test_what_is_not_in_the_archive_as_it_is_now_stays(stage: Stage) -> None:
    day, trader = date(2016, 1, 3), stage.trader(stage.user())
    open_day(stage, day)
    gone, tagged, late = record(stage, trader, day, 3)
    reject(stage, gone, tagged)
    move(stage, late, "analyzing")
    settle(stage, day)
    stage.operator.execute("update public.signals set tags = '{mine}' where id = %s", (tagged,))
    move(stage, late, "rejected", outcome="low_confidence")
    newer = record(stage, trader, day, 1, "NEW")
    reject(stage, *newer)
    stage.operator.execute("select private.roll_up()")

    assert compact(stage.operator, day)["removed_signals"] == 1
    assert signals_of(stage.operator, day) == sorted([tagged, late, *newer])
    # The next part holds the two with new events; the tag alone leads to none.
    archive(stage, day)
    assert compact(stage.operator, day)["removed_signals"] == 2
    assert signals_of(stage.operator, day) == [tagged]
    assert gone not in signals_of(stage.operator, day)


def test_a_change_after_the_copy_is_not_lost(stage: Stage) -> None:
    day, trader = date(2016, 1, 4), stage.trader(stage.user())
    open_day(stage, day)
    signals = record(stage, trader, day, 3)
    reject(stage, *signals[:2])
    settle(stage, day)
    one(stage.operator, "select private.warm_day(%s)", day)
    # Who looks back keeps the copy waiting.
    reader = stage.connect(autocommit=False)
    reader.execute("set transaction isolation level repeatable read")
    reader.execute("select 1 from pg_catalog.pg_class limit 1")
    assert compact(stage.operator, day, "0 s")["state"] == "waiting"

    stage.operator.execute("update public.signals set tags = '{late}' where id = %s", (signals[0],))
    move(stage, signals[2], "analyzing")
    assert signals_of(reader, day) == signals
    reader.commit()
    assert compact(stage.operator, day)["state"] == "compacted"
    assert signals_of(stage.operator, day) == [signals[0], signals[2]]
    tags = "select tags from public.signals where id = %s"
    assert one(stage.operator, tags, signals[0]) == ["late"]
    assert (signals[2], 2) in events_of(stage.operator, day)


def test_who_began_to_read_before_the_copy_finds_the_day_whole(stage: Stage) -> None:
    day, trader = date(2016, 1, 5), stage.trader(stage.user())
    open_day(stage, day)
    signals = record(stage, trader, day, 2)
    trade(stage, signals[0])
    reject(stage, signals[1])
    settle(stage, day)
    reader = stage.connect(autocommit=False)
    reader.execute("set transaction isolation level repeatable read")
    reader.execute("select 1 from pg_catalog.pg_class limit 1")
    assert compact(stage.operator, day, "1 s")["state"] == "waiting"
    assert signals_of(reader, day) == signals
    reader.commit()
    assert compact(stage.operator, day)["state"] == "compacted"
    assert signals_of(stage.operator, day) == signals[:1]


def test_a_compacted_day_is_closed_and_lives_on(stage: Stage) -> None:
    day, trader = date(2016, 1, 6), stage.trader(stage.user())
    open_day(stage, day)
    kept, gone = record(stage, trader, day, 2)
    move(stage, kept, "analyzing", "monitoring", "ready", "in_position")
    reject(stage, gone)
    settle(stage, day)
    assert compact(stage.operator, day)["state"] == "compacted"

    # The same firing again must not come back as a new signal.
    machine = stage.machine("signal_worker")
    (again,) = stage.operator.execute(
        "select triggered_at from public.signals where id = %s", (kept,)
    ).fetchall()
    answer = ingest(machine, [row(trader, "S1", again[0]), row(trader, "TODAY")])
    assert [rejected["code"] for rejected in answer["rejected"]] == ["outside_partitions"]
    assert answer["inserted"] == 1
    with pytest.raises(psycopg.errors.CheckViolation, match="compacted"):
        stage.operator.execute(
            "insert into public.signals select (jsonb_populate_record(s, jsonb_build_object('id',"
            " public.signal_id(s.trader_id, 'OTHER', s.interval, s.triggered_at), 'symbol', 'OTHER'))).*"
            " from public.signals s where s.id = %s",
            (kept,),
        )
    # What is open goes on, under the same law.
    move(stage, kept, "closed", outcome="stop_loss")
    assert [number for _, number in events_of(stage.operator, day)] == [1, 2, 3, 4, 5, 6]
    for refused in (
        "delete from public.signal_events where signal_id = %s",
        "update public.signal_events set worker = '' where signal_id = %s",
    ):
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="append-only"):
            stage.operator.execute(refused, (kept,))
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="append-only"):
        stage.operator.execute("truncate partitions.signal_events_20160106")
    settle(stage, day)
    assert compact(stage.operator, day)["kept_signals"] == 1


def test_the_archives_role_compacts_and_removes_nothing_else(stage: Stage) -> None:
    day, trader = date(2016, 1, 7), stage.trader(stage.user())
    open_day(stage, day)
    reject(stage, *record(stage, trader, day, 2))
    settle(stage, day)
    archivist = stage.connect()
    archivist.execute("set role archivist")
    assert compact(archivist, day)["state"] == "compacted"
    for refused in (
        "delete from public.signals where true",
        "delete from public.signal_events where true",
        "select private.make_copy('2016-01-07', 1)",
        "select private.drop_copy('2016-01-07')",
        "drop table partitions.signals_20160107",
    ):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            archivist.execute(refused)


def test_a_day_is_compacted_read_committed_or_not_at_all(stage: Stage) -> None:
    careful = stage.connect(autocommit=False)
    careful.execute("set transaction isolation level repeatable read")
    with pytest.raises(psycopg.errors.InvalidTransactionState, match="read committed"):
        compact(careful, date(2016, 1, 7))
    with pytest.raises(psycopg.errors.NoDataFound, match="never opened"):
        compact(stage.operator, date(2016, 7, 7))
