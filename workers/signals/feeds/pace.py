"""Market time at a multiple of the wall's."""

from __future__ import annotations

import asyncio
import time

from shared.errors import InputError


class Pace:
    """Holds candles back so that market time runs `speed` times as fast as the wall's."""

    def __init__(self, speed: float) -> None:
        if not 0 < speed < float("inf"):
            raise InputError(f"the speed is {speed}; it must be a number above zero")
        self._speed = speed
        self._begin: tuple[int, float] | None = None

    async def wait(self, market_ms: int, closed: asyncio.Event) -> None:
        """Return when it is the turn of market time `market_ms`, or as soon as `closed` is set."""
        now = time.monotonic()
        if self._begin is None:
            self._begin = (market_ms, now)
        due = self._begin[1] + (market_ms - self._begin[0]) / 1000 / self._speed
        try:
            async with asyncio.timeout(max(0.0, due - now)):
                await closed.wait()
        except TimeoutError:
            return
