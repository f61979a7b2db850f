"""How venues write numbers: eight decimals on Binance spot, as few as needed elsewhere."""

from __future__ import annotations

from decimal import ROUND_DOWN, Decimal

_SPOT = Decimal("0.00000001")


def spot(value: Decimal | None) -> str:
    """Eight decimals, as everywhere on spot."""
    return format((value or Decimal(0)).quantize(_SPOT, ROUND_DOWN), "f")


def plain(value: Decimal | None) -> str:
    """No exponent and no trailing zeros."""
    if not value:
        return "0"
    return format(value.normalize(), "f")


def digits(step: Decimal) -> int:
    """How many decimals a step has."""
    exponent = step.normalize().as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0
