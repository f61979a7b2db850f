"""The numbers of one symbol and interval, brought up to date once a candle for all traders together.

Every condition reads from one list of values. `Slots` says which place in it a term has, the same in every
series, so that a condition is compiled once for all of them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from operator import itemgetter
from typing import Any

import numpy as np
from talib import stream

from shared.candles import Candle
from workers.signals.indicators import FIELDS, Reading, Term, field

NAN = math.nan
Numbers = np.ndarray[Any, Any]
# TA-Lib's handles have a type each, with `update` and `value` in common.
Handle = Any


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
        """The place of a term, given out when it is new, and with it that of every candle in between."""
        if term.offset and term not in self._places:
            self.place(term.earlier(-1))
        return self._places.setdefault(term, len(self._places))


class Series:
    """Fields and indicators of one symbol and interval at its latest closed candle.

    A number that is not known yet (too little history) is NaN. `history` answers the closed candles up to the
    latest, the oldest first; it is asked while an indicator waits for enough of them.
    """

    def __init__(self, history: Callable[[], Sequence[Candle]]) -> None:
        self.values: list[float] = [NAN] * len(FIELDS)
        self._history = history
        self._handles: dict[Reading, Handle] = {}
        self._waiting: list[Reading] = []
        self._terms: dict[Term, int] = {}
        # What one candle does, in this order, in the form that loops fastest: move values one candle back,
        # then update handles with one input, with several inputs, and with several outputs.
        self._moves: list[tuple[int, int]] = []
        self._single: list[tuple[Callable[[float], float], int, int]] = []
        self._joint: list[tuple[Callable[..., float], itemgetter[Any], int]] = []
        self._many: list[tuple[Callable[..., tuple[float, ...]], tuple[int, ...], list[tuple[int, int]]]] = []

    def read(self, terms: Iterable[Term], slots: Slots) -> None:
        """Compute these terms, and only these, from now on, beginning with the latest candle.

        What is computed already goes on: its handles remember more than history does. A value of some candles
        ago is then not known until it was seen.
        """
        before = self._terms
        self._terms = {}
        for term in terms:
            for offset in range(term.offset, -1, -1):
                one = term.earlier(offset - term.offset)
                self._terms[one] = slots.place(one)
        self.values += [NAN] * (len(slots) - len(self.values))
        for term, slot in self._terms.items():
            if term not in before and slot >= len(FIELDS):
                self.values[slot] = NAN
        readings = dict.fromkeys(term.source for term in self._terms if isinstance(term.source, Reading))
        self._handles = {one: handle for one, handle in self._handles.items() if one in readings}
        self._waiting = [one for one in readings if one not in self._handles]
        for reading, handle in self._handles.items():
            outputs = handle.value if isinstance(handle.value, tuple) else (handle.value,)
            self._fill(reading, [np.array([output], dtype=np.float64) for output in outputs])
        history = self._history()
        if history:
            columns = _columns(history)
            self.values[:5] = [float(columns[name][-1]) for name in FIELDS]
            for name in FIELDS:
                self._fill(name, [columns[name]])
            self._open(columns)
        self._plan()

    def update(self, candle: Candle) -> list[float]:
        """Take the next closed candle and answer all values."""
        values = self.values
        for to, source in self._moves:
            values[to] = values[source]
        values[:5] = candle.open, candle.high, candle.low, candle.close, candle.volume
        for update, place, slot in self._single:
            values[slot] = update(values[place])
        for update, pick, slot in self._joint:
            values[slot] = update(*pick(values))
        for several, places, shown in self._many:
            outputs = several(*[values[place] for place in places])
            for output, slot in shown:
                values[slot] = outputs[output]
        if self._waiting:
            self._try_open()
        return values

    def _try_open(self) -> None:
        history = self._history()
        if any(len(history) >= one.needs for one in self._waiting):
            self._open(_columns(history))
            self._plan()

    def _open(self, columns: Mapping[str, Numbers]) -> None:
        """Open what has enough history now, as if it had been there all along."""
        length = len(columns["close"])
        for one in self._waiting:
            if length < one.needs:
                continue
            inputs = [columns[name] for name in one.inputs]
            handle, filled = getattr(stream, one.function).open_and_fill(*inputs, **one.keywords)
            self._handles[one] = handle
            self._fill(one, list(filled) if isinstance(filled, tuple) else [filled])
        self._waiting = [one for one in self._waiting if one not in self._handles]

    def _fill(self, source: str | Reading, outputs: Sequence[Numbers]) -> None:
        """Set the values of one source from its latest numbers, the oldest first, as far as they go back."""
        for term, slot in self._terms.items():
            if term.source == source:
                numbers = outputs[term.output or 0]
                if term.offset < len(numbers):
                    self.values[slot] = float(numbers[-1 - term.offset])

    def _plan(self) -> None:
        # The furthest back moves first, before what it takes is overwritten.
        back = sorted((one for one in self._terms if one.offset), key=lambda one: one.offset, reverse=True)
        self._moves = [(self._terms[one], self._terms[one.earlier(-1)]) for one in back]
        self._single, self._joint, self._many = [], [], []
        for one, handle in self._handles.items():
            places = tuple(FIELDS.index(name) for name in one.inputs)
            shown = [
                (term.output or 0, slot)
                for term, slot in self._terms.items()
                if term.source == one and not term.offset
            ]
            if isinstance(handle.value, tuple):
                self._many.append((handle.update, places, shown))
            elif len(places) == 1:
                self._single.append((handle.update, places[0], shown[0][1]))
            else:
                self._joint.append((handle.update, itemgetter(*places), shown[0][1]))


def _columns(history: Sequence[Candle]) -> dict[str, Numbers]:
    rows = [(one.open, one.high, one.low, one.close, one.volume) for one in history]
    table = np.array(rows, dtype=np.float64)
    return {name: np.ascontiguousarray(table[:, place]) for place, name in enumerate(FIELDS)}
