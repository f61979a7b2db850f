"""The spool: what was spooled survives a crash at any byte, and nothing leaves it unanswered."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from shared.errors import ConfigurationError
from tests.signals.disk import die
from workers.signals.dead_letters import DeadLetter, DeadLetters
from workers.signals.spool import (
    HEADER,
    KEPT_DAMAGED,
    LARGEST_PAYLOAD,
    MAGIC,
    Spool,
    SpoolError,
    SpoolFull,
)

CHECKOUT = Path(__file__).parents[2]


def payloads(*numbers: int) -> list[bytes]:
    return [json.dumps({"number": number, "text": "ü" * (number % 7)}).encode() for number in numbers]


def pending(spool: Spool) -> list[bytes]:
    return [entry.payload for entry in spool.peek(10_000)]


def test_gives_back_what_was_put_in_in_order(tmp_path: Path) -> None:
    spool = Spool(tmp_path, segment_bytes=200)
    spool.append(payloads(1, 2, 3))
    spool.append([])
    spool.append(payloads(*range(4, 20)))
    spool.append(payloads(20))
    assert pending(spool) == payloads(*range(1, 21))
    assert [entry.payload for entry in spool.peek(2)] == payloads(1, 2)
    assert spool.pending == 20
    assert [entry.sequence for entry in spool.peek(30)] == list(range(1, 21))
    spool.close()


def test_what_is_acknowledged_is_gone_also_after_a_restart(tmp_path: Path) -> None:
    spool = Spool(tmp_path, segment_bytes=150)
    for number in range(10):
        spool.append(payloads(number))
    spool.acknowledge(spool.peek(4))
    spool.acknowledge([])
    assert pending(spool) == payloads(*range(4, 10))
    spool.close()
    again = Spool(tmp_path, segment_bytes=150)
    assert pending(again) == payloads(*range(4, 10))
    assert again.pending == 6
    again.append(payloads(10))
    again.acknowledge(again.peek(7))
    assert (pending(again), again.pending) == ([], 0)
    again.append(payloads(11))
    assert [entry.sequence for entry in again.peek(1)] == [12]
    again.acknowledge(again.peek(1))
    again.close()
    assert list(tmp_path.glob("*.segment")) == []
    assert Spool(tmp_path).size == 0


def test_answered_segments_do_not_pile_up(tmp_path: Path) -> None:
    spool = Spool(tmp_path, segment_bytes=300)
    for number in range(200):
        spool.append(payloads(number))
        spool.acknowledge(spool.peek(10))
        assert len(list(tmp_path.glob("*.segment"))) <= 2
        assert spool.size < 700
    spool.close()


def test_one_process_at_a_time(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    with pytest.raises(ConfigurationError, match="another process uses the spool"):
        Spool(tmp_path)
    spool.close()
    Spool(tmp_path).close()


def test_a_full_spool_takes_nothing_more_and_keeps_what_it_has(tmp_path: Path) -> None:
    spool = Spool(tmp_path, limit_bytes=500)
    kept = 0
    while spool.size + HEADER.size + len(payloads(kept)[0]) <= 500:
        spool.append(payloads(kept))
        kept += 1
    with pytest.raises(SpoolFull, match="is the database reachable"):
        spool.append(payloads(kept))
    assert kept > 5
    assert pending(spool) == payloads(*range(kept))
    assert spool.size <= 500
    spool.acknowledge(spool.peek(kept))
    spool.append(payloads(1))
    assert pending(spool) == payloads(1)
    spool.close()


def test_what_is_answered_makes_room(tmp_path: Path) -> None:
    spool = Spool(tmp_path, limit_bytes=300)
    for number in range(30):
        spool.append(payloads(number))
        assert pending(spool) == payloads(number)
        assert spool.size <= 300
        spool.acknowledge(spool.peek(1))
    spool.close()


def test_a_row_that_is_too_large_is_refused(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    with pytest.raises(SpoolError, match="too large"):
        spool.append([b"x" * (LARGEST_PAYLOAD + 1)])
    assert spool.pending == 0
    spool.close()


def test_a_disk_that_refuses_is_told_and_the_spool_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool = Spool(tmp_path)
    spool.append(payloads(1))

    def refuse(_: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fdatasync", refuse)
        with pytest.raises(SpoolError, match="Input/output error"):
            spool.append(payloads(2))
    assert pending(spool) == payloads(1)
    spool.append(payloads(2, 3))
    assert pending(spool) == payloads(1, 2, 3)
    spool.close()
    again = Spool(tmp_path)
    assert pending(again) == payloads(1, 2, 3), "the refused row was cut off, and is there once"
    again.acknowledge(again.peek(10))
    assert again.pending == 0
    again.close()


def test_a_disk_that_cannot_note_an_answer_forgets_it_until_the_next_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool = Spool(tmp_path)
    spool.append(payloads(1))
    spool.append(payloads(2))

    def refuse(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", refuse)
        spool.acknowledge(spool.peek(1))
    assert spool.unnoted == 1
    assert pending(spool) == payloads(2)
    die(spool)
    again = Spool(tmp_path)
    assert pending(again) == payloads(1, 2)
    again.close()


def test_rows_can_be_read_from_a_place_on_and_up_to_one(tmp_path: Path) -> None:
    spool = Spool(tmp_path, segment_bytes=120)
    assert spool.tail() is None
    for number in range(6):
        spool.append(payloads(number))
    place = spool.tail()
    assert place is not None
    assert spool.peek(10, after=place) == []
    for number in range(6, 12):
        spool.append(payloads(number))
    new = spool.peek(2, after=place)
    assert [entry.payload for entry in new] == payloads(6, 7)
    assert [entry.payload for entry in spool.peek(9, after=new[-1])] == payloads(8, 9, 10, 11)
    assert [entry.payload for entry in spool.peek(9, through=place.sequence)] == payloads(*range(6))
    # What lies before is answered for and gone: the place still tells what lies behind it.
    spool.acknowledge(spool.peek(6))
    assert [entry.payload for entry in spool.peek(1, after=place)] == payloads(6)
    spool.forget(new[-1], 2)
    assert pending(spool) == payloads(8, 9, 10, 11)
    assert spool.pending == 4
    spool.close()


def test_says_how_long_the_oldest_row_waits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spool = Spool(tmp_path)
    moment = 100.0
    monkeypatch.setattr("workers.signals.spool.time.monotonic", lambda: moment)
    assert spool.age_seconds == 0
    spool.append(payloads(1, 2))
    moment = 130.0
    spool.append(payloads(3))
    moment = 135.0
    assert spool.age_seconds == 35
    spool.acknowledge(spool.peek(1))
    assert spool.age_seconds == 35
    spool.acknowledge(spool.peek(1))
    assert spool.age_seconds == 5
    spool.acknowledge(spool.peek(1))
    assert spool.age_seconds == 0
    spool.append(payloads(4))
    spool.close()
    again = Spool(tmp_path)
    moment = 140.0
    assert again.age_seconds == 5, "since the start, as far as this process knows"
    again.close()


def test_an_alarm_is_raised_before_the_bound_and_ends_below_it(tmp_path: Path) -> None:
    spool = Spool(tmp_path, limit_bytes=400, segment_bytes=100)
    alarms = [spool.alarm]
    for number in range(6):
        spool.append(payloads(number))
        alarms.append(spool.alarm)
    assert alarms == ["", "", "", "", "filling", "filling", "filling"]
    with pytest.raises(SpoolFull):
        spool.append(payloads(*range(100)))
    assert spool.alarm == "full"
    spool.acknowledge(spool.peek(6))
    spool.append(payloads(7))
    assert spool.alarm == ""
    spool.close()


def test_damaged_segments_that_are_kept_are_bounded(tmp_path: Path) -> None:
    for number in range(1, KEPT_DAMAGED + 5):
        spool = Spool(tmp_path)
        spool.append(payloads(number))
        spool.close()
        (path,) = tmp_path.glob("*.segment")
        path.write_bytes(path.read_bytes()[:-1])
        Spool(tmp_path).close()
        spool = Spool(tmp_path)
        spool.append(payloads(0))
        spool.acknowledge(spool.peek(9))
        spool.close()
    assert len(list(tmp_path.glob("*.damaged"))) == KEPT_DAMAGED


# Crashes ---------------------------------------------------------------------------------------------------


def write_and_crash(folder: Path, groups: list[int], segment_bytes: int = 400) -> list[bytes]:
    """Spool groups of rows and leave the folder as a killed process does."""
    spool = Spool(folder, segment_bytes=segment_bytes)
    number, rows = 0, []
    for size in groups:
        group = payloads(*range(number, number + size))
        spool.append(group)
        rows += group
        number += size
    spool.close()
    return rows


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(1, 5), min_size=1, max_size=6), st.data())
def test_a_tail_that_is_torn_at_any_byte_costs_only_the_torn_rows(
    groups: list[int], data: st.DataObject
) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rows = write_and_crash(folder, groups)
        last = max(folder.glob("*.segment"))
        content = last.read_bytes()
        keep = data.draw(st.integers(0, len(content)), label="bytes kept")
        garbage = data.draw(st.binary(max_size=40), label="garbage after them")
        last.write_bytes(content[:keep] + garbage)
        whole = len(rows) - content.count(MAGIC) + count_whole(content[:keep])
        spool = Spool(folder)
        found = pending(spool)
        assert found[:whole] == rows[:whole]
        assert len(found) == whole or garbage.startswith(content[keep : keep + 1])
        spool.append(payloads(999))
        assert pending(spool)[-1:] == payloads(999)
        assert len({entry.sequence for entry in spool.peek(1000)}) == spool.pending
        spool.close()


def count_whole(content: bytes) -> int:
    """How many records lie whole in these bytes, by walking from one length to the next."""
    count = at = 0
    while at + HEADER.size <= len(content):
        _, length, _, _ = HEADER.unpack_from(content, at)
        at += HEADER.size + length
        count += at <= len(content)
    return count


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(1, 5), min_size=1, max_size=6), st.data())
def test_damage_anywhere_costs_only_the_rows_it_touches(groups: list[int], data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rows = write_and_crash(folder, groups)
        path = data.draw(st.sampled_from(sorted(folder.glob("*.segment"))), label="segment")
        content = bytearray(path.read_bytes())
        begin = data.draw(st.integers(0, len(content) - 1), label="from")
        end = min(len(content), begin + data.draw(st.integers(1, 30), label="bytes"))
        content[begin:end] = data.draw(st.binary(min_size=end - begin, max_size=end - begin), label="garbage")
        damaged = bytes(content) != path.read_bytes()
        path.write_bytes(content)
        spool = Spool(folder)
        found = pending(spool)
        assert set(found) <= set(rows), "what is given is what was put in"
        assert found == [row for row in rows if row in set(found)], "in its order"
        # Each row takes at least 37 bytes, so 30 bytes of garbage touch two at most.
        assert len(rows) - len(found) <= (2 if damaged else 0)
        assert (spool.damaged_bytes > 0) == (len(found) < len(rows))
        spool.acknowledge(spool.peek(1000))
        assert spool.pending == 0
        assert list(folder.glob("*.segment")) == []
        spool.close()
        with_damage = len(list(folder.glob("*.damaged")))
        assert with_damage == (len(found) < len(rows)), "damaged segments are kept aside"


@settings(max_examples=30, deadline=None)
@given(st.binary(max_size=30))
def test_a_damaged_note_of_what_was_answered_sends_again_and_loses_nothing(garbage: bytes) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        spool = Spool(folder)
        spool.append(payloads(1, 2, 3))
        spool.acknowledge(spool.peek(1))
        spool.close()
        (folder / "acknowledged").write_bytes(garbage)
        again = Spool(folder)
        assert pending(again) == payloads(1, 2, 3)
        again.close()


WRITER = """
import json
import sys
from pathlib import Path
from workers.signals.spool import Spool
spool = Spool(Path(sys.argv[1]), segment_bytes=4096)
held = spool.peek(10**6)
number = json.loads(held[-1].payload)["number"] + 1 if held else 0
print(number, flush=True)
while True:
    spool.append([b'{"number": %d}' % one for one in range(number, number + 7)])
    number += 7
    print(number, flush=True)
    if number % 5 == 0:
        spool.acknowledge(spool.peek(3))
        print(-3, flush=True)
