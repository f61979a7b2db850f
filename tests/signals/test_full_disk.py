"""A disk that is full, or broken, at any moment: what was promised stays, and room brings it back to work."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.signals.disk import Disk, die
from workers.signals.dead_letters import DeadLetter, DeadLetters
from workers.signals.spool import HEADER, Spool, SpoolError

AT = datetime(2025, 5, 4, tzinfo=UTC)


def rows(*numbers: int) -> list[bytes]:
    return [b'{"number": %d}' % number for number in numbers]


def held(spool: Spool) -> list[bytes]:
    return [entry.payload for entry in spool.peek(10_000)]


@pytest.mark.parametrize("room", [0, 1, 3, 4, 19, 20, 21, 33, 34, 35, 60])
def test_a_disk_that_fills_up_within_a_record_keeps_what_was_promised(tmp_path: Path, room: int) -> None:
    disk = Disk()
    with disk.mounted():
        spool = Spool(tmp_path)
        spool.append(rows(1))
        disk.room = room
        before = spool.size
        with pytest.raises(SpoolError, match="No space left"):
            spool.append(rows(2, 3))
        assert spool.alarm == "disk"
        assert (held(spool), spool.size) == (rows(1), before)
        assert sum(path.stat().st_size for path in tmp_path.glob("*.segment")) == before, "cut off again"
        disk.room = None
        spool.append(rows(2, 3))
        assert spool.alarm == ""
        die(spool)
        again = Spool(tmp_path)
        assert held(again) == rows(1, 2, 3)
        assert again.damaged_bytes == 0
        again.close()


def test_retries_on_a_full_disk_leave_nothing_behind(tmp_path: Path) -> None:
    disk = Disk()
    with disk.mounted():
        spool = Spool(tmp_path, segment_bytes=10)
        spool.append(rows(1))
        disk.room = 5
        for _ in range(20):
            disk.room = 5
            with pytest.raises(SpoolError):
                spool.append(rows(2))
        assert len(list(tmp_path.glob("*.segment"))) == 1
        disk.room = None
        spool.append(rows(2))
        assert held(spool) == rows(1, 2)
        spool.close()


@pytest.mark.parametrize("call", ["fdatasync", "open", "fsync"])
def test_a_disk_that_breaks_at_any_call_is_told_and_used_again_when_it_heals(
    tmp_path: Path, call: str
) -> None:
    disk = Disk()
    with disk.mounted():
        spool = Spool(tmp_path, segment_bytes=10)  # every group begins a segment of its own
        spool.append(rows(1))
        disk.refuse.add(call)
        for _ in range(3):
            with pytest.raises(SpoolError, match="Input/output error"):
                spool.append(rows(2))
        disk.refuse.clear()
        spool.append(rows(2))
        spool.append(rows(3))
        assert held(spool) == rows(1, 2, 3)
        die(spool)
        again = Spool(tmp_path)
        assert held(again) == rows(1, 2, 3)
        again.close()


def test_a_disk_that_cannot_even_cut_off_costs_no_promised_row(tmp_path: Path) -> None:
    disk = Disk()
    with disk.mounted():
        spool = Spool(tmp_path)
        spool.append(rows(1))
        disk.room, disk.refuse = 30, {"ftruncate"}
        with pytest.raises(SpoolError):
            spool.append(rows(2))
        disk.room, disk.refuse = None, set()
        spool.append(rows(2, 3))
        assert held(spool) == rows(1, 2, 3)
        die(spool)
        again = Spool(tmp_path)
        assert held(again) == rows(1, 2, 3)
        assert again.damaged_bytes == 30
        again.close()


class DiskMachine(RuleBasedStateMachine):
    """Whatever the disk does, in whatever order, with deaths between: promised rows stay until answered."""

    @initialize()
    def start(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.disk = Disk()
        self.mounting = self.disk.mounted()
        self.mounting.__enter__()
        self.spool = self.open()
        # Promised and not answered; answered ones that come back after a death are no fault.
        self.model: list[bytes] = []
        self.answered: list[bytes] = []
        self.tried: set[bytes] = set()
        self.number = 0

    def open(self) -> Spool:
        return Spool(Path(self.folder.name), segment_bytes=200)

    @rule(size=st.integers(1, 8))
    def append(self, size: int) -> None:
        group = rows(*range(self.number, self.number + size))
        self.number += size
        try:
            self.spool.append(group)
        except SpoolError:
            self.tried.update(group)
        else:
            self.model += group

    @rule(room=st.integers(0, 3 * (HEADER.size + 20)))
    def fill(self, room: int) -> None:
        self.disk.room = room

    @rule(calls=st.sets(st.sampled_from(["fdatasync", "fsync", "open", "pwrite", "ftruncate"])))
    def fail(self, calls: set[str]) -> None:
        self.disk.refuse = calls

    @rule()
    def heal(self) -> None:
        self.disk.room, self.disk.refuse = None, set()

    @precondition(lambda self: self.model)
    @rule(size=st.integers(1, 20))
    def acknowledge(self, size: int) -> None:
        entries = self.spool.peek(size)
        self.spool.acknowledge(entries)
        gone = [entry.payload for entry in entries]
        self.answered += gone
        self.model = [row for row in self.model if row not in set(gone)]

    @rule()
    def die_and_start(self) -> None:
        die(self.spool)
        self.heal()
        self.spool = self.open()

    @invariant()
    def promised_rows_are_there_in_order(self) -> None:
        found = held(self.spool)
        assert len(found) == self.spool.pending
        wanted = set(self.model)
        assert [row for row in found if row in wanted] == self.model
        assert {row for row in found if row not in wanted} <= self.tried | set(self.answered)

    def teardown(self) -> None:
        self.mounting.__exit__(None, None, None)
        die(self.spool)
        self.folder.cleanup()


TestDiskMachine = DiskMachine.TestCase
TestDiskMachine.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)


@pytest.mark.parametrize("room", [0, 1, 30])
def test_a_letter_that_did_not_fit_is_no_half_line(tmp_path: Path, room: int) -> None:
    disk = Disk()
    with disk.mounted():
        letters = DeadLetters(tmp_path)
        letters.add([DeadLetter({"id": "a"}, "bad_row", "no side")], AT)
        disk.room = room
        with pytest.raises(SpoolError, match="No space left"):
            letters.add([DeadLetter({"id": "b"}, "bad_row", "no side")], AT)
        disk.room = None
        letters.add([DeadLetter({"id": "c"}, "bad_row", "no side")], AT)
    assert [json.loads(line)["row"]["id"] for line in letters.path.read_text().splitlines()] == ["a", "c"]
    assert letters.counts == {"bad_row": 2}


# A disk that is really full --------------------------------------------------------------------------------


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 256 KB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(folder)], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def may_mount() -> bool:
    """Only who may mount can have a disk that is really full."""
    if os.geteuid() != 0:
        return False
    with tempfile.TemporaryDirectory() as folder:
        words = ["-t", "tmpfs", "-o", "size=64k", "tmpfs", folder]
        if subprocess.run(["mount", *words], capture_output=True, check=False).returncode:
            return False
        return subprocess.run(["umount", folder], capture_output=True, check=False).returncode == 0


def fill(spool: Spool) -> int:
    """Spool until the disk is full: how many rows it took."""
    kept = 0
    while True:
        try:
            spool.append(rows(*range(kept, kept + 50)))
        except SpoolError:
            return kept
        kept += 50


@pytest.mark.skipif(not may_mount(), reason="mounting a small disk takes root and the right to mount")
def test_a_disk_that_is_really_full_keeps_every_promise_and_goes_on_with_room(small_disk: Path) -> None:
    spool = Spool(small_disk / "spool", segment_bytes=16 << 10)
    ballast = small_disk / "ballast"
    ballast.write_bytes(b"\0" * (64 << 10))
    kept = fill(spool)
    assert kept > 1000
    for _ in range(5):
        with pytest.raises(SpoolError, match="No space left"):
            spool.append(rows(*range(kept, kept + 2000)))
    assert held(spool) == rows(*range(kept))
    die(spool)
    again = Spool(small_disk / "spool", segment_bytes=16 << 10)
    assert held(again) == rows(*range(kept)), "a machine starts on a full disk"
    # Answers make room by themselves: the spool is what fills the disk, and nobody has to help.
    again.acknowledge(again.peek(kept // 2))
    again.append(rows(*range(kept, kept + 50)))
    again.acknowledge(again.peek(kept))
    ballast.unlink()
    again.append(rows(*range(kept + 50, kept + 100)))
    assert held(again) == rows(*range(kept + 50, kept + 100))
    again.close()
