"""Every figure of a report against the same worked out another way, slowly and in floats."""

from __future__ import annotations

import math
import statistics
from datetime import timedelta
from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.identity import from_ms
from shared.money import ZERO, add
from workers.backtest.figures import (
    Trade,
    exposure,
    longest_losing_run,
    profit_factor,
    sharpe,
    work_out,
)
from workers.backtest.track import DAY_MS, Track, choose_step

HOUR = 3_600_000
amounts = st.decimals(-500, 500, places=4)
equities = st.lists(st.decimals(1, 20_000, places=3), min_size=1, max_size=40)


def trade(opened: int, closed: int | None, pnl: Decimal = ZERO) -> Trade:
    """A trade between two hours."""
    return Trade(
        position_id="p",
        signal_id="s",
        trader_id="t",
        trader="Trader",
        symbol="BTCUSDT",
        side="long",
        opened_at=from_ms(opened * HOUR),
        closed_at=None if closed is None else from_ms(closed * HOUR),
        entry_price=Decimal(100),
        exit_price=None,
        amount=Decimal(2),
        pnl=pnl,
        fees=Decimal("0.1"),
        slippage=ZERO,
        exit_reason=None,
    )


@given(st.lists(amounts, max_size=30), st.decimals(-50, 50, places=3))
def test_counts_and_sums_are_those_of_the_trades(results: list[Decimal], standing: Decimal) -> None:
    trades = [trade(place, place + 1, pnl) for place, pnl in enumerate(results)]
    trades.append(trade(40, None, standing))
    track = Track(Decimal(10_000), 0)
    track.mark(50 * HOUR, add(Decimal(10_000), *results, standing))
    found = work_out(trades, track, Decimal(10_000), 0, 50 * HOUR)
    won, lost = [one for one in results if one > 0], [one for one in results if one < 0]
    assert (found["trades"], found["won"], found["lost"], found["open"]) == (
        len(results),
        len(won),
        len(lost),
        1,
    )
    assert Decimal(found["realized_pnl"]) == sum(results)
    assert Decimal(found["open_pnl"]) == standing
    assert Decimal(found["profit"]) == sum(results) + standing
    assert float(found["return_percent"]) == pytest.approx(float(sum(results) + standing) / 100, abs=1e-4)
    assert Decimal(found["gross_profit"]) - Decimal(found["gross_loss"]) == sum(results)
    assert Decimal(found["fees"]) == Decimal("0.1") * len(trades)
    if results:
        assert float(found["win_rate"]) == pytest.approx(len(won) / len(results), abs=1e-4)
        assert float(found["average_trade"]) == pytest.approx(statistics.fmean(results), abs=1e-4)
        assert Decimal(found["best_trade"]) == max(results)
        assert Decimal(found["worst_trade"]) == min(results)
        assert found["average_holding_seconds"] == 3600
    else:
        assert found["win_rate"] is found["average_trade"] is found["best_trade"] is None
    assert (found["profit_factor"] is None) == (not lost)
    if lost:
        assert float(found["profit_factor"]) == pytest.approx(
            math.fsum(won) / -math.fsum(lost), rel=1e-6, abs=1e-4
        )


@given(
    st.lists(amounts.filter(lambda one: one > 0)), st.lists(amounts.filter(lambda one: one < 0), min_size=1)
)
def test_the_profit_factor_is_what_was_won_for_each_that_was_lost(
    won: list[Decimal], lost: list[Decimal]
) -> None:
    expected = math.fsum(won) / -math.fsum(lost)
    assert float(profit_factor(won, lost)) == pytest.approx(expected, rel=1e-12)


@given(equities)
def test_the_fall_is_the_deepest_of_all_pairs(values: list[Decimal]) -> None:
    track = Track(Decimal(1000), 0)
    for place, equity in enumerate(values, 1):
        track.mark(place * HOUR, equity)
    line = [Decimal(1000), *values]
    falls = [
        ((line[i] - line[j]) / line[i], i, j) for j in range(len(line)) for i in range(j) if line[j] < line[i]
    ]
    if not falls:
        assert track.fall.from_ms is None
        assert track.fall.amount == track.fall.share == 0
        return
    deepest = max(fall for fall, _, _ in falls)
    assert float(track.fall.share) == pytest.approx(float(deepest), rel=1e-12)
    assert track.fall.from_ms is not None
    assert track.fall.to_ms is not None
    begin, end = track.fall.from_ms // HOUR, track.fall.to_ms // HOUR
    assert line[begin] - line[end] == track.fall.amount
    assert line[begin] == max(line[: end + 1])


@given(st.lists(st.decimals(500, 2000, places=2), min_size=3, max_size=60))
def test_the_sharpe_ratio_is_mean_over_deviation_of_daily_returns(values: list[Decimal]) -> None:
    line = [float(one) for one in values]
    returns = [after / before - 1 for before, after in pairwise(line)]
    found = sharpe(values)
    if found is None:
        assert statistics.stdev(returns) == pytest.approx(0, abs=1e-12)
        return
    expected = statistics.fmean(returns) / statistics.stdev(returns) * math.sqrt(365)
    assert float(found) == pytest.approx(expected, rel=1e-6, abs=1e-9)


def test_a_ratio_that_cannot_be_said_is_none() -> None:
    assert sharpe([Decimal(1000), Decimal(1001)]) is None
    assert sharpe([Decimal(1000)] * 10) is None
    assert sharpe([Decimal(1000), ZERO, Decimal(10)]) is None


@given(
    st.lists(
        st.tuples(st.integers(0, 90), st.integers(0, 30)).map(lambda one: (one[0], one[0] + one[1])),
        max_size=20,
    ),
    st.booleans(),
)
def test_the_exposure_is_the_share_of_hours_with_a_position(
    spans: list[tuple[int, int]], is_open: bool
) -> None:
    trades = [trade(opened, closed) for opened, closed in spans]
    if is_open:
        trades.append(trade(100, None))
    hours = [*spans, *([(100, 120)] if is_open else [])]
    held = sum(any(opened <= hour < closed for opened, closed in hours) for hour in range(120))
    assert float(exposure(trades, 0, 120 * HOUR)) == pytest.approx(held / 120, abs=1e-12)


@given(st.lists(amounts, max_size=40))
def test_the_longest_losing_run_is_the_longest_row_of_losses(results: list[Decimal]) -> None:
    text = "".join("x" if one < 0 else " " for one in results)
    assert longest_losing_run(results) == max(map(len, text.split()), default=0)


@given(st.lists(st.tuples(st.integers(1, 5 * 24), st.decimals(500, 2000, places=2)), max_size=30))
def test_days_are_the_equity_at_the_end_of_each_whole_day(marks: list[tuple[int, Decimal]]) -> None:
    track, known = Track(Decimal(1000), 7 * HOUR), {0: Decimal(1000)}
    for hour, equity in sorted(marks):
        track.mark((7 + hour) * HOUR, equity)
        known[hour] = equity
    expected = [known[max(hour for hour in known if hour <= day * 24)] for day in range(5)]
    assert track.days((7 + 4 * 24 + 23) * HOUR) == expected


@given(st.integers(1, 10**12), st.integers(2, 2000))
def test_a_curve_has_no_more_steps_than_wanted_and_not_far_fewer(span: int, most: int) -> None:
    step = choose_step(span, most)
    assert span <= most * step
    assert step % 60_000 == 0
    if step > 60_000:
        assert span * 6 > most * step / 1.0
    assert step < DAY_MS or step % DAY_MS == 0
    assert timedelta(milliseconds=step) > timedelta(0)
