"""Random conditions of the whole language, the same for the same seed."""

from __future__ import annotations

import random
from collections.abc import Sequence
from contextlib import suppress

from workers.signals.condition import ConditionError
from workers.signals.indicators import FIELDS, INDICATORS, Indicator
from workers.signals.parser import parse

# Not so long that a test's few hundred candles never know them.
LONGEST = 40
INTERVALS = ("", "", "", "", "@5m", "@15m")


class Writer:
    """Writes conditions. `names` are the indicators that it chooses from."""

    def __init__(self, seed: int, names: Sequence[str] = tuple(INDICATORS)) -> None:
        self.chance = random.Random(seed)
        self._names = names

    def sound(self) -> str:
        """A condition that can be used: arguments may not go together, and two fixed numbers never cross."""
        while True:
            text = f"{self.condition()} and close > 0"
            with suppress(ConditionError):
                parse(text)
                return text

    def condition(self, depth: int = 2) -> str:
        """A condition that is true now and then."""
        kind = self.chance.random()
        if depth and kind < 0.4:
            word = self.chance.choice([" and ", " or "])
            return "(" + word.join(self.condition(depth - 1) for _ in range(2)) + ")"
        if depth and kind < 0.5:
            return f"not ({self.condition(depth - 1)})"
        if kind < 0.65:
            return f"crosses_{self.chance.choice(['above', 'below'])}({self.number()}, {self.number()})"
        if kind < 0.7:
            return f"{self.number()} < {self.number()} <= {self.number()}"
        left, right = self.number(), self.number()
        if self.chance.random() < 0.6:
            # What rises and falls around itself is true half of the time.
            left = self.indicator(self.chance.choice(self._names)) + self.chance.choice(INTERVALS)
            right = f"{left}[{self.chance.randint(1, 4)}]"
        return f"{left} {self.chance.choice(['<', '<=', '>', '>=', '!=', '=='])} {right}"

    def number(self, depth: int = 2) -> str:
        kind = self.chance.random()
        if depth and kind < 0.25:
            return f"({self.number(depth - 1)} {self.chance.choice('+-*/')} {self.number(depth - 1)})"
        if kind < 0.3:
            return self.chance.choice(["0", "1", "50", "-3.5"])
        source = self.chance.choice(FIELDS) if kind < 0.5 else self.indicator(self.chance.choice(self._names))
        offset = f"[{self.chance.randint(0, 6)}]" if self.chance.random() < 0.2 else ""
        return source + self.chance.choice(INTERVALS) + offset

    def indicator(self, name: str, within: bool = True) -> str:
        """An indicator with some of its arguments given, with an output where it has several."""
        one = INDICATORS[name]
        words = self._inputs(one, within)
        words += [
            f"{parameter.keyword}={self.chance.randint(3, LONGEST // 2)}"
            for parameter in one.parameters
            if parameter.whole and "period" in parameter.keyword and self.chance.random() < 0.6
        ]
        several = len(one.outputs) > 1 and name == one.function
        # The bare name of MACD is its first output.
        choose = several and (one.output is None or self.chance.random() < 0.5)
        return f"{name}({', '.join(words)})" + (f".{self.chance.choice(one.outputs)}" if choose else "")

    def _inputs(self, one: Indicator, within: bool) -> list[str]:
        if None in one.inputs:
            return [self.chance.choice(FIELDS), self.chance.choice(FIELDS)]
        if not one.free or self.chance.random() < 0.6:
            return []
        if within and self.chance.random() < 0.4:
            return [self.indicator(self.chance.choice(["RSI", "EMA", "SMA", "ATR", "STOCH"]), within=False)]
        return [self.chance.choice(FIELDS)]
