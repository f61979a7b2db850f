"""When a question that is asked again and again is due, and how it stands back for what cannot wait.

Where an address has little left of what it may ask, such a question is put off, so that orders and the
questions behind them leave at once. One that is late by its whole rhythm waits in line like all others.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

from workers.trading.traffic.traffic import Withheld, asking

# How long one that was put off stands back.
STANDS_BACK = timedelta(seconds=2)


class Rhythm:
    """Of one question of one account. `asked` is told when it counts as asked: when its answer is in the
    record, or before, where one that fails is left until the next time."""

    def __init__(self) -> None:
        self.asked_at: datetime | None = None
        self._put_off_until: datetime | None = None

    def is_due(self, now: datetime, every: timedelta) -> bool:
        """Whether to ask now, when it is asked so often."""
        if self._put_off_until is not None and now < self._put_off_until:
            return False
        return self.asked_at is None or now >= self.asked_at + every

    def is_late(self, now: datetime, every: timedelta) -> bool:
        """Whether it should have been asked long ago: then it stands back no more."""
        return self.asked_at is None or now >= self.asked_at + 2 * every

    @contextmanager
    def turn(self, now: datetime, every: timedelta) -> Iterator[None]:
        """Around the question. One that was withheld was not asked, and is due again after a while."""
        before = self.asked_at
        try:
            with asking("read" if self.is_late(now, every) else "routine"):
                yield
        except Withheld:
            self.asked_at, self._put_off_until = before, now + STANDS_BACK
            raise

    def asked(self, now: datetime) -> None:
        """It was asked at this time."""
        self.asked_at, self._put_off_until = now, None

    def forget(self) -> None:
        """It is due at once."""
        self.asked_at = self._put_off_until = None
