"""One day's trail as verification holds it: thousands of events at once, as arrays.

Postgres's side is read here: raw columns, hashed here. cold_rows.py reads the archive's.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256
from itertools import islice
from typing import Self
from uuid import UUID

import numpy as np
import numpy.typing as npt
import psycopg
from psycopg import sql

from shared.errors import Unavailable
from shared.identity import floor_ms, lowest_id
from workers.archive.records import BYTEA, EVENT_COLUMNS, RECORD_BYTES, SIGNAL_COLUMNS, TEXT

BATCH = 20_000
FINAL = ("rejected", "closed", "expired")

Flags = npt.NDArray[np.bool_]
Integers = npt.NDArray[np.int64]
Octets = npt.NDArray[np.uint8]

# A signal's id and an event's number: bytes that sort as PostgreSQL sorts the two.
KEY = np.dtype("S20")


class Words:
    """Texts as numbers, the same for all rows of a day; 0 is null."""

    def __init__(self) -> None:
        self._numbers: dict[str | None, int] = {None: 0}
        self._texts: list[str | None] = [None]

    def number(self, text: str | None) -> int:
        found = self._numbers.get(text)
        if found is None:
            found = self._numbers[text] = len(self._texts)
            self._texts.append(text)
        return found

    def numbers(self, texts: Sequence[str | None]) -> Integers:
        return np.array([self.number(text) for text in texts], dtype=np.int64)

    def text(self, number: int) -> str | None:
        return self._texts[number]


@dataclass(slots=True)
class Rows:
    """Events in order of signal and number, one array a column.

    key: signal and number; record: what a seal hashes of each, RECORD_BYTES wide
    is_traded: whether an order, a position or an execution belongs to it
    told: why the signal ended, in the words of the event that ended it
    status, outcome: what the signal's row says now; of first events only, when the row is there
    """

    key: npt.NDArray[np.bytes_]
    tx: Integers
    record: Octets
    from_status: Integers
    to_status: Integers
    is_traded: Flags
    told: Integers
    status: Integers
    outcome: Integers

    def __len__(self) -> int:
        return len(self.key)

    @property
    def signal(self) -> npt.NDArray[np.bytes_]:
        """The ids' bytes."""
        return np.ascontiguousarray(self._octets[:, :16]).view("S16").reshape(-1)

    @property
    def number(self) -> Integers:
        return _numbers_of(self._octets)

    @property
    def _octets(self) -> Octets:
        return self.key.view(np.uint8).reshape(-1, KEY.itemsize)

    def place(self, index: int) -> Place:
        """Which event this is."""
        octets = self._octets[index]
        return Place(
            UUID(bytes=octets[:16].tobytes()), int(_numbers_of(octets[None])[0]), int(self.tx[index])
        )

    def take(self, chosen: slice | Integers | Flags) -> Self:
        return type(self)(*(getattr(self, one.name)[chosen] for one in fields(self)))

    @classmethod
    def join(cls, parts: Sequence[Self]) -> Self:
        return cls(*(np.concatenate([getattr(part, one.name) for part in parts]) for one in fields(cls)))


@dataclass(frozen=True, slots=True)
class Place:
    """One event by name."""

    signal: UUID
    number: int
    tx: int


def make_keys(signals: Octets, numbers: Integers) -> npt.NDArray[np.bytes_]:
    """Keys of signals (16 bytes each) and numbers."""
    octets = np.empty((len(signals), KEY.itemsize), np.uint8)
    octets[:, :16] = signals
    # The sign turned over: bytes sort as the numbers do.
    octets[:, 16:] = (numbers + (1 << 31)).astype(">u4").view(np.uint8).reshape(-1, 4)
    return octets.view(KEY).reshape(-1)


def _numbers_of(octets: Octets) -> Integers:
    unsigned = np.ascontiguousarray(octets[:, 16:]).view(">u4").reshape(-1)
    return unsigned.astype(np.int64) - (1 << 31)


def make_records(payload_hashes: Sequence[bytes], numbers: Integers, tx: Integers) -> Octets:
    """What a seal hashes of each event (see records.py)."""
    records = np.empty((len(tx), RECORD_BYTES), np.uint8)
    records[:, :8] = tx.astype(">i8").view(np.uint8).reshape(-1, 8)
    records[:, 8:12] = numbers.astype(">i4").view(np.uint8).reshape(-1, 4)
    records[:, 12:] = np.frombuffer(b"".join(payload_hashes), np.uint8).reshape(-1, 32)
    return records


def is_final(words: Words, statuses: Integers) -> Flags:
    """Which statuses are the end of a signal."""
    return np.isin(statuses, [words.number(one) for one in FINAL])


def starts_of(signals: npt.NDArray[np.bytes_]) -> Integers:
    """Where each signal's events start."""
    first = np.ones(len(signals), np.bool_)
    first[1:] = signals[1:] != signals[:-1]
    return np.flatnonzero(first)


