"""From the spool to the database: batches through `ingest_signals`, until everything was answered.

A row leaves the spool when the database has answered for it: inserted, a duplicate, or rejected and why.
Sending a row twice is harmless, because its id is its identity; every doubt is answered by sending again.

When no answer comes, the writer waits, longer each time and never as long as another machine. After
BREAK_AFTER failures in a row its breaker opens: from then on a few rows a time look whether the database is
back, and only when they were answered the full batches follow. A backlog drains beside new rows: see `lanes`.

A row that the database itself fails over (an error inside it, a time limit, no memory) has its batch fail
again and again: such a batch is halved too. The row that is alone at last is a dead letter when the database
took others beside it, and fails over it once more: by that a database that is ill of itself is told apart.
What a gateway answers, or a database that is away, never makes a dead letter.

A database whose clock was put back refuses signals as of its future. Live, they are no dead letters: they are
sent again until its clock has come so far, unless they are more than EARLY ahead of this machine's clock too.
"""

from __future__ import annotations

import asyncio
import hashlib
import random
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from time import perf_counter
from typing import Any
from uuid import UUID, uuid4

import orjson
import structlog

from shared.answers import may_be_of_what_was_sent
from shared.errors import (
    DatabaseError,
    NotAllowed,
    NotFound,
    NotSent,
    OutcomeUnknown,
    SigtrailError,
    Unavailable,
)
from shared.identity import floor_ms
from shared.role import Call
from workers.signals.dead_letters import DeadLetter, DeadLetters
from workers.signals.lanes import Lanes
from workers.signals.metrics import Timings
from workers.signals.spool import Entry, Spool, SpoolError

log = structlog.get_logger(__name__)

MOST_ROWS = 1000
# So many batches of a backlog are under way together: one alone would leave the database idle while it is on
# its way.
AT_ONCE = 2
# Under load at most one batch in this time, unless a batch is full: few large calls cost less than many.
PACE_SECONDS = 0.1
FIRST_PAUSE = 0.1
LONGEST_PAUSE = 5.0
# After so many failures in a row the breaker opens; so many rows then look whether the database is back.
BREAK_AFTER = 3
PROBE_ROWS = 20
# So many rows in a row are taken for what the database fails over, without any new row being stored.
MOST_CONVICTED = 20
# Nobody's clock is so far off: a signal from beyond is a mistake.
EARLY = timedelta(days=1)


