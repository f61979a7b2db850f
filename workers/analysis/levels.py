"""Stop loss and take profit from a trader's settings, as exact prices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any

from shared.candles import Candle, exact
from shared.errors import InputError
from shared.money import add, divide, money, multiply, subtract, text

HUNDRED = Decimal(100)
# What a trader without settings gets: distances in units of ATR.
DEFAULT_STOP = ("atr", Decimal(2))
DEFAULT_TARGET = ("atr", Decimal(4))


@dataclass(frozen=True, slots=True)
class Levels:
    """Prices on the right sides of the entry: stop < entry < target for a long, mirrored for a short."""

    entry: Decimal
    stop_loss: Decimal
    take_profit: Decimal


def place(side: str, entry: Decimal, atr: Decimal, trader: Mapping[str, Any], tick: Decimal) -> Levels:
    """The levels for an entry at this price.

    `percentage` is a distance in percent of the entry, `atr` in units of ATR, `price` a fixed price. Prices
    are rounded to `tick`. Raises InputError that names the setting when a level lies on the wrong side.
    """
    up = Decimal(1) if side == "long" else Decimal(-1)
    stop = _level("stop_loss", trader, DEFAULT_STOP, entry, -up, atr, tick)
    target = _level("take_profit", trader, DEFAULT_TARGET, entry, up, atr, tick)
    if stop <= 0 or multiply(up, subtract(entry, stop)) <= 0:
        raise InputError(f"the stop loss {text(stop)} is not on the losing side of a {side} at {text(entry)}")
    if target <= 0 or multiply(up, subtract(target, entry)) <= 0:
        raise InputError(
            f"the take profit {text(target)} is not on the winning side of a {side} at {text(entry)}"
        )
    return Levels(entry, stop, target)


def net_reward_to_risk(levels: Levels, cost_percent: Decimal) -> Decimal:
    """What is won at the target for each unit lost at the stop, both after the round trip's costs."""
    cost = divide(multiply(levels.entry, cost_percent), HUNDRED)
    reward = subtract(abs(subtract(levels.take_profit, levels.entry)), cost)
    risk = add(abs(subtract(levels.entry, levels.stop_loss)), cost)
    return divide(reward, risk).quantize(Decimal("0.0001"), rounding=ROUND_HALF_EVEN)


def find_tick(candles: Sequence[Candle]) -> Decimal:
    """The finest step that the venue's own prices show: no plan is written finer than the market is.

    Trading rounds to the venue's real step; this keeps a plan readable and free of a float's long tail.
    """
    places = min(int(exact(candle.close).as_tuple().exponent) for candle in candles)
    return Decimal(1).scaleb(min(places, 0))


def round_to(price: Decimal, tick: Decimal) -> Decimal:
    """`price` on the grid of `tick`, a power of ten."""
    return price.quantize(tick, rounding=ROUND_HALF_EVEN)


def _level(
    name: str,
    trader: Mapping[str, Any],
    default: tuple[str, Decimal],
    entry: Decimal,
    direction: Decimal,
    atr: Decimal,
    tick: Decimal,
) -> Decimal:
    kind, given = trader.get(f"{name}_type"), trader.get(f"{name}_value")
    if kind is None or given is None:
        kind, value = default
    else:
        try:
            value = money(given)
        except ValueError as error:
            raise InputError(f"the trader's {name}_value: {error}") from error
    if value <= 0:
        raise InputError(f"the trader's {name}_value {text(value)} is not above zero")
    if kind == "price":
        return round_to(value, tick)
    if kind == "percentage":
        distance = divide(multiply(entry, value), HUNDRED)
    elif kind == "atr":
        distance = multiply(atr, value)
    else:
        raise InputError(f"the trader's {name}_type {kind!r} is none of percentage, price, atr")
    return round_to(add(entry, multiply(direction, distance)), tick)