async def whole_signals(batches: AsyncIterator[Rows]) -> AsyncGenerator[Rows]:
    """The same rows in batches that part no signal's events."""
    rest: Rows | None = None
    async for batch in batches:
        if not len(batch):
            continue
        whole = batch if rest is None else Rows.join([rest, batch])
        last = int(starts_of(whole.signal)[-1])
        rest = whole.take(slice(last, None))
        if last:
            yield whole.take(slice(0, last))
    if rest is not None:
        yield rest


# Postgres ------------------------------------------------------------------------------------------------

# What COPY sends of a row in binary: the number of columns, then of each its length and value.
_HEAD = np.dtype(
    {
        "names": ["signal", "number", "tx"],
        "formats": [("u1", 16), ">i4", ">i8"],
        "offsets": [6, 26, 34],
        "itemsize": 42,
    }
)
_SIGNATURE = b"PGCOPY\n\xff\r\n\0"
_PREFACE = len(_SIGNATURE) + 8
_LENGTH = struct.Struct(">i").unpack_from
_COLUMNS = 5
# Different ends of rows are few; forged ones may be many.
_MOST_KNOWN = 10_000


class DayRows:
    """One day's events in order of signal and number, in batches, in a snapshot of its own.

    Read by COPY from the tables and nothing else: PostgreSQL frames the columns (`record_send`, as binary
    COPY would), everything else happens here. No function of the schema is called, no view is read.
    """

    def __init__(self, url: str, day: date, words: Words) -> None:
        self._url = url
        self._day = day
        self._words = words
        # The end of a row in COPY's bytes, and what it says in numbers.
        self._known: dict[bytes, tuple[int, ...]] = {}
        # Known with the first batch: no event of this snapshot has a transaction at or above newest_tx, and
        # these rows of signals have no events at all.
        self.newest_tx = 0
        self.eventless: list[UUID] = []

    async def batches(self) -> AsyncGenerator[Rows]:
        """Raises `Unavailable` when the database cannot be reached or breaks off."""
        try:
            with self._rows() as rows:
                while (batch := await asyncio.to_thread(self._take, rows)) is not None:
                    yield batch
        except psycopg.OperationalError as error:
            raise Unavailable(f"the database broke off: {str(error).splitlines()[0]}") from error

    @contextmanager
    def _rows(self) -> Iterator[Iterator[memoryview]]:
        with psycopg.connect(self._url, connect_timeout=10, client_encoding="UTF8") as connection:
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
                yield _messages(copy)

    def _take(self, rows: Iterator[memoryview]) -> Rows | None:
        heads: list[bytes] = []
        hashes: list[bytes] = []
        ends: list[tuple[int, ...]] = []
        known, end_size = self._known, _HEAD.itemsize + 4
        for row in islice(rows, BATCH):
            (length,) = _LENGTH(row, _HEAD.itemsize)
            end = bytes(row[end_size : end_size + length])
            heads.append(bytes(row[: _HEAD.itemsize]))
            hashes.append(sha256(row[end_size + length + 4 :]).digest())
            ends.append(known.get(end) or self._learn(end))
        if not heads:
            return None
        head = np.frombuffer(b"".join(heads), _HEAD)
        number, tx = head["number"].astype(np.int64), head["tx"].astype(np.int64)
        columns = np.array(ends, dtype=np.int64).T
        return Rows(
            make_keys(head["signal"], number),
            tx,
            make_records(hashes, number, tx),
            columns[0],
            columns[1],
            columns[2].astype(np.bool_),
            columns[3],
            columns[4],
            columns[5],
        )

    def _learn(self, end: bytes) -> tuple[int, ...]:
        if len(self._known) > _MOST_KNOWN:
            self._known.clear()
        values: list[bytes | None] = []
        place = 4
        for _ in range(6):
            (length,) = _LENGTH(end, place + 4)
            values.append(None if length < 0 else end[place + 8 : place + 8 + length])
            place += 8 + max(length, 0)
        number = [self._words.number(None if one is None else one.decode()) for one in values]
        number[2] = values[2] == b"\x01"
        self._known[end] = found = tuple(number)
        return found


def _messages(copy: psycopg.Copy) -> Iterator[memoryview]:
    """The rows that COPY sends, each a message of the protocol."""
    while data := copy.read():
        row = memoryview(data)
        if row[: len(_SIGNATURE)] == _SIGNATURE:
            row = row[_PREFACE:]
        if row[:2] == _COLUMNS.to_bytes(2, "big"):
            yield row


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
        "copy (select e.signal_id, e.number, e.tx,"
        " pg_catalog.record_send(row(e.from_status::text, e.to_status::text,"
        " pg_catalog.num_nonnulls(e.order_id, e.position_id, e.execution_id) > 0,"
        " case when e.to_status in ('rejected', 'closed', 'expired')"
        " then e.event_data ->> 'outcome_code' end,"
        " s.status::text, s.outcome_code)),"
        " pg_catalog.record_send(row({columns}))"
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
