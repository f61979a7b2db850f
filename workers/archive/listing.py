"""The archive's book, as its readers use it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import date
from typing import Any
from uuid import UUID

import psycopg

from workers.archive.columns import Kind
from workers.archive.connection import Connection
from workers.archive.queries import query


@dataclass(frozen=True, slots=True)
class ListedFile:
    """A file that was read back and listed."""

    partition_day: date
    part: int
    kind: Kind
    number: int
    path: str
    row_count: int
    creation_count: int
    byte_count: int
    file_hash: bytes
    from_tx: int
    to_tx: int


# As files.sql answers them.
_NAMES = [field.name for field in fields(ListedFile)]


async def list_files(
    connection: Connection,
    *,
    first: date | None = None,
    last: date | None = None,
    user: UUID | None = None,
    kinds: Sequence[Kind] | None = None,
) -> list[ListedFile]:
    """The verified files of these days (both included) in order; of a user, those that may hold its rows."""
    cursor = await connection.execute(query("files"), _values(first, last, user, kinds))
    return [_listed(tuple(row[name] for name in _NAMES)) for row in await cursor.fetchall()]


def list_files_in_thread(
    connection: psycopg.Connection[tuple[Any, ...]],
    *,
    first: date | None = None,
    last: date | None = None,
    user: UUID | None = None,
    kinds: Sequence[Kind] | None = None,
) -> list[ListedFile]:
    """`list_files` for a thread beside the event loop."""
    rows = connection.execute(query("files"), _values(first, last, user, kinds)).fetchall()
    return [_listed(row) for row in rows]


def _values(
    first: date | None, last: date | None, user: UUID | None, kinds: Sequence[Kind] | None
) -> dict[str, Any]:
    return {"first": first, "last": last, "user": user, "kinds": None if kinds is None else list(kinds)}


def _listed(row: tuple[Any, ...]) -> ListedFile:
    values = dict(zip(_NAMES, row, strict=True))
    return ListedFile(**{**values, "file_hash": bytes(values["file_hash"])})
