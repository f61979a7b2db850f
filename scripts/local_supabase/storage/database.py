"""The storage server's connections, and transactions in which it is itself or the caller.

It logs in as the owner of the tables, whom no policy binds; what a request may do is decided by the same
statements run as the caller's role with the caller's claims.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeAlias

from psycopg import AsyncConnection, AsyncCursor
from psycopg.rows import DictRow, dict_row
from psycopg_pool import AsyncConnectionPool

from scripts.local_supabase.auth.queries import read_queries
from scripts.local_supabase.storage.caller import Caller

Connection: TypeAlias = AsyncConnection[DictRow]
Pool: TypeAlias = AsyncConnectionPool[Connection]

QUERIES = read_queries(Path(__file__).with_name("queries.sql"))

# How long a request waits for a connection before it answers 503: shorter than any client's patience.
WAIT_FOR_CONNECTION_SECONDS = 5.0
RECONNECT_SECONDS = 2.0


def open_pool(conninfo: str) -> Pool:
    """A pool, not yet open. It has no connection before the first request: many projects store nothing."""
    return AsyncConnectionPool(
        conninfo,
        connection_class=AsyncConnection[DictRow],
        min_size=0,
        max_size=6,
        timeout=WAIT_FOR_CONNECTION_SECONDS,
        # Its pauses between attempts grow with an outage: given up soon, the next request tries anew.
        reconnect_timeout=RECONNECT_SECONDS,
        open=False,
        check=AsyncConnectionPool.check_connection,
        kwargs={
            "row_factory": dict_row,
            "autocommit": True,
            "application_name": "storage",
            "options": "-c statement_timeout=30s -c lock_timeout=8s",
        },
        name="storage",
    )


class Session:
    """One transaction of one request."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def become(self, caller: Caller | None) -> None:
        """From here on statements run as the caller; as the server itself with None."""
        if caller is None:
            await self.run("become_server")
        else:
            await self.run("become_caller", role=caller.role, claims=caller.claims_json)

    async def run(self, query: str, **values: Any) -> AsyncCursor[DictRow]:
        """Executes a statement of queries.sql."""
        return await self._connection.execute(QUERIES[query], values)

    async def fetch(self, query: str, **values: Any) -> DictRow | None:
        return await (await self.run(query, **values)).fetchone()

    async def fetch_all(self, query: str, **values: Any) -> list[DictRow]:
        return await (await self.run(query, **values)).fetchall()


@asynccontextmanager
async def transaction(
    pool: Pool, caller: Caller | None = None, *, keep: bool = True
) -> AsyncIterator[Session]:
    """A transaction as the caller, or as the server itself.

    keep: False rolls back at the end: to learn beforehand what the caller will be allowed.
    """
    async with pool.connection() as connection, connection.transaction(force_rollback=not keep):
        session = Session(connection)
        if caller is not None:
            await session.become(caller)
        yield session
