"""Days of the past as the tests of the tiers need them: filled, archived on paper, compacted."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg
from psycopg.types.json import Jsonb

from tests.database.stage import Stage, ingest, one, row

WAYS = ("analyzing", "monitoring", "ready", "in_position")


def noon_of(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, 12, tzinfo=UTC)


def open_day(stage: Stage, day: date) -> None:
    one(stage.operator, "select private.open_partition(%s)", day)


def record(stage: Stage, trader: UUID, day: date, count: int, prefix: str = "S") -> list[UUID]:
    """Signals of a trader on that day, a second apart from noon on, in order of their ids."""
    rows = [row(trader, f"{prefix}{i}", noon_of(day) + timedelta(seconds=i)) for i in range(count)]
    answer = ingest(stage.operator, rows)
    assert answer["inserted"] == count, answer
    return [
        found
        for (found,) in stage.operator.execute(
            "select id from public.signals where trader_id = %s and symbol like %s"
            " and id >= public.signal_id_floor(%s) and id < public.signal_id_floor(%s) order by id",
            (trader, f"{prefix}%", noon_of(day), noon_of(day) + timedelta(hours=1)),
        )
    ]


def move(stage: Stage, signal: UUID, *ways: str, outcome: str | None = None) -> None:
    """Take a signal these ways; the last may be an end, for this reason."""
    for way in ways:
        reason = outcome if way == ways[-1] else None
        stage.operator.execute("select private.move_signal(%s, %s, now(), %s)", (signal, way, reason))


def reject(stage: Stage, *signals: UUID) -> None:
    for signal in signals:
        move(stage, signal, "analyzing", "rejected", outcome="low_confidence")


def trade(stage: Stage, signal: UUID) -> None:
    move(stage, signal, *WAYS, "closed", outcome="take_profit")


def archive(stage: Stage, day: date) -> int:
    """List a part of this day as the archive does, up to the transaction that is answered."""
    found = stage.operator.execute(
        "select private.tx_horizon(), pg_snapshot_xmin(pg_current_snapshot())::text::bigint,"
        " (private.current_epoch()).system_identifier,"
        " coalesce(max(part), 0) + 1, coalesce(max(to_tx), 0)"
        " from public.archive_files where partition_day = %s",
        (day,),
    ).fetchone()
    assert found is not None
    to_tx, snapshot, epoch, part, from_tx = found
    files = [
        {
            "kind": kind, "number": 1, "path": f"{day}/{part}/{kind}", "row_count": 1, "creation_count": 0,
            "byte_count": 1, "file_hash": "00" * 32, "content_hash": "00" * 32,
        }
        for kind in ("signals", "events", "snapshots")
    ]  # fmt: skip
    stage.operator.execute(
        "select private.add_archive_files(%s, %s, %s, %s, %s, %s, %s)",
        (day, part, epoch, from_tx, to_tx, snapshot, Jsonb(files)),
    )
    return int(to_tx)


def compact(connection: psycopg.Connection[Any], day: date, patience: str = "20 seconds") -> dict[str, Any]:
    answer = one(connection, "select private.compact_day(%s, %s::interval)", day, patience)
    assert isinstance(answer, dict)
    return answer


def signals_of(connection: psycopg.Connection[Any], day: date) -> list[UUID]:
    return _ids(connection, day, "select id from public.signals where id >= {0} and id < {1} order by id")


def events_of(connection: psycopg.Connection[Any], day: date) -> list[tuple[UUID, int]]:
    bounds = (noon_of(day) - timedelta(hours=12), noon_of(day) + timedelta(hours=12))
    return connection.execute(
        "select signal_id, number from public.signal_events where signal_id >= public.signal_id_floor(%s)"
        " and signal_id < public.signal_id_floor(%s) order by 1, 2",
        bounds,
    ).fetchall()


def _ids(connection: psycopg.Connection[Any], day: date, query: str) -> list[UUID]:
    floor = "public.signal_id_floor(%s)"
    bounds = (noon_of(day) - timedelta(hours=12), noon_of(day) + timedelta(hours=12))
    return [found for (found,) in connection.execute(query.format(floor, floor), bounds)]
