"""How fast days are sealed, archived and verified, beside a COPY of the same rows out of Postgres."""

from __future__ import annotations

import time
from datetime import date

import psycopg
from psycopg.rows import dict_row

from scripts.bench.report import Result, figure
from scripts.bench.sql import query
from shared.errors import SigtrailError
from shared.settings import Settings
from workers.archive.connection import archivist
from workers.archive.keys import SealKey
from workers.archive.rounds import work
from workers.archive.seals import seal
from workers.archive.store import Store
from workers.archive.verification import Verification


async def seal_and_archive(
    settings: Settings, store: Store, key: SealKey, days: list[date]
) -> tuple[int, list[Result]]:
    """Seal these days, verify them, archive them, and verify them again; answers how many signals there are
    and the rates. Raises SigtrailError when a verification finds anything."""
    url = settings.need("supabase_db_url")
    floor, counts = _copy(url, days)
    started = time.perf_counter()
    async with archivist(settings) as connection:
        made = await seal(connection, store, key)
    sealing = sum(one.event_count for one in made) / (time.perf_counter() - started)
    warm = await _verify(url, store, key)
    started = time.perf_counter()
    done = await work(settings, store, key, days=days, compact=False)
    signals = sum(part.signals for part in done.parts)
    archiving = signals / (time.perf_counter() - started)
    whole = await _verify(url, store, key)
    events = counts["events"] / floor
    return signals, [
        figure("sealing; floor: COPY TO of the same signals and events", sealing, "events/s", events),
        figure("verifying, in Postgres", warm, "events/s", events),
        figure("verifying, in Postgres and the archive", whole, "events/s", events),
        figure("archiving, read back and compared", archiving, "signals/s", counts["signals"] / floor),
    ]


def _copy(url: str, days: list[date]) -> tuple[float, dict[str, int]]:
    """Seconds that a COPY of the days takes, and how many rows of each kind there are."""
    counts = {"signals": 0, "events": 0}
    with psycopg.connect(url, autocommit=True) as connection, connection.cursor() as cursor:
        started = time.perf_counter()
        for day in days:
            for kind in counts:
                with cursor.copy(query(f"copy_day_{kind}"), {"day": day}) as copy:
                    for _ in copy:
                        pass
                counts[kind] += cursor.rowcount
        return time.perf_counter() - started, counts


async def _verify(url: str, store: Store, key: SealKey) -> float:
    """Events a second."""
    async with await psycopg.AsyncConnection.connect(
        url, autocommit=True, row_factory=dict_row
    ) as connection:
        started = time.perf_counter()
        report = await Verification(connection, url, store, {key.id: key.public_key}).run()
    if not report.intact:
        raise SigtrailError(f"the trail was found broken: {report.findings[0].message}")
    return report.events / (time.perf_counter() - started)
