"""Recorded candles for tests, and a few made by hand."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from uuid import NAMESPACE_URL, UUID, uuid5

import pytest

from shared.candles import MINUTE_MS, Candle
from shared.models import Side, Trader
from workers.signals.feeds.recorded import COLUMNS, read_table

DAY = 1746316800000  # 2025-05-04 00:00 UTC
RECORDED = Path(__file__).parents[2].parent / "shared" / "data" / "binance_usdm_1m"
needs_recordings = pytest.mark.skipif(
    not RECORDED.is_dir(), reason=f"the recorded candles are not there: {RECORDED}"
)


@cache
def recorded(symbol: str, count: int = 5000) -> tuple[Candle, ...]:
    """The first candles of a recorded month."""
    table = read_table(RECORDED / f"{symbol}_1m.parquet").slice(0, count)
    rows = zip(*[table[name].to_pylist() for name in COLUMNS], strict=True)
    return tuple(Candle(symbol, "1m", ts, ts + MINUTE_MS, *numbers) for ts, *numbers in rows)


def make(minute: int, close: float, symbol: str = "BTCUSDT", volume: float = 10.0) -> Candle:
    """A candle that opens at 100 in a minute of the day."""
    opened = DAY + minute * MINUTE_MS
    high, low = max(close, 100.0), min(close, 100.0)
    return Candle(symbol, "1m", opened, opened + MINUTE_MS, 100.0, high, low, close, volume)


def trader(
    *conditions: str,
    name: str = "one",
    symbols: tuple[str, ...] = ("BTCUSDT",),
    interval: str = "1m",
    side: Side = "long",
) -> Trader:
    """An active trader whose id follows from its name."""
    return Trader(
        id=trader_id(name),
        name=name,
        market="usdm",
        symbols=symbols,
        interval=interval,
        side=side,
        conditions=conditions,
    )


def trader_id(name: str) -> UUID:
    return uuid5(NAMESPACE_URL, f"https://example.com/traders/{name}")
