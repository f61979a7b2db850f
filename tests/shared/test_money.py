"""Exact numbers: what comes in as text or float goes out as the same digits."""

from decimal import Decimal, Inexact
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.money import (
    add,
    divide,
    is_multiple,
    money,
    multiply,
    step_down,
    step_nearest,
    step_up,
    subtract,
    text,
)

amounts = st.decimals(min_value=-(10**12), max_value=10**12, places=12, allow_nan=False)
steps = st.sampled_from([Decimal(s) for s in ("0.001", "0.1", "1", "5", "0.00000001", "0.25", "0.0005")])


@given(amounts)
def test_text_reads_back_as_the_same_number(value: Decimal) -> None:
    assert money(text(value)) == value
    assert "E" not in text(value).upper()


@given(st.floats(allow_nan=False, allow_infinity=False, min_value=-1e15, max_value=1e15))
def test_a_float_means_the_digits_it_prints_as(value: float) -> None:
    assert float(money(value)) == value


@pytest.mark.parametrize("bad", ["", "x", "nan", "inf", float("nan"), float("inf"), True, "1,5"])
def test_what_is_no_finite_number_is_refused(bad: object) -> None:
    with pytest.raises(ValueError, match=r"is not a (finite )?number"):
        money(bad)  # type: ignore[arg-type]


@given(amounts, amounts)
def test_products_and_sums_lose_no_digit(left: Decimal, right: Decimal) -> None:
    assert Fraction(multiply(left, right)) == Fraction(left) * Fraction(right)
    assert Fraction(add(left, right)) == Fraction(left) + Fraction(right)
    assert Fraction(subtract(left, right)) == Fraction(left) - Fraction(right)


def test_a_result_that_would_be_rounded_raises() -> None:
    with pytest.raises(Inexact):
        add(Decimal("1e100"), Decimal("1e-100"))


@given(amounts, steps)
def test_stepping_lands_on_the_grid_and_on_the_right_side(value: Decimal, step: Decimal) -> None:
    down, up, near = step_down(value, step), step_up(value, step), step_nearest(value, step)
    assert is_multiple(down, step)
    assert is_multiple(up, step)
    assert is_multiple(near, step)
    assert down <= value < down + step
    assert up - step < value <= up
    assert abs(near - value) * 2 <= step


def test_half_a_step_goes_to_the_even_multiple() -> None:
    assert step_nearest(Decimal("0.25"), Decimal("0.1")) == Decimal("0.2")
    assert step_nearest(Decimal("0.35"), Decimal("0.1")) == Decimal("0.4")


def test_a_step_of_zero_is_refused() -> None:
    with pytest.raises(ValueError, match="above zero"):
        step_down(Decimal(1), Decimal(0))


def test_a_quotient_has_forty_digits() -> None:
    assert divide(Decimal(1), Decimal(3)) == Decimal("0." + "3" * 40)
