"""A recorded process is found again, and never mistaken for another one with its number."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from scripts.local_supabase.lock import Locked, is_locked, lock
from scripts.local_supabase.processes import Process


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(["sleep", "600"]) as process:
        yield process
        process.kill()


def test_a_living_process_is_found_by_its_record(sleeper: subprocess.Popen[bytes], tmp_path: Path) -> None:
    process = Process.of(sleeper.pid)
    assert process is not None
    process.record(tmp_path / "sleeper.json")
    assert Process.read(tmp_path / "sleeper.json") == process


def test_a_dead_process_is_not_found(sleeper: subprocess.Popen[bytes], tmp_path: Path) -> None:
    process = Process.of(sleeper.pid)
    assert process is not None
    process.record(tmp_path / "sleeper.json")
    sleeper.kill()
    # Not waited for yet: a zombie still has its number.
    os.waitid(os.P_PID, sleeper.pid, os.WEXITED | os.WNOWAIT)
    assert Process.read(tmp_path / "sleeper.json") is None
    assert Process.recorded(tmp_path / "sleeper.json") == process


@pytest.mark.parametrize("other", [{"started": 1}, {"boot": "before"}])
def test_another_process_with_the_same_number_is_left_alone(
    sleeper: subprocess.Popen[bytes], tmp_path: Path, other: dict[str, object]
) -> None:
    process = Process.of(sleeper.pid)
    assert process is not None
    earlier = replace(process, **other)  # type: ignore[arg-type]
    earlier.record(tmp_path / "earlier.json")
    assert Process.read(tmp_path / "earlier.json") is None
    earlier.end(signal.SIGKILL)
    assert sleeper.poll() is None


def test_an_end_comes_by_the_last_signal_if_need_be() -> None:
    deaf = subprocess.Popen(
        ["sh", "-c", "trap '' TERM; echo ready; while :; do sleep 600; done"],
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    assert deaf.stdout is not None
    with deaf.stdout:
        assert deaf.stdout.readline() == b"ready\n"
        process = Process.of(deaf.pid)
        assert process is not None
        process.end(signal.SIGTERM, signal.SIGKILL, patience=0.2)
        assert deaf.wait() == -signal.SIGKILL
        os.killpg(deaf.pid, signal.SIGKILL)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"pid": 1}'])
def test_a_spoilt_record_is_no_record(tmp_path: Path, text: str) -> None:
    (tmp_path / "spoilt.json").write_text(text)
    assert Process.read(tmp_path / "spoilt.json") is None


def test_a_lock_is_held_by_one_at_a_time(tmp_path: Path) -> None:
    file = tmp_path / "lock"
    assert not is_locked(file)
    with lock(file):
        assert is_locked(file)
        with pytest.raises(Locked), lock(file):
            pass
    assert not is_locked(file)
