"""A history for benchmarks of reading: 1,000 users of uneven size with 10,000 traders, and millions of their
signals over seven days with their creation events and counts. Written past triggers and indexes, which are
made afterwards: some 30,000 signals a second and core."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg

from scripts.bench.report import Progress
from scripts.bench.sql import query

DAYS = 7
WRITERS = 2


@dataclass(frozen=True)
class Asker:
    """A user who asks, and what of theirs: `traders[i]` watches `symbols[i]`."""

    user_id: UUID
    traders: tuple[UUID, ...]
    symbols: tuple[str, ...]
    signals: tuple[UUID, ...]


@dataclass(frozen=True)
class _Day:
    name: str
    begin: datetime
    end: datetime

    @property
    def seconds(self) -> float:
        return (self.end - self.begin).total_seconds()


async def make_people(url: str) -> None:
    """Users, traders and what their signals are drawn from, in an empty project. `url` is the owner's.

    The jobs stop: what they would count is counted already, and they would be measured too.
    """
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as operator:
        await operator.execute("select cron.unschedule(jobid) from cron.job")
        await operator.execute(
            "select private.open_partitions((now() - %s)::date, now()::date)", (timedelta(days=DAYS),)
        )
        await operator.execute(query("make_history"))


async def fill(url: str, signals: int, progress: Progress) -> None:
    """Replace the history by so many signals, the last of them now. Two days are filled at once."""
    days = _split(datetime.now(UTC))
    total = sum(day.seconds for day in days)
    done = 0

    async def write(connection: psycopg.AsyncConnection[Any], day: _Day) -> None:
        nonlocal done
        count = round(signals * day.seconds / total)
        await _fill_day(connection, day, count)
        done += count
        progress(f"{done:,} of {signals:,} signals are there")

    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as operator:
        await operator.execute(
            "truncate public.signal_counts, private.trader_tallies, private.symbol_tallies"
        )
        # Out before the writers begin: taking one out locks all.
        for day in days:
            await operator.execute("select bench.take_out(%s)", (day.name,))
        await _each(url, days, write)
        # When nobody writes any more: a vacuum beside a writer knows no row as visible to all.
        await _each(url, days, _vacuum_day)
        await operator.execute(
            "vacuum analyze public.signal_counts, public.traders, private.trader_tallies,"
            " private.symbol_tallies"
        )
        await operator.execute(query("history_views"))


async def find_askers(url: str, places: Sequence[int]) -> list[Asker]:
    """The users at these places by size, 1 the largest, who have signals of the last day."""
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as operator:
        found = await (await operator.execute(query("history_asked"), {"places": list(places)})).fetchall()
    return [
        Asker(user_id, tuple(traders), tuple(symbols), tuple(signals))
        for _, user_id, traders, symbols, signals in found
        if signals
    ]


async def _each(
    url: str, days: Sequence[_Day], act: Callable[[psycopg.AsyncConnection[Any], _Day], Awaitable[None]]
) -> None:
    """Do it for all days, so many at once as there are writers."""
    waiting = iter(days)

    async def work() -> None:
        async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
            for day in waiting:
                await act(connection, day)

    async with asyncio.TaskGroup() as workers:
        for _ in range(WRITERS):
            workers.create_task(work())


async def _fill_day(connection: psycopg.AsyncConnection[Any], day: _Day, count: int) -> None:
    await connection.execute("select bench.fill(%s, %s, %s, %s)", (day.name, day.begin, day.end, count))
    await connection.execute("select bench.put_back(%s)", (day.name,))


async def _vacuum_day(connection: psycopg.AsyncConnection[Any], day: _Day) -> None:
    for table in ("signals", "signal_events"):
        name = psycopg.sql.Identifier("partitions", f"{table}_{day.name}")
        await connection.execute(psycopg.sql.SQL("vacuum analyze {}").format(name))


def _split(now: datetime) -> list[_Day]:
    """The days, in UTC, of the last seven times 24 hours: the first and the last are parts."""
    begin = now - timedelta(days=DAYS)
    days = []
    while begin < now:
        midnight = begin.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
        days.append(_Day(f"{begin:%Y%m%d}", begin, min(midnight, now)))
        begin = midnight
    return days
