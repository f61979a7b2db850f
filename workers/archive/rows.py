"""What Postgres holds of one day's trail, as verification reads it: raw columns, digests made here."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncGenerator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import islice
from typing import Any
from uuid import UUID

import orjson
import psycopg
from psycopg import sql

from shared.errors import Unavailable
from shared.identity import floor_ms, lowest_id
from workers.archive.records import (
    BYTEA,
    EVENT_COLUMNS,
    SIGNAL_COLUMNS,
    TEXT,
    Digest,
    EventRecord,
    digest_of,
    payload_of,
    values_of,
)

BATCH = 5000

_NUMBERS = struct.Struct(">iq").unpack
FINAL = {"rejected", "closed", "expired"}


@dataclass(slots=True)
class Row:
    """An event with its digest.

    signal: the id's bytes
    is_traded: whether an order, a position or an execution belongs to it
    told_outcome: why the signal ended, in the words of its last event
    status, outcome: what the signal's row says now; of the first event only, when the row is there
    """

    signal: bytes
    number: int
    tx: int
    digest: Digest
    from_status: str | None
    to_status: str | None
    is_traded: bool
    told_outcome: str | None
    status: str | None = None
    outcome: str | None = None

    @property
    def key(self) -> tuple[bytes, int]:
        return self.signal, self.number


def from_record(record: EventRecord) -> Row:
    """A row out of the archive."""
    told = None
    if record.to_status in FINAL and record.event_data is not None:
        data = orjson.loads(record.event_data)
        told = data.get("outcome_code") if isinstance(data, dict) else None
    return Row(
        record.signal_id.bytes,
        record.number,
        record.tx,
        digest_of(payload_of(values_of(record)), record.number, record.tx),
        record.from_status,
        record.to_status,
        record.order_id is not None or record.position_id is not None or record.execution_id is not None,
        told,
    )


class DayRows:
    """One day's events in order of signal and number, in batches, in a snapshot of its own.

    Read by COPY from the tables and nothing else: PostgreSQL frames the columns (`record_send`, as binary
    COPY would), everything else happens here. No function of the schema is called, no view is read.
    """

    def __init__(self, url: str, day: date) -> None:
        self._url = url
        self._day = day
        # Known with the first batch: no event of this snapshot has a transaction at or above newest_tx, and
        # these rows of signals have no events at all.
        self.newest_tx = 0
        self.eventless: list[UUID] = []

    async def batches(self) -> AsyncGenerator[list[Row]]:
        """Raises `Unavailable` when the database cannot be reached or breaks off."""
        try:
            with self._rows() as rows:
                while batch := await asyncio.to_thread(_take, rows):
                    yield batch
        except psycopg.OperationalError as error:
            raise Unavailable(f"the database broke off: {str(error).splitlines()[0]}") from error

    @contextmanager
    def _rows(self) -> Iterator[Iterator[tuple[Any, ...]]]:
        with psycopg.connect(self._url, connect_timeout=10) as connection:
            connection.execute(
                "set transaction isolation level repeatable read, read only; set local search_path = '';"
                "set local row_security = off; set local statement_timeout = 0; set local work_mem = '64MB'"
            )
            (self.newest_tx,) = connection.execute(
                "select pg_catalog.pg_snapshot_xmax(pg_catalog.pg_current_snapshot())::text::bigint"
                " + (select e.tx_offset from private.epochs e order by e.number desc limit 1)"
            ).fetchone() or (0,)
            found = connection.execute(
                sql.SQL(
                    "select s.id from public.signals s left join public.signal_events e"
                    " on e.signal_id = s.id and e.number = 1"
                    " and e.signal_id >= {low} and e.signal_id < {high}"
                    " where s.id >= {low} and s.id < {high} and e.signal_id is null limit 10"
                ).format(**_bounds(self._day))
            )
            self.eventless = [signal for (signal,) in found]
            with connection.cursor() as cursor, cursor.copy(_query(self._day)) as copy:
                yield copy.rows()


def _take(rows: Iterator[tuple[Any, ...]]) -> list[Row]:
    found = []
    for payload, signal, numbers, from_status, to_status, traded, told, status, outcome in islice(
        rows, BATCH
    ):
        number, tx = _NUMBERS(numbers)
        found.append(
            Row(
                signal,
                number,
                tx,
                digest_of(payload, number, tx),
                from_status and from_status.decode(),
                to_status and to_status.decode(),
                traded == b"\x01",
                told and told.decode(),
                status and status.decode(),
                outcome and outcome.decode(),
            )
        )
    return found


def _bounds(day: date) -> dict[str, sql.Literal]:
    low, high = (
        sql.Literal(str(lowest_id(floor_ms(datetime(one.year, one.month, one.day, tzinfo=UTC)))))
        for one in (day, day + timedelta(days=1))
    )
    return {"low": low, "high": high}


def _query(day: date) -> sql.Composed:
    columns = [
        _column(alias, name, type_)
        for alias, names in (("e", EVENT_COLUMNS), ("s", SIGNAL_COLUMNS))
        for name, type_ in names
    ]
    return sql.SQL(
        "copy (select pg_catalog.record_send(row({columns})), e.signal_id,"
        " pg_catalog.int4send(e.number) || pg_catalog.int8send(e.tx), e.from_status::text, e.to_status::text,"
        " pg_catalog.num_nonnulls(e.order_id, e.position_id, e.execution_id) > 0,"
        " case when e.to_status in ('rejected', 'closed', 'expired')"
        " then e.event_data ->> 'outcome_code' end,"
        " s.status::text, s.outcome_code"
        " from public.signal_events e left join public.signals s"
        " on e.number = 1 and s.id = e.signal_id and s.id >= {low} and s.id < {high}"
        " where e.signal_id >= {low} and e.signal_id < {high} order by e.signal_id, e.number)"
        " to stdout (format binary)"
    ).format(columns=sql.SQL(", ").join(columns), **_bounds(day))


def _column(alias: str, name: str, type_: int) -> sql.Composable:
    column = sql.Identifier(alias, name)
    # Numbers, enums and JSON go by their text; free texts as the bytes of their UTF-8.
    if type_ == TEXT:
        return sql.SQL("{}::text").format(column)
    if type_ == BYTEA:
        return sql.SQL("pg_catalog.convert_to({}::text, 'UTF8')").format(column)
    return column
