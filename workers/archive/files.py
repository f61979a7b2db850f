"""The Parquet files of one kind of rows: written from windows, and read back."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pyarrow as pa
import pyarrow.parquet as pq

from workers.archive.columns import Column, Kind
from workers.archive.content import digest_window
from workers.archive.encoding import SOUGHT, Damaged, decode, encode

FORMAT = 1
# A file holds six windows, and is cut where it would not fit the upload limit of a Supabase project (50 MB).
MOST_ROWS = 6 * 65_536
MOST_MEMORY = 256 << 20
MOST_BYTES = 40 << 20
# Slow to write and as fast to read as any other level.
LEVEL = 15
# What readers compare before they read; of all others the smallest and greatest would only take room.
STATISTICS = [*sorted(SOUGHT), "triggered_at", "symbol", "status", "creation_tx", "tx"]
_META = b"sigtrail"


@dataclass(frozen=True, slots=True)
class Written:
    """A file on this machine and what is in it."""

    path: Path
    kind: Kind
    number: int
    row_count: int
    creation_count: int
    byte_count: int
    file_hash: bytes
    content_hash: bytes
    first_user_id: str | None
    last_user_id: str | None


@dataclass(frozen=True, slots=True)
class _Window:
    stored: pa.Table
    digest: bytes
    creations: int
    users: tuple[str | None, str | None]


def write_files(
    folder: Path, kind: Kind, columns: list[Column], windows: Iterable[pa.Table]
) -> Iterator[Written]:
    """Write the windows to as many files as they need, and tell each as soon as it is done.

    The caller removes a file when it is stored: no more than one is there at a time.
    """
    waiting: list[_Window] = []
    number = 0
    for window in windows:
        waiting.append(_prepare(kind, columns, window))
        rows = sum(one.stored.num_rows for one in waiting)
        if rows >= MOST_ROWS or sum(one.stored.nbytes for one in waiting) >= MOST_MEMORY:
            for written in _write(folder, kind, columns, waiting, number):
                number = written.number
                yield written
            waiting = []
    if waiting:
        yield from _write(folder, kind, columns, waiting, number)


def _prepare(kind: Kind, columns: list[Column], window: pa.Table) -> _Window:
    values = {column.name: window[column.name].combine_chunks() for column in columns}
    users = values["user_id"]
    creations = len(window) - values["creation_tx"].null_count if kind == "signals" else 0
    return _Window(
        encode(kind, columns, window),
        digest_window(columns, values),
        creations,
        (users[0].as_py(), users[len(users) - 1].as_py()),
    )


def _write(
    folder: Path, kind: Kind, columns: list[Column], windows: list[_Window], number: int
) -> Iterator[Written]:
    path = folder / f"{kind}-{number + 1:04}.parquet"
    stored = [one.stored for one in windows]
    layout = {"format": FORMAT, "kind": kind, "columns": [[one.name, one.form] for one in columns]}
    schema = pa.unify_schemas([one.schema for one in stored])
    doubles = [field.name for field in schema if pa.types.is_floating(field.type)]
    with pq.ParquetWriter(
        path,
        schema,
        compression="zstd",
        compression_level=LEVEL,
        use_dictionary=[field.name for field in schema if field.name not in doubles],
        # The bytes of doubles one kind after the other: their exponents are alike, their ends are not.
        use_byte_stream_split=doubles or False,
        write_statistics=[name for name in STATISTICS if name in schema.names],
        store_schema=False,
    ) as writer:
        for one in stored:
            fields = {name: one[name] for name in one.column_names}
            for field in schema:
                fields.setdefault(field.name, pa.nulls(one.num_rows, field.type))
            whole = pa.table([fields[name] for name in schema.names], schema=schema)
            writer.write_table(whole, row_group_size=max(one.num_rows, 1))
        writer.add_key_value_metadata({_META: json.dumps(layout)})
    size = path.stat().st_size
    if size > MOST_BYTES and len(windows) > 1:
        path.unlink()
        middle = len(windows) // 2
        for half in (windows[:middle], windows[middle:]):
            for written in _write(folder, kind, columns, half, number):
                number = written.number
                yield written
        return
    yield Written(
        path,
        kind,
        number + 1,
        sum(one.num_rows for one in stored),
        sum(one.creations for one in windows),
        size,
        hash_file(path),
        hashlib.sha256(b"".join(one.digest for one in windows)).digest(),
        windows[0].users[0],
        windows[-1].users[1],
    )


def hash_file(path: Path) -> bytes:
    """SHA-256 of a file on this machine."""
    with path.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").digest()


# Reading -------------------------------------------------------------------------------------------------


class ArchiveFile:
    """One Parquet file of the archive, on this machine. Raises Damaged for anything that is none."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._file = pq.ParquetFile(path, pre_buffer=False)
            metadata = self._file.metadata.metadata or {}
            layout: dict[str, Any] = json.loads(metadata[_META])
        except (OSError, pa.ArrowException, KeyError, ValueError) as error:
            raise Damaged(f"{path.name} is no file of the archive: {error}") from error
        if layout["format"] != FORMAT:
            raise Damaged(f"{path.name} has the format {layout['format']}, this version reads {FORMAT}")
        self.kind = cast("Kind", layout["kind"])
        self.columns = [Column(name, form) for name, form in layout["columns"]]
        self.row_count: int = self._file.metadata.num_rows

    def windows(self, wanted: list[str] | None = None) -> Iterator[dict[str, pa.Array]]:
        """The rows, window by window, as they were written; only the wanted columns, if told."""
        for number in range(self._file.metadata.num_row_groups):
            try:
                stored = self._file.read_row_group(number, use_threads=False)
            except (OSError, pa.ArrowException) as error:
                raise Damaged(f"{self._path.name} cannot be read: {error}") from error
            yield decode(self.kind, self.columns, stored, wanted)

    def content_hash(self) -> bytes:
        """The hash of what the rows say."""
        digests = [digest_window(self.columns, window) for window in self.windows()]
        return hashlib.sha256(b"".join(digests)).digest()

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()
