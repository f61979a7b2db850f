"""Work that waits in the database's queue: taken by a claim with a lease, never because a message arrived.

A claim's fence is a number that grows with every claim of the same signal. Everything that is written about a
claimed signal names it, and the database refuses what comes from a claim that was lost meanwhile.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from shared.market import Market
from shared.role import Call

Stage = Literal["analysis", "monitoring", "trading"]
# The lease runs on the wall's clock: long enough for a slow batch, short enough that a dead machine's work
# is taken over within a minute.
LEASE_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Work:
    """One claimed signal: its row and its trader's, as the database gave them."""

    signal_id: UUID
    fence: int
    attempts: int
    signal: Mapping[str, Any]
    trader: Mapping[str, Any]

    def reference(self) -> dict[str, Any]:
        """How the queue's functions name this claim."""
        return {"signal_id": str(self.signal_id), "fence": self.fence}


def is_seen(work: Work, market: Market) -> bool:
    """Whether this machine's market delivers the candles that the work is about."""
    kind = work.trader.get("market") or market.kind
    return kind == market.kind and market.base_interval(str(work.signal["symbol"])) is not None


async def claim(
    call: Call,
    stage: Stage,
    at: datetime,
    *,
    most: int,
    lease_seconds: int = LEASE_SECONDS,
    after_fence: int | None = None,
) -> list[Work]:
    """Take up to `most` signals of `stage` that are available at `at`, ordered by signal id.

    `after_fence` is the highest fence that this machine knows of the stage, 0 when it just started: what it
    was given after that is given again. With it a claim may be repeated when its answer was lost, and a
    restarted machine takes its own work up at once instead of waiting for its leases to run out.
    """
    rows = await call(
        "claim_work",
        {
            "stage": stage,
            "max_rows": most,
            "lease_seconds": lease_seconds,
            "at": at.isoformat(),
            "after_fence": after_fence,
        },
    )
    work = [
        Work(UUID(row["signal_id"]), int(row["fence"]), int(row["attempts"]), row["signal"], row["trader"])
        for row in rows or ()
    ]
    return sorted(work, key=lambda one: one.signal_id)


async def renew(
    call: Call, stage: Stage, references: Iterable[Mapping[str, Any]], lease_seconds: int = LEASE_SECONDS
) -> set[UUID]:
    """Prolong the leases of claims; answers the signals that were lost to somebody else."""
    answer = await call(
        "renew_work", {"stage": stage, "signals": list(references), "lease_seconds": lease_seconds}
    )
    return {UUID(lost) for lost in answer["lost"]}


async def release(
    call: Call, stage: Stage, references: Iterable[Mapping[str, Any]], available_at: datetime
) -> None:
    """Give claims back, to be taken by anybody from `available_at` on."""
    await call(
        "release_work",
        {"stage": stage, "signals": list(references), "available_at": available_at.isoformat()},
    )
