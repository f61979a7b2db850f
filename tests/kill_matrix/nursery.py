"""Forks a bridge for each job, having imported everything: `python -m tests.kill_matrix.nursery`.

Starting a bridge anew takes a second of imports; a fork of one that has them takes none, and is a process
like any other: it has a pid of its own and is killed by SIGKILL. A job is a line of JSON on standard input;
what became of a process is one on standard output.
"""

from __future__ import annotations

import gc
import importlib.abc
import importlib.machinery
import json
import os
import select
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from tests.kill_matrix import trap
from tests.kill_matrix.points import AWAIT, ENTER, NEXT, PACKAGE, module_of, sources, weave


class WovenLoader(importlib.machinery.SourceFileLoader):
    """Loads a module of the bridge with its points woven in. Nothing of that is kept on the disk."""

    def get_code(self, fullname: str) -> Any:
        path = Path(self.get_filename(fullname))
        return compile(weave(path.read_text(), module_of(path)), str(path), "exec", dont_inherit=True)

    def exec_module(self, module: ModuleType) -> None:
        """Run the module; the calls at its points find what they call."""
        module.__dict__.update({AWAIT: trap.pass_by, ENTER: trap.Entered, NEXT: trap.pass_each})
        super().exec_module(module)


class WovenFinder(importlib.abc.MetaPathFinder):
    """Finds the modules of the bridge before anybody else does."""

    def __init__(self) -> None:
        self._paths = {f"{PACKAGE}.{module_of(path)}": path for path in sources()}

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """A module's spec; None for what is none of the bridge's."""
        source = self._paths.get(fullname)
        if source is None or source.name == "__init__.py":
            return None
        loader = WovenLoader(fullname, str(source))
        return importlib.machinery.ModuleSpec(fullname, loader, origin=str(source), is_package=False)


def main() -> int:
    """Fork a process for each line until standard input closes; then kill what is left."""
    sys.meta_path.insert(0, WovenFinder())
    # Imported only now, with their points.
    from tests.kill_matrix import bridge

    bridge.warm_up()
    gc.collect()
    gc.freeze()
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    children: dict[int, int] = {}
    say({"ready": os.getpid()})
    waiting = b""
    while True:
        readable, _, _ = select.select([0, reader], [], [])
        if reader in readable:
            os.read(reader, 4096)
        if 0 in readable:
            more = os.read(0, 1 << 16)
            if not more:
                break
            *lines, waiting = (waiting + more).split(b"\n")
            for line in lines:
                job = json.loads(line)
                pid = fork(job, bridge.run)
                children[pid] = job["id"]
                say({"job": job["id"], "pid": pid})
        for pid, status in reap():
            say({"job": children.pop(pid), "status": os.waitstatus_to_exitcode(status)})
    for pid in children:
        os.kill(pid, signal.SIGKILL)
    return 0


def fork(job: dict[str, Any], run: Any) -> int:
    """Run a job in a process of its own; answers its pid."""
    pid = os.fork()
    if pid:
        return pid
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    log = os.open(job["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.closerange(3, log)
    try:
        status = run(job)
        sys.stderr.flush()
        os._exit(status)
    except BaseException:
        # Nothing of the nursery's own may run in the child.
        sys.excepthook(*sys.exc_info())
        sys.stderr.flush()
        os._exit(70)


def reap() -> list[tuple[int, int]]:
    """The processes that have ended."""
    ended: list[tuple[int, int]] = []
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return ended
        if not pid:
            return ended
        ended.append((pid, status))


def say(what: dict[str, Any]) -> None:
    """Tell whoever started the nursery."""
    os.write(1, json.dumps(what).encode() + b"\n")


if __name__ == "__main__":
    sys.exit(main())
