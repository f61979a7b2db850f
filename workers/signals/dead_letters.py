"""Rows that the database will never take, kept with the reason for whoever wants to know.

One JSON line each: {at, code, message, row}. When the file reaches its bound it is moved aside as
`dead-letters.1.jsonl`, in the place of the one before: at most twice the bound is kept.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from io import FileIO
from pathlib import Path
from typing import Any

import orjson

from workers.signals.spool import SpoolError

LIMIT_BYTES = 64 << 20


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A row, and why it was refused."""

    row: Mapping[str, Any]
    code: str
    message: str


class DeadLetters:
    """The file of rows that were refused. `counts` are those of this process, by code."""

    def __init__(self, folder: Path, *, limit_bytes: int = LIMIT_BYTES) -> None:
        self.path = folder / "dead-letters.jsonl"
        self.counts: Counter[str] = Counter()
        self._limit_bytes = limit_bytes

    def add(self, letters: Sequence[DeadLetter], at: datetime) -> None:
        """Keep these durably. Raises `SpoolError` when the disk refuses."""
        if not letters:
            return
        moment = at.isoformat()
        lines = [
            orjson.dumps({"at": moment, "code": one.code, "message": one.message, "row": one.row})
            for one in letters
        ]
        try:
            self._rotate()
            with self.path.open("ab", buffering=0) as file:
                _append(file, b"\n".join(lines) + b"\n")
        except OSError as error:
            raise SpoolError(f"{self.path} cannot be written: {error.strerror}") from error
        self.counts.update(one.code for one in letters)

    def _rotate(self) -> None:
        if self.path.exists() and self.path.stat().st_size >= self._limit_bytes:
            self.path.replace(self.path.with_name("dead-letters.1.jsonl"))


def _append(file: FileIO, text: bytes) -> None:
    """All of it or none: a full disk leaves no half line that the next letter would be written behind."""
    size = os.fstat(file.fileno()).st_size
    try:
        rest = memoryview(text)
        while rest:
            rest = rest[os.write(file.fileno(), rest) :]
        os.fdatasync(file.fileno())
    except OSError:
        os.ftruncate(file.fileno(), size)
        raise
