"""Local wakes: how one role of a process tells another that there is work, without asking the database.

A wake is only a hint. Realtime messages become wakes, a role that finished something wakes the next, and a
slow poll wakes everybody: losing a wake costs time, never work.
"""

from __future__ import annotations

import asyncio


class Wakes:
    """For each name (a role's) whether its queue may hold work, and whether it should take a step at all.

    `wake` says both and is remembered until the role takes it; `nudge` says only that something in memory is
    due, such as a candle that closed. Both are cheap and safe in any callback of the event loop.
    """

    def __init__(self) -> None:
        self._pending: set[str] = set()
        self._stirs: dict[str, asyncio.Event] = {}

    def wake(self, name: str) -> None:
        """There may be work for `name` in the database."""
        self._pending.add(name)
        self._stir(name).set()

    def nudge(self, name: str) -> None:
        """`name` should take a step, though its queue need not be asked."""
        self._stir(name).set()

    def pending(self, name: str) -> bool:
        """Whether `name` was woken since it last took its wake."""
        return name in self._pending

    def take(self, name: str) -> bool:
        """Answer whether `name` was woken, and forget it. Taken before looking for work, never after."""
        woken = name in self._pending
        self._pending.discard(name)
        return woken

    async def wait(self, name: str, seconds: float) -> bool:
        """Wait until `name` is woken or nudged, at most `seconds`. False when time ran out."""
        stir = self._stir(name)
        try:
            async with asyncio.timeout(seconds):
                await stir.wait()
        except TimeoutError:
            return False
        # Forgotten before the step and not after: what comes during the step causes another one.
        stir.clear()
        return True

    def _stir(self, name: str) -> asyncio.Event:
        stir = self._stirs.get(name)
        if stir is None:
            stir = self._stirs[name] = asyncio.Event()
        return stir
