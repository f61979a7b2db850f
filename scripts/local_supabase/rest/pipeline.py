"""A pipeline that goes out in one piece: psycopg's own sends each command by itself and wakes the database
for each, which takes longer than a short call itself."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import psycopg
from psycopg.abc import PQGen

from scripts.local_supabase.rest.connections import Connection


@asynccontextmanager
async def one_piece(connection: Connection) -> AsyncIterator[None]:
    """What is executed within is sent at the end, all together; after that the cursors have their results.

    Raises the first error there, psycopg.Error; the commands after the one that failed were not run.
    """
    # What `pipeline` enters instead of making one of its own.
    connection._pipeline = _OnePiece(connection)
    async with connection.pipeline():
        yield


class _OnePiece(psycopg.AsyncPipeline):
    def _communicate_gen(self) -> PQGen[None]:
        """Called after each command, which waits here for the others."""
        yield from ()

    def _exit_gen(self) -> PQGen[None]:
        self._enqueue_sync()
        commands = tuple(self.command_queue)
        self.command_queue.clear()

        def put_all() -> None:
            for command in commands:
                command()

        # The base class would flush between any two.
        self.command_queue.append(put_all)
        failure: psycopg.Error | None = None
        # The one that failed answers first; those that come after it only say that they were not run.
        for part in (super()._communicate_gen(), self._fetch_gen(flush=False)):
            try:
                yield from part
            except psycopg.Error as error:
                failure = failure or error
        if failure is not None:
            raise failure
