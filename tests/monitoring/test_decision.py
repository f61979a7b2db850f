"""What monitoring decides at a candle close, for every plan and every candle."""

from __future__ import annotations

from decimal import Decimal as D
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import InputError
from workers.monitoring.decision import Bar, Decision, Setup, decide, read_setup

UNTIL = 1_000_000
LONG = Setup("long", "market", D(100), D(98), D(106), UNTIL)
SHORT = Setup("short", "market", D(100), D(102), D(94), UNTIL)
PULLBACK = Setup("long", "limit", D(100), D(98), D(106), UNTIL)
RALLY = Setup("short", "limit", D(100), D(102), D(94), UNTIL)


def bar(high: str, low: str, close: str, at: int = 60_000) -> Bar:
    return Bar(at - 60_000, at, D(high), D(low), D(close))


@pytest.mark.parametrize(
    ("setup", "candle", "previous", "action", "code"),
    [
        (LONG, bar("100.6", "99.5", "100.5"), "100", "ready", None),
        (LONG, bar("100.6", "99.5", "100.5"), "100.5", "continue", None),
        (LONG, bar("100.6", "99.5", "100.5"), None, "continue", None),
        (LONG, bar("100.1", "99.0", "99.9"), "99.5", "continue", None),
        (LONG, bar("100.6", "98", "100.5"), "100", "exit", "setup_invalidated"),
        (LONG, bar("106", "100", "101"), "100", "exit", "price_drifted"),
        (LONG, bar("103.5", "100", "103.1"), "102", "exit", "price_drifted"),
        (LONG, bar("100.6", "99.5", "100.5", UNTIL), "100", "stop_monitoring", "monitoring_timeout"),
        (LONG, bar("100.6", "97", "100.5", UNTIL), "100", "exit", "setup_invalidated"),
        (LONG, bar("100.6", "97", "100.5", UNTIL + 59_999), "100", "exit", "setup_invalidated"),
        (LONG, bar("100.6", "97", "100.5", UNTIL + 60_000), "100", "stop_monitoring", "monitoring_timeout"),
        (SHORT, bar("100.5", "99.4", "99.5"), "100", "ready", None),
        (SHORT, bar("102", "99.4", "99.5"), "100", "exit", "setup_invalidated"),
        (SHORT, bar("100.5", "94", "99.5"), "100", "exit", "price_drifted"),
        (PULLBACK, bar("101.5", "99.9", "100.2"), None, "ready", None),
        (PULLBACK, bar("101.5", "100.1", "101"), None, "continue", None),
        (PULLBACK, bar("100.5", "99", "99.5"), None, "continue", None),
        (RALLY, bar("100.1", "98.9", "99.8"), None, "ready", None),
        (RALLY, bar("101", "99.5", "100.5"), None, "continue", None),
    ],
)
def test_the_table(setup: Setup, candle: Bar, previous: str | None, action: str, code: str | None) -> None:
    decision = decide(setup, candle, None if previous is None else D(previous))
    assert (decision.action, decision.outcome_code) == (action, code)
    assert decision.reasoning


prices = st.decimals("0.01", "200", places=2)


def bars_within(low: D, high: D, first: int = 0, last: int = 2 * UNTIL) -> st.SearchStrategy[Bar]:
    """Candles whose prices lie between two prices, and whose close between two times."""
    price = st.decimals(low, high, places=2)
    return st.builds(
        lambda three, at: Bar(at - 60_000, at, max(three), min(three), sorted(three)[1]),
        st.tuples(price, price, price),
        st.integers(first, last),
    )


bars = bars_within(D("0.01"), D(200))
sides: st.SearchStrategy[Literal["long", "short"]] = st.sampled_from(["long", "short"])
kinds: st.SearchStrategy[Literal["market", "limit"]] = st.sampled_from(["market", "limit"])


@st.composite
def setups(draw: st.DrawFn) -> Setup:
    low, entry, high = sorted(draw(st.lists(prices, min_size=3, max_size=3, unique=True)))
    side = draw(sides)
    stop, target = (low, high) if side == "long" else (high, low)
    return Setup(side, draw(kinds), entry, stop, target, UNTIL)


