"""What every store agrees on: how a file is named, and what a listing tells of it."""

from __future__ import annotations

import re
from dataclasses import dataclass

from shared.errors import InputError

# Letters that mean the same in a folder, in an address and in a bucket; no part begins with a dot.
_PATH = re.compile(r"[a-zA-Z0-9_=-][a-zA-Z0-9_=.-]*(/[a-zA-Z0-9_=-][a-zA-Z0-9_=.-]*)*")


@dataclass(frozen=True, slots=True)
class Stored:
    """A file in a store: its path below the store's root, and its size in bytes."""

    path: str
    size: int


def check_path(path: str) -> str:
    """The path itself; InputError for one that could leave the store or that a store could not keep."""
    if len(path) > 500 or not _PATH.fullmatch(path):
        raise InputError(f"{path!r} cannot be a path in the archive: use letters, digits, '_=.-' and '/'")
    return path
