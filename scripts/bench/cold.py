"""How fast archived days answer: a trader's newest signals, one signal's story, counts of a user's days.

The days are archived into the project's own Storage and then taken out of Postgres: every row comes from
a file. Asked is what `sigtrail archive query` asks, copies of the files on this machine included; the first
question fetches them.
"""

from __future__ import annotations

import base64
import json
import random
import secrets
import time
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg

from cli.archive import READY
from scripts.bench.report import Result, at_most, figure, percentile
from scripts.bench.sealing import seal_and_archive
from scripts.bench.signals import set_stage
from scripts.bench.stage import empty_project
from shared.settings import Settings
from workers.archive.cache import Cache, cache_folder
from workers.archive.keys import SealKey
from workers.archive.question import ask
from workers.archive.reading import Scope
from workers.archive.store import Store, open_store

Progress = Callable[[str], None]

FIRST_DAY = date(2025, 3, 1)
TARGET_MS = 300.0
SYMBOLS = [f"{name}USDT" for name in ("BTC", "ETH", "SOL", "XRP", "BNB", "LINK", "LTC", "ADA", "AVAX", "BCH")]


async def run(*, quick: bool, progress: Progress) -> list[Result]:
    """Build cold days, ask them, and answer how long that took."""
    days, each, traders, asked = (7, 4_000, 100, 30) if quick else (7, 100_000, 1_000, 200)
    if not quick:
        progress(f"{days * each} signals are recorded and archived first: about ten minutes")
    with empty_project() as project:
        settings = project.model_copy(update={"sigtrail_archive": "supabase://sigtrail-archive"})
        with psycopg.connect(settings.need("supabase_db_url"), autocommit=True) as connection:
            connection.execute("select cron.unschedule(jobid) from cron.job")
            chosen = [FIRST_DAY + timedelta(days=number) for number in range(days)]
            cast = _Cast(connection, traders)
            for day in chosen:
                progress(f"{day}: {each} signals")
                cast.record(day, each)
            store = await open_store(settings)
            key = SealKey.from_text(base64.b64encode(secrets.token_bytes(32)).decode())
            progress("sealing, verifying, archiving")
            signals, rates = await seal_and_archive(settings, store, key, chosen)
            _empty(connection, chosen)
        progress("asking")
        try:
            results = await _ask(settings, store, cast, asked)
        finally:
            await store.close()
    return [*results, figure("signals archived", signals, "signals"), *rates]


class _Cast:
    """Users of uneven size with their traders, and what those fire."""

    def __init__(self, connection: psycopg.Connection[Any], traders: int) -> None:
        self._connection = connection
        self._chance = random.Random(7)  # noqa: S311 - the same days in every run
        stage = set_stage(connection, users=max(1, traders // 10), traders=traders, watching=0)
        rows = connection.execute("select id, user_id from public.traders order by id").fetchall()
        self.traders: list[tuple[UUID, UUID]] = [(row[0], row[1]) for row in rows]
        del stage

    def record(self, day: date, count: int) -> None:
        """So many signals of a day, whose bodies are like those of the signals role."""
        self._connection.execute("select private.open_partition(%s)", (day,))
        start = datetime(day.year, day.month, day.day, tzinfo=UTC)
        rows: dict[tuple[UUID, str, int], dict[str, Any]] = {}
        while len(rows) < count:
            trader, _ = self._chance.choice(self.traders)
            symbol, minute = self._chance.choice(SYMBOLS), self._chance.randrange(1440)
            rows[trader, symbol, minute] = self._row(trader, symbol, start + timedelta(minutes=minute))
        every = sorted(rows.values(), key=lambda row: row["triggered_at"])
        for at in range(0, count, 5_000):
            body = json.dumps(every[at : at + 5_000])
            answer = self._connection.execute("select public.ingest_signals(%s::json)", (body,)).fetchone()
            if answer is None or answer[0]["rejected"]:
                raise ValueError(f"signals were refused: {answer}")

    def _row(self, trader: UUID, symbol: str, at: datetime) -> dict[str, Any]:
        chance = self._chance
        price, rsi = round(chance.uniform(100, 110), 2), chance.uniform(10, 30)
        candle = {name: f"{price + chance.uniform(-1, 1):.2f}" for name in ("open", "high", "low")}
        return {
            "trader_id": str(trader),
            "symbol": symbol,
            "interval": "1m",
            "side": "long",
            "price": f"{price:.2f}",
            "triggered_at": at.isoformat(),
            "matched_conditions": [{"text": "RSI(14) < 30", "values": {"RSI(14)": rsi}}],
            "original_signal": {
                "candle": candle | {"close": f"{price:.2f}", "volume": f"{chance.uniform(1, 999):.3f}"},
                "condition": "RSI(14) < 30",
                "indicators": {"RSI(14)": rsi},
            },
        }


def _empty(connection: psycopg.Connection[Any], days: list[date]) -> None:
    """Take the days out of Postgres, whatever their signals are."""
    for day in days:
        for table in ("signals", "signal_events", "signal_monitoring_snapshots"):
            name = f"partitions.{table}_{day:%Y%m%d}"
            connection.execute(f"alter table public.{table} detach partition {name}".encode())
            connection.execute(f"drop table {name}".encode())


async def _ask(settings: Settings, store: Store, cast: _Cast, asked: int) -> list[Result]:
    cache = Cache(cache_folder(settings))
    chance = random.Random(11)  # noqa: S311 - the same questions in every run

    async def timed(sql: str, **scope: Any) -> tuple[float, list[dict[str, Any]]]:
        started = time.perf_counter()
        table = await ask(settings, store, cache, Scope(**scope), sql)
        return (time.perf_counter() - started) * 1000, table.to_pylist()

    trader, user = cast.traders[0]
    fetching, _ = await timed(READY["last"].format(n=100), user=user, trader=trader, newest=100)
    newest, whole, counts, story = [], [], [], []
    for _ in range(asked):
        trader, user = chance.choice(cast.traders)
        took, rows = await timed(READY["last"].format(n=100), user=user, trader=trader, newest=100)
        newest.append(took)
        whole.append(
            (
                await timed(
                    "select * from signals order by id desc limit 100", user=user, trader=trader, newest=100
                )
            )[0]
        )
        counts.append((await timed(READY["counts"], user=user))[0])
        fired = rows[0]["triggered_at"]
        query = f"select * from events where signal_id = '{UUID(str(rows[0]['id']))}' order by number"  # noqa: S608
        scope = {"since": fired, "until": fired + timedelta(milliseconds=1)}
        story.append((await timed(query, user=user, trader=trader, **scope))[0])
    results = []
    for name, times in (
        ("a trader's last 100", newest),
        ("a trader's last 100, with conditions and candle", whole),
        ("one signal's story", story),
    ):
        results.append(figure(f"{name}: p50", percentile(times, 0.5), "ms"))
        results.append(at_most(f"{name}: p95", percentile(times, 0.95), "ms", TARGET_MS))
    return [
        *results,
        figure("a user's signals by day and status: p50", percentile(counts, 0.5), "ms"),
        figure("a user's signals by day and status: p95", percentile(counts, 0.95), "ms"),
        figure("the first question, which fetches the files", fetching, "ms"),
    ]
