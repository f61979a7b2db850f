"""`sigtrail bench storage`: bytes a signal with its events in each tier, and what a billion would take.

Two histories of real signals are measured, of candles that were recorded (SIGTRAIL_CANDLES names their
folder) or, without, simulated: a day of thousands of strategies, whose signals have their creation event
alone, and the main job's days, with every event and snapshot from candle to fill.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import psycopg

from scripts.bench.fired import days_of, fire, record
from scripts.bench.main_job import find_candles, multiply_traders, run_main_job
from scripts.bench.report import Progress, Result, at_most, figure
from scripts.bench.signals import set_stage
from scripts.bench.sql import query
from scripts.bench.stage import empty_project
from scripts.bench.strategies import make_traders
from scripts.bench.tiers import Cold, Pages, archive, make_key, measure_pages, warm
from scripts.bench.ways import become
from shared.errors import SigtrailError
from shared.models import Trader
from shared.settings import Settings
from workers.archive.keys import SealKey
from workers.signals.feeds.recorded import find_files

COLD_TARGET = 60
USERS = 300
TRADERS, QUICK_TRADERS = 3000, 400
# How much of the main job is replayed.
MAIN_DAYS, QUICK_MAIN_DAYS = 3.95, 0.95
# For each of the demo's traders so many more, with other numbers.
COPIES, QUICK_COPIES = 8, 2
BILLION = 10**9
GIGABYTE = 10**9
# Columns that take less of a signal than this (bytes) are summed up.
SMALL = 0.5


@dataclass(frozen=True)
class History:
    """Days in Postgres, with the pages that they take, and in the archive."""

    hot: list[Pages]
    warm: list[Pages]
    cold: Cold


async def run(*, quick: bool, progress: Progress) -> list[Result]:
    """Both histories in every tier: four minutes, or within one when quick."""
    if not quick:
        progress("this takes about four minutes; --quick gives a figure within one")
    with tempfile.TemporaryDirectory(prefix="sigtrail-bench.") as work:
        folder, source = await find_candles(Path(work), progress)
        progress("starting a local Supabase of its own")
        with empty_project() as settings:
            return await _measure(settings, folder, Path(work), source, quick, progress)


async def _measure(
    settings: Settings, folder: Path, work: Path, source: str, quick: bool, progress: Progress
) -> list[Result]:
    days = await days_of(folder)
    day = days[len(days) // 2]
    length = min(QUICK_MAIN_DAYS if quick else MAIN_DAYS, (day - days[0]).days - 0.5)
    progress(f"the main job on {length:g} days of {source} candles")
    if quick:
        progress(
            "so few signals a day leave pages and files half empty: the full run is fairer to the main job"
        )
    main_days = [days[0] + timedelta(days=number) for number in range(int(length) + 1)]
    # A first candle makes the demo's user, account and traders.
    await run_main_job(settings, folder, _time_of(days[0], 0))
    multiply_traders(settings, QUICK_COPIES if quick else COPIES)
    if not await run_main_job(settings, folder, _time_of(days[0], length)):
        raise SigtrailError(f"the main job made no signals of the candles in {folder}")
    count = QUICK_TRADERS if quick else TRADERS
    progress(f"{count} traders on the candles of {day}")
    with psycopg.connect(settings.need("supabase_db_url"), autocommit=True) as owner:
        fired = await _fire(owner, settings, folder, day, count)
        progress(f"{fired} signals; hot, warm and cold are measured")
        key = make_key()
        many = await _tiers(owner, settings, work / "archive", key, [day])
        whole = await _tiers(owner, settings, work / "archive", key, main_days)
    if many.cold.signals != fired:
        raise SigtrailError(f"{fired} signals were recorded, {many.cold.signals} archived")
    return [*_many_results(many, source), *_whole_results(whole, source), *_columns(many.cold)]


def _time_of(first: date, days: float) -> str:
    moment = datetime(first.year, first.month, first.day, tzinfo=UTC) + timedelta(days=days)
    return moment.isoformat()


async def _fire(
    owner: psycopg.Connection[Any], settings: Settings, folder: Path, day: date, count: int
) -> int:
    """Have these many traders' signals of one day recorded; answers how many."""
    cast = set_stage(owner, users=USERS, traders=0, watching=0)
    users = [row[0] for row in owner.execute(query("list_users")).fetchall()]
    files = find_files(folder, None)
    base = min((interval for _, interval in files.values()), key=("1m", "3m", "5m", "15m", "30m", "1h").index)
    rows = list(make_traders(users, sorted(files), base, count))
    owner.execute(query("add_strategies"), {"traders": orjson.dumps(rows).decode()})
    owner.execute("select private.open_partitions(%s, %s)", (day, day))
    fired = 0
    with psycopg.connect(settings.need("supabase_db_url"), autocommit=True) as machine:
        become(machine, cast.machine)
        for batch in await fire(folder, day, [Trader.model_validate(row) for row in rows]):
            record(machine, batch)
            fired += len(batch)
    return fired


