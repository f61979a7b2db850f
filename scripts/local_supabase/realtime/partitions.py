"""The daily partitions of realtime.messages: made ahead, dropped when nobody may ask for them any more."""

from __future__ import annotations

import asyncio
import logging
from datetime import UTC, date, datetime, timedelta

import psycopg
from psycopg import sql

from scripts.local_supabase.realtime.database import Connection, Database, Unreachable
from scripts.local_supabase.realtime.queries import query

log = logging.getLogger(__name__)

DAYS_BACK, DAYS_AHEAD = 1, 3
EVERY_S = 3600.0
# A lock that is not had at once is asked for again later: to wait for it would stall every sender behind us.
LOCK_TIMEOUT = "set local lock_timeout = '200ms'"
RETRY_S = 5.0


async def keep(database: Database, kept_h: int) -> None:
    """Have the partitions of yesterday up to three days ahead, and none older than that; for ever."""
    while True:
        try:
            await database.run(lambda connection: tidy(connection, datetime.now(UTC), kept_h))
        except (psycopg.Error, Unreachable) as error:
            log.warning("the partitions of realtime.messages are not in order yet: %s", str(error).strip())
            await asyncio.sleep(RETRY_S)
        else:
            await asyncio.sleep(EVERY_S)


async def tidy(connection: Connection, now: datetime, kept_h: int) -> None:
    cursor = await connection.execute(query("partition_names"))
    there = {str(name) for (name,) in await cursor.fetchall()}
    make, drop = plan(there, now, kept_h)
    for day in make:
        await _make(connection, day)
    for name in drop:
        async with connection.transaction():
            await connection.execute(LOCK_TIMEOUT)
            await connection.execute(sql.SQL("drop table {}").format(_table(name)))


def plan(there: set[str], now: datetime, kept_h: int) -> tuple[list[date], list[str]]:
    """The days to make partitions for, and the names of those to drop. now: in UTC."""
    today = now.date()
    days = [today + timedelta(days=offset) for offset in range(-DAYS_BACK, DAYS_AHEAD + 1)]
    oldest = (now - timedelta(hours=kept_h)).date()
    make = [day for day in days if name_of(day) not in there]
    drop = sorted(name for name in there if (day := _day_of(name)) is not None and day < min(oldest, days[0]))
    return make, drop


def name_of(day: date) -> str:
    return f"messages_{day:%Y_%m_%d}"


def _day_of(name: str) -> date | None:
    try:
        return datetime.strptime(name, "messages_%Y_%m_%d").replace(tzinfo=UTC).date()
    except ValueError:
        return None


def _table(name: str) -> sql.Composable:
    return sql.Identifier("realtime", name)


async def _make(connection: Connection, day: date) -> None:
    """Made beside the table and then attached: that waits for nobody who reads or writes."""
    table = _table(name_of(day))
    first, next_ = sql.Literal(day.isoformat()), sql.Literal((day + timedelta(days=1)).isoformat())
    async with connection.transaction():
        await connection.execute(LOCK_TIMEOUT)
        await connection.execute(
            sql.SQL("create table {} (like realtime.messages including all)").format(table)
        )
        await connection.execute(sql.SQL("alter table {} owner to supabase_realtime_admin").format(table))
        await connection.execute(
            sql.SQL("alter table realtime.messages attach partition {} for values from ({}) to ({})").format(
                table, first, next_
            )
        )
