"""Roles for the machine's own tests: they do what they are told, and note when."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import datetime

from shared.clock import Clock
from shared.wakes import Wakes


class FakeRole:
    """Does one thing for each wake that it takes, then wakes the next role.

    `faults` are raised by the next steps, one each. `log` is shared by the roles of a test.
    """

    def __init__(
        self,
        name: str,
        clock: Clock,
        wakes: Wakes,
        log: list[tuple[str, str, datetime]],
        then: str | None = None,
    ) -> None:
        self.name = name
        self.counts: Counter[str] = Counter()
        self.faults: list[Exception] = []
        self.on_step: Callable[[], None] | None = None
        self._clock = clock
        self._wakes = wakes
        self._log = log
        self._then = then

    async def start(self) -> None:
        self._note("start")

    async def step(self) -> int:
        if self.on_step is not None:
            self.on_step()
        if not self._wakes.pending(self.name):
            return 0
        if self.faults:
            raise self.faults.pop(0)
        self._wakes.take(self.name)
        self._note("step")
        self.counts["steps"] += 1
        if self._then is not None:
            self._wakes.wake(self._then)
        return 1

    async def stop(self) -> None:
        self._note("stop")

    def _note(self, what: str) -> None:
        self._log.append((self.name, what, self._clock.now()))
