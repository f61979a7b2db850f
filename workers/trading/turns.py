"""The turns of desks: each does one thing at a time, and none waits for another one that takes long.

Of each group (a venue) so many are under way at once: more would only keep the process from renewing its
leases. Whoever takes turns waits until all have ended, but for none longer than `seconds`: a turn that takes
longer goes on by itself, wakes whoever waits when it ends, and until then its desk has no other one; after
`gives_way` it takes no place any more. What it raised is raised when turns are taken the next time.

Nor are they waited for one after the other: where a venue's desks take long, those that had no place within
`seconds` come first the next time, so that the desks of another venue have their next turn soon.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import structlog

from shared.errors import Unavailable
from workers.trading.lease import awake_seconds

log = structlog.get_logger(__name__)

# A turn that takes longer than this leaves its place to another desk, in seconds.
GIVES_WAY = 5.0

Turn = Callable[[], Coroutine[Any, Any, int]]


@dataclass(slots=True)
class Running:
    """A turn under way, in which group, since when, and whether anybody was told that it hangs."""

    task: asyncio.Task[int]
    group: str
    since: float
    begun: float
    told: bool = False


class Turns:
    """See the module. `most` turns of a group are under way at once; with `seconds` None each is taken whole,
    in order.

    `wake` is called when a turn ends that nobody waits for any more, `now` is a clock in seconds, `group_of`
    answers a desk's group.
    """

    def __init__(
        self,
        most: int,
        seconds: float | None,
        wake: Callable[[], None],
        now: Callable[[], float] = awake_seconds,
        *,
        gives_way: float = GIVES_WAY,
        group_of: Callable[[UUID], str] = str,
    ) -> None:
        self._most = most
        self._seconds = seconds
        self._wake = wake
        self._now = now
        self._gives_way = gives_way
        self._group_of = group_of
        # The number of each desk's last turn: who waits for longest comes first.
        self._last: dict[UUID, int] = {}
        self._number = 0
        self._running: dict[UUID, Running] = {}
        self._young: dict[asyncio.Task[int], float] = {}
        self._done = 0
        self._errors: list[BaseException] = []
        self._reminder: asyncio.TimerHandle | None = None
        # Turns that were given up here: every other one that is cancelled, somebody else cut off.
        self._given_up: set[asyncio.Task[int]] = set()

    def is_busy(self, account_id: UUID) -> bool:
        """Whether this desk has a turn under way."""
        return account_id in self._running

    def slow(self, seconds: float) -> dict[UUID, float]:
        """The desks whose turn has taken longer than `seconds`, and how long."""
        now = self._now()
        took = {account_id: now - one.since for account_id, one in self._running.items()}
        return {account_id: long for account_id, long in sorted(took.items()) if long > seconds}

    def tell(self, seconds: float) -> None:
        """Say once of each turn that takes longer than `seconds` that it hangs."""
        for account_id, took in self.slow(seconds).items():
            one = self._running[account_id]
            if not one.told:
                one.told = True
                log.error("desk_hangs", account_id=str(account_id), seconds=round(took))

    async def take(self, turns: Mapping[UUID, Turn]) -> int:
        """Give these desks their turns; those that are busy get none.

        Answers how much was done since the last time, and raises what turns raised: first what no waiting
        heals.
        """
        if self._seconds is None:
            return await _one_by_one(turns.values())
        waiting = [(one, turn) for one, turn in turns.items() if not self.is_busy(one)]
        waiting.sort(key=lambda one: self._last.get(one[0], 0))
        time = asyncio.get_running_loop().time
        ends = time() + self._seconds
        while time() < ends:
            later = []
            for account_id, turn in waiting:
                if self._has_place(account_id):
                    self._begin(account_id, turn)
                else:
                    later.append((account_id, turn))
            waiting = later
            # Where all places are taken by turns that take long, the others wait until one of them ends.
            if not self._young:
                break
            await self._wait()
        while self._young:
            await self._wait()
        self._remind([account_id for account_id, _ in waiting])
        return self._harvest()

    async def drop(self, account_id: UUID) -> None:
        """Give up a turn of a desk that is no longer ours."""
        one = self._running.get(account_id)
        if one is not None:
            await self._cancel([one.task])

    async def stop(self, seconds: float) -> None:
        """Let what is under way end, and give up what does not within `seconds`."""
        tasks = [one.task for one in self._running.values()]
        if tasks:
            _, hanging = await asyncio.wait(tasks, timeout=seconds)
            await self._cancel(list(hanging))
        self._young.clear()
        self._remind([])
        for error in self._errors:
            log.error("turn_failed", error=repr(error))
        self._errors.clear()

    def _has_place(self, account_id: UUID) -> bool:
        group = self._group_of(account_id)
        since = asyncio.get_running_loop().time() - self._gives_way
        taken = sum(1 for one in self._running.values() if one.group == group and one.begun > since)
        return taken < self._most

    def _remind(self, waiting: list[UUID]) -> None:
        """Wake for those that had no turn: now, or once a place is given up. A turn that ends wakes by
        itself."""
        if self._reminder is not None:
            self._reminder.cancel()
            self._reminder = None
        if any(self._has_place(account_id) for account_id in waiting):
            self._wake()
        elif waiting:
            loop = asyncio.get_running_loop()
            since = loop.time() - self._gives_way
            first = min((one.begun for one in self._running.values() if one.begun > since), default=since)
            # A timer may come a little early, and nobody would have a place yet.
            self._reminder = loop.call_at(first + self._gives_way + 0.001, self._wake)

    def _begin(self, account_id: UUID, turn: Turn) -> None:
        task = asyncio.create_task(turn(), name=f"desk {account_id}")
        begun = asyncio.get_running_loop().time()
        self._number += 1
        self._last[account_id] = self._number
        self._running[account_id] = Running(task, self._group_of(account_id), self._now(), begun)
        self._young[task] = begun
        task.add_done_callback(lambda ended: self._end(account_id, ended))

    async def _wait(self) -> None:
        """Until a young turn ends, or the oldest of them is not young any more."""
        if not self._young or self._seconds is None:
            return
        time = asyncio.get_running_loop().time
        oldest = min(self._young.values())
        await asyncio.wait(
            self._young,
            timeout=max(0.0, oldest + self._seconds - time()),
            return_when=asyncio.FIRST_COMPLETED,
        )
        aged = time() - self._seconds
        self._young = {task: begun for task, begun in self._young.items() if begun > aged}

    def _end(self, account_id: UUID, task: asyncio.Task[int]) -> None:
        running = self._running.get(account_id)
        if running is not None and running.task is task:
            del self._running[account_id]
        if task.cancelled():
            if task not in self._given_up:
                # What it had under way is found by the next one, as after a crash.
                log.error("turn_cut_off", account_id=str(account_id))
        elif (error := task.exception()) is not None:
            self._errors.append(error)
        else:
            self._done += task.result()
        self._given_up.discard(task)
        if self._young.pop(task, None) is None:
            self._wake()

    def _harvest(self) -> int:
        errors, self._errors = self._errors, []
        done, self._done = self._done, 0
        if not errors:
            return done
        # A database that is away heals; what else was raised is a defect, or no waiting heals it.
        errors.sort(key=lambda error: isinstance(error, Unavailable))
        for other in errors[1:]:
            if not isinstance(other, Unavailable):
                log.error("turn_failed", error=repr(other))
        raise errors[0]

    async def _cancel(self, tasks: list[asyncio.Task[int]]) -> None:
        for task in tasks:
            self._given_up.add(task)
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)


async def _one_by_one(turns: Any) -> int:
    done = 0
    for turn in turns:
        done += await turn()
    return done


def whole(work: Callable[[], Awaitable[Any]]) -> Turn:
    """A turn that counts for nothing."""

    async def turn() -> int:
        await work()
        return 0

    return turn
