"""What is decided up to a moment does not depend on what comes after it, whatever comes."""

from __future__ import annotations

import random
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from shared.candles import Candle
from shared.identity import floor_ms, triggered_ms
from tests.backtest.scene import chart, play, strategy, write
from workers.backtest.run import Result

MINUTES = 300
CHARTS = chart(MINUTES, seed=3)
STRATEGIES = (
    strategy(),
    strategy(name="Trailing", trailing_stop_type="percentage", trailing_stop_value="0.3"),
    strategy(name="Short", side="short", conditions=["RSI(14) > 58"], max_holding_seconds=1200),
    strategy(name="Slower", interval="5m", conditions=["close < SMA(10) and RSI(7)@1m < 60"]),
)


KNOWN: list[Result] = []


async def known() -> Result:
    """The backtest over the charts as they are, played once."""
    if not KNOWN:
        with TemporaryDirectory() as folder:
            KNOWN.append(await play(write(Path(folder), CHARTS), *STRATEGIES, most_points=100_000))
    return KNOWN[0]


def shift(one: Candle, factor: float, noise: random.Random, minutes: int) -> Candle:
    """The candle elsewhere: at other prices, and some minutes later."""
    prices = [
        round(price * factor * (1 + noise.uniform(-0.004, 0.004)), 4) for price in (one.open, one.close)
    ]
    high, low = round(max(prices) * (1 + noise.uniform(0, 0.003)), 4), round(min(prices) * 0.998, 4)
    later = minutes * 60_000
    opened, closed = one.open_ms + later, one.close_ms + later
    volume = one.volume * noise.uniform(0.1, 10)
    return Candle(one.symbol, one.interval, opened, closed, prices[0], high, low, prices[1], volume)


def decided(result: Result, until_ms: int) -> Mapping[str, Any]:
    """Everything that was decided and done before a moment, and what it was worth then."""
    record = result.record
    known = {*record.signals.live, *record.signals.ended}
    return {
        "signals": sorted(one for one in known if triggered_ms(one) <= until_ms),
        "orders": sorted(
            (one.client_order_id, one.side, one.item["kind"], one.price, one.planned_price, one.intended_at)
            for one in record.trades.orders
            if floor_ms(one.intended_at) <= until_ms
        ),
        "fills": sorted(
            (str(position.signal_id), one.executed_at, one.side, one.price, one.amount, one.quote)
            for position in record.trades.positions
            for one in position.fills
            # At the moment itself the next candle opens.
            if floor_ms(one.executed_at) < until_ms
        ),
        "equity": [
            (one.at_ms, one.equity, one.low, one.fall, one.open)
            for one in result.curve.points
            if one.at_ms <= until_ms
        ],
    }


@settings(max_examples=10)
@given(
    cut=st.integers(60, MINUTES - 10),
    factor=st.floats(0.7, 1.4),
    seed=st.integers(0, 10_000),
    minutes=st.sampled_from([0, 0, 1, 7]),
)
async def test_another_future_changes_nothing_of_the_past(
    cut: int, factor: float, seed: int, minutes: int
) -> None:
    noise = random.Random(seed)
    other = {
        symbol: [*candles[:cut], *(shift(one, factor, noise, minutes) for one in candles[cut:])]
        for symbol, candles in CHARTS.items()
    }
    until_ms = CHARTS["BTCUSDT"][cut].open_ms
    with TemporaryDirectory() as folder:
        changed = await play(write(Path(folder), other), *STRATEGIES, most_points=100_000)
    assert decided(changed, until_ms) == decided(await known(), until_ms)


async def test_a_shorter_recording_is_the_beginning_of_a_longer_one(tmp_path: Path) -> None:
    folder, until_ms = write(tmp_path / "charts", CHARTS), CHARTS["BTCUSDT"][250].open_ms
    part = await play(folder, *STRATEGIES, most_points=100_000, until_ms=until_ms)
    assert part.range.end_ms == until_ms
    assert decided(part, until_ms) == decided(await known(), until_ms)
    assert len(decided(part, until_ms)["fills"]) > 10
