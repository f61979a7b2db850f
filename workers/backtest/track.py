"""The equity of a backtest as it goes: marked to the last prices at every close, exact to the last digit."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

from shared.candles import INTERVALS
from shared.money import ZERO, add, divide, multiply, subtract
from workers.backtest.rows import PositionRow
from workers.backtest.trade_record import TradeRecord

DAY_MS = 86_400_000
HUNDRED = Decimal(100)


@dataclass(frozen=True, slots=True)
class Fall:
    """The deepest fall below a peak: from when to when, in quote currency and as a share of the peak."""

    amount: Decimal = ZERO
    share: Decimal = ZERO
    from_ms: int | None = None
    to_ms: int | None = None


@dataclass(slots=True)
class Point:
    """A step of the curve: equity and open positions at its end, lowest equity and deepest fall within it."""

    at_ms: int
    equity: Decimal
    low: Decimal
    fall: Decimal
    open: int


class Track:
    """One equity over time, from `equity` at `start_ms` on. Told only when it changes: what is not told in
    between stays as it was."""

    def __init__(self, equity: Decimal, start_ms: int) -> None:
        self.equity = self._peak = equity
        self.fall = Fall()
        self._start_equity = equity
        self._start_ms = self._peak_ms = start_ms
        # The last equity within each 24 hours since the start.
        self._days: dict[int, Decimal] = {}

    def mark(self, at_ms: int, equity: Decimal) -> None:
        """The equity at a close."""
        self.equity = equity
        self._days[(at_ms - self._start_ms - 1) // DAY_MS] = equity
        if equity >= self._peak:
            self._peak, self._peak_ms = equity, at_ms
        elif (share := self.fall_below_peak(equity)) > self.fall.share:
            self.fall = Fall(subtract(self._peak, equity), share, self._peak_ms, at_ms)

    def fall_below_peak(self, equity: Decimal) -> Decimal:
        """How far this equity lies below the highest so far, as a share of it."""
        return divide(subtract(self._peak, equity), self._peak) if self._peak > 0 else ZERO

    def days(self, end_ms: int) -> list[Decimal]:
        """The equity at the start and at the end of each whole 24 hours up to `end_ms`."""
        found = [self._start_equity]
        for number in range((end_ms - self._start_ms) // DAY_MS):
            found.append(self._days.get(number, found[-1]))
        return found


class Curve:
    """The equity of the whole account and of each trader for itself, from the positions of a record.

    Each trader's track begins with the whole equity: it is what the account would have come to with its
    trades alone. `points` are the account's curve in steps of `step_ms`.
    """

    def __init__(
        self,
        equity: Decimal,
        traders: Iterable[UUID],
        record: TradeRecord,
        price: Callable[[str], Decimal | None],
        start_ms: int,
        step_ms: int,
    ) -> None:
        self.total = Track(equity, start_ms)
        self.tracks = {one: Track(equity, start_ms) for one in traders}
        self.points: list[Point] = []
        self._equity = equity
        self._record = record
        self._price = price
        self._start_ms = start_ms
        self.step_ms = step_ms
        self._closed = dict.fromkeys(self.tracks, ZERO)
        self._open: list[PositionRow] = []
        self._counted = 0
        self._changes = -1

    def mark(self, at_ms: int) -> None:
        """A close, and everything that it caused, is over."""
        if self._record.changes != self._changes:
            touched = self._take_changes()
        elif self._open:
            touched = {one.trader_id for one in self._open}
        else:
            self._add_point(at_ms)
            return
        worth = {one: self._closed[one] for one in touched}
        for position in self._open:
            worth[position.trader_id] = add(worth[position.trader_id], self.value(position))
        total = self.total.equity
        for trader, won in worth.items():
            track, equity = self.tracks[trader], add(self._equity, won)
            total = add(total, subtract(equity, track.equity))
            track.mark(at_ms, equity)
        self.total.mark(at_ms, total)
        self._add_point(at_ms)

    def value(self, position: PositionRow) -> Decimal:
        """What an open position has won so far, at the last price; fees of its exit are not taken off."""
        price = self._price(position.symbol)
        held = position.base if position.written_off == 0 else ZERO
        return position.quote if price is None else add(position.quote, multiply(held, price))

    def _take_changes(self) -> set[UUID]:
        self._changes = self._record.changes
        fresh = self._record.positions[self._counted :]
        self._counted = len(self._record.positions)
        held = [*self._open, *fresh]
        for position in held:
            if not position.is_open:
                self._closed[position.trader_id] = add(
                    self._closed[position.trader_id], position.realized_pnl
                )
        self._open = [one for one in held if one.is_open]
        return {one.trader_id for one in held}

    def _add_point(self, at_ms: int) -> None:
        equity = self.total.equity
        fall = self.total.fall_below_peak(equity)
        end = self._start_ms + -(-(at_ms - self._start_ms) // self.step_ms) * self.step_ms
        if not self.points or self._end_of(self.points[-1]) < end:
            self.points.append(Point(at_ms, equity, equity, fall, len(self._open)))
            return
        point = self.points[-1]
        point.at_ms, point.equity, point.open = at_ms, equity, len(self._open)
        point.low, point.fall = min(point.low, equity), max(point.fall, fall)

    def _end_of(self, point: Point) -> int:
        return self._start_ms + -(-(point.at_ms - self._start_ms) // self.step_ms) * self.step_ms


def choose_step(span_ms: int, most: int) -> int:
    """The length of a step with which a span has at most so many of them: an interval, or whole days."""
    return next(step for step in _steps() if span_ms <= most * step)


def _steps() -> Iterator[int]:
    yield from INTERVALS.values()
    days = 1
    while True:
        days *= 2
        yield days * DAY_MS
