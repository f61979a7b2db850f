"""The candles that an exchange knows: those that closed, and the one that forms."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections import defaultdict

from workers.trading.paper.path import Bar

# Closed candles of a symbol and length that can be asked for.
KEPT = 1_500


class Candles:
    """By symbol and length, in order of time; a candle that comes again replaces the one that was known."""

    def __init__(self) -> None:
        self._opens: defaultdict[tuple[str, int], list[int]] = defaultdict(list)
        self._bars: dict[tuple[str, int, int], Bar] = {}

    def know(self, bar: Bar) -> None:
        """From now on this is how the candle is told over REST."""
        key = (bar.symbol, bar.close_ms - bar.open_ms)
        opens = self._opens[key]
        if (*key, bar.open_ms) not in self._bars:
            insort(opens, bar.open_ms)
        self._bars[*key, bar.open_ms] = bar
        if len(opens) > KEPT:
            del self._bars[*key, opens.pop(0)]

    def between(self, symbol: str, length: int, start: int, end: int) -> list[Bar]:
        """Those that open from `start` to `end`, both included, the oldest first."""
        opens = self._opens.get((symbol, length), [])
        chosen = opens[bisect_left(opens, start) : bisect_right(opens, end)]
        return [self._bars[symbol, length, opened] for opened in chosen]
