"""Signals that the bridge has claimed: none is forgotten that somebody still has to decide about."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from shared.clock import WallClock
from workers.trading.claims import Claims

LATER = datetime.now(UTC) + timedelta(seconds=10)


class Queue:
    """The database's queue: it gives out what it has, each time under a new fence."""

    def __init__(self) -> None:
        self.signals: list[UUID] = []
        self.fence = 0

    async def __call__(self, name: str, params: Mapping[str, Any], /) -> Any:
        """Claims and releases."""
        if name != "claim_work":
            return {}
        rows = []
        for one in self.signals:
            self.fence += 1
            signal = {"ready_at": "2026-01-01T00:00:00+00:00"}
            trader = {"default_exchange_account_id": None}
            rows.append(
                {
                    "signal_id": str(one),
                    "fence": self.fence,
                    "attempts": 1,
                    "signal": signal,
                    "trader": trader,
                }
            )
        return rows


async def test_a_turn_that_ends_late_forgets_nothing_that_was_claimed_anew() -> None:
    """It hung, its claim was given back and taken again: what it gives back then is the old claim."""
    queue = Queue()
    queue.signals = [uuid4()]
    claims = Claims(queue, WallClock(), 100, Counter())
    await claims.claim()
    hanging = claims.by_account()[None]
    await claims.give_back(hanging, LATER)
    assert claims.by_account() == {}
    await claims.claim()
    await claims.give_back(hanging, LATER)
    assert [one.fence for one in claims.by_account()[None]] == [2]
    claims.forget(claims.by_account()[None])
    assert claims.by_account() == {}
