"""Archived files as DuckDB reads them: SQL for each column as it was, out of the fields of a file."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import duckdb
import pyarrow.parquet as pq

from workers.archive.columns import ID_COLUMN, Column, Kind
from workers.archive.encoding import ABSOLUTE, SOUGHT, Damaged, choose, needed

# What DuckDB calls each form.
TYPES = {
    "uuid": "uuid",
    "time": "timestamptz",
    "number": "decimal(38, 18)",
    "json": "json",
    "list": "json",
    "text": "varchar",
    "integer": "bigint",
    "flag": "boolean",
}
_EMPTY = {"id": "blob", "trader_id": "varchar", "symbol": "varchar", "interval": "varchar"}

# The id that follows from what a signal is (see shared/identity.py), as 32 hexadecimal digits.
_HASH = "sha256({dashed} || '|' || {symbol} || '|' || {interval})"
_DASHED = "{0}[1:8] || '-' || {0}[9:12] || '-' || {0}[13:16] || '-' || {0}[17:20] || '-' || {0}[21:32]"
_DERIVED = (
    "printf('%012x', {triggered} // 1000) || '8' || {hash}[1:3] || "
    "printf('%016x', (('0x' || {hash}[4:19])::ubigint >> 2) | 9223372036854775808::ubigint)"
)


@dataclass(frozen=True)
class Source:
    """Local copies of files of one kind: `files` by part, the newest part's rows count where two have one."""

    kind: Kind
    files: Mapping[int, Sequence[Path]]
    columns: Sequence[Column] = field(default=())
    fields: frozenset[str] = field(default=frozenset())

    @classmethod
    def of(cls, kind: Kind, files: Mapping[int, Sequence[Path]]) -> Source:
        """Look into the files for what they hold: columns were added over the years."""
        columns: dict[str, Column] = {}
        found: set[str] = set()
        for path in (path for paths in files.values() for path in paths):
            metadata = pq.read_metadata(path)
            try:
                layout = json.loads((metadata.metadata or {})[b"sigtrail"])
            except (KeyError, ValueError) as error:
                raise Damaged(f"{path.name} is no file of the archive") from error
            columns |= {name: Column(name, form) for name, form in layout["columns"]}
            found.update(metadata.schema.names)
        return cls(kind, files, tuple(columns.values()), frozenset(found))

    @property
    def is_empty(self) -> bool:
        return not any(self.files.values())

    def rows(self) -> str:
        """SQL for all rows as the files hold them, with the number of their part."""
        return " union all by name ".join(
            f"select *, {part} as part from read_parquet({_paths(paths)}, union_by_name = true)"  # noqa: S608
            for part, paths in self.files.items()
            if paths
        )

    def expression(self, name: str) -> str:
        """SQL for a column that is no JSON, in DuckDB's own types; null where no file has it."""
        column = next((one for one in self.columns if one.name == name), None)
        if column is None:
            return "null"
        if name == ID_COLUMN[self.kind]:
            return f"({self.id_digits})::uuid"
        if column.form == "uuid":
            digits = self._field(name) if name in SOUGHT else f"lower(hex({self._field(name)}))"
            return f"({digits})::uuid"
        if column.form == "time":
            return f"make_timestamptz({self.micros(name)})"
        if column.form == "number":
            return self._number(name)
        if column.form == "list":
            return f"({self._field(name)})::json"
        return self._field(name)

    def micros(self, name: str) -> str:
        """SQL for a time as microseconds since 1970."""
        if name in ABSOLUTE:
            return self._field(name)
        base = f"coalesce({self._field('triggered_at')}, 0)"
        return f"{self._field(f'{name}_after')} + {base}"

    @property
    def id_digits(self) -> str:
        """SQL for the signal's id as 32 hexadecimal digits."""
        names = ("trader_id", "symbol", "interval", "triggered_at")
        kept = f"lower(hex({self._field('id')}))" if "id" in self.fields else "null"
        if not self.fields.issuperset(names):
            return kept
        parts = {
            "dashed": _DASHED.format(self._field("trader_id")),
            "symbol": self._field("symbol"),
            "interval": self._field("interval"),
        }
        derived = _DERIVED.format(triggered=self._field("triggered_at"), hash=_HASH.format(**parts))
        return f"coalesce({kept}, {derived})"

    def physical(self, wanted: Sequence[str]) -> list[str]:
        """The fields that `decode` needs for these columns, as SQL names."""
        chosen = choose(sorted(self.fields), needed(self.kind, self.columns, wanted))
        return [f'"{name}"' for name in chosen]

    def _field(self, name: str) -> str:
        return f'"{name}"' if name in self.fields else f"null::{_EMPTY.get(name, 'bigint')}"

    def _number(self, name: str) -> str:
        unit, scale = self._field(name), self._field(f"{name}_scale")
        powers = " ".join(
            f"when {one} then {'1' if one == 0 else '0.' + '0' * (one - 1) + '1'}::decimal(19, 18)"
            for one in range(19)
        )
        exact = f"({unit}::decimal(19, 0) * (case {scale} {powers} end))::decimal(38, 18)"
        if f"{name}_text" not in self.fields:
            return exact
        return f'coalesce({exact}, try_cast("{name}_text" as decimal(38, 18)))'


def _paths(paths: Sequence[Path]) -> str:
    return "[" + ", ".join("'" + str(path).replace("'", "''") + "'" for path in paths) + "]"


def open_duckdb(
    folder: Path | None = None, *, memory: str = "1GB", threads: int = 2
) -> duckdb.DuckDBPyConnection:
    """DuckDB in memory, bounded, in UTC; what does not fit goes to `folder`."""
    config: dict[str, str | bool | int | float | list[str]] = {
        "memory_limit": memory,
        "threads": threads,
        "temp_directory": str(folder) if folder is not None else "",
        "max_temp_directory_size": "20GB",
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
        "python_enable_replacements": False,
    }
    connection = duckdb.connect(":memory:", config=config)
    connection.execute("set TimeZone = 'UTC'")
    return connection