@given(
    setup=setups(), candle=bars_within(D("0.01"), D(200), last=UNTIL + 59_999), previous=st.none() | prices
)
def test_never_ready_once_the_stop_was_touched(setup: Setup, candle: Bar, previous: D | None) -> None:
    low, high = min(candle.low, setup.stop_loss), max(candle.high, setup.stop_loss)
    touching = Bar(candle.open_ms, candle.close_ms, high, low, candle.close)
    assert decide(setup, touching, previous).outcome_code == "setup_invalidated"


@given(setup=setups(), candle=bars_within(D(1), D(200), first=UNTIL), previous=st.none() | prices)
def test_nothing_goes_on_after_the_plans_time(setup: Setup, candle: Bar, previous: D | None) -> None:
    assert decide(setup, candle, previous).action in {"stop_monitoring", "exit"}


@given(setup=setups(), previous=st.none() | prices, data=st.data())
def test_ready_means_between_stop_and_target_and_beyond_the_entry(
    setup: Setup, previous: D | None, data: st.DataObject
) -> None:
    low, high = sorted((setup.stop_loss, setup.take_profit))
    candle = data.draw(bars_within(low, high, last=UNTIL - 1))
    if decide(setup, candle, previous).action != "ready":
        return
    assert low < candle.low
    assert candle.high < high
    if setup.side == "long":
        assert candle.close >= setup.entry
    else:
        assert candle.close <= setup.entry


def mirror(price: D) -> D:
    return D(300) - price


@given(setup=setups(), candle=bars, previous=st.none() | prices)
def test_long_and_short_are_mirror_images(setup: Setup, candle: Bar, previous: D | None) -> None:
    other = Setup(
        "short" if setup.side == "long" else "long",
        setup.entry_type,
        mirror(setup.entry),
        mirror(setup.stop_loss),
        mirror(setup.take_profit),
        setup.valid_until_ms,
    )
    turned = Bar(
        candle.open_ms, candle.close_ms, mirror(candle.low), mirror(candle.high), mirror(candle.close)
    )
    here = decide(setup, candle, previous)
    there = decide(other, turned, None if previous is None else mirror(previous))
    assert (here.action, here.outcome_code) == (there.action, there.outcome_code)
    assert here.confidence == there.confidence


@given(setup=setups(), candle=bars, previous=st.none() | prices)
def test_a_decision_is_whole(setup: Setup, candle: Bar, previous: D | None) -> None:
    decision: Decision = decide(setup, candle, previous)
    assert decision == decide(setup, candle, previous)
    assert D(0) <= decision.confidence <= D(1)
    ended = decision.action in {"exit", "stop_monitoring"}
    assert ended == (decision.outcome_code is not None)


PLAN = {
    "side": "long",
    "entry_type": "limit",
    "entry": "100.5",
    "stop_loss": "99",
    "take_profit": "104",
    "valid_until": "2025-05-04T16:00:00+00:00",
}


def test_a_stored_plan_is_read_exactly() -> None:
    setup = read_setup(PLAN)
    assert (setup.entry, setup.stop_loss, setup.take_profit) == (D("100.5"), D(99), D(104))
    assert setup.valid_until_ms == 1_746_374_400_000


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"side": "up"}, "side is 'up'"),
        ({"entry_type": None}, "entry_type is None"),
        ({"entry": "NaN"}, "not a finite number"),
        ({"stop_loss": "101"}, "not in the order of a long"),
        ({"side": "short"}, "not in the order of a short"),
        ({"valid_until": "soon"}, "cannot be read"),
        ({"valid_until": "2025-05-04T16:00:00"}, "no time zone"),
    ],
)
def test_a_plan_that_cannot_be_watched_is_named(change: dict[str, str | None], problem: str) -> None:
    with pytest.raises(InputError, match=problem):
        read_setup({**PLAN, **change})


@pytest.mark.parametrize("field", ["entry", "stop_loss", "take_profit", "valid_until"])
def test_a_plan_without_a_field_is_named(field: str) -> None:
    with pytest.raises(InputError, match=field):
        read_setup({name: value for name, value in PLAN.items() if name != field})
