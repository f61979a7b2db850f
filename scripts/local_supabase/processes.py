"""Processes that outlive whoever started them: found again by a record, never by a name.

A process id alone may belong to somebody else by now. With the time of its start and the machine's boot it
names one process for good.
"""

from __future__ import annotations

import json
import os
import select
import signal
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self


@dataclass(frozen=True)
class Process:
    """started: clock ticks between the machine's boot and the process's start."""

    pid: int
    started: int
    boot: str

    @classmethod
    def of(cls, pid: int) -> Self | None:
        """The process that has this number now; None if there is none, or only a dead one."""
        try:
            stat = Path(f"/proc/{pid}/stat").read_text()
        except (FileNotFoundError, ProcessLookupError):
            return None
        # The second field is the name in brackets, which may hold anything.
        state, *fields = stat.rpartition(")")[2].split()
        if state in "ZX":
            return None
        return cls(pid, int(fields[18]), Path("/proc/sys/kernel/random/boot_id").read_text().strip())

    @classmethod
    def this(cls) -> Self:
        process = cls.of(os.getpid())
        if process is None:
            raise ProcessLookupError(os.getpid())
        return process

    @classmethod
    def read(cls, file: Path) -> Self | None:
        """The process recorded in this file, if it still lives."""
        recorded = cls.recorded(file)
        return recorded if recorded and cls.of(recorded.pid) == recorded else None

    @classmethod
    def recorded(cls, file: Path) -> Self | None:
        """The process recorded in this file, dead or alive."""
        try:
            return cls(**json.loads(file.read_text()))
        except (FileNotFoundError, ValueError, TypeError):
            return None

    def record(self, file: Path) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        draft = file.with_suffix(".new")
        draft.write_text(json.dumps(asdict(self)))
        draft.replace(file)

    def end(self, *signals: signal.Signals, patience: float = 10) -> None:
        """Send these signals one after the other, each with `patience` seconds to work, until it is gone."""
        try:
            handle = os.pidfd_open(self.pid)
        except ProcessLookupError:
            return
        try:
            # From here on the number means one process; now see whether it is the recorded one.
            if type(self).of(self.pid) != self:
                return
            for each in signals:
                with suppress(ProcessLookupError):
                    signal.pidfd_send_signal(handle, each)
                if select.select([handle], [], [], patience)[0]:
                    return
        finally:
            os.close(handle)
