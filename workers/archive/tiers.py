"""One day in two places: what the archive and Postgres both hold must be the same, and only what may leave
has left.

Pure: pairs go in, in order of signal and number, all of a signal at once; findings come out.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass
from datetime import date

import numpy as np

from workers.archive.finding import MOST, Finding, Kind
from workers.archive.rows import Flags, Place, Rows, Words, is_final, starts_of


@dataclass(frozen=True, slots=True)
class Pairs:
    """Events of both sides: `rows` are the archive's, or Postgres's where the archive has none, with the
    status and outcome that Postgres's row of the signal has now.

    differ: both sides have the event, and not the same one
    """

    rows: Rows
    is_cold: Flags
    is_warm: Flags
    differ: Flags


class Tiers:
    """Compares the two.

    archived_to: the archive holds every event below this transaction
    compacted_to: what was over and never traded may have left Postgres below this one
    """

    def __init__(self, day: date, archived_to: int, compacted_to: int, words: Words) -> None:
        self._day = day
        self._archived_to = archived_to
        self._compacted_to = compacted_to
        self._words = words
        self.findings: list[Finding] = []
        # In Postgres but not in the archive, where it should be: the seals say which of the two is right.
        self.unarchived: list[Place] = []

    def add(self, pairs: Pairs) -> None:
        """Some signals with all their events."""
        rows = pairs.rows
        unarchived = ~pairs.is_cold & (rows.tx < self._archived_to)
        for index in np.flatnonzero(unarchived)[: MOST - len(self.unarchived)].tolist():
            self.unarchived.append(rows.place(index))
        gone = ~pairs.is_warm & (rows.tx >= self._compacted_to)
        for index in np.flatnonzero(gone | pairs.differ)[:MOST].tolist():
            if gone[index]:
                what = "is in the archive and not in Postgres, and no compaction took it"
                self._find("removed", rows.place(index), what)
            else:
                self._find("changed", rows.place(index), "is another one in the archive than in Postgres")
        self._judge_left(pairs)

    def _judge_left(self, pairs: Pairs) -> None:
        rows = pairs.rows
        if pairs.is_warm.all():
            return
        starts = starts_of(rows.signal)
        at = np.arange(len(rows))
        stayed = np.logical_or.reduceat(pairs.is_warm, starts)
        traded = np.logical_or.reduceat(rows.is_traded, starts)
        last = np.maximum.reduceat(np.where(rows.to_status != 0, at, -1), starts)
        over = (last >= 0) & is_final(self._words, rows.to_status[last])
        left = np.minimum.reduceat(np.where(pairs.is_warm, len(rows), at), starts)
        wrong = (left < len(rows)) & (stayed | traded | ~over)
        for index in left[wrong][:MOST].tolist():
            self._find("removed", rows.place(index), "is missing in Postgres, compaction would have kept it")

    def judge_unarchived(self, is_sealed: bool) -> None:
        """After the last event. `is_sealed`: whether the day's seals are right with Postgres's rows in it."""
        for event in self.unarchived:
            if is_sealed:
                self._find("removed", event, "is sealed and in Postgres, but missing in the archive")
            else:
                self._find("inserted", event, "is in Postgres and neither in the archive nor sealed")

    def _find(self, kind: Kind, event: Place, what: str) -> None:
        if len(self.findings) < MOST:
            self.findings.append(
                Finding(
                    kind,
                    f"event {event.number} of signal {event.signal} {what}",
                    day=self._day,
                    signal_id=event.signal,
                    number=event.number,
                )
            )


async def pairs(cold: AsyncIterator[Rows], warm: AsyncIterator[Rows]) -> AsyncGenerator[Pairs]:
    """Both sides by event, in batches; each comes in order of signal and number, all of a signal at once."""
    left: Rows | None = None
    right: Rows | None = None
    while True:
        left = left if left is not None and len(left) else await anext(cold, None)
        right = right if right is not None and len(right) else await anext(warm, None)
        if left is None or right is None:
            break
        # Whole signals, up to the last one that both sides have come to.
        end = min(left.signal[-1], right.signal[-1])
        cut = int(np.searchsorted(left.signal, end, side="right"))
        beyond = int(np.searchsorted(right.signal, end, side="right"))
        yield match(left.take(slice(0, cut)), right.take(slice(0, beyond)))
        left, right = left.take(slice(cut, None)), right.take(slice(beyond, None))
    while left is not None:
        if len(left):
            yield match(left, left.take(slice(0, 0)))
        left = await anext(cold, None)
    while right is not None:
        if len(right):
            yield match(right.take(slice(0, 0)), right)
        right = await anext(warm, None)


def match(cold: Rows, warm: Rows) -> Pairs:
    """The events of both sides, each once."""
    if not len(cold):
        none = np.zeros(len(warm), np.bool_)
        return Pairs(warm, none, ~none, none)
    at = np.searchsorted(cold.key, warm.key)
    found = at < len(cold)
    found[found] = cold.key[at[found]] == warm.key[found]
    # A key that Postgres has twice meets the archive's once: the other is one too many.
    found[1:] &= warm.key[1:] != warm.key[:-1]
    both, alone = np.flatnonzero(found), np.flatnonzero(~found)

    merged = Rows.join([cold, warm.take(alone)])
    count = len(cold)
    is_cold = np.arange(len(merged)) < count
    is_warm = ~is_cold
    is_warm[at[both]] = True
    differ = np.zeros(len(merged), np.bool_)
    differ[at[both]] = (cold.record[at[both]] != warm.record[both]).any(axis=1)
    # The signal's row as it is now stands in Postgres only.
    merged.status[:count], merged.outcome[:count] = 0, 0
    merged.status[at[both]], merged.outcome[at[both]] = warm.status[both], warm.outcome[both]
    order = np.argsort(merged.key, kind="stable")
    return Pairs(merged.take(order), is_cold[order], is_warm[order], differ[order])
