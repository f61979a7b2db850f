"""Rows of realtime.subscription: what is asked of the database for a channel's bindings."""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass
from typing import Any

import psycopg

from scripts.local_supabase.realtime import jsontext
from scripts.local_supabase.realtime.bindings import Binding
from scripts.local_supabase.realtime.database import Connection, Database
from scripts.local_supabase.realtime.queries import query

PUBLICATION = "supabase_realtime"


class Refused(Exception):
    """The database cannot do it, and will not be able to. The message is the one that the client is told."""


@dataclass(frozen=True)
class Subscription:
    """One binding of one channel. position: its place among the bindings of the join."""

    id: uuid.UUID
    position: int
    binding: Binding


async def store(database: Database, subscriptions: list[Subscription], claims: dict[str, Any]) -> None:
    """Ask for all of these, or for none. Raises Refused, and database.Unreachable."""

    async def work(connection: Connection) -> None:
        async with connection.transaction():
            for subscription in subscriptions:
                await _insert(connection, subscription, claims)

    await database.run(work)


async def remove(database: Database, ids: list[uuid.UUID]) -> None:
    """Raises database.Unreachable."""

    async def work(connection: Connection) -> None:
        await connection.execute(query("unsubscribe"), {"ids": ids})

    await database.run(work)


async def _insert(connection: Connection, subscription: Subscription, claims: dict[str, Any]) -> None:
    binding = subscription.binding
    try:
        inserted = await connection.execute(
            query("subscribe"),
            {
                "id": subscription.id,
                "columns": [each.column for each in binding.filters],
                "operators": [each.operator for each in binding.filters],
                "values": [each.value for each in binding.filters],
                "negations": [each.negated for each in binding.filters],
                "claims": jsontext.write(claims),
                "event": binding.event,
                "select": None if binding.columns is None else list(binding.columns),
                "publication": PUBLICATION,
                "schema": binding.schema,
                "table": binding.table,
            },
        )
    except psycopg.OperationalError:
        raise
    except psycopg.Error as error:
        raise Refused(
            "Unable to subscribe to changes with given parameters. An exception happened so please check your"
            f" connect parameters: {binding.described()}. Exception: {_told(error)}"
        ) from error
    if not inserted.rowcount:
        raise Refused(
            "Unable to subscribe to changes with given parameters. Please check Realtime is enabled for the"
            f" given connect parameters: {binding.described()}"
        )


def _told(error: psycopg.Error) -> str:
    """The error with its code and the code's name, as in `ERROR 22P02 (invalid_text_representation) …`."""
    name = re.sub(r"(?<!^)(?=[A-Z])", "_", type(error).__name__).lower()
    return f"ERROR {error.sqlstate} ({name}) {error.diag.message_primary}"
