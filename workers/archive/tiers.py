"""One day in two places: what the archive and Postgres both hold must be the same, and only what may leave
has left.

Pure: pairs go in, in order of signal and number; findings come out.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from datetime import date
from itertools import islice
from uuid import UUID

from workers.archive.finding import MOST, Finding, Kind
from workers.archive.rows import BATCH, FINAL, Row

# The archive's row and Postgres's of one event; at least one of them is there.
Pair = tuple[Row | None, Row | None]


class Tiers:
    """Compares the two.

    archived_to: the archive holds every event below this transaction
    compacted_to: what was over and never traded may have left Postgres below this one
    """

    def __init__(self, day: date, archived_to: int, compacted_to: int) -> None:
        self._day = day
        self._archived_to = archived_to
        self._compacted_to = compacted_to
        self._signal: bytes | None = None
        self._left: Row | None = None
        self._stayed = False
        self._is_traded = False
        self._is_over = False
        self.findings: list[Finding] = []
        # In Postgres but not in the archive, where it should be: the seals say which of the two is right.
        self.unarchived: list[Row] = []

    def add(self, cold: Row | None, warm: Row | None) -> tuple[Row, bool]:
        """The next event; answers the row that the seals have to cover, and whether Postgres has it."""
        row = cold or warm
        if row is None:
            raise ValueError("an event that is nowhere")
        if row.signal != self._signal:
            self.end()
            self._signal = row.signal
        self._is_traded = self._is_traded or row.is_traded
        if row.to_status is not None:
            self._is_over = row.to_status in FINAL
        if warm is None:
            self._left = self._left or cold
            if row.tx >= self._compacted_to:
                self._find("removed", row, "is in the archive and not in Postgres, and no compaction took it")
            return row, False
        self._stayed = True
        if cold is None:
            if warm.tx < self._archived_to and len(self.unarchived) < MOST:
                self.unarchived.append(warm)
            return warm, True
        if cold.digest.value != warm.digest.value:
            self._find("changed", row, "is another one in the archive than in Postgres")
        # The signal's row as it is now stands in Postgres only.
        cold.status, cold.outcome = warm.status, warm.outcome
        return cold, True

    def end(self) -> None:
        """After the last event of a signal."""
        if self._left is not None and (self._stayed or self._is_traded or not self._is_over):
            self._find("removed", self._left, "is missing in Postgres, compaction would have kept it")
        self._signal = self._left = None
        self._stayed = self._is_traded = self._is_over = False

    def judge_unarchived(self, is_sealed: bool) -> None:
        """After the last event. `is_sealed`: whether the day's seals are right with Postgres's rows in it."""
        for row in self.unarchived:
            if is_sealed:
                self._find("removed", row, "is sealed and in Postgres, but missing in the archive")
            else:
                self._find("inserted", row, "is in Postgres and neither in the archive nor sealed")

    def _find(self, kind: Kind, row: Row, what: str) -> None:
        signal = UUID(bytes=row.signal)
        if len(self.findings) < MOST:
            self.findings.append(
                Finding(
                    kind,
                    f"event {row.number} of signal {signal} {what}",
                    day=self._day,
                    signal_id=signal,
                    number=row.number,
                )
            )


async def pairs(
    cold: AsyncIterator[list[Row]], warm: AsyncGenerator[list[Row]]
) -> AsyncGenerator[list[Pair]]:
    """Both sides by event, in batches; each comes in order of signal and number."""
    left, right = _Side(cold), _Side(warm)
    await left.fill()
    await right.fill()
    batch: list[Pair] = []
    while left.row is not None or right.row is not None:
        if right.row is None or (left.row is not None and left.row.key < right.row.key):
            batch.append((left.row, None))
            await left.step()
        elif left.row is None or right.row.key < left.row.key:
            batch.append((None, right.row))
            await right.step()
        else:
            batch.append((left.row, right.row))
            await left.step()
            await right.step()
        if len(batch) >= BATCH:
            yield batch
            batch = []
    yield batch


class _Side:
    """One of two ordered streams, at its current row."""

    def __init__(self, batches: AsyncIterator[list[Row]]) -> None:
        self._batches = batches
        self._batch: list[Row] = []
        self._place = 0
        self.row: Row | None = None

    async def fill(self) -> None:
        self._batch, self._place = await anext(self._batches, []), 0
        self.row = next(islice(self._batch, 1), None)

    async def step(self) -> None:
        self._place += 1
        if self._place < len(self._batch):
            self.row = self._batch[self._place]
        else:
            await self.fill()
