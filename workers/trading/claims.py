"""Ready signals that this bridge has claimed and not decided about yet."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from shared import work
from shared.clock import Clock
from shared.role import Call
from shared.work import Work


class Claims:
    """Claims, keeps and gives back. `most` are claimed with one call; `counts` are the role's."""

    def __init__(self, call: Call, clock: Clock, most: int, counts: Counter[str]) -> None:
        self._call = call
        self._clock = clock
        self._most = most
        self._counts = counts
        # Kept over a failure, or they would wait for their leases.
        self._waiting: dict[UUID, Work] = {}
        # The highest fence of a claim: a claim whose answer was lost is given again.
        self._fence = 0
        # When a claim that came too early is due.
        self._early_until: datetime | None = None

    async def claim(self) -> None:
        """Claim all that is ready."""
        while True:
            batch = await work.claim(
                self._call, "trading", self._clock.now(), most=self._most, after_fence=self._fence
            )
            self._fence = max([self._fence, *(one.fence for one in batch)])
            self._counts["claimed"] += len(batch)
            self._waiting |= {one.signal_id: one for one in await self._give_back_early(batch)}
            if len(batch) < self._most:
                return

    def is_early_due(self) -> bool:
        """Whether something that came too early is due now; asked once."""
        if self._early_until is None or self._clock.now() < self._early_until:
            return False
        self._early_until = None
        return True

    def by_account(self) -> dict[UUID | None, list[Work]]:
        """What waits, by the account of its trader, in order of signal id."""
        found: dict[UUID | None, list[Work]] = defaultdict(list)
        for signal_id in sorted(self._waiting):
            one = self._waiting[signal_id]
            account = one.trader.get("default_exchange_account_id")
            found[UUID(account) if account else None].append(one)
        return found

    async def give_back(self, batch: Iterable[Work], at: datetime) -> None:
        """Let these be claimed again, from a time on."""
        batch = list(batch)
        await work.release(self._call, "trading", [one.reference() for one in batch], at)
        self.forget(batch)

    async def give_all_back(self) -> None:
        """Let all that waits be claimed again, now."""
        if self._waiting:
            await self.give_back(self._waiting.values(), self._clock.now())

    async def expire(self, batch: Iterable[Work], code: str, message: str) -> int:
        """End signals that nobody can trade. Answers how many."""
        batch = list(batch)
        items = [{**one.reference(), "outcome_code": code, "message": message} for one in batch]
        answer = await self._call("expire_signals", {"items": items, "at": self._clock.now().isoformat()})
        self._counts[code] += int(answer["done"])
        self.forget(batch)
        return len(batch)

    def forget(self, batch: Iterable[Work]) -> None:
        """These were decided about. What was claimed anew meanwhile stays."""
        for one in batch:
            if self._waiting.get(one.signal_id) is one:
                del self._waiting[one.signal_id]

    async def _give_back_early(self, batch: list[Work]) -> list[Work]:
        """Release what becomes ready only later; answers the rest.

        A replay that is taken up again is given the claims of its own future.
        """
        kept, now = [], self._clock.now()
        for one in batch:
            ready = datetime.fromisoformat(one.signal["ready_at"])
            if ready <= now:
                kept.append(one)
                continue
            await work.release(self._call, "trading", [one.reference()], ready)
            self._early_until = ready if self._early_until is None else min(self._early_until, ready)
        return kept
