"""Questions to a user's whole history, warm and cold: SQL over the views signals, events and snapshots.

The SQL may be anybody's. It runs in a DuckDB that holds the rows of this user only, that reaches no file and
no network, whose settings are locked, and whose memory and time are bounded.
"""

from __future__ import annotations

import asyncio
import json
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from shared.errors import InputError, Refused
from shared.settings import Settings
from workers.archive.cache import Cache
from workers.archive.columns import KINDS, Column, Kind
from workers.archive.export import lowest_of
from workers.archive.listing import ListedFile
from workers.archive.reading import (
    KEYS,
    Layout,
    Scope,
    Snapshot,
    add_cold,
    add_creations,
    add_warm,
    by_part,
    make_tables,
    snapshot,
)
from workers.archive.scan import open_duckdb
from workers.archive.store import Store

# Days of files that are looked into together when only the newest signals are wanted.
DAYS_AT_ONCE = 7
# How often a question whose time is over is interrupted until it ends.
INTERRUPT_SECONDS = 0.05
# So that a plan shows which columns are read, and not only that nothing is there.
_UNPLANNED = "statistics_propagation,empty_result_pullup,filter_pushdown,late_materialization"


@dataclass(frozen=True, slots=True)
class Limits:
    """What one question may cost."""

    seconds: float = 60.0
    memory: str = "1GB"
    rows: int = 1_000_000


async def ask(
    settings: Settings,
    store: Store,
    cache: Cache,
    scope: Scope,
    sql: str,
    limits: Limits | None = None,
) -> pa.Table:
    """The answer to one SELECT over the rows of the scope.

    Raises InputError for SQL that cannot be answered, Refused when it costs more than `limits`, and what the
    store and the database raise.
    """
    bounds = limits or Limits()
    with tempfile.TemporaryDirectory(prefix="sigtrail-question-") as folder:
        work = _Work(settings, scope, sql, bounds, Path(folder))
        try:
            files = await asyncio.to_thread(work.read_warm)
            for some in _portions(files, scope):
                if await asyncio.to_thread(work.has_enough, some[-1].partition_day):
                    break
                places = await cache.fetch(store, some)
                await asyncio.to_thread(work.read_cold, some, places)
            return await asyncio.to_thread(work.answer)
        finally:
            work.close()


def _portions(files: Sequence[ListedFile], scope: Scope) -> Iterator[list[ListedFile]]:
    """All files together; the newest days first when only the newest signals are wanted."""
    if scope.newest is None:
        if files:
            yield list(files)
        return
    days = sorted({file.partition_day for file in files}, reverse=True)
    for at in range(0, len(days), DAYS_AT_ONCE):
        some = set(days[at : at + DAYS_AT_ONCE])
        yield [file for file in files if file.partition_day in some]


