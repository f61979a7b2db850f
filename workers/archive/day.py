"""One day into the archive: what was sealed since its last part goes into the next one.

    export ─▶ files on this machine ─▶ store ─▶ read back, counted, hashed ─▶ listed

Until a part is listed nothing of it counts: a run that was killed leaves files that nobody knows, and the
next one removes them. Listing goes through the connection that holds the archive's lock, so that a process
that lost the lock can list nothing.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import orjson
import psycopg
import pyarrow as pa
import structlog
from psycopg.rows import DictRow

from shared.errors import NotFound, SigtrailError
from shared.settings import Settings
from workers.archive.columns import KINDS, Kind
from workers.archive.connection import Connection, archivist_thread
from workers.archive.encoding import Damaged
from workers.archive.export import Export, Span
from workers.archive.files import ArchiveFile, Written, hash_file, write_files
from workers.archive.store import Store

log = structlog.get_logger(__name__)


# 'arch' as a number: the class of the advisory locks of the archive.
LOCK = 0x61726368


class NotRight(SigtrailError):
    """What the store gave back is not what was written to it. Nothing was listed or removed."""


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a day that is listed now."""

    day: date
    number: int
    signals: int
    events: int
    snapshots: int
    files: int
    byte_count: int


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a part has come: exporting, stored, verified or listed. `rows` of `total` are verified."""

    day: date
    stage: str
    rows: int = 0
    total: int = 0
    path: str = ""


Tell = Callable[[Progress], None]


def say_nothing(_: Progress) -> None:
    """For callers that show no progress."""


async def take_lock(connection: Connection) -> bool:
    """Become the one archiver of this database until the connection ends; false when there is another."""
    row = await (await connection.execute("select pg_try_advisory_lock(%s, 0) as held", (LOCK,))).fetchone()
    return bool(row and row["held"])


async def archive_day(
    settings: Settings, connection: Connection, store: Store, day: date, tell: Tell = say_nothing
) -> Part | None:
    """Archive what is sealed of a day and in no part yet; None when there is nothing.

    connection: one of the role `archivist` that holds the archive's lock, committing each statement alone

    Raises NotRight when a file cannot be read back as it was written, and what `Store` raises.
    """
    due = await _find_due(connection, day)
    if due is None:
        return None
    span, number, epoch = due
    await _remove_leftovers(connection, store, day)
    with tempfile.TemporaryDirectory(prefix="sigtrail-archive-") as folder:
        with archivist_thread(settings) as exporting:
            work = _Work(exporting, span, Path(folder))
            try:
                total = await asyncio.to_thread(work.begin)
                tell(Progress(day, "exporting", 0, sum(total.values())))
                listed = await _store_files(work, store, day, number, sum(total.values()), tell)
            finally:
                await asyncio.to_thread(work.end)
        _compare_counts(day, total, listed, work.creations)
        body = orjson.dumps([_row(path, written) for path, written in listed]).decode()
        await connection.execute(
            "select private.add_archive_files(%s, %s, %s, %s, %s, %s, %s)",
            (day, number, epoch, span.from_tx, span.to_tx, work.snapshot_xmin, body),
        )
    part = Part(
        day,
        number,
        total["signals"],
        total["events"] + work.creations,
        total["snapshots"],
        len(listed),
        sum(written.byte_count for _, written in listed),
    )
    tell(Progress(day, "listed", sum(total.values()), sum(total.values())))
    log.info("day_archived", day=str(day), part=number, signals=part.signals, bytes=part.byte_count)
    return part


async def _find_due(connection: Connection, day: date) -> tuple[Span, int, str] | None:
    sealed = await _one(
        connection,
        "select to_tx, epoch from public.audit_seals where kind = 'events' and partition_day = %s "
        "order by number desc limit 1",
        day,
    )
    if sealed is None:
        return None
    last = await _one(
        connection,
        "select coalesce(max(part), 0) as part, coalesce(max(to_tx) filter (where epoch = %s), 0) as to_tx "
        "from public.archive_files where partition_day = %s",
        sealed["epoch"],
        day,
    )
    assert last is not None  # noqa: S101 - an aggregate without groups has one row
    if sealed["to_tx"] <= last["to_tx"]:
        return None
    return Span(day, last["to_tx"], sealed["to_tx"]), last["part"] + 1, sealed["epoch"]


async def _one(connection: Connection, query: str, *values: Any) -> DictRow | None:
    return await (await connection.execute(query.encode(), values)).fetchone()


async def _remove_leftovers(connection: Connection, store: Store, day: date) -> None:
    """Remove files of this day that are not listed: an archiver was killed before it could list them."""
    rows = await (
        await connection.execute("select path from public.archive_files where partition_day = %s", (day,))
    ).fetchall()
    known = {row["path"] for row in rows}
    for stored in await store.list(folder_of(day)):
        if stored.path not in known:
            log.info("leftover_removed", path=stored.path)
            await store.delete(stored.path)


def folder_of(day: date) -> str:
    """Where a day's files lie in the store."""
    return f"days/{day.isoformat()}"