class Writer:
    """Sends what is spooled, in the order in which it was spooled, new rows beside a backlog.

    `counts` gets inserted, duplicates, rejected (also by code, as `rejected_<code>`), batches (answered
    calls), retries (rounds that failed), pending, backlog (the part of pending that drains beside new rows),
    breaker_open (1 or 0), breaker_opened (how often), early (refused as of the database's future, to be sent
    again) and gone_bad (spooled rows that the disk lost). `now` is the clock's, for the record; pauses run on
    the wall's. `waits_for_clock` is for a machine that is live.
    """

    def __init__(
        self,
        spool: Spool,
        dead_letters: DeadLetters,
        call: Call,
        now: Callable[[], datetime],
        counts: Counter[str],
        *,
        most_rows: int = MOST_ROWS,
        on_stored: Callable[[], None] | None = None,
        on_held_back: Callable[[], None] | None = None,
        timings: Timings | None = None,
        waits_for_clock: bool = False,
    ) -> None:
        self.counts = counts
        self._waits_for_clock = waits_for_clock
        self._timings = timings or Timings()
        self._run_id = uuid4()
        # The last error that no waiting heals; the writer keeps trying, whoever runs it may stop.
        self.failure: SigtrailError | None = None
        self._spool = spool
        self._lanes = Lanes(spool)
        self._failures = 0
        # First rows of batches that the database failed over once; a row that it took, to see that it takes
        # rows; and how many others were convicted since.
        self._suspects: set[int] = set()
        self._witness: dict[str, Any] | None = None
        self._convicted = 0
        self._dead_letters = dead_letters
        self._call = call
        self._now = now
        self._most_rows = most_rows
        self._on_stored = on_stored
        self._on_held_back = on_held_back
        self._more = asyncio.Event()

    def notice(self) -> None:
        """There is more in the spool."""
        self._more.set()

    async def send(self) -> int:
        """Send the next rows, as at most AT_ONCE batches together, and answer how many left the spool; 0 when
        it is empty.

        Raises `Unavailable` when no answer came: the rows stay, and sending them again is safe. What was
        answered beside what was not is not sent again.
        """
        return await self._send(AT_ONCE, self._most_rows)

    async def drain(self) -> int:
        """Send until the spool is empty; errors as `send`."""
        sent = 0
        while self._spool.pending:
            sent += await self.send()
        return sent

    async def run(self) -> None:
        """Send whatever is spooled, at once when idle, paced under load, for as long as it takes.

        An absent database is waited for without end: the spool keeps the rows. Runs until it is cancelled.
        """
        loop = asyncio.get_running_loop()
        pause = FIRST_PAUSE
        next_at = 0.0
        self._more.set()
        while True:
            await self._more.wait()
            if not self._lanes.waiting:
                self._more.clear()
                continue
            if self._lanes.waiting < self._most_rows and (early := next_at - loop.time()) > 0:
                await asyncio.sleep(early)
            next_at = loop.time() + PACE_SECONDS
            if self._lanes.fresh > AT_ONCE * self._most_rows:
                self._lanes.part()
            try:
                await (self._look() if self._is_broken else self.send())
            except SigtrailError as error:
                self._fail(error)
                await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311 - jitter
                pause = min(pause * 2, LONGEST_PAUSE)
            else:
                self._recover()
                pause = FIRST_PAUSE

    async def _look(self) -> int:
        """Whether the database is back: a few rows tell, and cost it little when it is not."""
        return await self._send(1, PROBE_ROWS)

    async def _send(self, batches: int, most_rows: int) -> int:
        taken = self._lanes.take(batches, most_rows)
        if not taken and self._lanes.waiting:
            self.counts["gone_bad"] += (lost := self._lanes.restart())
            log.error("spooled_rows_gone_bad", count=lost, folder=str(self._spool.folder))
        ends = await asyncio.gather(*map(self._deliver, taken), return_exceptions=True)
        troubles = [end for end in ends if end is not None]
        left = 0
        try:
            left = self._lanes.leave()
        except SpoolError as error:
            troubles.append(error)
        self.counts["pending"], self.counts["backlog"] = self._lanes.waiting, self._lanes.backlog
        if troubles:
            gravest, *others = sorted(troubles, key=_rank)
            for other in others:
                log.warning("writer_troubled", error=f"{type(other).__name__}: {other!s:.200}")
            raise gravest
        return left

    async def _deliver(self, entries: Sequence[Entry], *, on_trial: bool = False) -> None:
        """Have these rows answered, together or, when the call as a whole is refused or fails again, in
        halves. A row on trial has failed alone, and the database took another since."""
        rows = [orjson.loads(entry.payload) for entry in entries]
        middle = len(entries) // 2
        began = perf_counter()
        try:
            answer = await self._ingest(rows)
        except (NotAllowed, NotFound):
            # About the machine, not about the rows.
            raise
        except DatabaseError as error:
            if middle:
                await self._deliver(entries[:middle])
                await self._deliver(entries[middle:])
                return
            self._reject([DeadLetter(rows[0], error.code or "refused", str(error))])
        except Unavailable as error:
            if not may_be_of_what_was_sent(error):
                raise
            if not on_trial:
                await self._try(entries, error)
                return
            self._convicted += 1
            self._reject([DeadLetter(rows[0], error.code or "failed", str(error))])
        else:
            early = self._settle(rows, answer)
            entries = [entry for place, entry in enumerate(entries) if place not in early]
            self._timings.rows.observe(len(rows))
            self._timings.batch.observe(perf_counter() - began)
        if not entries:
            raise NotSent("ingest_signals: the database's clock is behind: all these are of its future")
        self._suspects.discard(entries[0].sequence)
        self._lanes.settle(entries)

    async def _ingest(self, rows: Sequence[dict[str, Any]], request: UUID | None = None) -> Any:
        named = str(request or name_request(self._run_id, rows))
        return await self._call("ingest_signals", {"signals": rows, "request_id": named})

    async def _try(self, entries: Sequence[Entry], error: Unavailable) -> None:
        """Find the rows that the database fails over. Raises `error` where that cannot be told now."""
        first, middle = entries[0].sequence, len(entries) // 2
        if not middle:
            if self._witness is None or self._convicted >= MOST_CONVICTED:
                raise error
            # Another request: the answer to the one before is no sign of life.
            await self._ingest([self._witness], uuid4())
            await self._deliver(entries, on_trial=True)
        elif first not in self._suspects:
            # It may be over by the next round.
            self._suspects.add(first)
            raise error
        else:
            halves = [entries[:middle], entries[middle:]]
            # Either one first: a half that is sound makes a witness, and one that is not may end the round.
            random.shuffle(halves)
            self._suspects.update(half[0].sequence for half in halves)
            for half in halves:
                await self._deliver(half)

    def _settle(self, rows: Sequence[dict[str, Any]], answer: Any) -> set[int]:
        """Take the answer for these rows; answers the places of those that have to be sent again."""
        try:
            inserted, duplicates = int(answer["inserted"]), int(answer["duplicates"])
            rejected = [(one["index"], rows[one["index"]], one) for one in answer["rejected"]]
            early = {index for index, row, one in rejected if self._is_early(row, one["code"])}
            letters = [
                DeadLetter(row, one["code"], one["message"])
                for index, row, one in rejected
                if index not in early
            ]
        except (TypeError, KeyError, IndexError, ValueError) as error:
            raise OutcomeUnknown(f"ingest_signals answered what it never should: {answer!r:.200}") from error
        self._reject(letters)
        if inserted:
            refused = {one["index"] for one in answer["rejected"]}
            self._witness = next((row for at, row in enumerate(rows) if at not in refused), self._witness)
            self._convicted = 0
        ids = [row["id"] for row in rows]
        log.info("signals_stored", inserted=inserted, duplicates=duplicates, signal_ids=ids)
        self.counts["batches"] += 1
        self.counts["inserted"] += inserted
        self.counts["duplicates"] += duplicates
        # Also for duplicates: they may be this machine's own, whose first answer was lost.
        if (inserted or duplicates) and self._on_stored is not None:
            self._on_stored()
        if answer.get("held_back") and self._on_held_back is not None:
            self._on_held_back()
        self.counts["early"] += len(early)
        return early

    def _is_early(self, row: dict[str, Any], code: str) -> bool:
        if code != "in_future" or not self._waits_for_clock:
            return False
        return bool(row["triggered_at"] < floor_ms(self._now() + EARLY))

    def _reject(self, letters: Sequence[DeadLetter]) -> None:
        self._dead_letters.add(letters, self._now())
        for code, count in Counter(one.code for one in letters).items():
            self.counts["rejected"] += count
            self.counts[f"rejected_{code}"] += count
            example = next(one for one in letters if one.code == code)
            log.warning("signals_rejected", code=code, count=count, message=example.message)

    @property
    def _is_broken(self) -> bool:
        return self._failures >= BREAK_AFTER

    def _fail(self, error: SigtrailError) -> None:
        self.counts["retries"] += 1
        self._failures += 1
        if not isinstance(error, Unavailable):
            self.failure = error
        if self._failures == BREAK_AFTER:
            self.counts["breaker_open"] = 1
            self.counts["breaker_opened"] += 1
            log.error("breaker_opened", error=str(error), pending=self._lanes.waiting)
        else:
            log.warning("writer_waits", error=str(error), pending=self._lanes.waiting)

    def _recover(self) -> None:
        if self._failures:
            log.info("writer_recovered", pending=self._lanes.waiting, failures=self._failures)
        self._failures, self.failure = 0, None
        self.counts["breaker_open"] = 0


def _rank(error: BaseException) -> int:
    """What is raised of several: a defect, then what no waiting heals, then what it does."""
    if not isinstance(error, SigtrailError):
        return 0
    return 2 if isinstance(error, Unavailable) else 1


def name_request(run: UUID, rows: Sequence[dict[str, Any]]) -> UUID:
    """The id of a batch: the same rows have the same one for as long as this writer lives.

    Another writer's batch of the same signals is another request: its rows are duplicates, and it is told so.
    """
    digest = hashlib.sha256("\n".join([run.hex, *(str(row["id"]) for row in rows)]).encode()).digest()
    return UUID(bytes=digest[:16], version=5)
