"""When a venue's list of markets is read again: steps, limits and what is traded change while a bridge runs.

Once for all accounts that share the list, beside everything else that they do. One that fails is told by the
log alone and tried again later: until then what was read before holds.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

import structlog
from ccxt.base.errors import BaseError

from workers.trading.decisions.outcome import describe

Read = Callable[[], Awaitable[None]]

log = structlog.get_logger(__name__)

# How often, give or take a quarter: venues are not asked by all bridges at once.
EVERY, SPREAD = timedelta(hours=1), 0.25
# After a failure.
AGAIN = timedelta(minutes=5)
# A refusal asks for it so often at most: what it was about may be no matter of the markets.
SPACING = timedelta(seconds=30)


class Reading:
    """When one list is read. Its first reading is its accounts' own, before they trade."""

    def __init__(self, chance: random.Random | None = None) -> None:
        self._chance = chance or random.Random()  # noqa: S311
        self._due: datetime | None = None
        self._began: datetime | None = None
        self._task: asyncio.Task[None] | None = None

    def look(self, read: Read, now: datetime) -> None:
        """Begin to read if that is due."""
        if self._due is None:
            self._due = self._next(now)
        if now >= self._due:
            self._begin(read, now)

    def hurry(self, read: Read, now: datetime) -> asyncio.Task[None] | None:
        """Begin at once, unless that was done just now. The reading that is under way, to be waited for."""
        if self._began is None or now >= self._began + SPACING:
            self._begin(read, now)
        return self._task

    def stop(self) -> None:
        """Read no more."""
        if self._task is not None:
            self._task.cancel()

    def _begin(self, read: Read, now: datetime) -> None:
        if self._task is not None:
            return
        self._began, self._due = now, self._next(now)
        self._task = asyncio.create_task(self._read(read, now))

    async def _read(self, read: Read, now: datetime) -> None:
        try:
            await read()
        except BaseError as error:
            log.warning("markets_unread", error=describe(error))
            self._due = now + AGAIN
        finally:
            self._task = None

    def _next(self, now: datetime) -> datetime:
        return now + EVERY * self._chance.uniform(1 - SPREAD, 1 + SPREAD)
