"""The columns that the archive keeps of each kind of row, as the database's catalogue names them.

Nothing is listed by hand that a later migration could add to: a new column of the tables is archived too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import psycopg
import pyarrow as pa

Kind = Literal["signals", "events", "snapshots"]
KINDS: tuple[Kind, ...] = ("signals", "events", "snapshots")
TABLES: dict[Kind, str] = {
    "signals": "signals",
    "events": "signal_events",
    "snapshots": "signal_monitoring_snapshots",
}
ID_COLUMN: dict[Kind, str] = {"signals": "id", "events": "signal_id", "snapshots": "signal_id"}

# What a value is, beyond how it is stored. An array of text is kept as JSON: null, "" and nesting differ.
Form = Literal["uuid", "time", "number", "json", "list", "text", "integer", "flag"]

_FORMS: dict[str, Form] = {
    "uuid": "uuid",
    "timestamptz": "time",
    "numeric": "number",
    "jsonb": "json",
    "_text": "list",
    "int2": "integer",
    "int4": "integer",
    "int8": "integer",
    "bool": "flag",
}
# How each form travels: times as microseconds since 1970, numbers and JSON as PostgreSQL writes them.
ARROW: dict[Form, pa.DataType] = {
    "uuid": pa.string(),
    "time": pa.int64(),
    "number": pa.string(),
    "json": pa.string(),
    "list": pa.string(),
    "text": pa.string(),
    "integer": pa.int64(),
    "flag": pa.bool_(),
}
_EXPRESSIONS: dict[Form, str] = {
    "uuid": "replace({}::text, '-', '')",
    "time": "(extract(epoch from {}) * 1000000)::bigint",
    "number": "{}::text",
    "json": "{}::text",
    "list": "array_to_json({})::text",
    "text": "{}::text",
    "integer": "{}::bigint",
    "flag": "{}",
}


@dataclass(frozen=True, slots=True)
class Column:
    """One column: its name, and what its values are."""

    name: str
    form: Form

    def expression(self, table: str) -> str:
        """SQL that answers the column in the form in which it travels."""
        return _EXPRESSIONS[self.form].format(f'{table}."{self.name}"')


# What an event or a snapshot takes over from its signal: it finds the signal's rows, and makes its id.
IDENTITY = (
    Column("trader_id", "uuid"),
    Column("symbol", "text"),
    Column("interval", "text"),
    Column("triggered_at", "time"),
)
# The creation event of a signal, where it says nothing that the signal's row does not say.
CREATION = (Column("creation_tx", "integer"), Column("creation_worker", "text"))


def read_columns(connection: psycopg.Connection[tuple[Any, ...]]) -> dict[Kind, list[Column]]:
    """The columns of the three tables in their order, without what is added from elsewhere."""
    found: dict[Kind, list[Column]] = {}
    for kind, table in TABLES.items():
        rows = connection.execute(
            "select a.attname, t.typname from pg_catalog.pg_attribute a "
            "join pg_catalog.pg_type t on t.oid = a.atttypid "
            "where a.attrelid = %s::regclass and a.attnum > 0 and not a.attisdropped order by a.attnum",
            (f"public.{table}",),
        ).fetchall()
        found[kind] = [Column(str(name), _FORMS.get(str(type_name), "text")) for name, type_name in rows]
    return found


def schema(columns: Sequence[Column]) -> pa.Schema:
    """The Arrow schema of rows on their way."""
    return pa.schema([pa.field(column.name, ARROW[column.form]) for column in columns])
