"""A disk that misbehaves under the spool: it fills up, refuses to sync, and its process dies."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any
from unittest.mock import patch

from workers.signals.spool import Spool

LAYERS = ("workers.signals.spool.os", "workers.signals.dead_letters.os")


class Disk:
    """Stands in for `os` where files are written.

    `room` is how many bytes still fit (None: any): a write that does not fit is cut short, as on a real disk,
    and the next one is refused. `refuse` names calls (fdatasync, fsync, open, pwrite, ftruncate, unlink)
    that fail with EIO.
    """

    def __init__(self) -> None:
        self.room: int | None = None
        self.refuse: set[str] = set()

    def __getattr__(self, name: str) -> Any:
        real = getattr(os, name)
        if name not in {"fdatasync", "fsync", "open", "pwrite", "ftruncate", "unlink"}:
            return real

        def call(*args: Any, **options: Any) -> Any:
            if name in self.refuse:
                raise OSError(errno.EIO, "Input/output error")
            return real(*args, **options)

        return call

    def write(self, file: int, content: bytes) -> int:
        fits = len(content) if self.room is None else min(len(content), self.room)
        if fits == 0 and content:
            raise OSError(errno.ENOSPC, "No space left on device")
        written = os.write(file, content[:fits])
        if self.room is not None:
            self.room -= written
        return written

    @contextmanager
    def mounted(self) -> Iterator[None]:
        """Under the spool and the dead letters until the block ends."""
        with patch(LAYERS[0], self), patch(LAYERS[1], self):
            yield


def die(spool: Spool) -> None:
    """Let go of the folder as a killed process does: nothing is tidied up."""
    for file in (spool._file, spool._note, spool._lock):
        if file is not None:
            with suppress(OSError):
                os.close(file)
    spool._file = None
