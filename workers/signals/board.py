"""The numbers that all conditions read: one column for each, one row for each symbol.

A column is a field or an indicator's output of an interval, at its latest closed candle or at an earlier one.
What several traders read is one column. Columns and rows that nobody needs any more are used again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from shared.candles import Candle, interval_ms
from shared.errors import InputError
from workers.signals.indicators import FIELDS, Output, Reading, Term
from workers.signals.series import NAN, History, Numbers, Series

# What a handle takes, measured: about this, and some numbers for each candle that it looks back on.
HANDLE_BYTES = 500
LOOKBACK_BYTES = 16

# Answers the closed candles of a symbol and interval, the oldest first.
Remember = Callable[[str, str], Sequence[Candle]]


@dataclass(frozen=True, slots=True)
class Column:
    """A number of an interval, `offset` of its candles ago; with `lag` as it was at the close of the last but
    one candle of that shorter interval."""

    interval: str
    source: str | Output
    offset: int = 0
    lag: str | None = None

    def feeds(self) -> list[Column]:
        """The columns that it takes its numbers from, itself included."""
        found = [Column(self.interval, name) for name in FIELDS]
        found += [Column(self.interval, self.source, offset) for offset in range(self.offset + 1)]
        if self.lag is not None:
            found.append(self)
        waiting = [self.source]
        while waiting:
            source = waiting.pop()
            if isinstance(source, Output):
                inner = [one for one in source.reading.inputs if isinstance(one, Output)]
                found += [Column(self.interval, one) for one in inner]
                waiting += inner
        return found


def place_term(term: Term, own: str) -> Column:
    """The column of a term, for a trader of this interval."""
    interval = term.interval or own
    if term.beside is None:
        return Column(interval, term.source, term.offset)
    shortest = min((one or own for one in term.beside), key=interval_ms)
    if shortest == interval:
        return Column(interval, term.source, term.offset + 1)
    return Column(interval, term.source, term.offset, shortest)


@dataclass(slots=True)
class _Interval:
    """What belongs to one interval: where its fields, its outputs and all of a reading's numbers are, its
    series by row, and what moves where at a close."""

    fields: list[int] = field(default_factory=list)
    outputs: dict[Output, int] = field(default_factory=dict)
    columns: dict[Reading, list[int]] = field(default_factory=dict)
    series: dict[int, Series] = field(default_factory=dict)
    moves: tuple[Numbers, Numbers] | None = None


class Board:
    """`numbers[column, row]` for every column and symbol, NaN where it is not known.

    `masks` of `want` say which rows need a column: bit n of the whole number is row n.
    """

    def __init__(self, remember: Remember) -> None:
        self.numbers: Numbers = np.full((64, 16), NAN)
        self.rows: dict[str, int] = {}
        self.symbols: list[str] = []
        self._remember = remember
        self._places: dict[Column, int] = {}
        self._columns: list[Column | None] = [None]  # the first takes what nobody reads
        self._free: list[int] = []
        self._free_rows: list[int] = []
        self._masks: list[int] = [0]
        self._readings: dict[tuple[str, Reading], int] = {}
        self._intervals: dict[str, _Interval] = {}
        # The same, with those that were added since: what the memory is counted by.
        self._reserved: dict[tuple[str, Reading], int] = {}
        self._handle_bytes = 0

    def forget(self, used: int) -> bool:
        """Give the rows outside this mask free; whether there were any."""
        gone = [row for symbol, row in self.rows.items() if not used >> row & 1]
        for row in gone:
            del self.rows[self.symbols[row]]
            self.symbols[row] = ""
            self.numbers[:, row] = NAN
        self._free_rows += gone
        return bool(gone)

    @property
    def all_rows(self) -> Numbers:
        """Every row that there is."""
        return np.arange(len(self.symbols), dtype=np.intp)

    @property
    def readings(self) -> tuple[tuple[str, Reading], ...]:
        """The indicators that are computed, each with its interval."""
        return tuple(self._readings)

    @property
    def memory(self) -> int:
        """About how many bytes the numbers and the handles take."""
        return self._handle_bytes + self.numbers.nbytes

    def place(self, column: Column) -> int:
        """The place of a column, given out when it is new."""
        place = self._places.get(column)
        if place is None:
            if self._free:
                place = self._free.pop()
                self._columns[place] = column
            else:
                place = len(self._columns)
                self._columns.append(column)
                self._masks.append(0)
                self._grow(len(self._columns), len(self.symbols))
            self._places[column] = place
        return place

    def mask(self, symbols: Iterable[str]) -> int:
        """The rows of these symbols as bits."""
        found = 0
        for symbol in symbols:
            found |= 1 << self._row(symbol)
        return found

    def reserve(self, columns: Iterable[int], mask: int, most: int) -> None:
        """Count what it takes to have these columns for these rows, before `want` has them all.

        Raises InputError where the board would become larger than so many bytes.
        """
        new: dict[tuple[str, Reading], int] = {}
        for place in columns:
            column = self._columns[place]
            if column is not None and isinstance(column.source, Output):
                key = (column.interval, column.source.reading)
                new[key] = mask & ~self._reserved.get(key, 0)
        size = sum(missing.bit_count() * _weigh(reading) for (_, reading), missing in new.items())
        if self.memory + size > most:
            raise InputError(
                f"its indicators take {size / 1e6:.1f} MB more, and what this machine has for all traders is "
                f"{most / 1e6:.0f} MB: fewer symbols, indicators or candles to look back on would do"
            )
        for key, missing in new.items():
            self._reserved[key] = self._reserved.get(key, 0) | missing
        self._handle_bytes += size

    def want(self, masks: Mapping[int, int]) -> None:
        """Have these columns, and only these, for the rows that their masks say.

        What is there already goes on: handles remember more than history does. What is new is known at once
        as far as history goes.
        """
        touched: set[str] = set()
        fresh: dict[tuple[str, int], list[int]] = {}
        for place, column in enumerate(self._columns):
            mask, before = masks.get(place, 0), self._masks[place]
            if column is None or (mask == before and mask):
                continue
            touched.update(name for name in (column.interval, column.lag) if name is not None)
            for row in bits(mask & ~before):
                fresh.setdefault((column.interval, row), []).append(place)
            self._masks[place] = mask
            if not mask:
                self._drop(place, column)
        for interval in sorted(touched, key=interval_ms):
            self._arrange(interval)
        self._reserved = dict(self._readings)
        self._handle_bytes = sum(
            mask.bit_count() * _weigh(reading) for (_, reading), mask in self._readings.items()
        )
        self._fill(fresh)

    def advance(self, candles: Sequence[Candle]) -> dict[str, Numbers]:
        """Take the candles of one close, one for each symbol and interval; answers the rows by interval."""
        closing: dict[str, dict[int, Candle]] = {}
        for candle in candles:
            row = self.rows.get(candle.symbol)
            if row is not None:
                closing.setdefault(candle.interval, {})[row] = candle
        rows = {name: np.array(sorted(found), dtype=np.intp) for name, found in closing.items()}
        # All is read before anything is written: a number moves one candle, however long its way is.
        moved = []
        for name, here in rows.items():
            moves = self._intervals[name].moves if name in self._intervals else None
            if moves is not None:
                into, source = moves
                moved.append((into[:, None], here, self.numbers[source[:, None], here]))
        for places, here, numbers in moved:
            self.numbers[places, here] = numbers
        for name, found in closing.items():
            if name in self._intervals:
                self._update(name, found)
        return {name: rows[name] for name in sorted(rows, key=interval_ms)}

    def _update(self, name: str, candles: Mapping[int, Candle]) -> None:
        interval = self._intervals[name]
        for row, candle in candles.items():
            one = interval.series.get(row)
            if one is None:
                continue
            self.numbers[interval.fields, row] = (
                candle.open, candle.high, candle.low, candle.close, candle.volume,
            )  # fmt: skip
            one.update(candle, self.numbers, row)
            if one.patience is not None:
                self._open_waiting(name, row, one, candle.close_ms)

    def _open_waiting(self, name: str, row: int, series: Series, until: int) -> None:
        candles = self._remember(self.symbols[row], name)
        known = len(candles)
        while known and candles[known - 1].close_ms > until:
            known -= 1
        if series.patience is None or known < series.patience:
            return
        history = History(candles[:known])
        for reading in series.open(history, self.numbers, row):
            for place in self._intervals[name].columns.get(reading, ()):
                column = self._columns[place]
                if column is not None and column.offset:
                    self._write(history, column, place, row)

    def _write(self, history: History, column: Column, place: int, row: int) -> None:
        if column.offset < history.length:
            self.numbers[place, row] = history.read(column.source)[-1 - column.offset]

    def _fill(self, fresh: Mapping[tuple[str, int], Sequence[int]]) -> None:
        """Make new columns of rows known as far as history goes, lagging ones last: they follow others."""
        lagging = []
        for (name, row), places in fresh.items():
            history = History(self._remember(self.symbols[row], name))
            self._intervals[name].series[row].open(history, self.numbers, row)
            for place in places:
                column = self._columns[place]
                if column is not None and column.lag is not None:
                    lagging.append((row, place, column))
                elif column is not None and (column.offset or isinstance(column.source, str)):
                    self._write(history, column, place, row)
        for row, place, column in lagging:
            self._write_lagging(row, place, column)

    def _write_lagging(self, row: int, place: int, column: Column) -> None:
        symbol, lag = self.symbols[row], str(column.lag)
        short, own = self._remember(symbol, lag), self._remember(symbol, column.interval)
        if len(short) < 2 or not own:
            return
        until = short[-2].close_ms
        later = sum(1 for candle in own[-2:] if candle.close_ms > until)
        history = History(own[: len(own) - later])
        self._write(history, Column(column.interval, column.source, column.offset), place, row)

    def _arrange(self, name: str) -> None:
        """Bring the series, the handles and the moves of an interval in line with its columns."""
        interval = self._intervals.setdefault(name, _Interval())
        outputs: dict[Output, int] = {}
        readings: dict[Reading, int] = {}
        interval.columns = {}
        moves: list[tuple[int, int]] = []
        rows = 0
        for place, column in enumerate(self._columns):
            if column is None:
                continue
            if column.lag == name:
                moves.append((place, self._places[Column(column.interval, column.source, column.offset)]))
            if column.interval != name or column.lag is not None:
                continue
            rows |= self._masks[place]
            if column.offset:
                moves.append((place, self._places[Column(name, column.source, column.offset - 1)]))
            if isinstance(column.source, Output):
                reading = column.source.reading
                interval.columns.setdefault(reading, []).append(place)
                if not column.offset:
                    outputs[column.source] = place
                    readings[reading] = readings.get(reading, 0) | self._masks[place]
        interval.fields = [self._places[Column(name, one)] for one in FIELDS] if rows else []
        table = np.array(moves, dtype=np.intp).reshape(-1, 2)
        interval.moves = (table[:, 0], table[:, 1]) if moves else None
        moved = {output.reading for output, _ in outputs.items() ^ interval.outputs.items()}
        interval.outputs.clear()
        interval.outputs.update(outputs)
        self._share_out(name, interval, readings, rows, moved)

    def _share_out(
        self,
        name: str,
        interval: _Interval,
        readings: Mapping[Reading, int],
        rows: int,
        moved: Iterable[Reading],
    ) -> None:
        """Give each series of an interval the readings that its row needs. Those that `moved` are planned
        anew: they have another column, or one that they had not."""
        new: dict[int, list[Reading]] = {}
        gone: dict[int, list[Reading]] = {}
        stale = [one for kind, one in self._readings if kind == name and one not in readings]
        for reading in [*readings, *stale]:
            mask, before = readings.get(reading, 0), self._readings.get((name, reading), 0)
            for row in bits(mask & ~before):
                new.setdefault(row, []).append(reading)
            for row in bits(before & ~mask):
                gone.setdefault(row, []).append(reading)
            if mask:
                self._readings[name, reading] = mask
            else:
                self._readings.pop((name, reading), None)
        for row in [row for row in interval.series if not rows >> row & 1]:
            del interval.series[row]
        replanned = 0
        for reading in moved:
            replanned |= readings.get(reading, 0)
        for row in bits(rows):
            series = interval.series.get(row)
            if series is None:
                series = interval.series[row] = Series(interval.outputs, 0)
            series.want(new.get(row, ()), gone.get(row, ()))
            if replanned >> row & 1:
                series.plan()

    def _row(self, symbol: str) -> int:
        row = self.rows.get(symbol)
        if row is None:
            if self._free_rows:
                row = self._free_rows.pop()
                self.symbols[row] = symbol
            else:
                row = len(self.symbols)
                self.symbols.append(symbol)
                self._grow(len(self._columns), len(self.symbols))
            self.rows[symbol] = row
        return row

    def _drop(self, place: int, column: Column) -> None:
        del self._places[column]
        self._columns[place] = None
        self._free.append(place)
        self.numbers[place] = NAN

    def _grow(self, columns: int, rows: int) -> None:
        have_columns, have_rows = self.numbers.shape
        if columns <= have_columns and rows <= have_rows:
            return
        wider = np.full((_fit(columns, have_columns), _fit(rows, have_rows)), NAN)
        wider[:have_columns, :have_rows] = self.numbers
        self.numbers = wider


def _weigh(reading: Reading) -> int:
    return HANDLE_BYTES + LOOKBACK_BYTES * reading.needs


def _fit(needed: int, have: int) -> int:
    return have if needed <= have else max(needed, have * 3 // 2)


def bits(mask: int) -> Iterable[int]:
    """The rows that a mask has."""
    while mask:
        lowest = mask & -mask
        yield lowest.bit_length() - 1
        mask ^= lowest