class _Work:
    """The export, which runs in threads beside the event loop, one call after the other."""

    def __init__(self, connection: psycopg.Connection[tuple[Any, ...]], span: Span, folder: Path) -> None:
        self._connection = connection
        self._span = span
        self._folder = folder
        self._files: Iterator[Written] = iter(())
        self.creations = 0
        self.snapshot_xmin = 0

    def begin(self) -> dict[Kind, int]:
        """Look at the database from here on as it is now; answers how many rows there are to be written."""
        self._connection.execute("begin isolation level repeatable read read only")
        export = Export(self._connection, self._span)
        counts, self.creations = export.count()
        self.snapshot_xmin = export.snapshot_xmin
        self._files = self._write(export)
        return counts

    def next(self) -> Written | None:
        """The next file, on this machine."""
        try:
            return next(self._files, None)
        except pa.ArrowException as error:
            raise NotRight(f"rows of {self._span.day} cannot be written to a file: {error}") from error

    def end(self) -> None:
        # The connection is closed after this: what COPY still sends is not read.
        self._connection.close()

    def _write(self, export: Export) -> Iterator[Written]:
        for kind in KINDS:
            yield from write_files(self._folder, kind, export.columns[kind], export.windows(kind))


async def _store_files(
    work: _Work, store: Store, day: date, part: int, total: int, tell: Tell
) -> list[tuple[str, Written]]:
    listed: list[tuple[str, Written]] = []
    rows = 0
    while (written := await asyncio.to_thread(work.next)) is not None:
        # The name says what is inside: whatever a killed run left under a name, this content replaces.
        path = (
            f"{folder_of(day)}/part-{part:03}/{written.kind}-{written.number:03}-"
            f"{written.file_hash.hex()[:16]}.parquet"
        )
        await store.put(path, written.path)
        tell(Progress(day, "stored", rows, total, path))
        await _read_back(store, path, written)
        rows += written.row_count
        tell(Progress(day, "verified", rows, total, path))
        written.path.unlink()
        listed.append((path, written))
    return listed


async def _read_back(store: Store, path: str, written: Written) -> None:
    """Fetch the file again and compare it with what was written, byte by byte and row by row."""
    copy = written.path.with_suffix(".back")
    try:
        await store.fetch(path, copy)
        await asyncio.to_thread(_compare, copy, written)
    except (NotFound, Damaged) as error:
        raise NotRight(
            f"{path} was written to {store.address} and could not be read back: {error}. Nothing was "
            "listed or removed; it is tried again"
        ) from error
    finally:
        copy.unlink(missing_ok=True)


def _compare(copy: Path, written: Written) -> None:
    size = copy.stat().st_size
    if size != written.byte_count:
        raise Damaged(f"it has {size} bytes instead of {written.byte_count}")
    if hash_file(copy) != written.file_hash:
        raise Damaged("its bytes are others than those that were written")
    opened = ArchiveFile(copy)
    try:
        if opened.row_count != written.row_count:
            raise Damaged(f"it has {opened.row_count} rows instead of {written.row_count}")
        if opened.content_hash() != written.content_hash:
            raise Damaged("its rows are others than those of the database")
    finally:
        opened.close()


def _compare_counts(
    day: date, total: dict[Kind, int], listed: list[tuple[str, Written]], creations: int
) -> None:
    found: Counter[str] = Counter()
    for _, written in listed:
        found[written.kind] += written.row_count
        found["creations"] += written.creation_count
    expected = Counter[str]({"creations": creations})
    for kind, count in total.items():
        expected[kind] = count
    if +found != +expected:
        raise NotRight(f"the files of {day} hold {dict(found)} rows, the database {dict(expected)}")


def _row(path: str, written: Written) -> dict[str, Any]:
    return {
        "kind": written.kind,
        "number": written.number,
        "path": path,
        "row_count": written.row_count,
        "creation_count": written.creation_count,
        "byte_count": written.byte_count,
        "file_hash": written.file_hash.hex(),
        "content_hash": written.content_hash.hex(),
        "first_user_id": written.first_user_id,
        "last_user_id": written.last_user_id,
    }
