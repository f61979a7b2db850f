"""The numbers of one symbol and interval, brought up to date once a candle for all traders together.

Every condition reads from one list of values. `Slots` says which place in it a term has, the same in every
series, so that a condition is compiled once for all of them.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

import numpy as np
from talib import stream

from shared.candles import Candle
from workers.signals.indicators import FIELDS, MOST_OFFSET, Reading, Term, field

NAN = math.nan
Columns = Mapping[str, np.ndarray[Any, Any]]


class Slots(Mapping[Term, int]):
    """Where each term lies in the values of a series: fields first, then each new term in the next place."""

    def __init__(self) -> None:
        self._places: dict[Term, int] = {field(name): place for place, name in enumerate(FIELDS)}

    def __getitem__(self, term: Term) -> int:
        return self._places[term]

    def __iter__(self) -> Iterator[Term]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)

    def place(self, term: Term) -> int:
        """The place of a term, given out when it is new."""
        return self._places.setdefault(term, len(self._places))


class _Past:
    """The latest numbers of one field or output, the newest first."""

    __slots__ = ("numbers", "shown")

    def __init__(self) -> None:
        self.numbers: deque[float] = deque(maxlen=MOST_OFFSET + 1)
        # (slot, offset): which value shows the number of `offset` candles ago.
        self.shown: list[tuple[int, int]] = []

    def fill(self, numbers: Iterable[float], values: list[float]) -> None:
        """Begin anew with these numbers, the oldest first."""
        self.numbers.clear()
        self.numbers.extendleft(numbers)
        self.show(values)

    def add(self, number: float, values: list[float]) -> None:
        self.numbers.appendleft(number)
        if self.shown:
            self.show(values)

    def show(self, values: list[float]) -> None:
        known = len(self.numbers)
        for slot, offset in self.shown:
            values[slot] = self.numbers[offset] if offset < known else NAN


class _Stream:
    """One TA-Lib handle and the past of its outputs."""

    __slots__ = ("_function", "_handle", "_inputs", "pasts", "reading")

    def __init__(self, reading: Reading) -> None:
        self.reading = reading
        self.pasts: list[_Past] = []
        # TA-Lib's handles have a type each, with `update` in common.
        self._handle: Any = None
        self._function = getattr(stream, reading.function)
        self._inputs = tuple(FIELDS.index(name) for name in reading.inputs)

    def open(self, columns: Columns) -> None:
        """Open the handle on history, as if it had been there all along."""
        inputs = [columns[name] for name in self.reading.inputs]
        self._handle, filled = self._function.open_and_fill(*inputs, **self.reading.keywords)
        outputs = filled if isinstance(filled, tuple) else (filled,)
        self.pasts = [_Past() for _ in outputs]
        for past, output in zip(self.pasts, outputs, strict=True):
            # What lies before the first value is unknown, not NaN that somebody may read as a number.
            numbers = output[-(MOST_OFFSET + 1) :]
            past.numbers.extendleft(numbers[~np.isnan(numbers)].tolist())

    def update(self, values: list[float]) -> None:
        answer = self._handle.update(*[values[place] for place in self._inputs])
        pasts = self.pasts
        if len(pasts) == 1:
            pasts[0].add(answer, values)
            return
        for past, number in zip(pasts, answer, strict=True):
            past.add(number, values)


class Series:
    """Fields and indicators of one symbol and interval at its latest closed candle.

    A number that is not known yet (too little history) is NaN. `history` answers the closed candles up to the
    latest, the oldest first; it is asked while an indicator waits for enough of them.
    """

    def __init__(self, history: Callable[[], Sequence[Candle]]) -> None:
        self.values: list[float] = [NAN] * len(FIELDS)
        self._history = history
        self._streams: dict[Reading, _Stream] = {}
        self._waiting: list[_Stream] = []
        self._terms: list[tuple[Term, int]] = []
        self._fields: dict[int, _Past] = {}

    def read(self, terms: Iterable[Term], slots: Slots) -> None:
        """Compute these terms, and only these, from now on, beginning with the latest candle.

        What is computed already goes on: its handles remember more than history does.
        """
        self._terms = [(term, slots.place(term)) for term in dict.fromkeys(terms)]
        self.values += [NAN] * (len(slots) - len(self.values))
        readings = dict.fromkeys(term.source for term, _ in self._terms if isinstance(term.source, Reading))
        open_before = self._streams
        self._streams = {one: open_before[one] for one in readings if one in open_before}
        self._waiting = [_Stream(one) for one in readings if one not in open_before]
        history = self._history()
        if history:
            last = history[-1]
            self.values[:5] = last.open, last.high, last.low, last.close, last.volume
        self._keep_fields(history)
        self._open(history)
        self._connect()

    def update(self, candle: Candle) -> list[float]:
        """Take the next closed candle and answer all values."""
        values = self.values
        values[:5] = candle.open, candle.high, candle.low, candle.close, candle.volume
        for place, past in self._fields.items():
            past.add(values[place], values)
        for one in self._streams.values():
            one.update(values)
        if self._waiting and self._open(self._history()):
            self._connect()
        return values

    def _keep_fields(self, history: Sequence[Candle]) -> None:
        self._fields = {}
        for term, slot in self._terms:
            if isinstance(term.source, str) and term.offset:
                past = self._fields.setdefault(FIELDS.index(term.source), _Past())
                past.shown.append((slot, term.offset))
        recent = list(islice(history, max(0, len(history) - MOST_OFFSET - 1), None))
        for place, past in self._fields.items():
            past.fill((getattr(one, FIELDS[place]) for one in recent), self.values)

    def _open(self, history: Sequence[Candle]) -> bool:
        ready = [one for one in self._waiting if len(history) >= one.reading.needs]
        if ready:
            columns = _columns(history)
            for one in ready:
                one.open(columns)
                self._streams[one.reading] = one
            self._waiting = [one for one in self._waiting if one not in ready]
        return bool(ready)

    def _connect(self) -> None:
        for one in self._streams.values():
            for past in one.pasts:
                past.shown = []
        for term, slot in self._terms:
            if isinstance(term.source, Reading) and term.source in self._streams:
                self._streams[term.source].pasts[term.output or 0].shown.append((slot, term.offset))
        for one in self._streams.values():
            for past in one.pasts:
                past.show(self.values)


def _columns(history: Sequence[Candle]) -> Columns:
    rows = [(one.open, one.high, one.low, one.close, one.volume) for one in history]
    table = np.array(rows, dtype=np.float64)
    return {name: np.ascontiguousarray(table[:, place]) for place, name in enumerate(FIELDS)}
