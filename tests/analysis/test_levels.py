"""Stop loss and take profit lie where the trader's settings say, exactly, or the plan is refused."""

from __future__ import annotations

from decimal import Decimal as D

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import InputError
from tests.charts import draw
from workers.analysis.levels import Levels, find_tick, net_reward_to_risk, place, round_to

TICK = D("0.01")


def settings(stop: tuple[str, str], target: tuple[str, str]) -> dict[str, str]:
    return {
        "stop_loss_type": stop[0],
        "stop_loss_value": stop[1],
        "take_profit_type": target[0],
        "take_profit_value": target[1],
    }


@pytest.mark.parametrize(
    ("side", "stop", "target", "expected"),
    [
        ("long", ("percentage", "1"), ("percentage", "2.5"), ("99.00", "102.50")),
        ("short", ("percentage", "1"), ("percentage", "2.5"), ("101.00", "97.50")),
        ("long", ("atr", "2"), ("atr", "3"), ("99.20", "101.20")),
        ("short", ("atr", "2"), ("atr", "3"), ("100.80", "98.80")),
        ("long", ("price", "95"), ("price", "110"), ("95.00", "110.00")),
        ("short", ("price", "101"), ("atr", "1"), ("101.00", "99.60")),
    ],
)
def test_each_kind_of_level(
    side: str, stop: tuple[str, str], target: tuple[str, str], expected: tuple[str, str]
) -> None:
    levels = place(side, D(100), D("0.4"), settings(stop, target), TICK)
    assert (str(levels.stop_loss), str(levels.take_profit)) == expected


def test_a_trader_without_settings_gets_distances_in_atr() -> None:
    assert place("long", D(100), D("0.5"), {}, TICK) == Levels(D(100), D("99.00"), D("102.00"))


@pytest.mark.parametrize(
    ("side", "stop", "target", "problem"),
    [
        ("long", ("price", "101"), ("price", "110"), "stop loss 101 is not on the losing side"),
        ("short", ("price", "99"), ("atr", "1"), "stop loss 99 is not on the losing side"),
        ("long", ("atr", "1"), ("price", "90"), "take profit 90 is not on the winning side"),
        ("long", ("percentage", "100"), ("atr", "1"), "stop loss 0 is not on the losing side"),
        ("long", ("percentage", "0.001"), ("atr", "1"), "stop loss 100 is not on the losing side"),
        ("long", ("percentage", "-1"), ("atr", "1"), "stop_loss_value -1 is not above zero"),
        ("long", ("moon", "1"), ("atr", "1"), "stop_loss_type 'moon' is none of"),
        ("long", ("atr", "NaN"), ("atr", "1"), "stop_loss_value: 'NaN' is not a finite number"),
        ("long", ("atr", "much"), ("atr", "1"), "stop_loss_value: 'much' is not a number"),
    ],
)
def test_an_impossible_setting_is_named(
    side: str, stop: tuple[str, str], target: tuple[str, str], problem: str
) -> None:
    with pytest.raises(InputError, match=problem.replace("'", ".")):
        place(side, D(100), D("0.4"), settings(stop, target), TICK)


prices = st.decimals("0.001", "100000", places=3)
percents = st.decimals("0.01", "90", places=2)


@given(side=st.sampled_from(["long", "short"]), entry=prices, stop=percents, target=percents)
def test_levels_enclose_the_entry_or_are_refused(side: str, entry: D, stop: D, target: D) -> None:
    wish = settings(("percentage", str(stop)), ("percentage", str(target)))
    try:
        levels = place(side, entry, D(1), wish, D("0.001"))
    except InputError:
        return
    low, high = sorted((levels.stop_loss, levels.take_profit))
    assert low < levels.entry < high
    assert (levels.stop_loss < levels.take_profit) == (side == "long")


@given(entry=prices, stop=percents, target=percents, cost=st.decimals("0", "1", places=3))
def test_costs_only_ever_lower_the_reward(entry: D, stop: D, target: D, cost: D) -> None:
    levels = Levels(entry, entry * (1 - stop / 100), entry * (1 + target / 100))
    assert net_reward_to_risk(levels, cost) <= net_reward_to_risk(levels, D(0))


def test_reward_to_risk_after_costs() -> None:
    assert net_reward_to_risk(Levels(D(100), D(99), D(102)), D("0.1")) == D("1.7273")


def test_the_tick_is_the_finest_step_that_the_market_showed() -> None:
    candles = draw(50)
    tick = find_tick(candles)
    assert all(round_to(D(repr(candle.close)), tick) == D(repr(candle.close)) for candle in candles)
    assert tick == D("0.0001")
