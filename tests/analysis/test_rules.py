"""The rule-based analyst says the same of the same candles, and why."""

from __future__ import annotations

from decimal import Decimal as D
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.candles import Candle
from shared.work import Work
from tests.charts import draw
from workers.analysis.analyst import NotEnoughHistory
from workers.analysis.readings import WINDOW
from workers.analysis.rules import RuleBasedAnalyst, Rules, judge
from workers.analysis.verdict import Verdict

LONG: dict[str, Any] = {"side": "long", "interval": "1m", "symbol": "BTCUSDT"}
SHORT = {**LONG, "side": "short"}
TRADER: dict[str, Any] = {
    "stop_loss_type": "percentage",
    "stop_loss_value": "0.5",
    "take_profit_type": "percentage",
    "take_profit_value": "1.5",
    "min_confidence": "0.5",
    "position_size_type": "fixed",
    "position_size_value": "250",
}
CALM = draw(WINDOW, noise=0.0005)
RISING = draw(WINDOW, noise=0.0005, drift=0.0004)
SINKING = draw(WINDOW, noise=0.0008, drift=-0.0001)


def verdict(signal: dict[str, Any], candles: list[Candle], **trader: Any) -> Verdict:
    return judge(signal, {**TRADER, **trader}, candles, Rules())


def test_a_signal_with_the_trend_is_approved_to_enter_at_the_market() -> None:
    answer = verdict(LONG, RISING)
    assert answer.approved
    assert answer.plan is not None
    assert answer.plan.entry_type == "market"
    assert answer.plan.entry == D(repr(RISING[-1].close))
    assert answer.plan.sizing == {"type": "fixed", "value": "250"}
    assert answer.plan.size is not None
    assert D(0) <= D(250) - answer.plan.size * answer.plan.entry < D("0.0001")
    assert answer.to_json()["plan"]["valid_until"].endswith("+00:00")


def test_a_signal_against_a_gentle_trend_waits_for_a_pullback() -> None:
    answer = verdict(LONG, SINKING)
    assert answer.plan is not None
    assert answer.plan.entry_type == "limit"
    assert answer.plan.stop_loss < answer.plan.entry < answer.plan.take_profit


def test_confidence_with_the_trend_is_higher_than_against_it() -> None:
    with_it, against_it = verdict(SHORT, SINKING), verdict(LONG, SINKING)
    assert with_it.approved
    assert against_it.approved
    assert with_it.confidence > against_it.confidence


@pytest.mark.parametrize(
    ("signal", "candles", "trader", "code"),
    [
        (SHORT, RISING, {}, "against_trend"),
        (LONG, draw(WINDOW, noise=0.0001), {}, "volatility_too_low"),
        (LONG, draw(WINDOW, noise=0.0), {}, "volatility_too_low"),
        (LONG, draw(WINDOW, noise=0.01), {}, "volatility_too_high"),
        (LONG, CALM, {"take_profit_value": "0.2"}, "reward_too_low"),
        (LONG, CALM, {"min_confidence": "0.99"}, "low_confidence"),
        (LONG, CALM, {"stop_loss_type": "price", "stop_loss_value": "1000"}, "plan_invalid"),
    ],
)
def test_each_refusal_has_its_code_and_a_reason(
    signal: dict[str, Any], candles: list[Candle], trader: dict[str, Any], code: str
) -> None:
    answer = verdict(signal, candles, **trader)
    assert (answer.approved, answer.outcome_code, answer.plan) == (False, code, None)
    assert answer.result["reason"]


def test_volatility_is_measured_for_the_length_of_the_candle() -> None:
    assert verdict(LONG, draw(WINDOW, noise=0.004)).outcome_code == "volatility_too_high"
    hourly = verdict({**LONG, "interval": "1h"}, draw(WINDOW, interval="1h", noise=0.004))
    assert hourly.outcome_code != "volatility_too_high"


def test_too_few_candles_are_no_verdict() -> None:
    with pytest.raises(NotEnoughHistory, match="not_enough_history: 119 of 120 candles of 1m"):
        judge(LONG, TRADER, CALM[1:], Rules())


async def test_older_candles_change_nothing() -> None:
    longer = draw(400, seed=9)
    analyst = RuleBasedAnalyst()
    work = Work(UUID(int=1), 1, 1, LONG, TRADER)
    assert await analyst.analyse(work, longer) == await analyst.analyse(work, longer[-WINDOW:])


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    drift=st.floats(-0.001, 0.001),
    noise=st.floats(0.0001, 0.004),
    side=st.sampled_from(["long", "short"]),
    stop=st.decimals("0.1", "5", places=2),
    target=st.decimals("0.1", "9", places=2),
)
def test_any_chart_gives_a_verdict_that_holds_together(
    seed: int, drift: float, noise: float, side: str, stop: D, target: D
) -> None:
    candles = draw(WINDOW, seed=seed, drift=drift, noise=noise)
    trader = {**TRADER, "stop_loss_value": str(stop), "take_profit_value": str(target)}
    signal = {**LONG, "side": side}
    answer = judge(signal, trader, candles, Rules())
    assert answer == judge(signal, trader, candles, Rules())
    assert D(0) <= answer.confidence <= D(1)
    assert answer.approved == (answer.plan is not None) == (answer.outcome_code is None)
    if answer.plan is not None:
        plan = answer.plan
        low, high = sorted((plan.stop_loss, plan.take_profit))
        assert low < plan.entry < high
        assert plan.reward_to_risk >= 1
        assert (plan.stop_loss < plan.entry) == (side == "long")
