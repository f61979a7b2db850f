"""The indicators of one symbol and interval, brought up to date once a candle for all traders together.

A stream handle of TA-Lib computes each. It opens on the closed candles that the market remembers, as if it
had been there all along, and goes on from candle to candle; its numbers are those of TA-Lib's batch
functions, bit by bit.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import talib
from talib import stream

from shared.candles import Candle
from workers.signals.indicators import FIELDS, PLACES, Output, Reading

NAN = math.nan
Numbers = np.ndarray[Any, Any]
# TA-Lib's handles have a type each, with `update` in common: one number for each input, one or several back.
Handle = Any
Update = Callable[..., Any]
# How many candles pass before a reading is tried again that had enough of them and still no number.
RETRY = 32


class _Ago:
    """A handle that answers how many candles ago a place was, instead of the place."""

    def __init__(self, handle: Handle, length: int) -> None:
        self._update = handle.update
        self._last = length - 1

    def update(self, *inputs: float) -> float | tuple[float, ...]:
        self._last += 1
        found = self._update(*inputs)
        if isinstance(found, tuple):
            return tuple(float(self._last - one) for one in found)
        return float(self._last - found)


class History:
    """The closed candles of a symbol and interval as arrays, and what indicators make of them."""

    def __init__(self, candles: Sequence[Candle]) -> None:
        rows = [(one.open, one.high, one.low, one.close, one.volume) for one in candles]
        table = np.array(rows, dtype=np.float64).reshape(-1, len(FIELDS))
        self.length = len(rows)
        self.fields = {name: np.ascontiguousarray(table[:, place]) for place, name in enumerate(FIELDS)}
        self._whole: dict[Reading, tuple[Numbers, ...]] = {}

    def read(self, source: str | Output) -> Numbers:
        """A number over all candles, NaN where it is not known: by TA-Lib's batch functions."""
        if isinstance(source, str):
            return self.fields[source]
        reading = source.reading
        if reading not in self._whole:
            self._whole[reading] = self._compute(reading)
        return self._whole[reading][source.place]

    def open(self, reading: Reading) -> tuple[Handle, tuple[float, ...]] | None:
        """A handle at the latest candle and its numbers there; None where these candles do not suffice."""
        first, inputs = self._prepare(reading)
        if self.length - first <= reading.lookback:
            return None
        handle = getattr(stream, reading.function)(*inputs, **reading.keywords)
        values = handle.value if reading.outputs > 1 else (handle.value,)
        if reading.function not in PLACES:
            return handle, values
        length = self.length - first
        return _Ago(handle, length), tuple(length - 1 - one for one in values)

    def _compute(self, reading: Reading) -> tuple[Numbers, ...]:
        first, inputs = self._prepare(reading)
        if self.length - first <= reading.lookback:
            return (np.full(self.length, NAN),) * reading.outputs
        found = getattr(talib, reading.function)(*inputs, **reading.keywords)
        answers = []
        for one in found if isinstance(found, tuple) else (found,):
            numbers = np.full(self.length, NAN)
            numbers[first:] = np.arange(len(one)) - one if reading.function in PLACES else one
            # Whole numbers have no NaN: where nothing is known yet, TA-Lib says 0.
            numbers[: first + reading.lookback] = NAN
            answers.append(numbers)
        return tuple(answers)

    def _prepare(self, reading: Reading) -> tuple[int, list[Numbers]]:
        """From which candle on all inputs are known, and what they are from there."""
        if reading.depth == 1:
            return 0, [self.fields[str(one)] for one in reading.inputs]
        inputs = [self.read(one) for one in reading.inputs]
        first = max(_find_first(one) for one in inputs)
        return first, [np.ascontiguousarray(one[first:]) for one in inputs]


def _find_first(numbers: Numbers) -> int:
    known = np.flatnonzero(~np.isnan(numbers))
    return int(known[0]) if len(known) else len(numbers)