class _Work:
    """One question on its way; every method but `close` is for a thread."""

    def __init__(self, settings: Settings, scope: Scope, sql: str, limits: Limits, folder: Path) -> None:
        self._settings = settings
        self._scope = scope
        self._sql = sql
        self._limits = limits
        self._duck = open_duckdb(folder, memory=limits.memory)
        self._layout: Layout = {}
        self._columns: Mapping[Kind, set[str]] = {}
        self._deadline = time.monotonic() + limits.seconds

    def read_warm(self) -> list[ListedFile]:
        """Find out what is asked for, and read what Postgres has of it; answers the files with the rest."""
        with snapshot(self._settings, self._scope) as seen, self._bounded():
            self._layout = seen.layout
            self._columns = plan(self._sql, seen.layout)
            make_tables(self._duck, self._layout)
            files = seen.list_files([kind for kind in KINDS if kind in self._kinds_of_files()])
            seen.become_user()
            for kind in self._columns:
                self._add_warm(seen, kind)
            return files

    def _kinds_of_files(self) -> set[Kind]:
        # The first events of signals lie in the rows of the signals.
        return {*self._columns, *(("signals",) if "events" in self._columns else ())}

    def _add_warm(self, seen: Snapshot, kind: Kind) -> None:
        for rows in seen.rows(kind, sorted(self._columns[kind])):
            add_warm(self._duck, kind, self._layout[kind], rows)
            self._check_time()

    def has_enough(self, day: date) -> bool:
        """Whether all signals that are wanted are here, and younger than those of `day`."""
        if self._scope.newest is None or set(self._columns) != {"signals"}:
            return False
        younger = str(lowest_of(day + timedelta(days=1)))
        row = self._duck.execute("select count(*) from signals where id >= ?::uuid", [younger]).fetchone()
        return row is not None and row[0] >= self._scope.newest

    def read_cold(self, files: Sequence[ListedFile], places: Sequence[Path]) -> None:
        """Add what these files hold."""
        with self._bounded():
            for kind in self._columns:
                columns = [one for one in self._layout[kind] if one.name in self._columns[kind]]
                source = by_part(files, places, kind)
                if not source.is_empty:
                    add_cold(self._duck, source, columns, self._scope)
            if "events" in self._columns:
                columns = [one for one in self._layout["events"] if one.name in self._columns["events"]]
                add_creations(self._duck, by_part(files, places, "signals"), columns, self._scope)

    def answer(self) -> pa.Table:
        """Let the question at the rows, and at nothing else."""
        lock(self._duck)
        with self._bounded():
            try:
                found = self._duck.sql(self._sql)
                reader = found.to_arrow_reader(10_000)
                batches: list[pa.RecordBatch] = []
                rows = 0
                for batch in reader:
                    batches.append(batch)
                    rows += batch.num_rows
                    if rows > self._limits.rows:
                        raise Refused(f"the answer has over {self._limits.rows:,} rows: ask for less")
                return pa.Table.from_batches(batches, reader.schema)
            except duckdb.Error as error:
                raise _translate(error, self._limits) from error

    def close(self) -> None:
        self._duck.close()

    @contextmanager
    def _bounded(self) -> Iterator[None]:
        done = threading.Event()
        watch = threading.Thread(target=self._interrupt, args=(done,), name="question", daemon=True)
        watch.start()
        try:
            yield
        except duckdb.Error as error:
            raise _translate(error, self._limits) from error
        finally:
            done.set()
            watch.join()
        self._check_time()

    def _interrupt(self, done: threading.Event) -> None:
        # Again and again: an interrupt between two statements, or before one has begun, ends neither.
        wait = self._deadline - time.monotonic()
        while not done.wait(max(wait, 0)):
            self._duck.interrupt()
            wait = INTERRUPT_SECONDS

    def _check_time(self) -> None:
        if time.monotonic() > self._deadline:
            raise _too_long(self._limits)


def lock(duck: duckdb.DuckDBPyConnection) -> None:
    """From here on this DuckDB reaches no file, no network and no setting, for good."""
    duck.execute("set enable_external_access = false")
    duck.execute("set lock_configuration = true")


def plan(sql: str, layout: Layout) -> dict[Kind, set[str]]:
    """Which columns of which views the SQL reads, keys included. Raises InputError for all but one SELECT."""
    known = tuple((kind, tuple(columns)) for kind, columns in layout.items())
    return {kind: set(names) for kind, names in _plan(sql, known)}


# The same questions are asked again and again, and a planner takes longer to open than most plans to make.
@lru_cache(maxsize=256)
def _plan(
    sql: str, known: tuple[tuple[Kind, tuple[Column, ...]], ...]
) -> tuple[tuple[Kind, frozenset[str]], ...]:
    layout = dict(known)
    with open_duckdb(memory="256MB", threads=1) as planner:
        make_tables(planner, layout)
        planner.execute(f"set disabled_optimizers = '{_UNPLANNED}'")
        lock(planner)
        try:
            statements = planner.extract_statements(sql)
            if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
                raise InputError("ask with one SELECT over signals, events and snapshots")
            row = planner.execute(f"explain (format json) {statements[0].query}").fetchone()
        except duckdb.Error as error:
            raise _translate(error, Limits()) from error
    found: dict[Kind, set[str]] = {}
    _collect(json.loads(row[1]) if row else [], found)
    for kind, names in found.items():
        names &= {column.name for column in layout[kind]}
        names.update(KEYS[kind])
    return tuple((kind, frozenset(names)) for kind, names in found.items())


def _collect(nodes: Any, found: dict[Kind, set[str]]) -> None:
    for node in nodes:
        extra = node.get("extra_info", {})
        table = str(extra.get("Table", "")).rpartition(".")[2]
        if table in KINDS:
            names = extra.get("Projections") or []
            found.setdefault(table, set()).update([names] if isinstance(names, str) else names)
        _collect(node.get("children", []), found)


def _too_long(limits: Limits) -> Refused:
    return Refused(f"the question took longer than {limits.seconds:g} s: narrow its times or its traders")


def _translate(error: duckdb.Error, limits: Limits) -> Exception:
    if isinstance(error, duckdb.InterruptException):
        return _too_long(limits)
    if isinstance(error, duckdb.OutOfMemoryException):
        return Refused(f"the question needs more than {limits.memory} of memory: narrow it")
    return InputError(f"the question cannot be answered: {error}")
