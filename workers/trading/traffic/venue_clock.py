"""How far a venue's clock is from ours: every answer tells a little, and together they tell enough.

An answer's `Date` says in which second the venue wrote it, and that was between our asking and our hearing.
Each such bound leaves an interval for the offset, and what all recent ones leave is where it is. Orders
wait while the offset is certainly too large for signed requests: the venue would refuse them, or take them
long after.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any

# How long a bound is believed. Clocks of machines drift by less than DRIFT meanwhile.
KEPT_MS = 600_000
DRIFT_MS = 50
# Venues refuse a request from more than a second ahead of them, and one older than its window.
AHEAD_MS = 1_000
BEHIND_MS = 2_500


@dataclass(frozen=True, slots=True)
class Offset:
    """The venue's clock minus ours lies between `least` and `most` (ms)."""

    least: float
    most: float

    @property
    def middle(self) -> float:
        return (self.least + self.most) / 2

    def is_certainly_outside(self, least: float, most: float) -> bool:
        """Whether no offset in this interval lies between the two."""
        return self.most < least or self.least > most


def bound_by_date(asked_ms: int, heard_ms: int, date_ms: int) -> Offset:
    """What an answer's Date (whole seconds, cut off) leaves: it was written between asking and hearing."""
    return Offset(date_ms - heard_ms, date_ms + 999 - asked_ms)


def bound_by_time(asked_ms: int, heard_ms: int, venue_ms: int) -> Offset:
    """What the venue's own time in milliseconds leaves."""
    return Offset(venue_ms - heard_ms, venue_ms - asked_ms)


def intersect(bounds: list[Offset]) -> Offset | None:
    """What all bounds leave; None when they contradict each other."""
    if not bounds:
        return None
    least = max(bound.least for bound in bounds)
    most = min(bound.most for bound in bounds)
    return Offset(least, most) if least <= most else None


class VenueClock:
    """The offset of one venue's clock. `wall_ms` is our own clock, which signs requests."""

    def __init__(self, wall_ms: Callable[[], int] | None = None) -> None:
        self._wall_ms = wall_ms or (lambda: time.time_ns() // 1_000_000)
        self._bounds: deque[tuple[int, Offset]] = deque(maxlen=32)

    def now_ms(self) -> int:
        """Our own clock."""
        return self._wall_ms()

    def hear(self, asked_ms: int | None, headers: Mapping[str, str]) -> None:
        """An answer's headers; `asked_ms` is when its request left, None when nobody knows."""
        date = headers.get("date")
        if not date or asked_ms is None:
            return
        try:
            written = parsedate_to_datetime(date)
        except ValueError:
            return
        heard = self._wall_ms()
        self.note(bound_by_date(asked_ms, heard, int(written.timestamp() * 1000)))

    def note(self, bound: Offset) -> None:
        """One more bound. One that contradicts the others ends them: somebody set a clock."""
        heard = self._wall_ms()
        if bound.least > bound.most:
            # Heard before it was asked: our own clock was set in between.
            self._bounds.clear()
            return
        while self._bounds and not 0 <= heard - self._bounds[0][0] <= KEPT_MS:
            self._bounds.popleft()
        widened = Offset(bound.least - DRIFT_MS, bound.most + DRIFT_MS)
        if intersect([*(one for _, one in self._bounds), widened]) is None:
            self._bounds.clear()
        self._bounds.append((heard, widened))

    def offset(self) -> Offset | None:
        """Where the offset is, as far as it is known."""
        return intersect([bound for _, bound in self._bounds])

    def most_ahead(self) -> float:
        """By how many seconds our clock is ahead of the venue's at most; while nothing is known, by as much
        as a venue lets pass."""
        known = self.offset()
        return AHEAD_MS / 1000 if known is None else max(-known.least, 0.0) / 1000

    def is_sound(self) -> bool:
        """Whether signed requests may be sent: the offset is not certainly too large."""
        known = self.offset()
        # Ours ahead of the venue's is a negative offset.
        return known is None or not known.is_certainly_outside(-AHEAD_MS, BEHIND_MS)

    def to_json(self) -> dict[str, Any]:
        """As plain data."""
        known = self.offset()
        if known is None:
            return {"sound": True, "offset_ms": None, "within_ms": None}
        half = (known.most - known.least) / 2
        return {"sound": self.is_sound(), "offset_ms": round(known.middle), "within_ms": round(half)}
