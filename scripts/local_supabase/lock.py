"""A file that one process at a time holds. The kernel lets go of it when that process ends."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class Locked(Exception):
    """Another process holds this file."""


@contextmanager
def lock(file: Path, wait: bool = False) -> Iterator[None]:
    """Hold the file for the length of the block. Raises Locked if another process has it, or waits."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("a") as held:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            raise Locked(file) from None
        yield


def is_locked(file: Path) -> bool:
    try:
        with lock(file):
            return False
    except Locked:
        return True
