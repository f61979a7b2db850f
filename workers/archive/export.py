"""One part of a day out of PostgreSQL: streamed, in the order of reading, in windows of bounded size."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg
import pyarrow as pa
import pyarrow.csv

from shared.identity import floor_ms, lowest_id
from workers.archive.columns import CREATION, IDENTITY, KINDS, Column, Kind, read_columns, schema
from workers.archive.queries import query

WINDOW_ROWS = 65_536
WINDOW_BYTES = 64 << 20
# A row must fit in two blocks of the CSV reader; no row of the schema comes near.
BLOCK_BYTES = 16 << 20

# The columns that usual.sql speaks of, or that the signal's row holds. Should events get another one,
# creation events are kept as rows of their own.
_USUAL_COLUMNS = frozenset(
    {
        *(
            "signal_id",
            "user_id",
            "order_id",
            "position_id",
            "execution_id",
            "occurred_at",
            "created_at",
            "tx",
        ),
        *(
            "number",
            "event_type",
            "location",
            "from_status",
            "to_status",
            "worker",
            "event_data",
            "error_info",
        ),
    }
)


@dataclass(frozen=True, slots=True)
class Span:
    """A day and the transactions of one part of it: from_tx <= tx < to_tx."""

    day: date
    from_tx: int
    to_tx: int

    @property
    def bounds(self) -> dict[str, UUID | int]:
        """What the queries call them; no signal of another day has an id from `lowest` up to `beyond`."""
        return {
            "lowest": lowest_of(self.day),
            "beyond": lowest_of(self.day + timedelta(days=1)),
            "from_tx": self.from_tx,
            "to_tx": self.to_tx,
        }


def lowest_of(day: date) -> UUID:
    """No signal of this day or later has a lesser id."""
    return lowest_id(floor_ms(datetime(day.year, day.month, day.day, tzinfo=UTC)))


class Export:
    """The rows of one part, all in one snapshot of the database.

    `connection` is in a transaction of isolation repeatable read, and nobody else uses it.
    """

    def __init__(self, connection: psycopg.Connection[tuple[Any, ...]], span: Span) -> None:
        self._connection = connection
        self._span = span
        own = read_columns(connection)
        folds = {column.name for column in own["events"]} == _USUAL_COLUMNS
        self._usual = query("usual") if folds else "false"
        self.columns: dict[Kind, list[Column]] = {
            kind: [*own[kind], *(CREATION if kind == "signals" else IDENTITY)] for kind in KINDS
        }
        # A version of a row that is not in the snapshot was made by this transaction or a later one.
        self.snapshot_xmin = self._number("select pg_snapshot_xmin(pg_current_snapshot())::text::bigint")

    def count(self) -> tuple[dict[Kind, int], int]:
        """How many rows of each kind the part has, and how many creation events lie in rows of signals."""
        counts = {kind: self._number(f"select count(*) {self._source(kind)}") for kind in KINDS}
        return counts, self._number(f"select count(c.tx) {self._source('signals')}")

    def windows(self, kind: Kind) -> Iterator[pa.Table]:
        """The rows of a kind in order of user, trader and time."""
        columns = self.columns[kind]
        chosen = ", ".join(f'{_expression(kind, one)} as "{one.name}"' for one in columns)
        order = "s.user_id, s.trader_id, s.id"
        if kind != "signals":
            order = "c.user_id, s.trader_id, c.signal_id, c.number"
        text = f"copy (select {chosen}\n{self._source(kind)}\norder by {order}) to stdout (format csv)"
        yield from read_windows(self._connection, text, self._span.bounds, columns)

    def _source(self, kind: Kind) -> str:
        return query(kind).format(usual=self._usual)

    def _number(self, text: str) -> int:
        row = self._connection.execute(text, self._span.bounds if "%(" in text else None).fetchone()
        return 0 if row is None else int(row[0])


def _expression(kind: Kind, column: Column) -> str:
    if kind == "signals":
        return f"c.{column.name.removeprefix('creation_')}" if column in CREATION else column.expression("s")
    return column.expression("s" if column in IDENTITY else "c")


class _Blocks(io.RawIOBase):
    """What COPY sends, as a file that Arrow reads."""

    def __init__(self, copy: psycopg.Copy) -> None:
        self._copy = copy
        self._rest = b""

    def readable(self) -> bool:
        return True

    def readinto(self, target: Any) -> int:
        view = memoryview(target).cast("B")
        if not self._rest:
            self._rest = bytes(self._copy.read())
        taken = self._rest[: len(view)]
        self._rest = self._rest[len(view) :]
        view[: len(taken)] = taken
        return len(taken)


def read_windows(
    connection: psycopg.Connection[tuple[Any, ...]],
    text: str,
    values: Mapping[str, Any],
    columns: Sequence[Column],
) -> Iterator[pa.Table]:
    """What a COPY to CSV of these columns answers, in windows of bounded size."""
    with connection.cursor() as cursor, cursor.copy(text.encode(), values) as copy:
        yield from _windows(copy, columns)


def _windows(copy: psycopg.Copy, columns: Sequence[Column]) -> Iterator[pa.Table]:
    kinds = schema(columns)
    source = io.BufferedReader(_Blocks(copy), buffer_size=1 << 20)
    if not source.peek(1):
        return
    reader = pyarrow.csv.open_csv(
        source,
        read_options=pyarrow.csv.ReadOptions(
            column_names=kinds.names, block_size=BLOCK_BYTES, use_threads=False
        ),
        parse_options=pyarrow.csv.ParseOptions(newlines_in_values=True),
        # PostgreSQL quotes an empty text, and leaves null empty.
        convert_options=pyarrow.csv.ConvertOptions(
            column_types=kinds,
            null_values=[""],
            true_values=["t"],
            false_values=["f"],
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
        ),
    )
    waiting: list[pa.RecordBatch] = []
    for batch in reader:
        waiting.append(batch)
        table = pa.Table.from_batches(waiting)
        while table.num_rows >= WINDOW_ROWS or table.nbytes >= WINDOW_BYTES:
            rows = min(WINDOW_ROWS, max(1, table.num_rows * WINDOW_BYTES // max(table.nbytes, 1)))
            yield table.slice(0, rows)
            table = table.slice(rows)
        waiting = table.to_batches()
    if any(batch.num_rows for batch in waiting):
        yield pa.Table.from_batches(waiting, kinds)
