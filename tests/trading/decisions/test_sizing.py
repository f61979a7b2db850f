"""Sizing: no more than the trader asked for, no more than the account carries."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from shared.errors import OrderDenied
from workers.trading.decisions.sizing import Sizing, size

prices = st.decimals(min_value="0.00001", max_value="200000", places=5, allow_nan=False)
money_amounts = st.decimals(min_value="0.01", max_value="10000000", places=2, allow_nan=False)
percents = st.decimals(min_value="0.01", max_value="100", places=2, allow_nan=False)
leverages = st.sampled_from([Decimal(1), Decimal(3), Decimal(20)])


def assert_denied(code: str, carried: bool) -> None:
    assert code == "insufficient_balance"
    assert not carried


@given(prices, prices, money_amounts, money_amounts, leverages)
def test_a_fixed_size_is_worth_what_was_asked_or_is_denied(
    entry: Decimal, stop: Decimal, value: Decimal, equity: Decimal, leverage: Decimal
) -> None:
    carried = Fraction(value) <= Fraction(equity) * Fraction(leverage)
    try:
        amount = size(Sizing("fixed", value), entry=entry, stop=stop, equity=equity, leverage=leverage)
    except OrderDenied as denied:
        amount, reason = None, denied.code
        assert_denied(reason, carried)
    if amount is not None:
        worth = Fraction(amount) * Fraction(entry)
        assert abs(worth - Fraction(value)) <= Fraction(value) / 10**30
        assert carried


@given(prices, prices, percents, money_amounts, leverages)
def test_a_percentage_is_a_share_of_the_equity(
    entry: Decimal, stop: Decimal, percent: Decimal, equity: Decimal, leverage: Decimal
) -> None:
    amount = size(Sizing("percentage", percent), entry=entry, stop=stop, equity=equity, leverage=leverage)
    worth = Fraction(amount) * Fraction(entry)
    share = Fraction(equity) * Fraction(percent) / 100
    assert abs(worth - share) <= share / 10**30


@given(prices, prices, percents, money_amounts, leverages)
def test_a_stop_never_costs_more_than_the_risk(
    entry: Decimal, stop: Decimal, percent: Decimal, equity: Decimal, leverage: Decimal
) -> None:
    assume(entry != stop)
    amount = size(Sizing("risk_based", percent), entry=entry, stop=stop, equity=equity, leverage=leverage)
    exactly = Fraction(amount)
    slack = 1 + Fraction(1, 10**30)
    assert (
        exactly * abs(Fraction(entry) - Fraction(stop)) <= Fraction(equity) * Fraction(percent) / 100 * slack
    )
    assert exactly * Fraction(entry) <= Fraction(equity) * Fraction(leverage) * slack


@pytest.mark.parametrize(
    ("sizing", "code", "says"),
    [
        (Sizing("fixed", Decimal(0)), "size_invalid", "not above zero"),
        (Sizing("fixed", Decimal(-5)), "size_invalid", "not above zero"),
        (Sizing("percentage", Decimal("100.01")), "size_invalid", "over 100 %"),
        (Sizing("risk_based", Decimal(101)), "size_invalid", "over 100 %"),
        (Sizing("whatever", Decimal(1)), "size_invalid", "unknown position sizing 'whatever'"),  # type: ignore[arg-type]
        (Sizing("fixed", Decimal("1000.01")), "insufficient_balance", "exceeds the account's equity 1000"),
    ],
)
def test_impossible_sizing_is_denied_with_a_reason(sizing: Sizing, code: str, says: str) -> None:
    with pytest.raises(OrderDenied, match=says) as denied:
        size(sizing, entry=Decimal(100), stop=Decimal(98), equity=Decimal(1000))
    assert denied.value.code == code


def test_an_empty_account_sizes_nothing() -> None:
    with pytest.raises(OrderDenied, match="nothing to size by") as denied:
        size(Sizing("percentage", Decimal(5)), entry=Decimal(100), stop=Decimal(98), equity=Decimal(0))
    assert denied.value.code == "insufficient_balance"


def test_a_stop_at_the_entry_has_no_risk_to_size_by() -> None:
    with pytest.raises(OrderDenied, match="risk per unit is zero"):
        size(Sizing("risk_based", Decimal(1)), entry=Decimal(5), stop=Decimal(5), equity=Decimal(1000))
