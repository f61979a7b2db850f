"""Which spooled rows are sent next: those of now beside those that an outage left.

A lane is a stretch of the spool whose rows are sent in their order. There is one, until more waits than a
round can carry: then what waits becomes a lane of its own, and new rows begin another. From then on the first
batch of every round is the newest lane's and the others are the oldest's: while a backlog drains, a new row
waits for the round that is under way and not for the backlog, and the backlog has at least half of all
batches that are sent.

The spool forgets rows from its beginning on. What was answered in later lanes is remembered here alone: after
a crash it is sent again, which ids make harmless.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from workers.signals.spool import Entry, Spool

# Beyond that the newest lane only grows: an outage that comes again and again must not cost memory for ever.
MOST_LANES = 16


@dataclass(slots=True)
class _Lane:
    """after: up to here all is answered; through: the last sequence that belongs to it, None while it is the
    newest; before: how many rows had ever been spooled when it began"""

    after: Entry | None = None
    through: int | None = None
    before: int = 0
    seen: list[Entry] = field(default_factory=list)
    # Answered behind others that are not; and how many are answered up to `after` that the spool still holds.
    beyond: set[int] = field(default_factory=set)
    held: int = 0
    answered: int = 0


class Lanes:
    """Deals out a spool's rows in batches and has it forget what was answered."""

    def __init__(self, spool: Spool) -> None:
        self._spool = spool
        self._lanes = [_Lane()]
        self._forgotten = 0

    @property
    def waiting(self) -> int:
        """Rows that nobody answered for."""
        return self._spool.pending - sum(lane.held + len(lane.beyond) for lane in self._lanes)

    @property
    def fresh(self) -> int:
        """Those of them in the newest lane."""
        if len(self._lanes) == 1:
            return self.waiting
        newest = self._lanes[-1]
        return self._spool.pending + self._forgotten - newest.before - newest.answered

    @property
    def backlog(self) -> int:
        """Those of them in all other lanes: what an outage left."""
        return self.waiting - self.fresh

    def part(self) -> None:
        """Let what waits now drain beside what comes."""
        tail = self._spool.tail()
        if tail is None or len(self._lanes) == MOST_LANES:
            return
        self._lanes[-1].through = tail.sequence
        self._lanes.append(_Lane(after=tail, before=self._spool.pending + self._forgotten))

    def restart(self) -> int:
        """Begin anew with what the disk holds; answers how many rows have gone bad on it.

        Raises SpoolError when the disk cannot be read.
        """
        lost = self._spool.recount()
        self._lanes, self._forgotten = [_Lane()], 0
        return lost

    def take(self, batches: int, most_rows: int) -> list[list[Entry]]:
        """The next batches of at most `most_rows`: one of the newest lane, the others of the oldest.

        Raises SpoolError when the disk cannot be read.
        """
        newest, *others = reversed(self._lanes)
        taken = self._take_from(newest, 1 if others else batches, most_rows)
        for lane in reversed(others):
            taken += self._take_from(lane, batches - len(taken), most_rows)
        if len(taken) < batches and others:
            taken += self._take_from(newest, batches, most_rows)[1 : 1 + batches - len(taken)]
        return taken

    def settle(self, entries: Sequence[Entry]) -> None:
        """These rows, of one batch, were answered."""
        last = entries[-1].sequence
        lane = next(one for one in self._lanes if one.through is None or last <= one.through)
        lane.beyond.update(entry.sequence for entry in entries)
        lane.answered += len(entries)
        behind = 0
        for entry in lane.seen:
            if entry.sequence not in lane.beyond:
                break
            lane.beyond.remove(entry.sequence)
            lane.after = entry
            behind += 1
        del lane.seen[:behind]
        lane.held += behind

    def leave(self) -> int:
        """Have the spool forget what is answered from its beginning on; answers how many rows that were.

        Raises SpoolError when the disk refuses.
        """
        left = self._forget(self._lanes[0])
        while len(self._lanes) > 1 and not self._is_left(self._lanes[0]):
            del self._lanes[0]
            left += self._forget(self._lanes[0])
        return left

    def _is_left(self, lane: _Lane) -> bool:
        return bool(self._spool.peek(1, after=lane.after, through=lane.through))

    def _take_from(self, lane: _Lane, batches: int, most_rows: int) -> list[list[Entry]]:
        if batches <= 0:
            return []
        lane.seen = self._spool.peek(
            batches * most_rows + len(lane.beyond), after=lane.after, through=lane.through
        )
        waiting = [entry for entry in lane.seen if entry.sequence not in lane.beyond][: batches * most_rows]
        return [waiting[n : n + most_rows] for n in range(0, len(waiting), most_rows)]

    def _forget(self, lane: _Lane) -> int:
        count, lane.held = lane.held, 0
        if count and lane.after is not None:
            self._forgotten += count
            self._spool.forget(lane.after, count)
        return count
