"""The one clock of a machine: the wall's when live, the market's in a replay or backtest.

Every decision takes its time from the clock it was given. Only leases and time-outs run on the wall's.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
from datetime import UTC, datetime
from typing import Protocol

from shared.identity import floor_ms, from_ms


class Clock(Protocol):
    """What a role knows about time."""

    def now(self) -> datetime:
        """The current time, aware and in UTC."""
        ...

    def millis(self) -> int:
        """The current time in whole Unix milliseconds, floored."""
        ...

    async def sleep_until(self, moment: datetime) -> None:
        """Return once the clock shows `moment` or later; at once when it does already."""
        ...


class WallClock:
    """The system's clock, for a machine that is live."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def millis(self) -> int:
        return floor_ms(self.now())

    async def sleep_until(self, moment: datetime) -> None:
        # Asked again after each sleep: the loop's clock and the wall's drift apart, and somebody may set it.
        left = (moment - self.now()).total_seconds()
        while left > 0:
            await asyncio.sleep(min(left, 60.0))
            left = (moment - self.now()).total_seconds()


class MarketClock:
    """The time of recorded candles: it stands still until `advance` moves it."""

    def __init__(self, start: datetime) -> None:
        self._ms = floor_ms(start)
        self._now = start.astimezone(UTC)
        self._order = itertools.count()
        self._sleepers: list[tuple[int, int, asyncio.Future[None]]] = []

    def now(self) -> datetime:
        return self._now

    def millis(self) -> int:
        return self._ms

    def advance(self, to: datetime) -> None:
        """Move to `to` and wake who slept until then, the earliest first.

        Raises ValueError for a time in the past: market time never runs backwards.
        """
        if to < self._now:
            raise ValueError(f"the market's clock shows {self._now.isoformat()} and cannot go back to {to}")
        self._set(to.astimezone(UTC), floor_ms(to))

    def advance_ms(self, to_ms: int) -> None:
        """`advance` by whole Unix milliseconds."""
        if to_ms < self._ms:
            raise ValueError(f"the market's clock shows {self._ms} ms and cannot go back to {to_ms} ms")
        self._set(from_ms(to_ms), to_ms)

    @property
    def next_wake(self) -> datetime | None:
        """The earliest time that somebody sleeps until, for a machine that looks for the next thing due."""
        while self._sleepers and self._sleepers[0][2].done():
            heapq.heappop(self._sleepers)
        return from_ms(self._sleepers[0][0]) if self._sleepers else None

    async def sleep_until(self, moment: datetime) -> None:
        due = floor_ms(moment)
        if due < self._ms or moment <= self._now:
            return
        woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        # Rounded up to the next whole millisecond, so that nobody wakes before the time they asked for.
        due += 1 if from_ms(due) < moment else 0
        heapq.heappush(self._sleepers, (due, next(self._order), woken))
        await woken

    def _set(self, now: datetime, ms: int) -> None:
        self._now, self._ms = now, ms
        while self._sleepers and self._sleepers[0][0] <= ms:
            woken = heapq.heappop(self._sleepers)[2]
            if not woken.done():
                woken.set_result(None)
