"""What an account or a trader lost, on this day and since its best moment: pure, by the database's rules."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from shared.money import ZERO, add, money, multiply, subtract
from workers.trading.orders import Position


@dataclass(frozen=True, slots=True)
class Measure:
    """What was won and lost since it is measured, in quote currency, as the database last told it."""

    total: Decimal = ZERO
    peak: Decimal = ZERO
    day: date | None = None
    # Of the total when that day began.
    day_start: Decimal = ZERO


@dataclass(frozen=True, slots=True)
class Losses:
    """Zero where nothing was lost."""

    daily: Decimal
    drawdown: Decimal


def losses_of(measure: Measure | None, standing: Decimal, now: datetime) -> Losses:
    """What was taken, with what open positions stand to lose: `standing`, of which a gain counts nothing."""
    measure, standing = measure or Measure(), max(standing, ZERO)
    is_today = measure.day is not None and measure.day >= now.astimezone(UTC).date()
    today = subtract(measure.day_start, measure.total) if is_today else ZERO
    return Losses(
        max(add(today, standing), ZERO), max(add(subtract(measure.peak, measure.total), standing), ZERO)
    )


def standing_loss(position: Position, price: Decimal | None) -> Decimal:
    """What an open position stands to lose at a price, below zero to win; nothing where nobody knows it."""
    if price is None or not position.is_open:
        return ZERO
    fallen = multiply(position.amount, subtract(position.entry_average, price))
    return fallen if position.side == "long" else -fallen


def measure_of(answer: Mapping[str, Any] | None) -> Measure | None:
    """From the database's JSON."""
    if answer is None:
        return None
    return Measure(
        total=money(answer["total"]),
        peak=money(answer["peak"]),
        day=date.fromisoformat(answer["day"]),
        day_start=money(answer["day_start"]),
    )
