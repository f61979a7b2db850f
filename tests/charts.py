"""Candles for tests: made by a seeded walk, so that the same seed draws the same chart everywhere."""

from __future__ import annotations

import random
from collections.abc import Sequence

from shared.candles import Candle, interval_ms

START_MS = 1_746_372_780_000


def draw(
    count: int,
    *,
    seed: int = 1,
    symbol: str = "BTCUSDT",
    interval: str = "1m",
    start_ms: int = START_MS,
    price: float = 100.0,
    drift: float = 0.0,
    noise: float = 0.001,
) -> list[Candle]:
    """`count` candles in a row; `drift` and `noise` are shares of the price per candle."""
    rng = random.Random(seed)
    step = interval_ms(interval)
    candles = []
    for index in range(count):
        opened = price
        price = round(price * (1 + drift + rng.uniform(-noise, noise)), 4)
        high = round(max(opened, price) * (1 + rng.uniform(0, noise)), 4)
        low = round(min(opened, price) * (1 - rng.uniform(0, noise)), 4)
        open_ms = start_ms + index * step
        volume = round(rng.uniform(1, 10), 3)
        candles.append(Candle(symbol, interval, open_ms, open_ms + step, opened, high, low, price, volume))
    return candles


def follow(before: Candle, prices: Sequence[tuple[float, float, float]]) -> list[Candle]:
    """Candles after `before` with these (high, low, close)."""
    step = interval_ms(before.interval)
    candles, opened, open_ms = [], before.close, before.close_ms
    for high, low, close in prices:
        candles.append(
            Candle(before.symbol, before.interval, open_ms, open_ms + step, opened, high, low, close, 1.0)
        )
        opened, open_ms = close, open_ms + step
    return candles
