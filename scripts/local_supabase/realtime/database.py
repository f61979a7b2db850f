"""The server's own connections to the database: few, and replaced when the database was away."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

import psycopg

Connection = psycopg.AsyncConnection[tuple[object, ...]]
Result = TypeVar("Result")
RETRY_S = 0.1


class Unreachable(Exception):
    """The database did not take the server's connection in time."""


class Database:
    """url: of a superuser, who takes on the clients' roles to see what they may.

    connections: at most so many at once. patience_s: how long work waits for a database that is away.
    """

    def __init__(self, url: str, connections: int, patience_s: float) -> None:
        self.url = url
        self._patience_s = patience_s
        self._turns = asyncio.Semaphore(connections)
        self._idle: list[Connection] = []

    async def run(self, work: Callable[[Connection], Awaitable[Result]]) -> Result:
        """Do this work on some connection, again on a new one if that one turns out to be dead.

        So it must be such that doing it twice does no harm. Raises Unreachable, and what the work raises.
        """
        deadline = time.monotonic() + self._patience_s
        while True:
            try:
                async with self._connection() as connection:
                    return await work(connection)
            except psycopg.OperationalError as error:
                # Not every operational error is a lost connection: a statement that was cancelled is one too.
                if isinstance(error, psycopg.errors.QueryCanceled):
                    raise
                if time.monotonic() > deadline:
                    raise Unreachable(str(error)) from error
                await asyncio.sleep(RETRY_S)

    async def close(self) -> None:
        while self._idle:
            await self._idle.pop().close()

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[Connection]:
        async with self._turns:
            connection = self._idle.pop() if self._idle else await connect(self.url, "realtime_connect")
            try:
                yield connection
            except BaseException:
                # Whatever state it is in, nobody else shall get it.
                await connection.close()
                raise
            self._idle.append(connection)


async def connect(url: str, name: str, *, replication: bool = False) -> Connection:
    """A connection that calls itself this name, and reads and writes times in UTC.

    replication: one that understands the commands of the replication protocol too
    """
    return await psycopg.AsyncConnection.connect(
        url,
        autocommit=True,
        application_name=name,
        connect_timeout=5,
        options="-c timezone=UTC -c datestyle=ISO -c intervalstyle=postgres",
        **({"replication": "database"} if replication else {}),  # type: ignore[arg-type]
    )
