"""Steps and limits of a venue: rounded as ccxt rounds, refused before the venue would."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import ccxt
import pytest
from ccxt.base.decimal_to_precision import DECIMAL_PLACES, SIGNIFICANT_DIGITS, TICK_SIZE, TRUNCATE
from ccxt.base.decimal_to_precision import decimal_to_precision as ccxt_round
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import OrderDenied
from shared.money import is_multiple, text
from tests.trading.made import RULES
from workers.trading.decisions.rules import Rules, rules_of

amounts = st.decimals(min_value="0.00001", max_value="100000", places=8, allow_nan=False)
steps = st.sampled_from(["0.001", "0.1", "1", "10", "0.00001", "0.5"])


def market(**fields: Any) -> dict[str, Any]:
    usual = {
        "symbol": "BTC/USDT:USDT",
        "base": "BTC",
        "quote": "USDT",
        "active": True,
        "contractSize": 1.0,
        "precision": {"amount": 0.001, "price": 0.1},
        "limits": {"amount": {"min": 0.001, "max": 1000.0}, "cost": {"min": 100.0}},
    }
    return {**usual, **fields}


def rules_with(step: str, tick: str = "0.1") -> Rules:
    return rules_of(market(precision={"amount": float(step), "price": float(tick)}), TICK_SIZE)


@given(amounts, steps)
def test_amounts_are_rounded_down_as_ccxt_rounds_them(amount: Decimal, step: str) -> None:
    rounded = rules_with(step).round_amount(amount)
    assert rounded <= amount
    assert is_multiple(rounded, Decimal(step))
    assert rounded == Decimal(ccxt_round(text(amount), TRUNCATE, float(step), TICK_SIZE))


@given(amounts, steps)
def test_prices_are_rounded_to_the_nearest_tick_and_never_to_zero(price: Decimal, tick: str) -> None:
    rounded = rules_with("1", tick).round_price(price)
    assert rounded > 0
    assert is_multiple(rounded, Decimal(tick))
    assert abs(rounded - price) <= Decimal(tick)


@given(amounts, amounts)
def test_what_passes_the_check_is_inside_every_limit(amount: Decimal, price: Decimal) -> None:
    rounded = RULES.round_amount(amount)
    code = ""
    try:
        RULES.check(rounded, price)
    except OrderDenied as denied:
        code = denied.code
    inside = RULES.min_amount <= rounded <= (RULES.max_amount or rounded)
    assert (code == "below_min_notional") is (inside and rounded * price < RULES.min_cost)
    assert (code == "") is (inside and rounded * price >= RULES.min_cost)


@pytest.mark.parametrize(
    ("amount", "price", "code", "says"),
    [
        ("0", "100", "below_min_amount", "no multiple of 0.001"),
        ("0.0005", "100000", "size_invalid", "no multiple of 0.001"),
        ("10000.001", "100", "above_max_amount", "over the most, 10000"),
        (
            "0.049",
            "100",
            "below_min_notional",
            "worth 4.9 USDT, under the venue's least for BTC/USDT:USDT, 5 USDT",
        ),
    ],
)
def test_each_limit_has_its_reason(amount: str, price: str, code: str, says: str) -> None:
    with pytest.raises(OrderDenied, match=says) as denied:
        RULES.check(Decimal(amount), Decimal(price))
    assert denied.value.code == code


def test_a_position_may_be_closed_to_its_last_lot() -> None:
    RULES.check(Decimal("0.001"), Decimal(100), reduce_only=True)


def test_what_is_under_a_lot_is_dust() -> None:
    assert RULES.closable(Decimal("0.0009")) == 0
    assert RULES.closable(Decimal("9.9999")) == Decimal("9.999")
    assert RULES.closable(Decimal(-1)) == 0


def test_a_venue_that_counts_contracts_is_counted_in_base_currency() -> None:
    rules = rules_of(market(contractSize=0.01, precision={"amount": 1.0, "price": 0.1}), TICK_SIZE)
    assert rules.amount_step == Decimal("0.01")
    assert rules.min_amount == Decimal("0.00001")


@pytest.mark.parametrize(
    ("fields", "most"),
    [
        ({}, "1000"),
        ({"limits": {"amount": {"max": 1000}, "market": {"min": 0, "max": 120}}}, "120"),
        ({"limits": {"amount": {"max": 1000}, "market": {"min": 0, "max": 0}}}, "1000"),
        ({"info": {"lotSizeFilter": {"maxMktOrderQty": "150.5"}}}, "150.5"),
        ({"info": {"lotSizeFilter": {"maxMarketOrderQty": "80"}}}, "80"),
        ({"info": {"maxMktSz": "900"}, "contractSize": 0.01}, "9"),
        ({"info": {"maxMktSz": "900"}, "spot": True}, "1000"),
    ],
)
def test_no_order_is_larger_than_what_can_leave_at_the_market(fields: dict[str, Any], most: str) -> None:
    """The stop and the exit of a position are market orders, which venues bound by less."""
    rules = rules_of(market(**{"limits": {"amount": {"max": 1000}}, **fields}), TICK_SIZE)
    assert rules.max_amount == Decimal(most)


def test_decimal_places_are_steps_too() -> None:
    rules = rules_of(market(precision={"amount": 3, "price": 1}), DECIMAL_PLACES)
    assert (rules.amount_step, rules.price_tick) == (Decimal("0.001"), Decimal("0.1"))


@pytest.mark.parametrize(
    ("fields", "mode", "says"),
    [
        ({"active": False}, TICK_SIZE, "not traded now"),
        ({"inverse": True}, TICK_SIZE, "settled in its base currency"),
        ({"precision": {"amount": None, "price": 0.1}}, TICK_SIZE, "tells no amount precision"),
        ({}, SIGNIFICANT_DIGITS, "significant digits"),
    ],
)
def test_a_market_that_cannot_be_traded_says_why(fields: dict[str, Any], mode: int, says: str) -> None:
    with pytest.raises(OrderDenied, match=says) as denied:
        rules_of(market(**fields), mode)
    assert denied.value.code == "symbol_not_tradable"


def test_binance_counts_in_ticks() -> None:
    """The mode that everything here rests on for the first real venue."""
    assert ccxt.binanceusdm().precisionMode == TICK_SIZE


@pytest.mark.parametrize(
    ("amount", "price", "last", "code"),
    [
        ("10", "100", "100", None),
        ("10.001", "100", "100", "above_max_notional"),
        ("1", "120", "100", None),
        ("1", "120.1", "100", "price_out_of_band"),
        ("1", "79.9", "100", "price_out_of_band"),
        ("1", "130", None, None),
        ("1", "151", None, "price_out_of_band"),
        ("1", "9", None, "price_out_of_band"),
    ],
)
def test_what_is_worth_too_much_or_priced_too_far_off_is_refused(
    amount: str, price: str, last: str | None, code: str | None
) -> None:
    rules = rules_of(
        {
            "symbol": "BTC/USDT",
            "base": "BTC",
            "quote": "USDT",
            "spot": True,
            "precision": {"amount": 0.001, "price": 0.1},
            "limits": {"amount": {"min": 0.001}, "cost": {"max": 1000}, "price": {"min": 10, "max": 150}},
            "info": {
                "filters": [
                    {
                        "filterType": "PERCENT_PRICE_BY_SIDE",
                        "bidMultiplierUp": "1.2",
                        "bidMultiplierDown": "0.8",
                        "askMultiplierUp": "5",
                        "askMultiplierDown": "0.2",
                    }
                ]
            },
        },
        TICK_SIZE,
    )
    at = None if last is None else Decimal(last)
    if code is None:
        rules.check(Decimal(amount), Decimal(price), last=at)
        return
    with pytest.raises(OrderDenied) as denied:
        rules.check(Decimal(amount), Decimal(price), last=at)
    assert denied.value.code == code
