"""Archived days, read back as records: the events of a day in the order in which seals hash them."""

from __future__ import annotations

import asyncio
import heapq
import tempfile
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any, cast
from uuid import UUID

import duckdb
import pyarrow as pa

from shared.identity import EPOCH
from workers.archive.cache import fetch_checked
from workers.archive.columns import Kind
from workers.archive.encoding import Damaged, decode
from workers.archive.listing import ListedFile
from workers.archive.records import EventRecord, SignalRecord
from workers.archive.scan import Source, open_duckdb
from workers.archive.store import Store

BATCH_ROWS = 8192
_MICROSECOND = timedelta(microseconds=1)

SIGNAL_NAMES = (
    *("id", "user_id", "trader_id", "machine_id", "triggered_at", "created_at", "source", "side", "symbol"),
    *("normalised_symbol", "interval", "initial_price", "matched_conditions", "original_signal"),
    *("creation_tx", "creation_worker"),
)
EVENT_NAMES = (
    *("signal_id", "number", "tx", "user_id", "order_id", "position_id", "execution_id", "occurred_at"),
    *("created_at", "event_type", "location", "from_status", "to_status", "worker", "event_data"),
    "error_info",
)


async def read_events(store: Store, files: Sequence[ListedFile]) -> AsyncIterator[EventRecord]:
    """Every event of a day's archived parts once, in order of signal and number; the first with its signal.

    files: all listed files of that day, as `list_files` answers them

    Fetched anew and sorted on disk: memory is bounded, also for a day of millions. Raises NotFound for a file
    that is not in the store, Damaged for one that is not the file that was listed.
    """
    async with open_day(store, files) as (duck, signals, events):
        records = _merge(duck, signals, events)
        while batch := await asyncio.to_thread(lambda: list(islice(records, BATCH_ROWS))):
            for record in batch:
                yield record


@asynccontextmanager
async def open_day(
    store: Store, files: Sequence[ListedFile]
) -> AsyncIterator[tuple[duckdb.DuckDBPyConnection, Source, Source]]:
    """Fresh copies of a day's signals and events, with a database to read them; gone after the block."""
    with tempfile.TemporaryDirectory(prefix="sigtrail-cold-") as folder:
        signals = await fetch_kind(store, files, "signals", Path(folder))
        events = await fetch_kind(store, files, "events", Path(folder))
        with open_duckdb(Path(folder)) as duck:
            yield duck, signals, events


async def fetch_kind(store: Store, files: Sequence[ListedFile], kind: Kind, folder: Path) -> Source:
    """Fresh copies of a day's files of one kind, each the one that was listed."""
    places: dict[int, list[Path]] = defaultdict(list)
    for file in files:
        if file.kind == kind:
            place = folder / f"{file.part:04}-{kind}-{file.number:04}.parquet"
            await fetch_checked(store, file, place)
            places[file.part].append(place)
    return Source.of(kind, places)


def _merge(duck: duckdb.DuckDBPyConnection, signals: Source, events: Source) -> Iterator[EventRecord]:
    """Signals and events side by side in order of id: each first event meets its signal."""
    both = heapq.merge(
        _read(duck, signals, SIGNAL_NAMES, "part desc"),
        _read(duck, events, EVENT_NAMES, '"number", part desc'),
        key=lambda row: (row["key"], "number" in row),
    )
    key, signal, last = "", None, 0
    for row in both:
        if row["key"] != key:
            key, signal, last = row["key"], None, 0
        if "number" not in row:
            # What seals cover of a signal's row is the same in every part.
            signal = signal or _signal(row)
            if row["creation_tx"] is not None and last == 0:
                last = 1
                yield _creation(row, signal)
        elif row["number"] > last:
            last = row["number"]
            yield _event(row, signal if last == 1 else None)


def _read(
    duck: duckdb.DuckDBPyConnection, source: Source, wanted: Sequence[str], order: str
) -> Iterator[dict[str, Any]]:
    if source.is_empty:
        return
    for keys, values in read_columns(duck, source, wanted, "true", order, BATCH_ROWS):
        names = [*values, "key"]
        columns = [*(array.to_pylist() for array in values.values()), keys.to_pylist()]
        for row in zip(*columns, strict=True):
            yield dict(zip(names, row, strict=True))


def read_columns(
    duck: duckdb.DuckDBPyConnection,
    source: Source,
    wanted: Sequence[str],
    where: str,
    order: str,
    size: int,
) -> Iterator[tuple[pa.Array, dict[str, pa.Array]]]:
    """So many rows at a time, by signal and then by `order`: the digits of their ids and the wanted columns.

    Raises Damaged where the files lack one of these.
    """
    missing = set(wanted) - {column.name for column in source.columns}
    if missing:
        raise Damaged(f"the archived {source.kind} have no column {', '.join(sorted(missing))}")
    fields = dict.fromkeys([*source.physical(wanted), '"part"'])
    query = (
        f"select {', '.join(fields)}, {source.id_digits} as key from ({source.rows()}) "  # noqa: S608
        f"where {where} order by key, {order}"
    )
    # Two readers of one connection would end each other.
    for batch in duck.cursor().sql(query).to_arrow_reader(size):
        stored = pa.Table.from_batches([batch])
        yield stored["key"].combine_chunks(), decode(source.kind, source.columns, stored, wanted)


def _signal(row: dict[str, Any]) -> SignalRecord:
    return SignalRecord(
        id=UUID(row["id"]),
        user_id=UUID(row["user_id"]),
        trader_id=UUID(row["trader_id"]),
        machine_id=_uuid(row["machine_id"]),
        triggered_at=_time(row["triggered_at"]),
        created_at=_time(row["created_at"]),
        source=row["source"],
        side=row["side"],
        symbol=row["symbol"],
        normalised_symbol=row["normalised_symbol"],
        interval=row["interval"],
        initial_price=row["initial_price"],
        matched_conditions=row["matched_conditions"],
        original_signal=row["original_signal"],
    )


def _creation(row: dict[str, Any], signal: SignalRecord) -> EventRecord:
    """The creation event that lies in its signal's row."""
    return EventRecord(
        signal_id=signal.id,
        number=1,
        tx=row["creation_tx"],
        user_id=signal.user_id,
        order_id=None,
        position_id=None,
        execution_id=None,
        occurred_at=signal.triggered_at,
        created_at=signal.created_at,
        event_type="signal_created",
        location="ingest",
        from_status=None,
        to_status="new",
        worker=row["creation_worker"],
        event_data=None,
        error_info=None,
        signal=signal,
    )


def _event(row: dict[str, Any], signal: SignalRecord | None) -> EventRecord:
    ids = ("order_id", "position_id", "execution_id")
    texts = ("event_type", "location", "from_status", "to_status", "worker", "event_data", "error_info")
    return EventRecord(
        signal_id=UUID(row["signal_id"]),
        number=row["number"],
        tx=row["tx"],
        user_id=UUID(row["user_id"]),
        occurred_at=_time(row["occurred_at"]),
        created_at=_time(row["created_at"]),
        signal=signal,
        **cast("dict[str, Any]", {name: _uuid(row[name]) for name in ids}),
        **{name: row[name] for name in texts},
    )


def _uuid(digits: str | None) -> UUID | None:
    return None if digits is None else UUID(digits)


def _time(micros: int) -> datetime:
    return EPOCH + micros * _MICROSECOND
