"""The statements of queries.sql by name."""

from __future__ import annotations

import re
from pathlib import Path

_NAME = re.compile(r"^-- name: (\w+)$", re.MULTILINE)


def read_queries(path: Path) -> dict[str, bytes]:
    """Reads a file of statements, each under a line `-- name: …`, as {name: statement}.

    Statements are bytes, psycopg's type for SQL that no caller can mix values into by mistake.
    """
    parts = _NAME.split(path.read_text(encoding="utf-8"))
    return {
        name: statement.strip().encode() for name, statement in zip(parts[1::2], parts[2::2], strict=True)
    }


QUERIES = read_queries(Path(__file__).with_name("queries.sql"))
