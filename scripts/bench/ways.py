"""The ways in for a batch of signals: through supabase-py as a machine takes it, and the same by SQL."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from time import perf_counter
from typing import Any
from uuid import uuid4

import orjson
import psycopg

from scripts.bench.signals import Row
from shared.client import Connection, connect
from shared.errors import Unavailable
from shared.settings import Settings

ROLE = "signal_worker"
# As a machine flushes what the throttle held back: soon when an answer said so, and now and then.
FLUSH_SECONDS = 0.1
NOW_AND_THEN = 1.0
GIVE_UP_SECONDS = 60.0

Send = Callable[[list[Row]], Awaitable[None]]


class Machine:
    """A machine that sends batches and sees to it that each is answered.

    `answers` has inserted, duplicates, rejected and retries.
    """

    def __init__(self, connection: Connection) -> None:
        self.answers: Counter[str] = Counter()
        self._connection = connection
        self._held_back = asyncio.Event()

    async def send(self, rows: list[Row]) -> None:
        """Send one batch until an answer comes, as the spool's writer does, but not for ever.

        Raises Unavailable when none came within GIVE_UP_SECONDS.
        """
        params = {"signals": rows, "request_id": str(uuid4())}
        end = perf_counter() + GIVE_UP_SECONDS
        while True:
            try:
                answer = await self._connection.call("ingest_signals", params)
            except Unavailable:
                if perf_counter() > end:
                    raise
                self.answers["retries"] += 1
            else:
                break
        count_answer(self.answers, answer)
        if answer["held_back"]:
            self._held_back.set()

    async def flush(self) -> None:
        """Have what the throttle of the broadcasts held back sent, until cancelled."""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(NOW_AND_THEN):
                    await self._held_back.wait()
            await asyncio.sleep(FLUSH_SECONDS)
            with suppress(Unavailable):
                if await self._connection.call("flush_broadcasts", {}):
                    self._held_back.clear()


@asynccontextmanager
async def by_supabase(settings: Settings, machine: str) -> AsyncIterator[Machine]:
    """The worker's own way: supabase-py with the token of a machine. It flushes while it is open."""
    connection = await connect(settings, ROLE, machine)
    sender = Machine(connection)
    flushing = asyncio.create_task(sender.flush())
    try:
        yield sender
    finally:
        flushing.cancel()
        await asyncio.gather(flushing, return_exceptions=True)
        await connection.close()


@asynccontextmanager
async def by_sql(url: str, machine: str, connections: int) -> AsyncIterator[Send]:
    """The same calls on so many connections to the database, for as many senders."""
    async with AsyncExitStack() as stack:
        idle: asyncio.Queue[psycopg.AsyncConnection[Any]] = asyncio.Queue()
        for _ in range(connections):
            opened = await psycopg.AsyncConnection.connect(url, autocommit=True)
            idle.put_nowait(await stack.enter_async_context(opened))
            await opened.execute("select set_config('request.jwt.claims', %s, false)", (claims(machine),))
            await opened.execute(f"set role {ROLE}")

        async def send(rows: list[Row]) -> None:
            connection = await idle.get()
            try:
                await connection.execute(INGEST, (orjson.dumps(rows).decode(), uuid4()))
            finally:
                idle.put_nowait(connection)

        yield send


INGEST = "select public.ingest_signals(%s::json, %s)"


def become(connection: psycopg.Connection[Any], machine: str) -> None:
    """Make this session the machine's, as the REST interface does for its token."""
    connection.execute("select set_config('request.jwt.claims', %s, false)", (claims(machine),))
    connection.execute(f"set role {ROLE}")


def ingest(connection: psycopg.Connection[Any], rows: list[Row]) -> None:
    """Send one batch by SQL and have it answered."""
    connection.execute(INGEST, (orjson.dumps(rows).decode(), uuid4()))


def claims(machine: str) -> str:
    """What the token of this machine says."""
    return json.dumps({"role": ROLE, "machine_id": machine})


def count_answer(answers: Counter[str], answer: dict[str, Any]) -> None:
    """Add what one batch became: inserted, duplicates, rejected."""
    answers["inserted"] += answer["inserted"]
    answers["duplicates"] += answer["duplicates"]
    answers["rejected"] += len(answer["rejected"])
