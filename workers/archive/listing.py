"""The archive's book, as its readers use it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import date
from typing import Any
from uuid import UUID

from workers.archive.columns import Kind
from workers.archive.connection import Connection


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


_NAMES = ", ".join(field.name for field in fields(ListedFile))


async def list_files(
    connection: Connection,
    *,
    first: date | None = None,
    last: date | None = None,
    user: UUID | None = None,
    kinds: Sequence[Kind] | None = None,
) -> list[ListedFile]:
    """The verified files of these days (both included) in order; of a user, those that may hold its rows."""
    rows = await (
        await connection.execute(
            f"select {_NAMES} from public.archive_files where verified_at is not null "  # noqa: S608
            "and (%(first)s::date is null or partition_day >= %(first)s) "
            "and (%(last)s::date is null or partition_day <= %(last)s) "
            "and (%(user)s::uuid is null or first_user_id is null "
            "or %(user)s between first_user_id and last_user_id) "
            "and (%(kinds)s::text[] is null or kind = any (%(kinds)s)) "
            "order by partition_day, part, kind, number",
            {"first": first, "last": last, "user": user, "kinds": list(kinds) if kinds is not None else None},
        )
    ).fetchall()
    return [_listed(row) for row in rows]


def _listed(row: dict[str, Any]) -> ListedFile:
    return ListedFile(**{**row, "file_hash": bytes(row["file_hash"])})
