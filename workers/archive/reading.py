"""The rows of one user out of both places: Postgres as that user sees it, and the files of archived days.

They meet in a DuckDB of their own, which holds nobody else's rows. Postgres is read in one snapshot together
with the list of files, and files never change: a compaction in between neither hides a row nor doubles it.
Where both have a signal, the row of Postgres counts, else the newest part's.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import duckdb
import psycopg
import pyarrow as pa

from shared.identity import EPOCH, floor_ms, lowest_id
from shared.settings import Settings
from workers.archive.columns import IDENTITY, KINDS, TABLES, Column, Kind, read_columns
from workers.archive.connection import archivist_thread
from workers.archive.encoding import decode
from workers.archive.export import read_windows
from workers.archive.listing import ListedFile, list_files_in_thread
from workers.archive.scan import TYPES, Source

# Nothing of ours fired before or will fire after.
FIRST = EPOCH
LAST = datetime(9999, 1, 1, tzinfo=UTC)
BATCH_ROWS = 8192
KEYS: dict[Kind, tuple[str, ...]] = {
    "signals": ("id",),
    "events": ("signal_id", "number"),
    "snapshots": ("signal_id", "number"),
}
Layout = Mapping[Kind, Sequence[Column]]


@dataclass(frozen=True, slots=True)
class Scope:
    """Whose rows, and of which signals: those that fired from `since` on and before `until`, of one trader or
    of all; with `newest`, only so many of the newest signals matter."""

    user: UUID
    since: datetime = FIRST
    until: datetime = LAST
    trader: UUID | None = None
    newest: int | None = None

    @property
    def bounds(self) -> dict[str, UUID]:
        return {"lowest": lowest_id(floor_ms(self.since)), "beyond": lowest_id(floor_ms(self.until))}


class Snapshot:
    """Postgres at one moment: the book of the archive, and a user's rows."""

    def __init__(self, connection: psycopg.Connection[tuple[Any, ...]], scope: Scope) -> None:
        self._connection = connection
        self._scope = scope
        own = read_columns(connection)
        # Whatever is asked of events and snapshots is asked of a trader and a time.
        self.layout: Layout = {
            kind: own[kind] if kind == "signals" else [*own[kind], *IDENTITY] for kind in KINDS
        }

    def list_files(self, kinds: Sequence[Kind]) -> list[ListedFile]:
        """The files that may hold rows of the scope, in order of day and part."""
        return list_files_in_thread(
            self._connection,
            first=self._scope.since.date(),
            last=(self._scope.until - timedelta(microseconds=1)).date(),
            user=self._scope.user,
            kinds=kinds,
        )

    def become_user(self) -> None:
        """From here on row level security shows what the user sees."""
        claims = json.dumps({"role": "authenticated", "sub": str(self._scope.user)})
        self._connection.execute("select set_config('request.jwt.claims', %s, true)", (claims,))
        self._connection.execute("set local role authenticated")

    def rows(self, kind: Kind, names: Sequence[str]) -> Iterator[pa.Table]:
        """The user's rows that Postgres has, these columns of them."""
        columns = [column for column in self.layout[kind] if column.name in names]
        chosen = ", ".join(f'{_expression(kind, one)} as "{one.name}"' for one in columns)
        trader = "" if self._scope.trader is None else "and s.trader_id = %(trader)s"
        newest = "" if self._scope.newest is None else "order by s.id desc limit %(newest)s"
        bounds = "{0} >= %(lowest)s and {0} < %(beyond)s"
        if kind == "signals":
            source = (
                f"public.signals s where {bounds.format('s.id')} and s.user_id = %(user)s {trader} {newest}"
            )
        else:
            # Without a bound of its own on the signal's id every partition would be looked into.
            source = (
                f"public.{TABLES[kind]} c left join public.signals s on s.id = c.signal_id "
                f"and {bounds.format('s.id')} where {bounds.format('c.signal_id')} "
                f"and c.user_id = %(user)s {trader}"
            )
        values = {
            **self._scope.bounds,
            "user": self._scope.user,
            "trader": self._scope.trader,
            "newest": self._scope.newest,
        }
        text = f"copy (select {chosen} from {source}) to stdout (format csv)"  # noqa: S608
        yield from read_windows(self._connection, text, values, columns)


def _expression(kind: Kind, column: Column) -> str:
    return column.expression("s" if kind == "signals" or column in IDENTITY else "c")


@contextmanager
def snapshot(settings: Settings, scope: Scope) -> Iterator[Snapshot]:
    """Look at Postgres as it is now, in a thread beside the event loop. Raises as `archivist_thread`."""
    with archivist_thread(settings) as connection, connection.transaction():
        connection.execute("set transaction isolation level repeatable read, read only")
        yield Snapshot(connection, scope)


# Into DuckDB ---------------------------------------------------------------------------------------------


def make_tables(duck: duckdb.DuckDBPyConnection, layout: Layout) -> None:
    """Empty tables that bear the names of the kinds."""
    for kind, columns in layout.items():
        body = ", ".join(f'"{column.name}" {TYPES[column.form]}' for column in columns)
        duck.execute(f"create table {kind} ({body})")


