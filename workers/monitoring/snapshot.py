"""What a snapshot records of the market beside the decision."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from math import isfinite
from typing import Any

import numpy as np
import talib

from shared.candles import MINUTE_MS, Candle, exact
from shared.identity import from_ms
from shared.market import Market
from shared.money import divide, subtract, text
from workers.monitoring.decision import Decision
from workers.monitoring.watch import Watch

# The same number of candles whatever more is known, so that a restart records the same figures.
WINDOW = 60
PERIOD = 14


def take_snapshot(
    watch: Watch, decision: Decision, candle: Candle | None, market: Market, next_at: datetime | None
) -> dict[str, Any]:
    """One item of `record_monitoring`. `candle` is the one that was decided by, None when none came."""
    known = market.history(watch.symbol, count=WINDOW)
    if candle is not None:
        known = [one for one in known if one.close_ms <= candle.close_ms]
    last = candle or (known[-1] if known else None)
    item: dict[str, Any] = {
        "signal_id": str(watch.signal_id),
        "fence": watch.fence,
        "price": text(watch.setup.entry) if last is None else text(exact(last.close)),
        "volume": None if last is None else text(exact(last.volume)),
        "price_change_1m": _change(known, 1),
        "price_change_5m": _change(known, 5),
        "action": decision.action,
        "confidence": text(decision.confidence),
        "reasoning": decision.reasoning,
        "indicators": _read_indicators(known),
    }
    if decision.outcome_code is not None:
        item["outcome_code"] = decision.outcome_code
    if next_at is not None:
        item["next_at"] = next_at.isoformat()
        item["hold"] = True
    return item


def next_look(watch: Watch) -> datetime:
    """When the next snapshot of this watch is due."""
    return from_ms(watch.snapshot_ms)


def _change(known: Sequence[Candle], minutes: int) -> str | None:
    """The change in percent over the last minutes, from the close exactly that long ago; else None."""
    if not known:
        return None
    wanted = known[-1].close_ms - minutes * MINUTE_MS
    for before in reversed(known):
        if before.close_ms == wanted:
            base = exact(before.close)
            share = divide(subtract(exact(known[-1].close), base), base) * 100
            return text(share.quantize(exact(0.0001)))
        if before.close_ms < wanted:
            return None
    return None


def _read_indicators(known: Sequence[Candle]) -> dict[str, float]:
    if len(known) < WINDOW:
        return {}
    high = np.array([candle.high for candle in known])
    low = np.array([candle.low for candle in known])
    close = np.array([candle.close for candle in known])
    figures = {
        "rsi": float(talib.RSI(close, PERIOD)[-1]),
        "atr": float(talib.ATR(high, low, close, PERIOD)[-1]),
        "ema": float(talib.EMA(close, PERIOD)[-1]),
    }
    return {name: round(figure, 6) for name, figure in figures.items() if isfinite(figure)}
