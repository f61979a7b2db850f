"""Closed candles, the lengths of their intervals, and the gate that lets only sound ones through."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal

MINUTE_MS = 60_000
# Bitcoin's first block, and a time that no candle of ours will see. What lies outside is in another unit
# (seconds, microseconds), or a zero where a time should be.
EARLIEST_MS = 1_230_940_800_000  # 2009-01-03
LATEST_MS = 4_102_444_800_000  # 2100-01-01
INTERVALS: dict[str, int] = {
    "1m": MINUTE_MS,
    "3m": 3 * MINUTE_MS,
    "5m": 5 * MINUTE_MS,
    "15m": 15 * MINUTE_MS,
    "30m": 30 * MINUTE_MS,
    "1h": 60 * MINUTE_MS,
    "4h": 240 * MINUTE_MS,
    "1d": 1440 * MINUTE_MS,
}


@dataclass(frozen=True, slots=True)
class Candle:
    """One closed candle. Times are Unix milliseconds; `close_ms` is the open of the candle that follows.

    Prices and volume are floats, for indicators. Where a price becomes money it is made exact: see `exact`.
    """

    symbol: str
    interval: str
    open_ms: int
    close_ms: int
    open: float
    high: float
    low: float
    close: float
    volume: float

    @property
    def price(self) -> Decimal:
        """The close as money."""
        return exact(self.close)


def exact(number: float) -> Decimal:
    """A float as the decimal that the venue wrote: the shortest text that reads back as the same float."""
    return Decimal(repr(float(number)))


def interval_ms(interval: str) -> int:
    """The length of an interval. Raises ValueError that names the known ones."""
    try:
        return INTERVALS[interval]
    except KeyError:
        raise ValueError(f"unknown interval {interval!r}; known are {', '.join(INTERVALS)}") from None


@dataclass(frozen=True, slots=True)
class Refusal:
    """A candle that was not let through, and why."""

    symbol: str
    interval: str
    open_ms: int
    reason: str
    detail: str


@dataclass(frozen=True, slots=True)
class Gap:
    """Candles that never came: `missing` of them between two that did."""

    symbol: str
    interval: str
    after_ms: int
    before_ms: int
    missing: int


@dataclass(slots=True)
class Gate:
    """Lets sound candles through in order of time and counts what it refuses.

    `refused` counts by reason: `bad_number`, `bad_price`, `bad_volume`, `bad_range`, `bad_time`, `doubled`,
    `out_of_order`. A gap is reported, and the candle after it passes. The last few refusals and gaps are kept
    with their detail; `on_refusal` and `on_gap` see every one.
    """

    on_refusal: Callable[[Refusal], None] | None = None
    on_gap: Callable[[Gap], None] | None = None
    keep: int = 100
    admitted: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    missing: int = 0
    refusals: list[Refusal] = field(default_factory=list)
    gaps: list[Gap] = field(default_factory=list)
    _last: dict[tuple[str, str], int] = field(default_factory=dict)

    def admit(self, candle: Candle) -> bool:
        """Whether this candle is sound and newer than the last one of its symbol and interval."""
        key = (candle.symbol, candle.interval)
        last = self._last.get(key)
        fault = find_fault(candle) or find_disorder(candle.open_ms, last)
        if fault is not None:
            self.refuse(Refusal(candle.symbol, candle.interval, candle.open_ms, *fault))
            return False
        if last is not None and candle.open_ms - last != (step := INTERVALS[candle.interval]):
            self._report_gap(candle, last, step)
        self._last[key] = candle.open_ms
        self.admitted += 1
        return True

    def refuse(self, refusal: Refusal) -> None:
        """Count a candle that is not let through, also one that was found bad before it reached the gate."""
        self.refused[refusal.reason] += 1
        if len(self.refusals) < self.keep:
            self.refusals.append(refusal)
        if self.on_refusal is not None:
            self.on_refusal(refusal)

    def _report_gap(self, candle: Candle, last: int, step: int) -> None:
        gap = Gap(candle.symbol, candle.interval, last, candle.open_ms, (candle.open_ms - last) // step - 1)
        self.missing += gap.missing
        if len(self.gaps) < self.keep:
            self.gaps.append(gap)
        if self.on_gap is not None:
            self.on_gap(gap)


def find_fault(candle: Candle) -> tuple[str, str] | None:
    """Reason and detail of what is wrong with one candle by itself, or None."""
    o, h, low, c, v = candle.open, candle.high, candle.low, candle.close, candle.volume
    # The common case in one pass: NaN compares false with everything, so a NaN falls through to the details.
    step = INTERVALS.get(candle.interval)
    if (
        step is not None
        and 0.0 < low <= o <= h < math.inf
        and low <= c <= h
        and 0.0 <= v < math.inf
        and candle.open_ms % step == 0
        and candle.close_ms - candle.open_ms == step
        and EARLIEST_MS <= candle.open_ms < LATEST_MS
    ):
        return None
    prices = {"open": o, "high": h, "low": low, "close": c}
    for name, number in (*prices.items(), ("volume", v)):
        if not math.isfinite(number):
            return "bad_number", f"{name} is {number}"
    for name, number in prices.items():
        if number <= 0:
            return "bad_price", f"{name} is {number}; a price is above zero"
    if v < 0:
        return "bad_volume", f"volume is {v}"
    if h < low or not low <= o <= h or not low <= c <= h:
        return "bad_range", f"open {o} and close {c} do not lie between low {low} and high {h}"
    if step is None:
        return "bad_time", f"unknown interval {candle.interval!r}"
    if not EARLIEST_MS <= candle.open_ms < LATEST_MS:
        return "bad_time", f"{candle.open_ms} Unix milliseconds are not between 2009 and 2100"
    return "bad_time", f"{candle.open_ms}..{candle.close_ms} ms is not one whole {candle.interval} candle"


def find_disorder(open_ms: int, last: int | None) -> tuple[str, str] | None:
    """Reason and detail of a candle that is not newer than the last one, or None."""
    if last is None or open_ms > last:
        return None
    if open_ms == last:
        return "doubled", f"the candle of {open_ms} ms came a second time"
    return "out_of_order", f"the candle of {open_ms} ms came after that of {last} ms"