"""


def run_and_kill(folder: Path, after: int) -> tuple[int, int, list[int]]:
    """Let a process spool until it promised so many rows, and kill it: the rows it began with and promised,
    and how many answers it noted."""
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(folder)], stdout=subprocess.PIPE, text=True, cwd=CHECKOUT
    )
    assert process.stdout is not None
    told: list[int] = []
    with process:
        for line in process.stdout:
            told.append(int(line))
            if told[-1] - told[0] >= after:
                process.send_signal(signal.SIGKILL)
                break
        told += map(int, process.stdout.read().split())
    assert process.returncode == -signal.SIGKILL
    return told[0], max(told), [one for one in told if one < 0]


def test_what_processes_said_was_spooled_is_there_however_often_they_are_killed(tmp_path: Path) -> None:
    first = answered = promised = 0
    for after in (700, 7, 133, 42):
        begin, promised, answers = run_and_kill(tmp_path, after)
        assert begin == 0 or begin >= first, "a life goes on where the last one was killed"
        first, answered = promised, answered + 3 * len(answers)
    spool = Spool(tmp_path)
    numbers = [json.loads(payload)["number"] for payload in pending(spool)]
    assert answered > 0
    assert numbers == list(range(numbers[0], numbers[-1] + 1))
    # The last answer of each life may have been noted without having been told.
    assert answered <= numbers[0] <= answered + 4 * 3
    assert numbers[-1] >= promised - 1
    spool.close()


class SpoolMachine(RuleBasedStateMachine):
    """A spool under any sequence of uses and restarts behaves like a list."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.model: list[bytes] = []
        self.number = 0
        self.spool = self.open()

    def open(self) -> Spool:
        return Spool(Path(self.folder.name), segment_bytes=300)

    @rule(size=st.integers(1, 12))
    def append(self, size: int) -> None:
        rows = payloads(*range(self.number, self.number + size))
        self.number += size
        self.spool.append(rows)
        self.model += rows

    @precondition(lambda self: self.model)
    @rule(size=st.integers(1, 20))
    def acknowledge(self, size: int) -> None:
        entries = self.spool.peek(size)
        assert [entry.payload for entry in entries] == self.model[:size]
        self.spool.acknowledge(entries)
        del self.model[:size]

    @rule()
    def restart(self) -> None:
        self.spool.close()
        self.spool = self.open()
        assert self.spool.damaged_bytes == 0

    @invariant()
    def holds_what_the_list_holds(self) -> None:
        assert self.spool.pending == len(self.model)
        assert pending(self.spool) == self.model
        files = Path(self.folder.name).glob("*.segment")
        assert self.spool.size == sum(path.stat().st_size for path in files)

    def teardown(self) -> None:
        self.spool.close()
        self.folder.cleanup()


