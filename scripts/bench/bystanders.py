"""Who stands by while the database rebuilds itself: readers, a writer, and who sees how long they wait."""

from __future__ import annotations

import asyncio
import gc
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from time import perf_counter
from typing import Any, LiteralString

import psycopg

from scripts.bench.signals import Maker

PAUSE = 0.01
LOOK_EVERY = 0.004
LONG_QUERY, LONG_PAUSE = 4.0, 0.7


class Bystander:
    """One client that does the same thing again and again.

    pid: its server process; durations: those of this phase, in ms
    longest_wait: how long (ms) it stood in line for a lock in this phase, at most
    """

    def __init__(self, name: str, pid: int, act: Callable[[], Awaitable[Any]], pause: float = PAUSE) -> None:
        self.name = name
        self.pid = pid
        self.durations: list[float] = []
        self.longest_wait = 0.0
        self.acted = asyncio.Event()
        self._act = act
        self._pause = pause

    def begin_phase(self) -> None:
        """Forget what was measured."""
        self.durations = []
        self.longest_wait = 0.0
        self.acted.clear()

    async def run(self) -> None:
        while True:
            began = perf_counter()
            await self._act()
            self.durations.append((perf_counter() - began) * 1000)
            self.acted.set()
            await asyncio.sleep(self._pause)


class Crowd:
    """All bystanders together."""

    def __init__(self, bystanders: Sequence[Bystander]) -> None:
        self.bystanders = bystanders

    def begin_phase(self) -> None:
        for one in self.bystanders:
            one.begin_phase()

    async def everyone_once(self) -> None:
        """Return when each has done something in this phase."""
        for one in self.bystanders:
            await one.acted.wait()

    async def watch(self, connection: psycopg.AsyncConnection[Any]) -> None:
        """Note who stands in line for a lock, for ever. A wait counts up to the look that found it over, so
        that none is taken for shorter than it was."""
        waiting: dict[int, float] = {}
        pids = {one.pid: one for one in self.bystanders}
        looked = perf_counter()
        while True:
            rows = await (await connection.execute(_WAITING, (list(pids),))).fetchall()
            now = perf_counter()
            gap = (now - looked) * 1000
            still = {pid: float(waited) for pid, waited in rows}
            for pid, waited in waiting.items():
                if still.get(pid, -1.0) < waited:
                    pids[pid].longest_wait = max(pids[pid].longest_wait, waited + gap)
            for pid, waited in still.items():
                pids[pid].longest_wait = max(pids[pid].longest_wait, waited)
            waiting, looked = still, now
            await asyncio.sleep(LOOK_EVERY)


@asynccontextmanager
async def standing_by(
    url: str, queries: dict[str, tuple[LiteralString, tuple[Any, ...]]], maker: Maker
) -> AsyncIterator[Crowd]:
    """A crowd at work: a reader for each query, one who holds a query open for seconds, and a writer of
    signals. An error of any of them ends the block with it."""
    connections = [
        await psycopg.AsyncConnection.connect(url, autocommit=True) for _ in range(len(queries) + 3)
    ]
    *reading, long, writing, watching = connections
    readers = [
        Bystander(name, connection.info.backend_pid, _reading(connection, text, values))
        for connection, (name, (text, values)) in zip(reading, queries.items(), strict=True)
    ]
    crowd = Crowd(
        [
            *readers,
            Bystander("long reader", long.info.backend_pid, _reading(long, _LONG, (LONG_QUERY,)), LONG_PAUSE),
            Bystander("writer", writing.info.backend_pid, _writing(writing, maker)),
        ]
    )
    gc.collect()
    gc.disable()
    try:
        async with asyncio.TaskGroup() as group:
            running = [group.create_task(one.run()) for one in crowd.bystanders]
            running.append(group.create_task(crowd.watch(watching)))
            yield crowd
            for task in running:
                task.cancel()
    finally:
        gc.enable()
        for connection in connections:
            await connection.close()


# One statement that holds all days and does not let go of them for seconds: none can be ruled out beforehand.
_LONG: LiteralString = (
    "select (select count(*) from public.signals s join public.signal_events e on e.signal_id = s.id"
    " where s.id = (select gen_random_uuid())), pg_sleep(%s)"
)
_WAITING: LiteralString = (
    "select l.pid, extract(epoch from clock_timestamp() - l.waitstart) * 1000 from pg_catalog.pg_locks l"
    " where not l.granted and l.waitstart is not null and l.pid = any (%s)"
)
_WRITE: LiteralString = "select public.ingest_signals(%s::json)"


def _reading(
    connection: psycopg.AsyncConnection[Any], text: LiteralString, values: tuple[Any, ...]
) -> Callable[[], Awaitable[None]]:
    async def read() -> None:
        await (await connection.execute(text, values)).fetchall()

    return read


def _writing(connection: psycopg.AsyncConnection[Any], maker: Maker) -> Callable[[], Awaitable[None]]:
    async def write() -> None:
        await connection.execute(_WRITE, (json.dumps(maker.take(100)),))

    return write
