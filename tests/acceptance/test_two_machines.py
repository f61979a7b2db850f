"""Two machines that see the same candles: every signal is stored once, and each machine knows of all."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from tests.acceptance.conftest import SYMBOLS, Undisturbed
from tests.acceptance.journey import CHECKOUT, add_trader, ask, environment, read_record, sigtrail, up
from tests.stacks import Stack


def start(stack: Stack, candles: Path, state: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "tests.acceptance.one_machine", str(candles), str(state)],
        cwd=CHECKOUT,
        env=environment(stack, state),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def fire(stack: Stack, candles: Path, *folders: Path) -> list[dict[str, Any]]:
    """Replay the candles on machines that begin together; answers what each counted."""
    with ExitStack() as open_processes:
        machines = [open_processes.enter_context(start(stack, candles, folder)) for folder in folders]
        for one in machines:
            open_processes.callback(one.kill)
        for one in machines:
            assert one.stdout is not None
            assert one.stdout.readline() == "ready\n"
        for one in machines:
            assert one.stdin is not None
            one.stdin.write("go\n")
            one.stdin.flush()
        statuses = [json.loads(one.communicate(timeout=90)[0]) for one in machines]
    assert [status["errors"] for status in statuses] == [[] for _ in machines]
    return [status["counts"]["signals"] for status in statuses]


def test_signals_of_two_machines_are_stored_once_and_traded_once(
    undisturbed: Undisturbed, project: Stack, busy_candles: Path, tmp_path: Path
) -> None:
    add_trader(project, "busy", SYMBOLS)
    ask(project, "select * from private.open_partitions('2025-05-04', '2025-05-05')")
    counted = fire(project, busy_candles, tmp_path / "one", tmp_path / "two")
    total = undisturbed.summary["signals"]
    for counts in counted:
        assert counts["fired"] == counts["inserted"] + counts.get("duplicates", 0) == total
        assert counts.get("rejected", 0) == counts["pending"] == 0
    assert sum(counts["inserted"] for counts in counted) == total
    created = "select count(*), count(distinct signal_id) from public.signal_events"
    assert ask(project, created) == [(total, total)]
    assert ask(project, "select count(*) from public.signals") == [(total,)]
    listed = json.loads(sigtrail(project, tmp_path, "machines", "list", "--json").stdout)
    assert [(one["roles"], one["status"]) for one in listed] == [(["signals"], "stopped")] * 2
    # A third machine, which has every role, trades them as if it had fired them itself.
    summary = up(project, tmp_path / "three", "--candles", str(busy_candles))
    assert (summary["inserted"], summary["duplicates"], summary["errors"]) == (0, total, [])
    record = read_record(project)
    for name in ("signals", "orders", "positions", "fills"):
        assert record[name] == undisturbed.record[name], name
