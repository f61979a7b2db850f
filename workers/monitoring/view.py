"""What a symbol looked like when a candle closed: read once, for all the signals that are watched on it."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from decimal import Decimal
from functools import cached_property
from math import isfinite
from typing import Any

import numpy as np
import talib

from shared.candles import MINUTE_MS, Candle, exact
from shared.market import Market
from shared.money import divide, subtract, text
from workers.monitoring.decision import Bar

# The same number of candles whatever more is known, so that a restart records the same figures.
WINDOW = 60
PERIOD = 14


class View:
    """The market at the close of one of a symbol's candles: what was known then, and nothing after."""

    def __init__(self, known: Sequence[Candle], place: int) -> None:
        self._known = known
        self._place = place

    @property
    def close_ms(self) -> int:
        """When the candle closed."""
        return self._known[self._place].close_ms

    @cached_property
    def bar(self) -> Bar:
        """The candle in exact prices."""
        return Bar.of(self._known[self._place])

    @cached_property
    def previous_close(self) -> Decimal | None:
        """The close of the candle before, None where history begins."""
        return exact(self._known[self._place - 1].close) if self._place else None

    @cached_property
    def figures(self) -> dict[str, Any]:
        """What a snapshot records of the market, as `record_monitoring` takes it."""
        return {
            "price": text(self.bar.close),
            "volume": text(exact(self._known[self._place].volume)),
            "price_change_1m": self._change(1),
            "price_change_5m": self._change(5),
            "indicators": self._read_indicators(),
        }

    def _change(self, minutes: int) -> str | None:
        """The change in percent over the last minutes, from the close exactly that long ago; else None."""
        wanted = self.close_ms - minutes * MINUTE_MS
        for place in range(self._place, -1, -1):
            before = self._known[place]
            if before.close_ms == wanted:
                base = exact(before.close)
                share = divide(subtract(self.bar.close, base), base) * 100
                return text(share.quantize(exact(0.0001)))
            if before.close_ms < wanted:
                break
        return None

    def _read_indicators(self) -> dict[str, float]:
        if self._place + 1 < WINDOW:
            return {}
        window = self._known[self._place + 1 - WINDOW : self._place + 1]
        high = np.array([candle.high for candle in window])
        low = np.array([candle.low for candle in window])
        close = np.array([candle.close for candle in window])
        found = {
            "rsi": float(talib.RSI(close, PERIOD)[-1]),
            "atr": float(talib.ATR(high, low, close, PERIOD)[-1]),
            "ema": float(talib.EMA(close, PERIOD)[-1]),
        }
        return {name: round(figure, 6) for name, figure in found.items() if isfinite(figure)}


def views_after(market: Market, symbol: str, seen_ms: int) -> Iterator[View]:
    """The symbol's candles that closed after `seen_ms` and are still kept, the oldest first."""
    known = market.history(symbol)
    for place in range(bisect_right(known, seen_ms, key=_close_of), len(known)):
        yield View(known, place)


def last_view(market: Market, symbol: str) -> View | None:
    """The symbol's last candle, None when there was none."""
    known = market.history(symbol)
    return View(known, len(known) - 1) if known else None


def _close_of(candle: Candle) -> int:
    return candle.close_ms
