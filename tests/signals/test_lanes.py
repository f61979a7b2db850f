"""The lanes: new rows beside a backlog, both in their order, and none twice once it was answered."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from workers.signals.lanes import MOST_LANES, Lanes
from workers.signals.spool import Entry, Spool


def rows(first: int, count: int) -> list[bytes]:
    return [b"%d" % number for number in range(first, first + count)]


def numbers(entries: Sequence[Entry]) -> list[int]:
    return [int(entry.payload) for entry in entries]


def test_without_a_backlog_rows_go_out_in_their_order(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    lanes = Lanes(spool)
    lanes.part()
    assert lanes.take(2, 10) == []
    spool.append(rows(0, 25))
    first, second = lanes.take(2, 10)
    assert (numbers(first), numbers(second)) == ([*range(10)], [*range(10, 20)])
    lanes.settle(second)
    assert (lanes.leave(), spool.pending, lanes.waiting) == (0, 25, 15)
    again, rest = lanes.take(2, 10)
    assert (numbers(again), numbers(rest)) == ([*range(10)], [*range(20, 25)])
    lanes.settle(rest)
    lanes.settle(again)
    assert (lanes.leave(), spool.pending, lanes.waiting) == (25, 0, 0)
    spool.close()


def test_half_of_what_is_sent_is_the_backlogs_and_new_rows_come_first(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    lanes = Lanes(spool)
    spool.append(rows(0, 30))
    lanes.part()
    spool.append(rows(100, 30))
    assert (lanes.waiting, lanes.fresh, lanes.backlog) == (60, 30, 30)
    for turn in range(3):
        new, old = lanes.take(2, 10)
        assert numbers(new) == [*range(100 + turn * 10, 110 + turn * 10)]
        assert numbers(old) == [*range(turn * 10, turn * 10 + 10)]
        lanes.settle(new)
        lanes.settle(old)
        assert lanes.leave() == (10 if turn < 2 else 40)
    assert (spool.pending, lanes.take(2, 10)) == (0, [])
    spool.close()


def test_whoever_has_nothing_to_send_leaves_the_round_to_the_other(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    lanes = Lanes(spool)
    spool.append(rows(0, 25))
    lanes.part()
    old, older = lanes.take(2, 10)
    assert numbers(old) + numbers(older) == [*range(20)]
    spool.append(rows(100, 25))
    for batch in lanes.take(3, 10)[1:]:
        lanes.settle(batch)
    lanes.settle(lanes.take(2, 10)[1])
    lanes.leave()
    first, second = lanes.take(2, 10)
    assert numbers(first) + numbers(second) == [*range(100, 120)]
    spool.close()


class LanesMachine(RuleBasedStateMachine):
    """Appending, parting, sending with some batches unanswered, and restarts, in any order."""

    @initialize(size=st.integers(1, 6))
    def start(self, size: int) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.size = size
        self.made = 0
        self.answered: set[int] = set()
        self.open()

    def open(self) -> None:
        self.spool = Spool(Path(self.folder.name), segment_bytes=150)
        self.lanes = Lanes(self.spool)
        self.parted = 0

    @rule(count=st.integers(1, 20))
    def append(self, count: int) -> None:
        self.spool.append(rows(self.made, count))
        self.made += count

    @rule()
    def part(self) -> None:
        self.lanes.part()
        self.parted = self.made

    @rule(batches=st.integers(1, 3), losses=st.sets(st.integers(0, 2)), probe=st.booleans())
    def send(self, batches: int, losses: set[int], probe: bool) -> None:
        waiting, fresh = self.lanes.waiting, self.lanes.fresh
        size = 1 if probe else self.size
        taken = self.lanes.take(batches, size)
        dealt = [number for batch in taken for number in numbers(batch)]
        assert len(dealt) == len(set(dealt))
        assert not set(dealt) & self.sent, "what was answered is not sent again"
        assert bool(taken) == bool(waiting)
        assert len(taken) <= batches
        assert all(len(batch) <= size for batch in taken)
        if waiting >= batches * size:
            assert len(dealt) >= size, "a round is worth its while"
        if fresh and taken:
            newest = max(numbers(taken[0]))
            assert newest >= self.parted or len(self.lanes._lanes) == MOST_LANES
        if batches > 1 and waiting > fresh:
            least = min(set(range(self.made)) - self.sent)
            assert any(least in numbers(batch) for batch in taken), "the oldest row has its turn"
        for place, batch in enumerate(taken):
            if place not in losses:
                self.lanes.settle(batch)
                self.sent.update(numbers(batch))
        self.lanes.leave()

    @rule()
    def restart(self) -> None:
        self.spool.close()
        self.open()
        self.sent = set(range(self.made)) - set(numbers(self.spool.peek(self.made + 1)))

    @property
    def sent(self) -> set[int]:
        return self.answered

    @sent.setter
    def sent(self, numbers: set[int]) -> None:
        assert numbers <= self.answered, "the spool forgets only what was answered"
        self.answered = numbers

    @invariant()
    def counts_agree(self) -> None:
        assert self.lanes.waiting == self.made - len(self.sent)
        assert 0 <= self.lanes.fresh <= self.lanes.waiting

    def teardown(self) -> None:
        while taken := self.lanes.take(2, self.size):
            for batch in taken:
                self.lanes.settle(batch)
                self.sent.update(numbers(batch))
            self.lanes.leave()
        assert len(self.sent) == self.made
        assert self.spool.pending == 0
        self.spool.close()
        self.folder.cleanup()


TestLanesMachine = LanesMachine.TestCase
TestLanesMachine.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)
