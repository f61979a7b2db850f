"""In a replay nobody is woken for what an earlier run left, unless market time itself is watched."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from shared.clock import MarketClock
from shared.identity import from_ms
from shared.wakes import Wakes
from tests.charts import START_MS
from workers.backlog import Backlog

MINUTE = timedelta(minutes=1)
START = from_ms(START_MS)


class Queue:
    """Stands in for `Connection.call`: free work, by the minute at which it becomes due."""

    def __init__(self, *minutes: int) -> None:
        self.due = [START + MINUTE * one for one in minutes]
        self.asked: list[datetime] = []

    async def __call__(self, name: str, params: Mapping[str, Any], /) -> Any:
        assert name == "work_waiting"
        at = datetime.fromisoformat(params["at"])
        self.asked.append(at)
        later = [one for one in self.due if one > at]
        return {"next_at": min(later).isoformat() if later else None}


async def test_a_role_is_woken_when_left_work_becomes_due_and_the_database_asked_no_more_often() -> None:
    clock, wakes = MarketClock(START), Wakes()
    queues = {"monitoring": Queue(0, 3, 3, 7), "trading": Queue()}
    backlog = Backlog(clock, wakes, queues)
    woken = []
    await backlog.start()
    for minute in range(10):
        clock.advance(START + MINUTE * minute)
        for _ in range(2):
            assert await backlog.step() == 0
            woken += [(minute, name) for name in queues if wakes.take(name)]
    await backlog.stop()
    assert woken == [(3, "monitoring"), (7, "monitoring")]
    assert queues["monitoring"].asked == [START, START + 3 * MINUTE, START + 7 * MINUTE]
    assert queues["trading"].asked == [START]
