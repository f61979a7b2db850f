"""The connections to the database: reused while they live, replaced when they do not.

psycopg_pool is not used because of what it does when the database is away: requests wait out their whole
timeout, and its growing pauses between attempts delay the first good answer after the database is back. Here
a request that finds no connection tries to make one, and is told at once when that fails.
"""

from __future__ import annotations

import asyncio
import select
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, TypeAlias

import psycopg
from psycopg import AsyncRawCursor, pq

from scripts.local_supabase.rest import errors
from scripts.local_supabase.rest.settings import RestSettings
from scripts.local_supabase.rest.statements.parameters import RawText, RawTextDumper

Connection: TypeAlias = psycopg.AsyncConnection[Any]

_CONNECT_TIMEOUT = 5
# A statement is prepared when it comes for the third time, and so many are kept a connection.
_PREPARE_AFTER = 3
_PREPARED = 300


async def connect(settings: RestSettings) -> Connection:
    """A connection of its own, in autocommit mode. Raises psycopg.OperationalError."""
    connection = await psycopg.AsyncConnection.connect(
        settings.db_url,
        autocommit=True,
        prepare_threshold=_PREPARE_AFTER,
        cursor_factory=AsyncRawCursor,
        connect_timeout=_CONNECT_TIMEOUT,
        application_name="rest",
    )
    connection.prepared_max = _PREPARED
    connection.adapters.register_dumper(RawText, RawTextDumper)
    return connection


class Connections:
    """At most `pool_size` connections; the one that was used last is used first."""

    def __init__(self, settings: RestSettings) -> None:
        self._settings = settings
        self._idle: list[Connection] = []
        self._places = asyncio.Semaphore(settings.pool_size)
        self._fresh: set[Connection] = set()

    @asynccontextmanager
    async def acquire(self) -> AsyncIterator[Connection]:
        """A connection for the time of one request.

        Raises ApiError when the database is away (PGRST000) or all connections stay in use (PGRST003).
        """
        try:
            async with asyncio.timeout(self._settings.patience):
                await self._places.acquire()
        except TimeoutError:
            raise errors.pool_exhausted() from None
        try:
            connection = await self._take()
            try:
                yield connection
            finally:
                await self._put(connection)
        finally:
            self._places.release()

    async def renew(self) -> None:
        """Let go of all connections as they come free: what they have prepared may no longer be right."""
        self._fresh.clear()
        idle, self._idle = self._idle, []
        for connection in idle:
            await connection.close()

    async def close(self) -> None:
        await self.renew()

    async def _take(self) -> Connection:
        while self._idle:
            connection = self._idle.pop()
            if not _has_news(connection):
                return connection
            await connection.close()
        try:
            connection = await connect(self._settings)
        except psycopg.OperationalError as error:
            raise errors.database_away(str(error).strip()) from error
        self._fresh.add(connection)
        return connection

    async def _put(self, connection: Connection) -> None:
        clean = (
            not connection.closed
            and connection.pgconn.transaction_status == pq.TransactionStatus.IDLE
            and connection.pgconn.pipeline_status == pq.PipelineStatus.OFF
        )
        if clean and connection in self._fresh:
            self._idle.append(connection)
        else:
            self._fresh.discard(connection)
            await connection.close()


def _has_news(connection: Connection) -> bool:
    """Whether the server said something to an idle connection: as a rule, that it ends it."""
    if connection.closed:
        return True
    poller = select.poll()
    poller.register(connection.pgconn.socket, select.POLLIN)
    return bool(poller.poll(0))