class Series:
    """The handles of one symbol and interval.

    `columns` says in which column of the board each output of a reading is, for those that anybody reads.
    """

    def __init__(self, columns: Mapping[Output, int], trash: int) -> None:
        self._columns = columns
        self._trash = trash
        self._handles: dict[Reading, Handle] = {}
        self._waiting: dict[Reading, int] = {}
        # What one candle does, in the form that loops fastest: updates by the place of their one field, those
        # of several fields, and then, in order of depth, those of other indicators.
        self._single: list[tuple[int, list[Update]]] = []
        self._joint: list[tuple[tuple[int, ...], list[Update]]] = []
        self._many: list[tuple[tuple[int, ...], Update]] = []
        self._order: Numbers = np.empty(0, dtype=np.intp)
        self._nested: list[tuple[Update, list[int | str], list[int]]] = []

    @property
    def patience(self) -> int | None:
        """How many candles what waits needs; None when nothing does."""
        return min(self._waiting.values(), default=None)

    def want(self, new: Sequence[Reading], gone: Sequence[Reading]) -> None:
        """Compute these as well, once they are opened, and those no more."""
        for one in gone:
            self._handles.pop(one, None)
            self._waiting.pop(one, None)
        for one in new:
            self._waiting.setdefault(one, one.needs)
        if gone:
            self.plan()

    def open(self, history: History, board: Numbers, row: int) -> list[Reading]:
        """Open what waits and has enough history now, and write its numbers; answers which those are."""
        opened = []
        for one in sorted(self._waiting, key=lambda waiting: waiting.depth):
            if self._waiting[one] > history.length:
                continue
            within = [inner.reading for inner in one.inputs if isinstance(inner, Output)]
            found = history.open(one) if all(inner in self._handles for inner in within) else None
            if found is None:
                self._waiting[one] = history.length + RETRY
                continue
            del self._waiting[one]
            self._handles[one] = found[0]
            for place, value in enumerate(found[1]):
                board[self._columns.get(Output(one, place), self._trash), row] = value
            opened.append(one)
        if opened:
            self.plan()
        return opened

    def update(self, candle: Candle, board: Numbers, row: int) -> None:
        """Take the next closed candle and write what its indicators are then into the board's row."""
        fields = (candle.open, candle.high, candle.low, candle.close, candle.volume)
        found: list[float] = []
        for place, updates in self._single:
            number = fields[place]
            found += [update(number) for update in updates]
        for places, updates in self._joint:
            numbers = [fields[place] for place in places]
            found += [update(*numbers) for update in updates]
        for places, update in self._many:
            found += update(*[fields[place] for place in places])
        if found:
            board[self._order, row] = found
        for update, sources, columns in self._nested:
            answer = update(
                *[getattr(candle, one) if isinstance(one, str) else float(board[one, row]) for one in sources]
            )
            board[columns, row] = answer

    def plan(self) -> None:
        """Put what is computed in the order in which `update` does it."""
        single: dict[int, list[tuple[Update, int]]] = {}
        joint: dict[tuple[int, ...], list[tuple[Update, int]]] = {}
        self._many, self._nested = [], []
        many: list[int] = []
        for one in sorted(self._handles, key=lambda reading: reading.depth):
            update = self._handles[one].update
            columns = [self._columns.get(Output(one, place), self._trash) for place in range(one.outputs)]
            if one.depth > 1:
                sources = [inner if isinstance(inner, str) else self._columns[inner] for inner in one.inputs]
                self._nested.append((update, sources, columns))
                continue
            places = tuple(FIELDS.index(str(name)) for name in one.inputs)
            if len(columns) > 1:
                self._many.append((places, update))
                many += columns
            elif len(places) == 1:
                single.setdefault(places[0], []).append((update, columns[0]))
            else:
                joint.setdefault(places, []).append((update, columns[0]))
        self._single = [(place, [one for one, _ in members]) for place, members in single.items()]
        self._joint = [(places, [one for one, _ in members]) for places, members in joint.items()]
        order = [column for members in (*single.values(), *joint.values()) for _, column in members]
        self._order = np.array([*order, *many], dtype=np.intp)
