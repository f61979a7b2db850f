"""What an earlier run left in the queue, for a replay that takes it up again.

In a replay a role works when something wakes it, and nothing happens anew to signals that were approved or
ready when an earlier run ended. So market time is watched for the moments at which they become due.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from shared.clock import Clock
from shared.role import Call
from shared.wakes import Wakes


class Backlog:
    """Wakes the role of each stage when free work in its queue becomes due.

    It takes its steps before the roles, and asks the database only at the start and at such a moment. `calls`
    reach the database for each stage, as a role that may work on it.
    """

    name = "backlog"

    def __init__(self, clock: Clock, wakes: Wakes, calls: Mapping[str, Call]) -> None:
        self._clock = clock
        self._wakes = wakes
        self._calls = calls
        # What is due now is found by the roles' own start.
        self._next_at: dict[str, datetime | None] = {}

    async def start(self) -> None:
        """Nothing to prepare: the first step asks."""

    async def step(self) -> int:
        """Wake whose work became due; answers 0, since the roles do that work."""
        now = self._clock.now()
        for stage, call in self._calls.items():
            if stage in self._next_at:
                due = self._next_at[stage]
                if due is None or due > now:
                    continue
                self._wakes.wake(stage)
            answer = await call("work_waiting", {"stage": stage, "at": now.isoformat()})
            self._next_at[stage] = _moment(answer["next_at"])
        return 0

    async def stop(self) -> None:
        """Nothing is held."""


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
