"""`sigtrail bench export`: seven days of one user's signals as CSV, streamed by the edge function.

The floor is COPY TO of the same rows and columns in the same run. The first byte says how soon a file begins.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import orjson
import psycopg

from cli.export import RowCount
from scripts.bench.report import Progress, Result, at_most, exactly, figure
from scripts.bench.signals import Maker, set_stage
from scripts.bench.sql import query
from scripts.bench.stage import empty_project
from shared.candles import MINUTE_MS
from shared.identity import floor_ms
from shared.keys import mint_for_user
from shared.settings import Settings

DAYS = 7
TRADERS = 500
SIGNALS, QUICK_SIGNALS = 100_000, 20_000
ROUNDS, QUICK_ROUNDS = 3, 1
LOAD_SIZE = 5000
# For 100,000 rows; a quick run has a fifth of both.
TARGET_SECONDS = 5.0


async def run(*, quick: bool, progress: Progress) -> list[Result]:
    """One user's week, written and taken away: two minutes, or within one when quick."""
    if not quick:
        progress("this takes about two minutes; --quick gives a figure within one")
    progress("starting a local Supabase of its own")
    # Starting and stopping block; nothing else runs yet.
    with (
        empty_project() as settings,
        psycopg.connect(settings.need("supabase_db_url"), autocommit=True) as owner,
    ):
        count = QUICK_SIGNALS if quick else SIGNALS
        user = _fill(owner, count, progress)
        target = TARGET_SECONDS * count / SIGNALS
        exports, copies = [], []
        # By turns, so that both see the same machine; the best of each, since others only ever add.
        for number in range(QUICK_ROUNDS if quick else ROUNDS):
            progress(f"round {number + 1}: COPY, then the export")
            copies.append(_copy(owner))
            exports.append(_export(settings, user))
        seconds, first_byte, rows, size = min(exports)
        floor = min(copies)
        return [
            at_most(f"{count:,} signals to CSV", seconds, "s", target),
            figure("the same beside COPY TO", seconds, "s", floor),
            figure("first byte", first_byte * 1000, "ms"),
            figure("file", size / 1e6, "MB"),
            exactly("rows in the file", rows, "signals", count),
        ]


def _fill(owner: psycopg.Connection[Any], count: int, progress: Progress) -> str:
    """Seven days of signals of one user, as machines send them. Answers the user's id."""
    cast = set_stage(owner, users=1, traders=TRADERS, watching=0)
    now = datetime.now(UTC)
    begin = now - timedelta(days=DAYS)
    owner.execute("select private.open_partitions(%s, %s)", (begin.date(), now.date()))
    minutes = DAYS * 24 * 60 - 2
    maker = Maker(
        [trader for trader, _ in cast.traders],
        floor_ms(begin) // MINUTE_MS * MINUTE_MS,
        per_candle=-(-count // minutes),
    )
    written = 0
    while written < count:
        rows = maker.take(min(LOAD_SIZE, count - written))
        answer = owner.execute(
            "select public.ingest_signals(%s::json)", (orjson.dumps(rows).decode(),)
        ).fetchone()
        if answer is None or answer[0]["inserted"] != len(rows):
            raise LookupError(f"not every signal was recorded: {answer}")
        written += len(rows)
        progress(f"{written:,} of {count:,} signals written")
    # As autovacuum leaves a table that nobody has just filled.
    owner.execute("vacuum analyze public.signals")
    return str(cast.traders[0][1])


def _copy(owner: psycopg.Connection[Any]) -> float:
    """Seconds that COPY TO takes for the rows and columns of the export."""
    began = time.perf_counter()
    with owner.cursor().copy(query("copy_export")) as copy:
        for _ in copy:
            pass
    return time.perf_counter() - began


def _export(settings: Settings, user: str) -> tuple[float, float, int, int]:
    """Seconds until the last byte and until the first, rows and bytes of one export."""
    token = mint_for_user(settings.need("supabase_jwt_secret"), user)
    headers = {
        "authorization": f"Bearer {token}",
        "apikey": settings.supabase_publishable_key.get_secret_value(),
    }
    chunks: list[bytes] = []
    first = None
    with httpx.Client(base_url=settings.supabase_url, headers=headers, timeout=120, trust_env=False) as http:
        # A function's process starts with its first request; that is not the export.
        http.get(
            "/functions/v1/export-signals", params={"format": "csv", "to": "1970-01-02"}
        ).raise_for_status()
        began = time.perf_counter()
        with http.stream("GET", "/functions/v1/export-signals", params={"format": "csv"}) as response:
            response.raise_for_status()
            for chunk in response.iter_raw():
                first = first or time.perf_counter()
                chunks.append(chunk)
        seconds = time.perf_counter() - began
    count = RowCount(header=True)
    for chunk in chunks:
        count.push(chunk)
    return seconds, (first or began) - began, count.rows, sum(map(len, chunks))
