"""How much to buy or sell: the trader's sizing turned into an amount of the base currency.

- `fixed`: a notional value in quote currency
- `percentage`: a share of the account's equity, in percent, as notional value
- `risk_based`: the share of the equity, in percent, that is lost when the stop is hit

The notional value never exceeds equity times the account's leverage: a tight stop must not size an order
that no account could carry.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from shared.errors import OrderDenied
from shared.money import ONE, ZERO, divide, multiply, subtract, text

HUNDRED = Decimal(100)

SizingType = Literal["fixed", "percentage", "risk_based"]


@dataclass(frozen=True, slots=True)
class Sizing:
    """A trader's wish. `value` is quote currency for `fixed`, else percent."""

    type: SizingType
    value: Decimal


def size(
    sizing: Sizing, *, entry: Decimal, stop: Decimal, equity: Decimal, leverage: Decimal = ONE
) -> Decimal:
    """The amount in base currency, not yet rounded to the venue's step.

    Raises OrderDenied: `size_invalid` for impossible settings, `insufficient_balance` for an empty account.
    """
    _check(sizing, entry, stop, leverage)
    if sizing.type != "fixed" and equity <= ZERO:
        raise OrderDenied(
            f"the account's equity is {text(equity)}: nothing to size by", code="insufficient_balance"
        )
    most = divide(multiply(equity, leverage), entry)
    if sizing.type == "fixed":
        # What was asked for in money is not cut down silently: the account has it or has not.
        wanted = divide(sizing.value, entry)
        if wanted > most:
            raise OrderDenied(
                f"{text(sizing.value)} per position exceeds the account's equity {text(equity)} "
                f"at leverage {text(leverage)}",
                code="insufficient_balance",
            )
        return wanted
    share = divide(multiply(equity, sizing.value), HUNDRED)
    per_unit = entry if sizing.type == "percentage" else abs(subtract(entry, stop))
    return min(divide(share, per_unit), most)


def _check(sizing: Sizing, entry: Decimal, stop: Decimal, leverage: Decimal) -> None:
    if sizing.type not in ("fixed", "percentage", "risk_based"):
        raise OrderDenied(f"unknown position sizing {sizing.type!r}", code="size_invalid")
    if sizing.value <= ZERO:
        raise OrderDenied(f"the position size {text(sizing.value)} is not above zero", code="size_invalid")
    if sizing.type != "fixed" and sizing.value > HUNDRED:
        raise OrderDenied(f"a position size of {text(sizing.value)} % is over 100 %", code="size_invalid")
    if entry <= ZERO or stop <= ZERO:
        raise OrderDenied(
            f"entry {text(entry)} and stop {text(stop)} must be above zero", code="size_invalid"
        )
    if sizing.type == "risk_based" and entry == stop:
        raise OrderDenied(
            f"the stop lies at the entry {text(entry)}: the risk per unit is zero", code="size_invalid"
        )
    if leverage < ONE:
        raise OrderDenied(f"the account's leverage {text(leverage)} is under 1", code="size_invalid")
