"""SQL and Python hash an event to the same bytes, and no two events have the same ones."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from dataclasses import astuple, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from hashlib import sha256
from typing import Any
from uuid import UUID

import psycopg
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from scripts.local_supabase.cluster import Cluster
from shared.identity import floor_ms, lowest_id
from shared.lifecycle import EventType, PipelineLocation, SignalStatus
from tests.audit.trail import yesterday
from workers.archive.records import (
    EVENT_COLUMNS,
    MARK_AT,
    SIGNAL_COLUMNS,
    EventRecord,
    SignalRecord,
    digest,
    payload_of,
    values_of,
)

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=40)
TIME = st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
NUMBER = st.decimals(
    Decimal("1e-20"), Decimal("1e20"), allow_nan=False, allow_infinity=False, places=None
).filter(lambda number: number > 0)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.decimals(-1000, 1000, places=6) | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)


def ids_of_yesterday() -> st.SearchStrategy[UUID]:
    first = lowest_id(floor_ms(datetime.combine(yesterday(), datetime.min.time(), UTC))).int
    return st.integers(first, first + (86_000_000 << 80)).map(lambda number: UUID(int=number))


@st.composite
def rows(draw: st.DrawFn) -> dict[str, Any]:
    """A row of signal_events and one of signals, the odder the better."""
    number = draw(st.integers(1, 2**31 - 1) | st.just(1))
    identity = draw(ids_of_yesterday())
    to_status = draw(st.none() | st.sampled_from(SignalStatus)) if number > 1 else SignalStatus.NEW
    return {
        "event": {
            "signal_id": identity,
            "user_id": draw(st.uuids()),
            "order_id": draw(st.none() | st.uuids()),
            "position_id": draw(st.none() | st.uuids()),
            "execution_id": draw(st.none() | st.uuids()),
            "occurred_at": draw(TIME),
            "created_at": draw(TIME),
            "tx": draw(st.integers(0, 2**62)),
            "number": number,
            "event_type": draw(st.sampled_from(EventType)),
            "location": draw(st.sampled_from(PipelineLocation)),
            "from_status": SignalStatus.NEW if to_status and number > 1 else None,
            "to_status": to_status,
            "worker": draw(st.none() | TEXT),
            "event_data": draw(st.none() | JSON),
            "error_info": draw(st.none() | JSON),
        },
        "signal": {
            "id": identity,
            "user_id": draw(st.uuids()),
            "trader_id": draw(st.uuids()),
            "machine_id": draw(st.none() | st.uuids()),
            "triggered_at": draw(TIME),
            "created_at": draw(TIME),
            "source": draw(st.sampled_from(["local", "cloud"])),
            "side": draw(st.sampled_from(["long", "short"])),
            "symbol": draw(TEXT),
            "normalised_symbol": draw(TEXT),
            "interval": draw(TEXT),
            "initial_price": draw(NUMBER),
            "matched_conditions": draw(JSON),
            "original_signal": draw(st.none() | JSON),
        },
    }


@pytest.fixture(scope="module")
def database(audit_cluster: Cluster) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(audit_cluster.admin_db_url, autocommit=True) as connection:
        connection.execute("set session_replication_role = replica")
        yield connection


@given(made=rows(), encoding=st.sampled_from(["UTF8", "LATIN1"]))
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_sql_and_python_agree_to_the_byte(
    database: psycopg.Connection[Any], made: dict[str, Any], encoding: str
) -> None:
    with database.transaction(force_rollback=True):
        insert(database, "public.signals", made["signal"])
        insert(database, "public.signal_events", made["event"])
        record = read(database, made["event"]["signal_id"])
        # What a client and its session are set to changes nothing.
        database.execute(f"set local client_encoding = {encoding}; set local DateStyle = 'German, DMY'")
        database.execute("set local TimeZone = 'Asia/Kathmandu'; set local extra_float_digits = 0")
        tx = made["event"]["tx"]
        found = database.execute(
            "select event_count, content_hash, marks from private.sealed_content(%s, %s, %s)",
            (yesterday(), tx, tx + 1),
        ).fetchone()
    assert found is not None
    assert found[0] == 1
    assert found[1] == sha256(digest(record)).digest()
    assert found[2] == bytes(digest(record)[at] for at in MARK_AT)


@given(made=st.tuples(st.integers(0, 10**9), st.integers(0, 5)))
def test_a_price_keeps_its_scale(made: tuple[int, int]) -> None:
    price = Decimal(made[0] + 1).scaleb(-made[1])
    as_text, as_number = (
        replace(RECORD, signal=replace(SIGNAL, initial_price=p)) for p in (format(price, "f"), price)
    )
    assert digest(as_text) == digest(as_number)
    assert digest(as_text) != digest(
        replace(RECORD, signal=replace(SIGNAL, initial_price=format(price, "f") + ("0" if made[1] else ".0")))
    )


NOON = datetime(2025, 1, 1, 12, tzinfo=UTC)
LONG_AGO = datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)
SIGNAL = SignalRecord(
    UUID(int=5), UUID(int=2), UUID(int=3), None, NOON, LONG_AGO, "cloud", "long", "BTCUSDT", "BTC/USDT",
    "1m", "64000.50", '["a"]', None,
)  # fmt: skip
RECORD = EventRecord(
    UUID(int=5), 1, 7, UUID(int=2), None, None, None, NOON, LONG_AGO, "signal_created", "ingest", None, "new",
    "vyx", None, None, SIGNAL,
)  # fmt: skip


@given(
    data=st.lists(st.none() | st.binary(max_size=30), min_size=28, max_size=28),
)
@example(data=[b""] * 28)
@example(data=[None] * 28)
@example(data=[b"x" * 5000] * 28)
def test_the_payload_can_be_read_back_so_no_two_rows_share_one(data: list[bytes | None]) -> None:
    payload = payload_of(data)
    oids = [oid for _, oid in EVENT_COLUMNS + SIGNAL_COLUMNS]
    assert struct.unpack_from(">i", payload) == (28,)
    place, found = 4, []
    for oid in oids:
        kind, length = struct.unpack_from(">Ii", payload, place)
        assert kind == oid
        place += 8
        found.append(None if length < 0 else payload[place : place + length])
        place += max(length, 0)
    assert place == len(payload)
    assert found == data


@pytest.mark.parametrize("name", [name for name in EventRecord.__slots__ if name != "signal"])
def test_every_column_of_an_event_counts(name: str) -> None:
    assert digest(replace(RECORD, **{name: other(getattr(RECORD, name), name)})) != digest(RECORD)


@pytest.mark.parametrize("name", SignalRecord.__slots__)
def test_every_column_of_a_signal_that_never_changes_counts(name: str) -> None:
    changed = replace(SIGNAL, **{name: other(getattr(SIGNAL, name), name)})
    assert digest(replace(RECORD, signal=changed)) != digest(RECORD)


def test_null_is_not_empty() -> None:
    assert digest(replace(RECORD, worker=None)) != digest(replace(RECORD, worker=""))


def test_every_column_of_the_tables_is_covered_or_known_to_change(
    database: psycopg.Connection[Any],
) -> None:
    def columns(table: str) -> set[str]:
        found = database.execute(
            "select attname from pg_attribute "
            "where attrelid = %s::regclass and attnum > 0 and not attisdropped",
            (table,),
        )
        return {name for (name,) in found}

    assert columns("public.signal_events") == {name for name, _ in EVENT_COLUMNS} | {"number", "tx"}
    assert columns("public.signals") - {name for name, _ in SIGNAL_COLUMNS} == {
        "updated_at", "status_at", "analyzed_at", "ready_at", "position_opened_at", "closed_at", "status",
        "error_count", "retry_count", "total_orders_count", "has_active_orders", "has_open_position",
        "outcome_code", "current_price", "total_pnl", "analysis_confidence", "analysis_result",
        "analysis_trade_plan", "tags",
    }  # fmt: skip
    assert len(values_of(RECORD)) == len(astuple(SIGNAL)) + len(EVENT_COLUMNS)


def other(value: Any, name: str) -> Any:
    """Another value of the same kind."""
    if value is None:
        return (
            "{}" if name in ("event_data", "error_info", "original_signal", "from_status") else UUID(int=99)
        )
    if isinstance(value, UUID):
        return UUID(int=value.int + 1)
    if isinstance(value, datetime):
        return value + timedelta(microseconds=1)
    if isinstance(value, int):
        return value + 1
    return f"{value}0"


def insert(connection: psycopg.Connection[Any], table: str, values: dict[str, Any]) -> None:
    documents = ("event_data", "error_info", "matched_conditions", "original_signal")
    marks = ", ".join("%s::text::jsonb" if name in documents else "%s" for name in values)
    names = ", ".join(f'"{name}"' for name in values)
    texts = [
        as_json(value) if name in documents and value is not None else value for name, value in values.items()
    ]
    if table == "public.signals" and values["matched_conditions"] is None:
        texts[list(values).index("matched_conditions")] = "null"
    connection.execute(f"insert into {table} ({names}) values ({marks})".encode(), texts)


def as_json(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{as_json(key)}: {as_json(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(as_json(item) for item in value) + "]"
    if isinstance(value, Decimal):
        return format(value, "f")
    return json.dumps(value)


def read(connection: psycopg.Connection[Any], signal_id: UUID) -> EventRecord:
    """The event as the archive reads it: typed, JSON and decimals as text."""

    def fetch(table: str, id_column: str, names: list[str]) -> list[Any]:
        texts = {
            "event_type", "location", "from_status", "to_status", "event_data", "error_info", "source",
            "side", "initial_price", "matched_conditions", "original_signal",
        }  # fmt: skip
        columns = ", ".join(f'"{name}"::text' if name in texts else f'"{name}"' for name in names)
        found = connection.execute(
            f"select {columns} from {table} where {id_column} = %s".encode(), (signal_id,)
        ).fetchone()
        assert found is not None
        return list(found)

    names = [name for name in EventRecord.__slots__ if name != "signal"]
    event = EventRecord(*fetch("public.signal_events", "signal_id", names))
    if event.number > 1:
        return event
    return replace(event, signal=SignalRecord(*fetch("public.signals", "id", list(SignalRecord.__slots__))))
