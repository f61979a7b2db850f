"""The processor's time of a part is that of all its processes."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from scripts.bench.processor import judge_spent, list_processes, sum_tree


def test_a_part_is_a_process_with_all_below_it() -> None:
    processes = {1: (0, 1.0), 2: (1, 2.0), 3: (2, 4.0), 4: (1, 8.0), 5: (9, 16.0)}
    assert sum_tree(processes, 1) == 15
    assert sum_tree(processes, 2) == 6
    assert sum_tree(processes, 7) == 0


def test_a_process_is_read_whatever_it_is_called(tmp_path: Path) -> None:
    tick = os.sysconf("SC_CLK_TCK")
    (tmp_path / "42").mkdir()
    times = f"{tick} {2 * tick} {3 * tick} {4 * tick}"
    (tmp_path / "42" / "stat").write_text(f"42 (a) b (c)) S 7 42 42 0 -1 0 0 0 0 0 {times} 20 0 1 0 99\n")
    (tmp_path / "43").mkdir()
    (tmp_path / "meminfo").write_text("")
    assert list_processes(tmp_path) == {42: (7, 10.0)}


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="processes are read from /proc")
def test_this_process_is_among_them() -> None:
    while time.process_time() < 0.1:
        pass
    parent, spent = list_processes(Path("/proc"))[os.getpid()]
    assert parent == os.getppid()
    assert spent > 0


def test_what_was_spent_is_told_for_one_signal() -> None:
    (one,) = judge_spent("x", {"the client": 1.0}, {"the client": 3.0}, 1_000_000)
    assert (one.name, one.value, one.unit) == ("x, processor time of the client", 2.0, "µs/signal")
