"""The parameters of one statement, numbered as they are met."""

from __future__ import annotations

from typing import Any

from psycopg import pq
from psycopg.abc import Buffer
from psycopg.adapt import Dumper


class RawText(bytes):
    """A text that is already UTF-8, such as a body: sent as it is, of unknown type like every other text."""


class RawTextDumper(Dumper):
    format = pq.Format.TEXT

    def dump(self, obj: Any) -> Buffer:
        return bytes(obj)


class Parameters:
    """Texts (str, RawText) go without a type, so that PostgreSQL finds it from where they stand; bytes are
    bytea."""

    def __init__(self) -> None:
        self.values: list[str | bytes] = []

    def add(self, value: str | bytes) -> str:
        """The placeholder to write for this value."""
        self.values.append(value)
        return f"${len(self.values)}"
