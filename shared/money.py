"""Exact numbers: amounts, prices and fees as Decimal, strings in JSON, never floats.

A Decimal rounds silently to its context's precision. Everything here works in `EXACT`, which is wide enough
for any product of two amounts and raises instead of rounding where a result would not fit.
"""

from __future__ import annotations

from decimal import (
    ROUND_CEILING,
    ROUND_FLOOR,
    ROUND_HALF_EVEN,
    Context,
    Decimal,
    DivisionByZero,
    Inexact,
    InvalidOperation,
    Overflow,
)

ZERO = Decimal(0)
ONE = Decimal(1)

# 120 digits hold a product of two numbers of 60 digits; `numeric` in SQL is at least as wide.
EXACT = Context(prec=120, traps=[Inexact, InvalidOperation, DivisionByZero, Overflow])
# For quotients, which have no last digit: 40 significant ones, far more than any venue's step needs.
_QUOTIENT = Context(prec=40, rounding=ROUND_HALF_EVEN, traps=[InvalidOperation, DivisionByZero, Overflow])


def money(value: Decimal | int | str | float) -> Decimal:
    """A number from outside as Decimal.

    A float means the decimal text it prints as, which is what the venue wrote before ccxt parsed it.
    Raises ValueError for what is not a finite number.
    """
    if isinstance(value, bool):
        raise ValueError(f"{value!r} is not a number")  # noqa: TRY004 - callers handle one error for bad numbers
    try:
        number = Decimal(repr(value)) if isinstance(value, float) else Decimal(value)
    except (InvalidOperation, TypeError) as error:
        raise ValueError(f"{value!r} is not a number") from error
    if not number.is_finite():
        raise ValueError(f"{value!r} is not a finite number")
    return number


def text(value: Decimal) -> str:
    """A Decimal for JSON: plain digits, no exponent, no trailing zeros after the point."""
    plain = format(value, "f")
    if "." in plain:
        plain = plain.rstrip("0").rstrip(".")
    return "0" if plain in {"-0", ""} else plain


def multiply(left: Decimal, right: Decimal) -> Decimal:
    """The product, to the last digit."""
    return EXACT.multiply(left, right)


def add(*values: Decimal) -> Decimal:
    """The sum, to the last digit."""
    total = ZERO
    for value in values:
        total = EXACT.add(total, value)
    return total


def subtract(left: Decimal, right: Decimal) -> Decimal:
    """The difference, to the last digit."""
    return EXACT.subtract(left, right)


def divide(left: Decimal, right: Decimal) -> Decimal:
    """The quotient, rounded to 40 significant digits. Only for what is stepped or compared afterwards."""
    return _QUOTIENT.divide(left, right)


def step_down(value: Decimal, step: Decimal) -> Decimal:
    """The largest multiple of `step` that is not above `value`: for amounts, which must never grow."""
    return _to_step(value, step, ROUND_FLOOR)


def step_up(value: Decimal, step: Decimal) -> Decimal:
    """The smallest multiple of `step` that is not below `value`."""
    return _to_step(value, step, ROUND_CEILING)


def step_nearest(value: Decimal, step: Decimal) -> Decimal:
    """The multiple of `step` nearest to `value`: for prices."""
    return _to_step(value, step, ROUND_HALF_EVEN)


def is_multiple(value: Decimal, step: Decimal) -> bool:
    """Whether `value` lies on the grid of `step`."""
    return EXACT.remainder(value, step) == 0


def _to_step(value: Decimal, step: Decimal, rounding: str) -> Decimal:
    if step <= 0:
        raise ValueError(f"a step must be above zero, not {step}")
    # divmod and not a quotient: a rounded quotient just below a whole number would step over it.
    whole, rest = EXACT.divmod(value, step)
    if rest < 0:
        whole, rest = whole - 1, EXACT.add(rest, step)
    if rest and (
        rounding == ROUND_CEILING or (rounding == ROUND_HALF_EVEN and _rounds_up(whole, rest, step))
    ):
        whole += 1
    return EXACT.multiply(whole, step)


def _rounds_up(whole: Decimal, rest: Decimal, step: Decimal) -> bool:
    double = EXACT.add(rest, rest)
    return double > step or (double == step and whole % 2 != 0)
