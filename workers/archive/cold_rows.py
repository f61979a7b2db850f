"""Archived days as verification reads them: thousands of events at once, hashed as the seals hash them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from contextlib import aclosing

import duckdb
import numpy as np
import orjson
import pyarrow as pa

from workers.archive.cold import EVENT_NAMES, SIGNAL_NAMES, open_day, read_columns
from workers.archive.frames import hash_payloads
from workers.archive.ids import to_bytes
from workers.archive.listing import ListedFile
from workers.archive.rows import (
    FINAL,
    Integers,
    Octets,
    Rows,
    Words,
    make_keys,
    make_records,
    whole_signals,
)
from workers.archive.scan import Source
from workers.archive.store import Store
from workers.archive.tiers import pairs

BATCH = 20_000
Values = Mapping[str, pa.Array]


async def read_rows(store: Store, files: Sequence[ListedFile], words: Words) -> AsyncGenerator[Rows]:
    """Every event of a day's archived parts once, in order, all of a signal at once.

    files: all listed files of that day, as `list_files` answers them

    Fetched anew and sorted on disk: memory is bounded, also for a day of millions. Raises NotFound for a file
    that is not in the store, Damaged for one that is not the file that was listed.
    """
    async with (
        open_day(store, files) as (duck, signals, events),
        aclosing(_in_thread(_read_creations(duck, signals, words))) as creations,
        aclosing(_in_thread(_read_events(duck, signals, events, words))) as others,
        aclosing(whole_signals(creations)) as left,
        aclosing(whole_signals(others)) as right,
        # The creation event that lies in its signal's row counts, whatever else bears its number.
        aclosing(pairs(left, right)) as both,
    ):
        async for one in both:
            yield one.rows


async def _in_thread(rows: Iterator[Rows]) -> AsyncGenerator[Rows]:
    while (batch := await asyncio.to_thread(next, rows, None)) is not None:
        yield batch


def _read_creations(duck: duckdb.DuckDBPyConnection, source: Source, words: Words) -> Iterator[Rows]:
    """The creation events that lie in the rows of their signals."""
    if "creation_tx" not in source.fields:
        return
    last = b""
    for keys, values in _scan(duck, source, SIGNAL_NAMES, "creation_tx is not null", "part desc"):
        tx = np.asarray(values["creation_tx"])
        rows = len(tx)
        one = np.ones(rows, np.int64)
        event = {
            "signal_id": values["id"],
            "user_id": values["user_id"],
            "occurred_at": values["triggered_at"],
            "created_at": values["created_at"],
            "event_type": _repeat("signal_created", rows),
            "location": _repeat("ingest", rows),
            "to_status": _repeat("new", rows),
            "worker": values["creation_worker"],
        }
        nothing = np.zeros(rows, np.int64)
        made = Rows(
            make_keys(keys, one),
            tx,
            make_records(hash_payloads(event, values, rows), one, tx),
            nothing,
            one * words.number("new"),
            np.zeros(rows, np.bool_),
            nothing,
            nothing.copy(),
            nothing.copy(),
        )
        made, last = _once(made, last)
        yield made


def _read_events(
    duck: duckdb.DuckDBPyConnection, signals: Source, events: Source, words: Words
) -> Iterator[Rows]:
    """The events with rows of their own."""
    if events.is_empty:
        return
    owners = _Owners(duck, signals, events)
    last = b""
    for keys, values in _scan(duck, events, EVENT_NAMES, "true", '"number", part desc'):
        number, tx = np.asarray(values["number"]), np.asarray(values["tx"])
        rows = len(tx)
        to_status = values["to_status"]
        told = [
            _outcome(text) if status in FINAL and text is not None else None
            for status, text in zip(to_status.to_pylist(), values["event_data"].to_pylist(), strict=True)
        ]
        nothing = np.zeros(rows, np.int64)
        made = Rows(
            make_keys(keys, number),
            tx,
            make_records(hash_payloads(values, owners.of(keys, number), rows), number, tx),
            words.numbers(values["from_status"].to_pylist()),
            words.numbers(to_status.to_pylist()),
            np.logical_or.reduce(
                [np.asarray(values[one].is_valid()) for one in ("order_id", "position_id", "execution_id")]
            ),
            words.numbers(told),
            nothing,
            nothing.copy(),
        )
        made, last = _once(made, last)
        yield made


class _Owners:
    """The signals of first events that have rows of their own, alongside those events."""

    def __init__(self, duck: duckdb.DuckDBPyConnection, signals: Source, events: Source) -> None:
        first = f'select {events.id_digits} from ({events.rows()}) where "number" = 1'  # noqa: S608
        self._scan: Iterator[tuple[Octets, Values]] = iter(())
        if not signals.is_empty and duck.execute(f"{first} limit 1").fetchone() is not None:
            self._scan = _scan(duck, signals, SIGNAL_NAMES, f"{signals.id_digits} in ({first})", "part desc")
        self._keys: Octets = np.zeros((0, 16), np.uint8)
        self._held: pa.Table | None = None

    def of(self, keys: Octets, number: Integers) -> Values:
        """The columns of these events' signals; null for all but first events."""
        if not (number == 1).any():
            return {}
        wanted = _as_text(keys)
        while not len(self._keys) or _as_text(self._keys)[-1] < wanted[-1]:
            found = next(self._scan, None)
            if found is None:
                break
            table = pa.table(dict(found[1]))
            self._keys = np.concatenate([self._keys, found[0]])
            self._held = table if self._held is None else pa.concat_tables([self._held, table])
        if self._held is None:
            return {}
        held = _as_text(self._keys)
        # The first row of a signal is its newest part's.
        at = np.searchsorted(held, wanted)
        there = (number == 1) & (at < len(held))
        there[there] = held[at[there]] == wanted[there]
        chosen = self._held.take(pa.array(at, mask=~there))
        passed = int(np.searchsorted(held, wanted[-1]))
        self._keys, self._held = self._keys[passed:], self._held.slice(passed)
        return {name: chosen[name].combine_chunks() for name in chosen.column_names}


def _scan(
    duck: duckdb.DuckDBPyConnection, source: Source, wanted: Sequence[str], where: str, order: str
) -> Iterator[tuple[Octets, Values]]:
    """Rows of the archive in order of signal: their ids and the wanted columns."""
    for digits, values in read_columns(duck, source, wanted, where, order, BATCH):
        key = to_bytes(digits.cast(pa.string()))
        yield np.frombuffer(key.buffers()[1], np.uint8).reshape(-1, 16), values


def _once(rows: Rows, last: bytes) -> tuple[Rows, bytes]:
    """Each event once, the newest part's; `last` is the key before these rows."""
    new = np.ones(len(rows), np.bool_)
    new[1:] = rows.key[1:] != rows.key[:-1]
    if len(rows):
        new[0] = rows.key[0] != last
        last = rows.key[-1]
    return rows.take(new), last


def _as_text(octets: Octets) -> np.ndarray[tuple[int], np.dtype[np.bytes_]]:
    return np.ascontiguousarray(octets).view("S16").reshape(-1)


def _repeat(text: str, rows: int) -> pa.Array:
    return pa.array([text], pa.string()).take(pa.array(np.zeros(rows, np.int64)))


def _outcome(text: str) -> str | None:
    data = orjson.loads(text)
    told = data.get("outcome_code") if isinstance(data, dict) else None
    return told if told is None or isinstance(told, str) else orjson.dumps(told).decode()
