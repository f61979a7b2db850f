"""The server's SQL, each statement in a file of its own under sql/."""

from __future__ import annotations

from functools import cache
from pathlib import Path

FOLDER = Path(__file__).parent / "sql"


@cache
def query(name: str) -> bytes:
    return (FOLDER / f"{name}.sql").read_bytes()
