"""Local wakes: how one role of a process tells another that there is work, without asking the database.

A wake is only a hint. Realtime messages become wakes, a role that finished something wakes the next, and a
slow poll wakes everybody: losing a wake costs time, never work.
"""

from __future__ import annotations

import asyncio


class Wakes:
    """One flag for each name (a role's name). Setting it is cheap and safe in any callback of the loop."""

    def __init__(self) -> None:
        self._flags: dict[str, asyncio.Event] = {}

    def wake(self, name: str) -> None:
        """There may be work for `name`."""
        self._flag(name).set()

    def pending(self, name: str) -> bool:
        """Whether `name` was woken since it last took its wake."""
        return self._flag(name).is_set()

    def take(self, name: str) -> bool:
        """Answer whether `name` was woken, and forget it. Taken before looking for work, never after."""
        flag = self._flag(name)
        woken = flag.is_set()
        flag.clear()
        return woken

    async def wait(self, name: str, seconds: float) -> bool:
        """Wait until `name` is woken, at most `seconds`; the wake stays set. False when time ran out."""
        try:
            async with asyncio.timeout(seconds):
                await self._flag(name).wait()
        except TimeoutError:
            return False
        return True

    def _flag(self, name: str) -> asyncio.Event:
        flag = self._flags.get(name)
        if flag is None:
            flag = self._flags[name] = asyncio.Event()
        return flag
