"""How many things happened a second, on average over a minute."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

BUCKETS = 12
BUCKET_S = 5.0


class Rate:
    """An average over up to twelve buckets of five seconds.

    It moves only when a bucket is full, so that a short burst passes; what is over the limit then stays so
    until enough quiet buckets came.
    """

    def __init__(self, limit: float, now: Callable[[], float] = time.monotonic) -> None:
        self.limit = limit
        self._now = now
        self._full: deque[int] = deque(maxlen=BUCKETS)
        self._count = 0
        self._ends = now() + BUCKET_S

    def add(self, count: int = 1) -> None:
        self._move()
        self._count += count

    @property
    def average(self) -> float:
        """Events a second, as of the last full bucket."""
        self._move()
        return sum(self._full) / (len(self._full) * BUCKET_S) if self._full else 0.0

    @property
    def exceeded(self) -> bool:
        return self.average >= self.limit

    def _move(self) -> None:
        late = self._now() - self._ends
        if late < 0:
            return
        passed = int(late // BUCKET_S)
        self._full.append(self._count)
        self._full.extend([0] * min(passed, BUCKETS))
        self._count = 0
        self._ends += (passed + 1) * BUCKET_S


class Window:
    """At most so many calls within a window of time, counted from its first call."""

    def __init__(self, calls: int, seconds: float, now: Callable[[], float] = time.monotonic) -> None:
        self._calls = calls
        self._seconds = seconds
        self._now = now
        self._began = float("-inf")
        self._count = 0

    def take(self) -> bool:
        """Whether this call is still allowed."""
        if self._now() - self._began >= self._seconds:
            self._began, self._count = self._now(), 0
        self._count += 1
        return self._count <= self._calls
