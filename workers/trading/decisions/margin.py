"""How near an account's futures are to liquidation, and what is done about it: a pure decision.

Two measures of nearness, of what the venue reports: how far the mark price is from the price at which it
liquidates a position, and how much of the account's margin the maintenance margin takes. At a first level
somebody is warned, at a second the position nearest to it is halved, at a third it is closed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal

from shared.money import ZERO, divide, money, multiply, subtract, text
from workers.trading.decisions.rules import Rules
from workers.trading.orders import Position, PositionSide

HUNDRED = Decimal(100)
TWO = Decimal(2)

Severity = Literal["warn", "reduce", "close"]


@dataclass(frozen=True, slots=True)
class VenuePosition:
    """One side of one symbol as the venue reports it, amounts in base and money in quote currency.

    A venue that nets knows one position where we know several signals'. `liquidation_price` is None when it
    cannot be liquidated.
    """

    symbol: str
    side: PositionSide
    amount: Decimal
    mark_price: Decimal
    liquidation_price: Decimal | None
    maintenance_margin: Decimal


@dataclass(frozen=True, slots=True)
class Levels:
    """When what is done. Distances in percent of the mark price, shares in percent of the margin balance."""

    warn_distance: Decimal = Decimal(15)
    reduce_distance: Decimal = Decimal(7)
    close_distance: Decimal = Decimal(3)
    warn_share: Decimal = Decimal(50)
    reduce_share: Decimal = Decimal(75)
    close_share: Decimal = Decimal(90)

    def of_distance(self, distance: Decimal | None) -> Severity | None:
        """What a distance from liquidation asks for; None for one that is far, or where there is none."""
        if distance is None or distance > self.warn_distance:
            return None
        if distance > self.reduce_distance:
            return "warn"
        return "reduce" if distance > self.close_distance else "close"

    def of_share(self, share: Decimal | None) -> Severity | None:
        """What a share of the margin asks for."""
        if share is None or share < self.warn_share:
            return None
        if share < self.reduce_share:
            return "warn"
        return "reduce" if share < self.close_share else "close"


@dataclass(frozen=True, slots=True)
class Alarm:
    """Something to do about one side of one symbol, and why in a sentence."""

    symbol: str
    side: PositionSide
    severity: Severity
    why: str


@dataclass(frozen=True, slots=True)
class Reduction:
    """How much of a position of ours has to go; all of it when `whole`."""

    position: Position
    amount: Decimal
    whole: bool
    why: str


def watch(positions: Iterable[VenuePosition], margin_balance: Decimal, levels: Levels) -> list[Alarm]:
    """What is too near to liquidation, the nearest first. `margin_balance` is what secures the account.

    The account's own share names one position: the one whose maintenance margin is the largest.
    """
    positions = [one for one in positions if one.amount > ZERO]
    alarms: dict[tuple[str, PositionSide], Alarm] = {}
    for one in positions:
        distance = distance_of(one)
        severity = levels.of_distance(distance)
        if severity is not None and distance is not None and one.liquidation_price is not None:
            why = (
                f"{one.symbol} {one.side} is {text(distance.quantize(Decimal('0.01')))} % from its "
                f"liquidation at {text(one.liquidation_price)}"
            )
            alarms[one.symbol, one.side] = Alarm(one.symbol, one.side, severity, why)
    share = share_of(positions, margin_balance)
    severity = levels.of_share(share)
    if severity is not None and share is not None and positions:
        largest = max(positions, key=lambda one: (one.maintenance_margin, one.symbol, one.side))
        key = (largest.symbol, largest.side)
        known = alarms.get(key)
        if known is None or _rank(severity) > _rank(known.severity):
            why = f"{text(share.quantize(Decimal('0.01')))} % of the margin is bound as maintenance margin"
            alarms[key] = Alarm(*key, severity, why)
    return sorted(alarms.values(), key=lambda one: (-_rank(one.severity), one.symbol, one.side))


def distance_of(one: VenuePosition) -> Decimal | None:
    """How far the mark price is from liquidation, in percent of it; zero when it has been passed."""
    if one.liquidation_price is None or one.liquidation_price <= ZERO or one.mark_price <= ZERO:
        return None
    room = subtract(one.mark_price, one.liquidation_price)
    room = max(room if one.side == "long" else -room, ZERO)
    return divide(multiply(room, HUNDRED), one.mark_price)


def share_of(positions: Iterable[VenuePosition], margin_balance: Decimal) -> Decimal | None:
    """How much of the margin the maintenance of all positions takes, in percent; None for none."""
    bound = sum((one.maintenance_margin for one in positions), ZERO)
    if bound <= ZERO:
        return None
    return HUNDRED if margin_balance <= ZERO else divide(multiply(bound, HUNDRED), margin_balance)


def reduce(alarms: Iterable[Alarm], ours: Iterable[Position], rules: Mapping[str, Rules]) -> list[Reduction]:
    """What of our positions has to go: half of each that an alarm is about, or all of it.

    `rules` are those of the symbols: what is too small to be halved is closed whole. Positions on their way
    out are left alone.
    """
    ours = sorted((one for one in ours if one.is_open and one.exit_reason is None), key=lambda p: p.signal_id)
    reductions: list[Reduction] = []
    for alarm in alarms:
        if alarm.severity == "warn":
            continue
        for position in ours:
            if (position.symbol, position.side) != (alarm.symbol, alarm.side) or position.amount <= ZERO:
                continue
            half = rules[position.symbol].closable(divide(position.amount, TWO))
            whole = alarm.severity == "close" or half <= ZERO
            amount = position.amount if whole else half
            reductions.append(Reduction(position, amount, whole, alarm.why))
    return reductions


def levels_of(settings: Mapping[str, Any]) -> Levels:
    """The levels in an account's settings, such as `margin_warn_distance`; the usual ones without."""
    given = {
        name: money(settings[f"margin_{name}"]) for name in Levels.__slots__ if f"margin_{name}" in settings
    }
    return Levels(**given)


def _rank(severity: Severity) -> int:
    return ("warn", "reduce", "close").index(severity)
