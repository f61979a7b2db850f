"""`sigtrail bench partitions`: how long anyone waits while days are opened, warmed and compacted.

The jobs run as pg_cron runs them, beside readers of today, of the day that is changed and of everything, a
writer of signals, and a reader that holds one query open for four seconds, again and again. What counts is
how long any of them stood in line for a lock; beside it stands how long their slowest statement took, with
that of a while in which nothing was changed as its floor.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from time import perf_counter
from typing import Any, LiteralString

import psycopg
from psycopg.sql import SQL, Identifier
from psycopg.types.json import Json

from scripts.bench.bystanders import LONG_PAUSE, Crowd, standing_by
from scripts.bench.report import Progress, Result, at_most, exactly, figure
from scripts.bench.signals import Cast, Maker, set_stage
from scripts.bench.sql import query
from scripts.bench.stage import empty_project
from shared.identity import floor_ms
from shared.settings import Settings

USERS, TRADERS = 50, 400
FIRST_DAY = date(2024, 1, 1)
# Nobody may wait longer than this (ms) for a change of partitions.
MOST = 100.0


@dataclass(frozen=True)
class Size:
    """How much history: days, signals a day, and how many seconds the crowd is watched alone."""

    days: int
    signals: int
    calm: float


# Which signals go which ways, with the reason of an end.
WAYS: tuple[tuple[Any, ...], ...] = (
    (False, ("new", None), ("analyzing", None), ("rejected", "low_confidence")),
    (True, ("new", None), ("analyzing", None), ("monitoring", None), ("ready", None), ("in_position", None),
     ("closed", "take_profit")),
)  # fmt: skip

FULL, QUICK = Size(6, 200_000, 20), Size(2, 10_000, 6)


async def run(*, quick: bool, progress: Progress) -> list[Result]:
    """The waits of everyone, in about four minutes, or within one when quick."""
    size = QUICK if quick else FULL
    if not quick:
        progress("this takes about four minutes; --quick gives a figure within one")
    progress("starting a local Supabase of its own")
    with empty_project() as settings:
        return await _measure(settings, size, progress)


async def _measure(settings: Settings, size: Size, progress: Progress) -> list[Result]:
    url = settings.supabase_db_url.get_secret_value() if settings.supabase_db_url else ""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("select cron.unschedule(jobid) from cron.job")
        cast = set_stage(connection, users=USERS, traders=TRADERS, watching=0)
        days = [FIRST_DAY + timedelta(days=place) for place in range(size.days)]
        for day in days:
            progress(f"filling {day}: {size.signals:,} signals")
            await asyncio.to_thread(_fill, connection, cast, day, size.signals)
        await asyncio.to_thread(connection.execute, "select private.roll_up()")
        for day in days:
            connection.execute(query("archive_day"), {"day": day})
        connection.execute(query("age_days"), {"days": days})

        maker = Maker(
            [trader for trader, _ in cast.traders], floor_ms(datetime.now(UTC) - timedelta(hours=1))
        )
        async with standing_by(url, _questions(cast, days[-1]), maker) as crowd:
            progress(f"watching everyone alone for {size.calm:g} s")
            await asyncio.sleep(size.calm)
            await crowd.everyone_once()
            calm = {one.name: max(one.durations) for one in crowd.bystanders}
            results: list[Result] = []
            for name, act in _changes(connection, days):
                progress(f"days are {name}")
                results += await _watch(crowd, name, act, calm)
        results.append(_check(connection, days, size))
    return results


async def _watch(crowd: Crowd, name: str, act: Callable[[], None], calm: dict[str, float]) -> list[Result]:
    """What everyone waited while `act` ran; calm: the longest statement of each before that, in ms."""
    # In the middle of the long reader's query, wherever the phase before ended.
    await crowd.everyone_once()
    await asyncio.sleep(LONG_PAUSE * 2)
    crowd.begin_phase()
    began = perf_counter()
    await asyncio.to_thread(act)
    took = perf_counter() - began
    await crowd.everyone_once()
    return [
        *(
            at_most(f"days {name}: longest wait of {one.name}", one.longest_wait, "ms", MOST)
            for one in crowd.bystanders
        ),
        *(
            figure(f"days {name}: longest statement of {one.name}", max(one.durations), "ms", calm[one.name])
            for one in crowd.bystanders
        ),
        figure(f"days {name}: in all", took, "s"),
    ]


def _changes(connection: psycopg.Connection[Any], days: list[date]) -> list[tuple[str, Callable[[], None]]]:
    def opened() -> None:
        first, last = days[-1] + timedelta(days=1), days[-1] + timedelta(days=len(days))
        connection.execute("select count(*) from private.open_partitions(%s, %s)", (first, last))

    def warmed() -> None:
        _run_job(connection, "warming", lambda: _left(connection, "warmed_at"))

    def compacted() -> None:
        _run_job(connection, "compaction", lambda: _left(connection, "compacted_at"))

    return [("opened", opened), ("warmed", warmed), ("compacted", compacted)]


def _left(connection: psycopg.Connection[Any], mark: LiteralString) -> int:
    found = connection.execute(
        SQL(
            "select count(*) from private.cold_days() d join private.partition_days b on b.day = d"
            " where b.{} is null"
        ).format(Identifier(mark))
    ).fetchone()
    return int(found[0]) if found else 0


def _run_job(connection: psycopg.Connection[Any], job: str, left: Callable[[], int]) -> None:
    """As often as pg_cron would, until nothing is left: a reader may cost it another run."""
    for _ in range(20):
        found = connection.execute("select private.job_command(%s)", (job,)).fetchone()
        if found is not None:
            connection.execute(found[0])
        if not left():
            return
    raise RuntimeError(f"the job {job} did not come to an end: read private.job_runs")


def _fill(connection: psycopg.Connection[Any], cast: Cast, day: date, signals: int) -> None:
    """One recorded day: of a hundred signals three were traded, the others rejected."""
    connection.execute("select private.open_partition(%s)", (day,))
    first = datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(minutes=1)
    maker = Maker(
        [trader for trader, _ in cast.traders], floor_ms(first), per_candle=max(1000, signals // 1000)
    )
    for _ in range(signals // 1000):
        connection.execute(query("ingest"), {"signals": Json(maker.take(1000))})
    for traded, *ways in WAYS:
        for (before, _), (after, outcome) in pairwise(ways):
            connection.execute(
                query("move_signals"),
                {"day": day, "traded": traded, "from": before, "to": after, "outcome": outcome},
            )


def _check(connection: psycopg.Connection[Any], days: list[date], size: Size) -> Result:
    """What left and what is still there make up what was recorded."""
    removed = connection.execute("select sum(removed_signals) from private.compactions").fetchone()
    kept = connection.execute(query("count_days"), {"first": days[0], "last": days[-1]}).fetchone()
    if removed is None or not removed[0] or kept is None:
        raise RuntimeError("nothing was compacted: read private.job_runs")
    whole = size.days * size.signals
    return exactly("signals compacted away or still there", int(removed[0]) + int(kept[0]), "signals", whole)


def _questions(cast: Cast, day: date) -> dict[str, tuple[LiteralString, tuple[Any, ...]]]:
    user = cast.traders[0][1]
    return {
        "reader of today": (
            "select id, status from public.signals where user_id = %s"
            " and id >= public.signal_id_floor(now() - interval '2 hours') order by id desc limit 100",
            (user,),
        ),
        "reader of an old day": (
            "select id, status from public.signals where user_id = %s"
            " and id >= public.signal_id_floor(%s::date::timestamptz)"
            " and id < public.signal_id_floor(%s::date::timestamptz) order by id desc limit 100",
            (user, day, day + timedelta(days=1)),
        ),
        "reader of everything": (
            "select count(*) from"
            " (select from public.signals where user_id = %s order by id desc limit 1000) newest",
            (user,),
        ),
    }
