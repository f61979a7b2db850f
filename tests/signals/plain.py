"""Conditions over whole columns of candles with numpy and TA-Lib's batch functions: what the evaluator, which
goes from candle to candle, has to agree with bit by bit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import talib

from shared.candles import INTERVALS, Candle
from shared.models import Trader
from workers.signals.condition import (
    Arithmetic,
    Comparison,
    Cross,
    Every,
    Negation,
    Negative,
    Number,
    Read,
    Some,
    move_before,
    read_terms,
)
from workers.signals.indicators import Output, Term
from workers.signals.parser import parse_all

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Columns:
    """The candles of one interval: when each closed, and its fields."""

    closes: Array
    fields: dict[str, Array]

    @classmethod
    def of(cls, candles: Sequence[Candle], interval: str) -> Columns:
        """From candles of a minute; a longer one is there when all its minutes are."""
        length = INTERVALS[interval]
        groups: dict[int, list[Candle]] = {}
        for candle in candles:
            groups.setdefault(candle.open_ms // length, []).append(candle)
        whole = [group for group in groups.values() if len(group) == length // INTERVALS["1m"]]
        table = {
            "open": [group[0].open for group in whole],
            "high": [max(one.high for one in group) for group in whole],
            "low": [min(one.low for one in group) for group in whole],
            "close": [group[-1].close for group in whole],
            "volume": [add(one.volume for one in group) for group in whole],
        }
        closes = np.array([group[-1].close_ms for group in whole], dtype=np.int64)
        return cls(closes, {name: np.array(numbers, dtype=np.float64) for name, numbers in table.items()})


def add(numbers: Any) -> float:
    """The sum from left to right: `sum` rounds better than adding does."""
    total = 0.0
    for number in numbers:
        total += number
    return total


class Plain:
    """One trader's condition over all candles of one symbol."""

    def __init__(self, trader: Trader, candles: Sequence[Candle], columns: dict[str, Columns]) -> None:
        self.own = trader.interval
        self.condition = parse_all(trader.conditions)
        self._candles = candles
        self._columns = columns
        self.closes = self._of(self.own).closes

    def fired(self) -> list[int]:
        """At which closes it fires, in Unix milliseconds."""
        known = np.ones(len(self.closes), dtype=bool)
        for term in self.condition.terms:
            known &= np.isfinite(self.read(term))
        with np.errstate(all="ignore"):
            held = self.judge(self.condition.root)[0] & known
        seen = np.logical_or.accumulate(known)
        rises = held[1:] & ~held[:-1] & seen[:-1]
        return [int(one) for one in self.closes[1:][rises]]

    def read(self, term: Term) -> Array:
        """A term as it is known at each close of the trader's interval."""
        interval = term.interval or self.own
        moments = self.closes
        if term.beside is not None:
            shortest = min((one or self.own for one in term.beside), key=INTERVALS.__getitem__)
            short = self._of(shortest).closes
            place = np.searchsorted(short, moments, side="right") - 2
            moments = np.where(place >= 0, short[place], 0)
        columns = self._of(interval)
        place = np.searchsorted(columns.closes, moments, side="right") - 1 - term.offset
        whole = self._whole(term.source, columns)
        return np.where(place >= 0, whole[place], np.nan) if len(whole) else np.full(len(place), np.nan)

    def judge(self, node: Any) -> tuple[Array, Array]:
        """Where a condition is true and where it is false; it is neither where a number is not known."""
        match node:
            case Comparison(operands, operators):
                sides = [self.calculate(one) for one in operands]
                pairs = zip(operators, sides, sides[1:], strict=False)
                return join([compare(*one) for one in pairs])
            case Cross(left, right, upward):
                now, then = (">", "<=") if upward else ("<", ">=")
                beside = frozenset(one.interval for side in (left, right) for one in read_terms(side))
                before = [self.calculate(move_before(one, beside)) for one in (left, right)]
                is_there = compare(now, self.calculate(left), self.calculate(right))
                return join([is_there, compare(then, before[0], before[1])])
            case Negation(operand):
                true, false = self.judge(operand)
                return false, true
            case Every(operands):
                return join([self.judge(one) for one in operands])
            case Some(operands):
                false, true = join([self.judge(one)[::-1] for one in operands])
                return true, false
        raise AssertionError(node)

    def calculate(self, node: Any) -> Array:
        match node:
            case Number(value):
                return np.full(len(self.closes), value)
            case Read(term):
                return self.read(term)
            case Negative(operand):
                return -self.calculate(operand)
            case Arithmetic(operator, left, right):
                one, other = self.calculate(left), self.calculate(right)
                if operator == "/":
                    return np.where(other == 0, np.nan, one / other)
                return {"+": np.add, "-": np.subtract, "*": np.multiply}[operator](one, other)
        raise AssertionError(node)

    def _of(self, interval: str) -> Columns:
        if interval not in self._columns:
            self._columns[interval] = Columns.of(self._candles, interval)
        return self._columns[interval]

    def _whole(self, source: str | Output, columns: Columns) -> Array:
        if isinstance(source, str):
            return columns.fields[source]
        reading = source.reading
        inputs = [self._whole(one, columns) for one in reading.inputs]
        first = max([len(one) if np.isnan(one).all() else int(np.isfinite(one).argmax()) for one in inputs])
        answer = np.full(len(columns.closes), np.nan)
        if len(answer) - first <= reading.lookback:
            return answer
        found = getattr(talib, reading.function)(*[one[first:] for one in inputs], **reading.keywords)
        numbers = found[source.place] if isinstance(found, tuple) else found
        if "INDEX" in reading.function:
            numbers = np.arange(len(numbers)) - numbers
        answer[first:] = numbers
        # Whole numbers have no NaN.
        answer[: first + reading.lookback] = np.nan
        return answer


def compare(operator: str, left: Array, right: Array) -> tuple[Array, Array]:
    known = ~(np.isnan(left) | np.isnan(right))
    operation: Any = {
        "<": np.less, "<=": np.less_equal, ">": np.greater, ">=": np.greater_equal,
        "==": np.equal, "!=": np.not_equal,
    }[operator]  # fmt: skip
    true = operation(left, right)
    return true & known, ~true & known


def join(parts: Sequence[tuple[Array, Array]]) -> tuple[Array, Array]:
    true = np.logical_and.reduce([one for one, _ in parts])
    return true, np.logical_or.reduce([other for _, other in parts])
