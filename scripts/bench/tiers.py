"""What one day takes in each tier: pages in Postgres while it is hot and warm, Parquet once it is cold."""

from __future__ import annotations

import secrets
from base64 import b64encode
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import psycopg
import pyarrow.parquet as pq
from psycopg.rows import dict_row

from scripts.bench.sql import query
from shared.errors import NotFound
from shared.settings import Settings
from workers.archive.connection import archivist
from workers.archive.day import archive_day, take_lock
from workers.archive.keys import SealKey
from workers.archive.seal import FOLDER as SEALS
from workers.archive.seal import from_file
from workers.archive.seals import seal
from workers.archive.store import open_store


@dataclass(frozen=True)
class Pages:
    """Bytes of the three tables of a day in Postgres."""

    signal_rows: int
    signal_indexes: int
    event_rows: int
    event_indexes: int
    snapshot_rows: int
    snapshot_indexes: int

    @property
    def signals_and_events(self) -> int:
        return self.signal_rows + self.signal_indexes + self.event_rows + self.event_indexes

    @property
    def all(self) -> int:
        return self.signals_and_events + self.snapshot_rows + self.snapshot_indexes


@dataclass(frozen=True)
class Cold:
    """An archived day, or several.

    signals, events, snapshots: how many there are; an event that a signal's row tells is among the events
    bytes: of the files of each kind, those of the days' seals among them; columns: compressed bytes by kind
        and column
    """

    signals: int
    events: int
    snapshots: int
    bytes: Counter[str]
    columns: Counter[tuple[str, str]]

    def __add__(self, other: Cold) -> Cold:
        return Cold(
            self.signals + other.signals,
            self.events + other.events,
            self.snapshots + other.snapshots,
            self.bytes + other.bytes,
            self.columns + other.columns,
        )


NOTHING = Cold(0, 0, 0, Counter(), Counter())


def measure_pages(connection: psycopg.Connection[Any], day: date) -> Pages:
    """The day's bytes in Postgres, as they are now. `connection` is the owner's."""
    with connection.cursor(row_factory=dict_row) as cursor:
        row = cursor.execute(query("size_day"), {"day": day}).fetchone() or {}
    return Pages(**{name: int(size) for name, size in row.items()})


def warm(connection: psycopg.Connection[Any], day: date) -> None:
    """Make a hot day a warm one, as the job does."""
    done = connection.execute("select private.warm_day(%s)", (day,)).fetchone()
    if done != (True,):
        raise NotFound(f"{day} could not be made warm: it is no open day, or somebody reads it")


def make_key() -> SealKey:
    """A key for seals that nobody will check."""
    return SealKey.from_text(b64encode(secrets.token_bytes(32)).decode())


async def archive(settings: Settings, folder: Path, key: SealKey, days: list[date]) -> Cold:
    """Seal and archive these days into a folder, and look at what was written."""
    settings = settings.model_copy(update={"sigtrail_archive": str(folder)})
    store = await open_store(settings)
    found = NOTHING
    try:
        async with archivist(settings) as connection:
            if not await take_lock(connection):
                raise NotFound("another archive works on this database")
            await seal(connection, store, key)
            for day in days:
                part = await archive_day(settings, connection, store, day)
                if part is not None:
                    files = Cold(part.signals, part.events, part.snapshots, Counter(), Counter())
                    found = found + files + _look_at(folder / "days" / day.isoformat())
            # The links to the parts.
            await seal(connection, store, key)
    finally:
        await store.close()
    return found + Cold(0, 0, 0, _measure_seals(folder / SEALS, days), Counter())


def _measure_seals(folder: Path, days: Sequence[date]) -> Counter[str]:
    """The bytes of the seals' files of these days."""
    files = [path.read_bytes() for path in folder.rglob("*.json")]
    return Counter(seals=sum(len(file) for file in files if from_file(file)[0].partition_day in days))


def _look_at(folder: Path) -> Cold:
    """The bytes of the files below a folder, by kind and column."""
    sizes: Counter[str] = Counter()
    columns: Counter[tuple[str, str]] = Counter()
    for path in sorted(folder.rglob("*.parquet")):
        kind = path.name.split("-", 1)[0]
        sizes[kind] += path.stat().st_size
        metadata = pq.ParquetFile(path).metadata
        for group in range(metadata.num_row_groups):
            row_group = metadata.row_group(group)
            for number in range(row_group.num_columns):
                column = row_group.column(number)
                columns[kind, column.path_in_schema] += column.total_compressed_size
    return Cold(0, 0, 0, sizes, columns)
