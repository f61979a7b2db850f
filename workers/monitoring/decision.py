"""What to do about a planned trade when a candle closes: wait, trade, or let it go. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any, Literal

from shared.candles import Candle, exact
from shared.errors import InputError
from shared.identity import floor_ms
from shared.money import divide, money, multiply, subtract, text

Action = Literal["continue", "ready", "exit", "stop_monitoring"]

# With half of the way to the target gone, what is left is not the trade that was planned.
HALVES = Decimal(2)


@dataclass(frozen=True, slots=True)
class Setup:
    """The part of a trade plan that monitoring watches."""

    side: Literal["long", "short"]
    entry_type: Literal["market", "limit", "post_only", "stop"]
    entry: Decimal
    stop_loss: Decimal
    take_profit: Decimal
    valid_until_ms: int


@dataclass(frozen=True, slots=True)
class Bar:
    """One closed candle in exact prices."""

    open_ms: int
    close_ms: int
    high: Decimal
    low: Decimal
    close: Decimal

    @classmethod
    def of(cls, candle: Candle) -> Bar:
        """The candle's prices as the venue wrote them."""
        high, low, close = exact(candle.high), exact(candle.low), exact(candle.close)
        return cls(candle.open_ms, candle.close_ms, high, low, close)


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do and why. `confidence` is how near the setup is to its entry, 0..1."""

    action: Action
    reasoning: str
    confidence: Decimal = Decimal(0)
    outcome_code: str | None = None


# Nothing is recorded of it, so nothing is worked out for it.
NOT_DUE = Decision("continue", "the trader looks at an entry with its next snapshot")


def decide(setup: Setup, bar: Bar, previous_close: Decimal | None, *, due: bool = True) -> Decision:
    """The decision at the close of `bar`, which must be later than whatever was seen before.

    A setup may end at every candle; it is entered only when the trader's monitoring interval is `due`.

    What ends the setup is looked at first: within one candle nobody knows which price came first, so a candle
    that touched both the entry and the stop counts as the stop.
    """
    if bar.open_ms >= setup.valid_until_ms:
        # Whatever happened in it came too late, also for whoever missed the candles before.
        return time_out()
    up = setup.side == "long"
    worst, best = (bar.low, bar.high) if up else (bar.high, bar.low)
    if _reached(worst, setup.stop_loss, falling=up):
        reason = f"the stop level {text(setup.stop_loss)} was touched before an entry"
        return Decision("exit", reason, outcome_code="setup_invalidated")
    if bar.close_ms >= setup.valid_until_ms:
        return time_out()
    if _reached(best, setup.take_profit, falling=not up):
        reason = f"the target {text(setup.take_profit)} was reached without us"
        return Decision("exit", reason, outcome_code="price_drifted")
    if _has_drifted(setup, bar.close):
        reason = f"{text(bar.close)} is more than half of the way to the target"
        return Decision("exit", reason, outcome_code="price_drifted")
    if not due:
        return NOT_DUE
    confidence = _nearness(setup, bar.close)
    beyond = _reached(bar.close, setup.entry, falling=not up)
    if setup.entry_type in ("post_only", "stop"):
        # The order itself waits at the venue, on the side of the price from which it does not fill at once.
        if beyond == (setup.entry_type == "post_only"):
            return Decision("ready", f"an order can wait at {text(setup.entry)}", confidence)
        return Decision("continue", f"waiting for room to order at {text(setup.entry)}", confidence)
    if setup.entry_type == "limit":
        if beyond and _reached(worst, setup.entry, falling=up):
            reason = f"the price pulled back to {text(setup.entry)} and holds"
            return Decision("ready", reason, confidence)
        return Decision("continue", f"waiting for a pullback to {text(setup.entry)}", confidence)
    rising = previous_close is not None and _moves_with(setup, previous_close, bar.close)
    if beyond and rising:
        return Decision("ready", f"momentum confirms beyond {text(setup.entry)}", confidence)
    return Decision("continue", f"waiting for momentum beyond {text(setup.entry)}", confidence)


def time_out() -> Decision:
    """The plan's time is over."""
    reason = "the plan's time ran out without a confirmation"
    return Decision("stop_monitoring", reason, outcome_code="monitoring_timeout")


def read_setup(plan: Mapping[str, Any]) -> Setup:
    """The setup of a stored trade plan. Raises InputError that names the field that cannot be read."""
    side, entry_type = plan.get("side"), plan.get("entry_type")
    if side not in ("long", "short"):
        raise InputError(f"the plan's side is {side!r}, neither long nor short")
    if entry_type not in ("market", "limit", "post_only", "stop"):
        raise InputError(f"the plan's entry_type is {entry_type!r}: not market, limit, post_only or stop")
    try:
        valid_until = floor_ms(datetime.fromisoformat(str(plan["valid_until"])))
        prices = {name: money(plan[name]) for name in ("entry", "stop_loss", "take_profit")}
    except (KeyError, ValueError) as error:
        raise InputError(f"the plan cannot be read: {error}") from error
    setup = Setup(side, entry_type, **prices, valid_until_ms=valid_until)
    ordered = (
        setup.stop_loss < setup.entry < setup.take_profit
        if side == "long"
        else setup.take_profit < setup.entry < setup.stop_loss
    )
    if not ordered:
        raise InputError(f"the plan's prices are not in the order of a {side}")
    return setup


def _reached(price: Decimal, level: Decimal, *, falling: bool) -> bool:
    return price <= level if falling else price >= level


def _moves_with(setup: Setup, before: Decimal, now: Decimal) -> bool:
    return now > before if setup.side == "long" else now < before


def _has_drifted(setup: Setup, price: Decimal) -> bool:
    """Whether the price has gone more than half of the way from entry to target."""
    gone = multiply(subtract(price, setup.entry), HALVES)
    way = subtract(setup.take_profit, setup.entry)
    return gone > way if setup.side == "long" else gone < way


def _nearness(setup: Setup, price: Decimal) -> Decimal:
    """1 at the entry, 0 as far from it as the stop or farther."""
    away = abs(subtract(price, setup.entry))
    room = abs(subtract(setup.entry, setup.stop_loss))
    if away >= room:
        return Decimal(0)
    share = divide(away, room).quantize(Decimal("0.0001"), rounding=ROUND_HALF_EVEN)
    return subtract(Decimal(1), share)
