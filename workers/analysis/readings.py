"""What the rule-based analyst reads from a window of candles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite

import numpy as np
import talib

from shared.candles import Candle

# Every indicator is computed over exactly this many candles, whatever more is known: TA-Lib's averages carry
# the whole past in them, and a machine that was restarted must read the same figures as one that was not.
WINDOW = 120
TREND_PERIOD = 55
SLOPE_SPAN = 20
PERIOD = 14


@dataclass(frozen=True, slots=True)
class Readings:
    """`slope` is the trend's rise per candle in units of ATR, `atr_percent` ATR in percent of the close."""

    close: float
    atr: float
    atr_percent: float
    adx: float
    slope: float

    def to_json(self) -> dict[str, float]:
        """Rounded for people; decisions use the full figures."""
        return {
            "atr_percent": round(self.atr_percent, 4),
            "adx": round(self.adx, 2),
            "slope": round(self.slope, 4),
        }


def read(candles: Sequence[Candle]) -> Readings | None:
    """The readings at the last of at least WINDOW candles; None where prices never moved at all."""
    window = candles[-WINDOW:]
    high = np.array([candle.high for candle in window])
    low = np.array([candle.low for candle in window])
    close = np.array([candle.close for candle in window])
    atr = float(talib.ATR(high, low, close, PERIOD)[-1])
    adx = float(talib.ADX(high, low, close, PERIOD)[-1])
    trend = talib.EMA(close, TREND_PERIOD)
    if not (isfinite(atr) and isfinite(adx)) or atr <= 0.0:
        return None
    last = float(close[-1])
    slope = float(trend[-1] - trend[-1 - SLOPE_SPAN]) / (SLOPE_SPAN * atr)
    return Readings(last, atr, atr / last * 100.0, adx, slope)
