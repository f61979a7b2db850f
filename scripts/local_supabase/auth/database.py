"""The auth server's connections: as supabase_auth_admin, rows as dicts, one transaction a change."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, TypeAlias

from psycopg import AsyncConnection, AsyncCursor
from psycopg.rows import DictRow, dict_row
from psycopg_pool import AsyncConnectionPool

from scripts.local_supabase.auth.queries import QUERIES

Connection: TypeAlias = AsyncConnection[DictRow]
Pool: TypeAlias = AsyncConnectionPool[Connection]

# How long a request waits for a connection before it answers 503: shorter than any client's patience.
WAIT_FOR_CONNECTION_SECONDS = 5.0


def open_pool(conninfo: str) -> Pool:
    """A pool that is not yet open; a database that is still starting delays requests, not the start-up."""
    return AsyncConnectionPool(
        conninfo,
        connection_class=AsyncConnection[DictRow],
        min_size=1,
        max_size=6,
        timeout=WAIT_FOR_CONNECTION_SECONDS,
        open=False,
        check=AsyncConnectionPool.check_connection,
        kwargs={"row_factory": dict_row, "autocommit": True, "application_name": "auth"},
        name="auth",
    )


@asynccontextmanager
async def transaction(pool: Pool) -> AsyncIterator[Connection]:
    async with pool.connection() as connection, connection.transaction():
        yield connection


async def run(connection: Connection, query: str, **values: Any) -> AsyncCursor[DictRow]:
    """Executes a statement of queries.sql."""
    return await connection.execute(QUERIES[query], values)


async def fetch(connection: Connection, query: str, **values: Any) -> Mapping[str, Any] | None:
    """The first row of a statement of queries.sql."""
    return await (await run(connection, query, **values)).fetchone()


async def fetch_all(connection: Connection, query: str, **values: Any) -> list[DictRow]:
    return await (await run(connection, query, **values)).fetchall()
