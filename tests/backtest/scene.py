"""A small backtest over charts that a test draws."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from shared.candles import Candle
from tests.charts import draw
from workers.backtest.definition import Strategy, read_strategy
from workers.backtest.run import Backtest, Result, Terms
from workers.signals.feeds.recorded import RecordedFeed

# Fires often, and its trades end within some hours.
BUSY: dict[str, Any] = {
    "name": "Busy",
    "symbols": ["BTCUSDT", "ETHUSDT"],
    "interval": "1m",
    "conditions": ["RSI(14) < 42"],
    "ai_analysis_limit": None,
    "min_confidence": "0",
    "stop_loss_type": "percentage",
    "stop_loss_value": "0.4",
    "take_profit_type": "percentage",
    "take_profit_value": "0.8",
    "position_size_type": "percentage",
    "position_size_value": "20",
    "max_concurrent_positions": 5,
}


def strategy(**columns: Any) -> Strategy:
    """A busy trader, but for these columns."""
    return read_strategy({**BUSY, **columns}, "test")


def chart(count: int, seed: int, **more: Any) -> dict[str, list[Candle]]:
    """Candles of two symbols that move enough to be traded."""
    noise = {"noise": 0.0012, **more}
    return {
        symbol: draw(count, seed=seed * 2 + place, symbol=symbol, **noise)
        for place, symbol in enumerate(("BTCUSDT", "ETHUSDT"))
    }


def write(folder: Path, charts: Mapping[str, Iterable[Candle]]) -> Path:
    """These candles as files."""
    folder.mkdir(exist_ok=True)
    for symbol, candles in charts.items():
        with (folder / f"{symbol}_1m.csv").open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(("ts", "open", "high", "low", "close", "volume"))
            for one in candles:
                writer.writerow((one.open_ms, one.open, one.high, one.low, one.close, one.volume * 1000))
    return folder


async def play(
    folder: Path, *strategies: Strategy, terms: Terms | None = None, until_ms: int | None = None, **more: Any
) -> Result:
    """Play strategies over a folder's candles."""
    symbols: Sequence[str] = sorted({symbol for one in strategies for symbol in one.symbols})
    feed = RecordedFeed(folder, symbols=symbols, until_ms=until_ms)
    await feed.open()
    return await Backtest(strategies, feed, terms or Terms(), **more).run()