def add_warm(duck: duckdb.DuckDBPyConnection, kind: Kind, columns: Sequence[Column], rows: pa.Table) -> None:
    """Rows of Postgres into the table of their kind."""
    chosen = ", ".join(_typed(column) for column in columns if column.name in rows.column_names)
    duck.register("arriving", rows)
    duck.execute(f"insert into {kind} by name select {chosen} from arriving")  # noqa: S608
    duck.unregister("arriving")


def _typed(column: Column) -> str:
    value = f'"{column.name}"'
    if column.form == "time":
        return f"make_timestamptz({value}) as {value}"
    if column.form == "number":
        return f"try_cast({value} as decimal(38, 18)) as {value}"
    return f"{value}::{TYPES[column.form]} as {value}"


def add_cold(
    duck: duckdb.DuckDBPyConnection, source: Source, columns: Sequence[Column], scope: Scope
) -> None:
    """Rows of archived files into the table of their kind, without those that are there already."""
    kind = source.kind
    known = {column.name for column in source.columns}
    plain = [column for column in columns if column.form != "json" or column.name not in known]
    texts = [column.name for column in columns if column.form == "json" and column.name in known]
    fields = {f'{source.expression(column.name)} as "={column.name}"': None for column in plain}
    fields |= {
        f'{source.expression(name)} as "={name}"': None
        for name in KEYS[kind]
        if name not in {one.name for one in plain}
    }
    fields |= dict.fromkeys(source.physical(texts) if texts else ())
    keys = ", ".join(f'"={name}"' for name in KEYS[kind])
    same = " and ".join(f'w."{name}" = c."={name}"' for name in KEYS[kind])
    query = (
        f"select * from (select {', '.join(fields)}, part from ({_within(source, scope)})) c "  # noqa: S608
        f"where not exists (select 1 from {kind} w where {same})"
    )
    if len(source.files) > 1:
        query += f" qualify row_number() over (partition by {keys} order by part desc) = 1"
    if scope.newest is not None and kind == "signals":
        query += f' order by "=id" desc limit {scope.newest}'
    names = ", ".join(f'"={column.name}" as "{column.name}"' for column in plain)
    if not texts:
        duck.execute(f"insert into {kind} by name select {names} from ({query})")  # noqa: S608
        return
    # What the insert adds must not be looked for by the query that feeds it.
    duck.execute(f"create table cold as {query}")
    for batch in duck.cursor().sql("select * from cold").to_arrow_reader(BATCH_ROWS):
        stored = pa.Table.from_batches([batch])
        read = decode(kind, source.columns, stored, texts)
        arriving = stored.select([f"={column.name}" for column in plain])
        for name, values in read.items():
            arriving = arriving.append_column(f"={name}", values)
        duck.register("arriving", arriving)
        every = ", ".join(f'"={column.name}"::{TYPES[column.form]} as "{column.name}"' for column in columns)
        duck.execute(f"insert into {kind} by name select {every} from arriving")  # noqa: S608
        duck.unregister("arriving")
    duck.execute("drop table cold")


def add_creations(
    duck: duckdb.DuckDBPyConnection, source: Source, columns: Sequence[Column], scope: Scope
) -> None:
    """The first events that lie in the rows of archived signals into the table of events."""
    if source.is_empty:
        return
    told = {
        "signal_id": source.expression("id"),
        "number": "1",
        "tx": source.expression("creation_tx"),
        "worker": source.expression("creation_worker"),
        "occurred_at": source.expression("triggered_at"),
        "event_type": "'signal_created'",
        "location": "'ingest'",
        "to_status": "'new'",
        **{name: source.expression(name) for name in ("user_id", "created_at")},
        **{column.name: source.expression(column.name) for column in IDENTITY},
    }
    chosen = ", ".join(f'{told[one.name]} as "{one.name}"' for one in columns if one.name in told)
    duck.execute(
        f"insert into events by name select * from (select {chosen} from ({_within(source, scope)}) "  # noqa: S608
        "where creation_tx is not null) c "
        "where not exists (select 1 from events w where w.signal_id = c.signal_id and w.number = 1)"
    )


def _within(source: Source, scope: Scope) -> str:
    """The stored rows of the scope. DuckDB passes over what cannot hold any: files lie in order of user,
    trader and time."""
    since, until = (floor_ms(moment) * 1000 for moment in (scope.since, scope.until))
    wanted = [f"user_id = '{scope.user.hex}'"]
    if scope.trader is not None:
        wanted.append(f"trader_id = '{scope.trader.hex}'")
    if scope.since > FIRST:
        wanted.append(f"triggered_at >= {since}")
    if scope.until < LAST:
        wanted.append(f"triggered_at < {until}")
    query = f"select * from ({source.rows()}) where {' and '.join(wanted)}"  # noqa: S608
    if scope.newest is not None and source.kind == "signals":
        # A signal stands in several parts at most once each.
        query += f" order by triggered_at desc limit {scope.newest * max(1, len(source.files))}"
    return query


def by_part(files: Sequence[ListedFile], places: Sequence[Path], kind: Kind) -> Source:
    """The local copies of one kind as a source."""
    parts: dict[int, list[Path]] = defaultdict(list)
    for file, place in zip(files, places, strict=True):
        if file.kind == kind and file.row_count:
            parts[file.part].append(place)
    return Source.of(kind, dict(sorted(parts.items())))