async def _tiers(
    owner: psycopg.Connection[Any], settings: Settings, folder: Path, key: SealKey, days: list[date]
) -> History:
    owner.execute("vacuum (analyze) public.signals, public.signal_events, public.signal_monitoring_snapshots")
    hot = [measure_pages(owner, day) for day in days]
    cold = await archive(settings, folder, key, days)
    for day in days:
        warm(owner, day)
    return History(hot, [measure_pages(owner, day) for day in days], cold)


def _many_results(many: History, source: str) -> list[Result]:
    """Signals with their creation event alone: what most signals are, and ever will be."""
    count = many.cold.signals
    hot, cold_bytes = many.hot[0], many.cold.bytes.total()
    hot_bytes, warm_bytes = hot.signals_and_events, many.warm[0].signals_and_events
    return [
        figure(f"signals of a day, {source} candles", count, "signals"),
        figure("hot: the signal's row", hot.signal_rows / count, "bytes"),
        figure("hot: the signal's indexes", hot.signal_indexes / count, "bytes"),
        figure("hot: the creation event's row", hot.event_rows / count, "bytes"),
        figure("hot: the creation event's indexes", hot.event_indexes / count, "bytes"),
        figure("hot: a signal with its creation event", hot_bytes / count, "bytes"),
        figure("warm: a signal with its creation event", warm_bytes / count, "bytes"),
        figure("cold: the files of the day", (cold_bytes - many.cold.bytes["seals"]) / count, "bytes"),
        figure("cold: the files of its seals", many.cold.bytes["seals"] / count, "bytes"),
        at_most("cold: a signal with its creation event", cold_bytes / count, "bytes", COLD_TARGET),
        figure("hot: a billion signals", hot_bytes / count * BILLION / GIGABYTE, "GB"),
        figure("warm: a billion signals", warm_bytes / count * BILLION / GIGABYTE, "GB"),
        figure("cold: a billion signals", cold_bytes / count * BILLION / GIGABYTE, "GB"),
    ]


def _whole_results(whole: History, source: str) -> list[Result]:
    """Signals that were analyzed, watched and traded: all that their whole lives leave, on average.

    Few to a day: small files compress worse than those of a busy day.
    """
    cold = whole.cold
    count = cold.signals
    hot = sum(one.all for one in whole.hot)
    warm_ = sum(one.all for one in whole.warm)
    return [
        figure(f"main job: signals, {source} candles", count, "signals"),
        figure("main job: events a signal", cold.events / count, "events"),
        figure("main job: snapshots a signal", cold.snapshots / count, "snapshots"),
        figure("main job, hot: a signal with everything", hot / count, "bytes"),
        figure("main job, warm: a signal with everything", warm_ / count, "bytes"),
        figure("main job, cold: a signal with its creation event", cold.bytes["signals"] / count, "bytes"),
        figure("main job, cold: later events add to a signal", cold.bytes["events"] / count, "bytes"),
        figure("main job, cold: snapshots add to a signal", cold.bytes["snapshots"] / count, "bytes"),
        figure("main job, cold: seals add to a signal", cold.bytes["seals"] / count, "bytes"),
        figure("main job, cold: a signal with everything", cold.bytes.total() / count, "bytes"),
    ]


def _columns(cold: Cold) -> list[Result]:
    """Where the bytes of a cold signal go."""
    columns = {name: size / cold.signals for (kind, name), size in cold.columns.items() if kind == "signals"}
    large = sorted((name for name in columns if columns[name] >= SMALL), key=lambda name: -columns[name])
    rest = (cold.bytes["signals"] / cold.signals) - sum(columns[name] for name in large)
    return [
        *(figure(f"cold column: {name}", columns[name], "bytes") for name in large),
        figure(f"cold columns below {SMALL} bytes, and the file's own", rest, "bytes"),
    ]
