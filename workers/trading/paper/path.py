"""The way of a price through a candle of which only four prices are known."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class Bar:
    """A closed candle in exact numbers. Times in milliseconds, volume in base currency."""

    symbol: str
    open_ms: int
    close_ms: int
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal


@dataclass(frozen=True, slots=True)
class Leg:
    """One straight move of the price, both ends included; the first leg of a bar is its open alone."""

    start: Decimal
    end: Decimal
    at_ms: int


def legs_of(bar: Bar) -> tuple[Leg, ...]:
    """Open, the nearer extreme, the other one, close.

    The nearer extreme first is the common guess of backtests: a price that opens close to its high most
    often makes the high before the low.
    """
    length = bar.close_ms - bar.open_ms
    high_first = bar.high - bar.open <= bar.open - bar.low
    first, second = (bar.high, bar.low) if high_first else (bar.low, bar.high)
    return (
        Leg(bar.open, bar.open, bar.open_ms),
        Leg(bar.open, first, bar.open_ms + length // 4),
        Leg(first, second, bar.open_ms + length // 2),
        Leg(second, bar.close, bar.open_ms + length - 1),
    )