TestSpoolMachine = SpoolMachine.TestCase
TestSpoolMachine.settings = settings(max_examples=20, stateful_step_count=25, deadline=None)


# Dead letters ----------------------------------------------------------------------------------------------


def test_dead_letters_keep_row_and_reason(tmp_path: Path) -> None:
    at = datetime(2025, 5, 4, 12, tzinfo=UTC)
    letters = DeadLetters(tmp_path)
    letters.add([], at)
    assert not letters.path.exists()
    letters.add(
        [DeadLetter({"id": "a"}, "in_future", "too far"), DeadLetter({"id": "b"}, "bad_row", "no side")], at
    )
    letters.add([DeadLetter({"id": "c"}, "bad_row", "no price")], at)
    lines = [json.loads(line) for line in letters.path.read_text().splitlines()]
    assert [(one["row"]["id"], one["code"], one["message"], one["at"]) for one in lines] == [
        ("a", "in_future", "too far", "2025-05-04T12:00:00+00:00"),
        ("b", "bad_row", "no side", "2025-05-04T12:00:00+00:00"),
        ("c", "bad_row", "no price", "2025-05-04T12:00:00+00:00"),
    ]
    assert letters.counts == {"in_future": 1, "bad_row": 2}


def test_dead_letters_are_bounded(tmp_path: Path) -> None:
    letters = DeadLetters(tmp_path, limit_bytes=500)
    for number in range(50):
        letters.add([DeadLetter({"id": number}, "bad_row", "no side")], datetime(2025, 5, 4, tzinfo=UTC))
    sizes = [path.stat().st_size for path in tmp_path.glob("dead-letters*.jsonl")]
    assert len(sizes) == 2
    assert max(sizes) < 700
    assert json.loads(letters.path.read_text().splitlines()[-1])["row"]["id"] == 49
    assert letters.counts == {"bad_row": 50}
