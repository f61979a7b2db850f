"""Where the processor's time goes: to the database, the servers in front of it, or the client."""

from __future__ import annotations

import json
import os
import time
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

from scripts.bench.report import Result, figure

# What the parts of a stack are called here, by their names there.
PARTS = {"postgres": "the database", "api": "the REST server", "realtime": "Realtime"}
CLIENT = "the client"

# By process: its parent, and the time (s) that it and its dead children took.
Processes = Mapping[int, tuple[int, float]]


class Meter:
    """Reads the processor time of a stack and of this process. root: the stack's state folder."""

    def __init__(self, root: Path) -> None:
        self._roots = {
            name: json.loads((root / "pids" / f"{part}.json").read_text())["pid"]
            for part, name in PARTS.items()
        }

    def read(self) -> dict[str, float]:
        """Seconds so far by part; only those of the client where there is no /proc."""
        spent = {CLIENT: time.process_time()}
        if Path("/proc/self/stat").exists():
            processes = list_processes(Path("/proc"))
            spent |= {name: sum_tree(processes, pid) for name, pid in self._roots.items()}
        return spent


def judge_spent(
    name: str, before: Mapping[str, float], after: Mapping[str, float], signals: int
) -> list[Result]:
    """What each part took for one signal. The client's includes making the signals."""
    return [
        figure(f"{name}, processor time of {part}", (after[part] - before[part]) / signals * 1e6, "µs/signal")
        for part in sorted(after)
    ]


def list_processes(folder: Path) -> dict[int, tuple[int, float]]:
    """Every process that /proc shows. One that ends meanwhile is left out."""
    found = {}
    tick = os.sysconf("SC_CLK_TCK")
    for entry in folder.iterdir():
        if not entry.name.isdigit():
            continue
        try:
            stat = (entry / "stat").read_text()
        except OSError:
            continue
        # The second field is the name in brackets, which may hold anything.
        fields = stat.rpartition(")")[2].split()
        found[int(entry.name)] = int(fields[1]), sum(int(field) for field in fields[11:15]) / tick
    return found


def sum_tree(processes: Processes, root: int) -> float:
    """The time of a process and of all below it."""
    children: defaultdict[int, list[int]] = defaultdict(list)
    for pid, (parent, _) in processes.items():
        children[parent].append(pid)
    waiting, total = [root], 0.0
    while waiting:
        pid = waiting.pop()
        total += processes.get(pid, (0, 0.0))[1]
        waiting += children[pid]
    return total
