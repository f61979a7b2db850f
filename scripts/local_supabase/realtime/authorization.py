"""What a client may do on a private channel, as the policies on realtime.messages say.

A policy cannot be asked directly. So rows are written and read as it would have them be, in a transaction
that is always rolled back.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any

import psycopg

from scripts.local_supabase.realtime import jsontext
from scripts.local_supabase.realtime.database import Connection, Database
from scripts.local_supabase.realtime.queries import query


class MissingPartition(Exception):
    """realtime.messages has no partition for today."""


@dataclass(frozen=True)
class Identity:
    """Who asks: the claims of their token, and the x-* headers they came with."""

    claims: dict[str, Any]
    headers: dict[str, str]


async def readable(
    database: Database, identity: Identity, topic: str, extensions: tuple[str, ...]
) -> frozenset[str]:
    """Which of these extensions (broadcast, presence) the client may read on the topic.

    Nothing when a policy fails, or the role does not exist. Raises MissingPartition and database.Unreachable.
    """
    probes = {extension: uuid.uuid4() for extension in extensions}

    async def work(connection: Connection) -> frozenset[str]:
        async with connection.transaction(force_rollback=True):
            for extension, probe in probes.items():
                await connection.execute(
                    query("probe_insert"), {"id": probe, "topic": topic, "extension": extension}
                )
            try:
                # The inner transaction keeps the outer one usable when a policy fails.
                async with connection.transaction():
                    await _become(connection, identity, topic)
                    rows = await connection.execute(query("probe_read"), {"ids": list(probes.values())})
                    return frozenset(str(extension) for (extension,) in await rows.fetchall())
            except psycopg.OperationalError:
                raise
            except psycopg.Error:
                return frozenset()

    try:
        return await database.run(work)
    except psycopg.errors.CheckViolation as error:
        raise MissingPartition(str(error)) from error


async def writable(database: Database, identity: Identity, topic: str, extension: str) -> bool:
    """Whether the client may send to the topic. Not when a policy fails. Raises database.Unreachable."""

    async def work(connection: Connection) -> bool:
        async with connection.transaction(force_rollback=True):
            try:
                async with connection.transaction():
                    await _become(connection, identity, topic)
                    await connection.execute(query("probe_write"), {"topic": topic, "extension": extension})
            except psycopg.OperationalError:
                raise
            except psycopg.Error:
                return False
            return True

    return await database.run(work)


async def _become(connection: Connection, identity: Identity, topic: str) -> None:
    await connection.execute(
        query("become"),
        {
            "topic": topic,
            "claims": jsontext.write(identity.claims),
            "sub": str(identity.claims.get("sub") or ""),
            "role": str(identity.claims["role"]),
            "headers": jsontext.write(identity.headers),
        },
    )
