"""Recorded candles from a folder of Parquet or CSV files, `<SYMBOL>_<interval>.parquet` or `.csv`."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import AsyncIterator, Iterator, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet

from shared.candles import EARLIEST_MS, INTERVALS, LATEST_MS, Candle, Gate, Refusal
from shared.errors import InputError
from shared.models import MarketKind
from workers.signals.feeds.feed import FeedKind, by_close
from workers.signals.feeds.pace import Pace

COLUMNS = ("ts", "open", "high", "low", "close", "volume")
SUFFIXES = (".parquet", ".csv")
DAY_MS = 86_400_000
EPOCH = date(1970, 1, 1)
# How many candles are read before other tasks of the loop get their turn.
_TURN = 64
# How many rows of a file are Python's objects at a time: a month of them takes hundreds of megabytes.
ROWS = 256


class RecordedFeed:
    """The candles of one folder, merged over its symbols by (close, symbol).

    `speed` is a multiple of real time, None as fast as they are taken. Only candles that open at or after
    `since_ms` and close at or before `until_ms` are delivered. A symbol that is there in several intervals
    comes in the shortest one. Rows that are wrong are refused one by one and counted by `gate`.
    """

    kind: FeedKind = "recorded"

    def __init__(
        self,
        folder: Path,
        *,
        market: MarketKind | None = None,
        symbols: Sequence[str] | None = None,
        speed: float | None = None,
        since_ms: int | None = None,
        until_ms: int | None = None,
        gate: Gate | None = None,
    ) -> None:
        self.folder = Path(folder)
        self.market: MarketKind = market or ("spot" if "spot" in self.folder.name.lower() else "usdm")
        self.gate = Gate() if gate is None else gate
        self._pace = None if speed is None else Pace(speed)
        self._since = since_ms
        self._until = until_ms
        self._files = find_files(self.folder, symbols)
        self._tables: dict[str, pa.Table] = {}
        self._closed = asyncio.Event()

    @property
    def symbols(self) -> tuple[str, ...]:
        return tuple(sorted(self._files))

    @property
    def description(self) -> str:
        return f"recorded candles of {len(self._files)} symbols in {self.folder}"

    @property
    def span(self) -> tuple[int, int] | None:
        """The first open and the last close in Unix milliseconds, None without candles. After `open`."""
        edges = []
        for symbol, table in self._tables.items():
            bounds = pc.min_max(_plausible(table["ts"])).as_py()
            if bounds["min"] is not None:
                edges.append((bounds["min"], bounds["max"] + self._step(symbol)))
        if not edges:
            return None
        first, last = min(edge[0] for edge in edges), max(edge[1] for edge in edges)
        first = first if self._since is None else max(first, self._since)
        return first, last if self._until is None else min(last, self._until)

    @property
    def days(self) -> list[date]:
        """The days that candles close in, in order. One row with a wrong time adds a day, not an age.
        After `open`."""
        found: set[int] = set()
        for symbol, table in self._tables.items():
            closes = pc.add(_plausible(table["ts"]), self._step(symbol))
            if self._since is not None:
                closes = closes.filter(pc.greater(closes, self._since))
            if self._until is not None:
                closes = closes.filter(pc.less_equal(closes, self._until))
            found.update(pc.unique(pc.divide(closes, DAY_MS)).to_pylist())
        return [EPOCH + timedelta(days=number) for number in sorted(found)]

    def _step(self, symbol: str) -> int:
        return INTERVALS[self._files[symbol][1]]

    @property
    def rows(self) -> int:
        """How many rows the files have, sound or not, within any time. After `open`."""
        return sum(table.num_rows for table in self._tables.values())

    async def open(self) -> list[Candle]:
        """Read the files into memory. Raises `InputError` that names a file which is no table of candles."""
        self._tables = {symbol: read_table(path) for symbol, (path, _) in sorted(self._files.items())}
        for symbol, table in self._tables.items():
            if table.num_rows and not len(_plausible(table["ts"])):
                raise InputError(
                    f"{self._files[symbol][0]}: the times in ts must be Unix milliseconds; "
                    f"the first is {table['ts'][0].as_py()}"
                )
        return []

    async def batches(self) -> AsyncIterator[list[Candle]]:
        for turn, (close_ms, batch) in enumerate(by_close(self._merge(self.gate, self._since, self._until))):
            if self._pace is not None:
                await self._pace.wait(close_ms, self._closed)
            elif turn % _TURN == 0:
                await asyncio.sleep(0)
            if self._closed.is_set():
                return
            yield batch

    async def close(self) -> None:
        self._closed.set()
        self._tables = {}

    def history(self) -> Iterator[Candle]:
        """The sound candles before `since_ms`, in order; none without it. After `open`."""
        if self._since is not None:
            yield from self._merge(Gate(), None, self._since)

    def _merge(self, gate: Gate, since: int | None, until: int | None) -> Iterator[Candle]:
        ways = [self._admitted(symbol, gate, since, until) for symbol in self._tables]
        for _, _, candle in heapq.merge(*ways):
            yield candle

    def _admitted(
        self, symbol: str, gate: Gate, since: int | None, until: int | None
    ) -> Iterator[tuple[int, str, Candle]]:
        """The sound candles of one file in order of time, with their place among all."""
        interval, step = self._files[symbol][1], self._step(symbol)
        for ts, opened, high, low, close, volume in _rows(self._tables[symbol]):
            if ts is None:
                gate.refuse(Refusal(symbol, interval, -1, "bad_time", "the row has no time"))
                continue
            close_ms = ts + step
            if (since is not None and ts < since) or (until is not None and close_ms > until):
                continue
            candle = Candle(symbol, interval, ts, close_ms, opened, high, low, close, volume)
            if gate.admit(candle):
                yield close_ms, symbol, candle


def _rows(table: pa.Table) -> Iterator[tuple[Any, ...]]:
    for part in table.to_batches(max_chunksize=ROWS):
        yield from zip(*(part.column(name).to_pylist() for name in COLUMNS), strict=True)


def find_files(folder: Path, symbols: Sequence[str] | None = None) -> dict[str, tuple[Path, str]]:
    """File and interval of each symbol in a folder. Raises `InputError` for a folder without candles."""
    if not folder.is_dir():
        raise InputError(f"{folder} is not a folder of recorded candles")
    found: dict[str, tuple[Path, str]] = {}
    for path in sorted(folder.iterdir()):
        symbol, separator, interval = path.stem.rpartition("_")
        if path.suffix not in SUFFIXES or not separator or not symbol or interval not in INTERVALS:
            continue
        if symbols is not None and symbol not in symbols:
            continue
        known = found.get(symbol)
        if known is None or INTERVALS[interval] < INTERVALS[known[1]]:
            found[symbol] = (path, interval)
    missing = sorted(set(symbols or ()) - found.keys())
    if missing:
        raise InputError(f"{folder} has no candles of {', '.join(missing)}")
    if not found:
        raise InputError(
            f"{folder} has no file named <SYMBOL>_<interval>.parquet or .csv, as BTCUSDT_1m.parquet"
        )
    return found


def read_table(path: Path) -> pa.Table:
    """The six columns of one file: `ts` as whole milliseconds, the others as floats where NaN is unknown.

    Raises `InputError` for a file that cannot be read or lacks a column; a cell that is no number becomes
    NaN, which the gate refuses.
    """
    try:
        if path.suffix == ".csv":
            # As text first: one cell that is no number must not change what the whole column is.
            text = dict.fromkeys(COLUMNS, pa.string())
            table = pa.csv.read_csv(path, convert_options=pa.csv.ConvertOptions(column_types=text))
        else:
            table = pa.parquet.read_table(path)
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"{path} cannot be read: {error}") from error
    missing = [name for name in COLUMNS if name not in table.column_names]
    if missing:
        raise InputError(f"{path} has no column {', '.join(missing)}; needed are {', '.join(COLUMNS)}")
    times = _cast_times(table["ts"], path)
    numbers = {name: _cast_numbers(table[name], path) for name in COLUMNS[1:]}
    return pa.table({"ts": times, **numbers})


def _plausible(times: Any) -> Any:
    """Those times that a candle can have."""
    sound = pc.and_(pc.greater_equal(times, EARLIEST_MS), pc.less(times, LATEST_MS))
    return times.filter(sound, null_selection_behavior="drop")


def _cast_times(column: Any, path: Path) -> Any:
    if pa.types.is_timestamp(column.type):
        column = column.cast(pa.timestamp("ms"), safe=False)
    if pa.types.is_string(column.type):
        column = pa.chunked_array([pa.array([_whole(cell) for cell in column.to_pylist()], pa.int64())])
    try:
        return column.cast(pa.int64())
    except pa.ArrowException as error:
        raise InputError(f"{path}: the column ts is not in whole milliseconds: {error}") from error


def _cast_numbers(column: Any, path: Path) -> Any:
    try:
        if pa.types.is_string(column.type):
            column = pa.chunked_array(
                [pa.array([_number(cell) for cell in column.to_pylist()], pa.float64())]
            )
        return pc.fill_null(column.cast(pa.float64()), float("nan"))
    except pa.ArrowException as error:
        raise InputError(f"{path}: a column of prices is not of numbers: {error}") from error


def _whole(cell: str | None) -> int | None:
    try:
        return None if cell is None else int(cell)
    except ValueError:
        return None


def _number(cell: str | None) -> float:
    try:
        return float("nan") if cell is None else float(cell)
    except ValueError:
        return float("nan")
