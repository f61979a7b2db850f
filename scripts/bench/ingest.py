"""`sigtrail bench ingest`: the way in of signals, with events, quotas and broadcasts on.

Flat out by COPY, SQL and supabase-py; then paced by the clock through supabase-py, at the rate to sustain
and at that of a burst. Batches come due whether or not the last one was answered, and an answer's time counts
from then. What arrived is counted in the database.
"""

from __future__ import annotations

import gc
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg

from scripts.bench.flat_out import measure_flat_out
from scripts.bench.pacing import SENDERS, Paced, pace
from scripts.bench.processor import Meter, judge_spent
from scripts.bench.report import Progress, Result, at_least, at_most, exactly, figure, percentile
from scripts.bench.signals import Cast, Maker, set_stage
from scripts.bench.sql import query
from scripts.bench.stage import empty_project, state_folder
from scripts.bench.ways import Machine, by_sql, by_supabase
from shared.candles import MINUTE_MS
from shared.identity import floor_ms
from shared.settings import Settings

USERS = 200
TRADERS = 3000
WATCHING = 20
# How long ago the first candle closed: even the full run's signals don't come from the future.
BEGIN = timedelta(hours=4)


@dataclass(frozen=True)
class Pace:
    """A rate to hold, and how soon the answers must be there (ms)."""

    name: str
    per_minute: int
    seconds: int
    quick_seconds: int
    most_rows: int
    p95: float | None
    p99: float


SUSTAINED = Pace("sustained", 100_000, 600, 9, 1000, 10, 50)
BURST = Pace("burst", 1_000_000, 300, 6, 1000, None, 250)
FLOOR_SECONDS, QUICK_FLOOR_SECONDS = 30, 4
ROUNDS, QUICK_ROUNDS = 12, 3
BATCHES, QUICK_BATCHES = 40, 16
# The rate is kept when all but this little was answered by the end: the last batch takes its time too.
KEPT = 0.99
# A busy machine gets fewer rounds, not a longer run.
FLAT_OUT_SECONDS, QUICK_FLAT_OUT_SECONDS = 240, 12


async def run(*, quick: bool, progress: Progress) -> list[Result]:
    """Everything of the way in: 17 minutes, or within one when quick."""
    if not quick:
        progress(f"this takes about {_minutes():.0f} minutes; --quick gives a figure within one")
    progress("starting a local Supabase of its own")
    # Starting and stopping block; nothing else runs yet.
    with empty_project() as settings:
        return await _measure(settings, quick, progress)


async def _measure(settings: Settings, quick: bool, progress: Progress) -> list[Result]:
    url = settings.need("supabase_db_url")
    with psycopg.connect(url, autocommit=True) as operator:
        cast = set_stage(operator, users=USERS, traders=TRADERS, watching=WATCHING)
        first = floor_ms(datetime.now(UTC) - BEGIN) // MINUTE_MS * MINUTE_MS
        maker = Maker([trader for trader, _ in cast.traders], first)
        # What was made for the benchmark must not slow down the client that it measures.
        gc.collect()
        gc.freeze()
        async with by_supabase(settings, cast.machine) as machine:
            results, made = await measure_flat_out(
                url,
                cast,
                maker,
                machine,
                rounds=QUICK_ROUNDS if quick else ROUNDS,
                batches=QUICK_BATCHES if quick else BATCHES,
                seconds=QUICK_FLAT_OUT_SECONDS if quick else FLAT_OUT_SECONDS,
                progress=progress,
            )
            results += judge_counts("flat out", made, count(operator), machine.answers)
            clean_up(operator)
            floor = await _measure_floor(url, cast, maker, quick, progress)
            meter = Meter(state_folder(settings))
            for wanted in (SUSTAINED, BURST):
                results += await _hold(operator, machine, maker, meter, wanted, quick, floor, progress)
    return results


async def _measure_floor(url: str, cast: Cast, maker: Maker, quick: bool, progress: Progress) -> Paced:
    """The sustained rate by SQL: the same batches without anything in between."""
    seconds = QUICK_FLOOR_SECONDS if quick else FLOOR_SECONDS
    progress(f"the floor: {SUSTAINED.per_minute:,} signals/min by SQL for {seconds} s")
    async with by_sql(url, cast.machine, SENDERS) as send:
        return await pace(
            send, maker.take, per_minute=SUSTAINED.per_minute, seconds=seconds, most_rows=SUSTAINED.most_rows
        )


async def _hold(
    operator: psycopg.Connection[Any],
    machine: Machine,
    maker: Maker,
    meter: Meter,
    wanted: Pace,
    quick: bool,
    floor: Paced,
    progress: Progress,
) -> list[Result]:
    seconds = wanted.quick_seconds if quick else wanted.seconds
    progress(f"{wanted.name}: {wanted.per_minute:,} signals/min for {seconds} s")
    before, spent = count(operator), meter.read()
    machine.answers.clear()
    paced = await pace(
        machine.send, maker.take, per_minute=wanted.per_minute, seconds=seconds, most_rows=wanted.most_rows
    )
    spent_after, after = meter.read(), count(operator)
    name = f"{wanted.name} {seconds} s"
    found = (after[0] - before[0], after[1] - before[1])
    return [
        *judge_pace(name, wanted, paced, floor),
        *judge_counts(name, paced.made, found, machine.answers),
        *judge_spent(name, spent, spent_after, paced.made),
    ]


def judge_pace(name: str, wanted: Pace, paced: Paced, floor: Paced) -> list[Result]:
    """The rate and how soon answers came. The floor is that of the sustained rate alone."""
    results = [
        at_least(f"{name}, answered", paced.per_minute, "signals/min", wanted.per_minute * KEPT),
        figure(f"{name}, batches handed over late, p99", _ms(paced.handed, 0.99), "ms"),
    ]
    for part, target in ((0.5, None), (0.95, wanted.p95), (0.99, wanted.p99)):
        label = f"{name}, ack p{part * 100:.0f}"
        best = _ms(floor.acks, part) if wanted is SUSTAINED else None
        if target is None:
            results.append(figure(label, _ms(paced.acks, part), "ms", best))
        else:
            results.append(at_most(label, _ms(paced.acks, part), "ms", target, best, of_value=True))
    return results


def judge_counts(name: str, made: int, found: Sequence[int], answers: Counter[str]) -> list[Result]:
    """What the database holds, signals and creation events, against what was made; and what it answered."""
    return [
        exactly(f"{name}, lost", sum(max(0, made - one) for one in found), "rows", 0),
        exactly(f"{name}, duplicated", sum(max(0, one - made) for one in found), "rows", 0),
        exactly(f"{name}, rejected", answers["rejected"], "signals", 0),
        figure(f"{name}, sent again", answers["retries"], "batches"),
    ]


def clean_up(operator: psycopg.Connection[Any]) -> None:
    """Do away with what flat out left to do: autovacuum would come upon it in the middle of a paced run, and
    only in the first."""
    operator.execute("drop schema bench cascade")
    operator.execute("vacuum (analyze) public.signals, public.signal_events")


def count(operator: psycopg.Connection[Any]) -> tuple[int, int]:
    """The signals and the creation events in the database."""
    row = operator.execute(query("count_signals")).fetchone()
    if row is None:
        raise LookupError("a count answers with one row")
    return row[0], row[1]


def _ms(seconds: Sequence[float], part: float) -> float:
    return percentile(seconds, part) * 1000


def _minutes() -> float:
    flat_out = ROUNDS * BATCHES * 0.2
    return (SUSTAINED.seconds + BURST.seconds + FLOOR_SECONDS + flat_out) / 60
