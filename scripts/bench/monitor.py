"""`sigtrail bench monitor`: thousands of approved signals on hundreds of symbols, watched by one machine.

The monitoring role as it is, on its own connection through supabase-py, with a market that closes a candle of
every symbol in each round. Each signal is due for a snapshot in each round, which is the most that there can
be to do. How long a round takes is split into what the role decides (its floor: reading each symbol's figures
once) and what recording the snapshots takes (its floor: the same rows inserted and updated by plain SQL).
"""

from __future__ import annotations

import gc
import random
import statistics
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import perf_counter
from typing import Any

import orjson
import psycopg

from scripts.bench.report import Progress, Result, at_least, at_most, exactly, figure
from scripts.bench.signals import Cast, set_stage
from scripts.bench.sql import query
from scripts.bench.stage import empty_project
from shared.candles import MINUTE_MS, Candle
from shared.client import Connection, connect
from shared.clock import MarketClock
from shared.identity import floor_ms, from_ms
from shared.market import Market
from shared.settings import Settings
from shared.wakes import Wakes
from workers.monitoring.role import BATCH, MonitoringRole
from workers.monitoring.view import WINDOW, last_view

SIGNALS, SYMBOLS = 5_000, 200
ROUNDS, QUICK_ROUNDS = 10, 3
# A candle a minute: whoever watches them all has to be done long before the next ones close.
TARGET_ROUND_SECONDS = 5.0
TARGET_SNAPSHOTS = 2_000
TARGET_KILOBYTES = 16


async def run(*, quick: bool, progress: Progress) -> list[Result]:
    """Approve the signals, watch them for some rounds, and answer how long that took."""
    rounds = QUICK_ROUNDS if quick else ROUNDS
    with (
        empty_project() as settings,
        psycopg.connect(settings.need("supabase_db_url"), autocommit=True) as database,
    ):
        database.execute("select cron.unschedule(jobid) from cron.job")
        cast = set_stage(database, users=20, traders=SIGNALS // SYMBOLS, watching=0)
        # The last closed minute, so that days and leases are today's.
        begin_ms = floor_ms(datetime.now(UTC)) // MINUTE_MS * MINUTE_MS
        progress(f"{SIGNALS} signals on {SYMBOLS} symbols are fired and approved")
        async with _machine(settings, cast, "signal_worker") as worker:
            await _fire(worker, cast, begin_ms)
        async with _machine(settings, cast, "analyst") as analyst:
            await _approve(analyst, from_ms(begin_ms))
            progress(f"{rounds} rounds, a minute of the market each")
            return await _watch(analyst, database, begin_ms, rounds)


class _machine:
    """A connection of the cast's machine, open for the block."""

    def __init__(self, settings: Settings, cast: Cast, role: str) -> None:
        self._settings, self._cast, self._role = settings, cast, role

    async def __aenter__(self) -> Connection:
        self._connection = await connect(self._settings, self._role, self._cast.machine)
        return self._connection

    async def __aexit__(self, *_: object) -> None:
        await self._connection.close()


def _symbol(number: int) -> str:
    return f"S{number:03}USDT"


async def _fire(worker: Connection, cast: Cast, at_ms: int) -> None:
    """Each trader's signal on each symbol."""
    rows = [
        {
            "trader_id": str(trader),
            "symbol": _symbol(number),
            "interval": "1m",
            "triggered_at": at_ms,
            "price": "100",
            "side": "long",
        }
        for trader, _ in cast.traders
        for number in range(SYMBOLS)
    ]
    for start in range(0, len(rows), 1000):
        answer = await worker.call("ingest_signals", {"signals": rows[start : start + 1000]})
        if answer["inserted"] != len(rows[start : start + 1000]):
            raise RuntimeError(f"signals were not taken: {answer['rejected'][:1]}")


async def _approve(analyst: Connection, at: datetime) -> None:
    """Approve all of them, each with a plan that waits for a pullback which does not come."""
    plan = {"side": "long", "entry_type": "limit", "entry": "97", "stop_loss": "90", "take_profit": "120"}
    plan |= {"reward_to_risk": "3", "valid_until": (at + timedelta(days=1)).isoformat()}
    sound = {"verdict": "approved", "confidence": "0.8", "plan": plan, "result": {"analyst": "rules"}}
    while True:
        body = {"stage": "analysis", "max_rows": BATCH, "lease_seconds": 60, "at": at.isoformat()}
        rows = await analyst.call("claim_work", body)
        if not rows:
            return
        results = [{"signal_id": row["signal_id"], "fence": row["fence"], **sound} for row in rows]
        await analyst.call("complete_analysis", {"results": results, "at": at.isoformat()})


class _Watched:
    """The role's calls, with how long the recording took in this round, and its last batches."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.seconds = 0.0
        self.batches: list[list[dict[str, Any]]] = []

    async def call(self, name: str, params: Mapping[str, Any], /) -> Any:
        began = perf_counter()
        try:
            return await self._connection.call(name, params)
        finally:
            if name == "record_monitoring":
                self.seconds += perf_counter() - began
                self.batches.append(params["snapshots"])

    def begin(self) -> None:
        self.seconds, self.batches = 0.0, []


async def _watch(
    analyst: Connection, database: psycopg.Connection[Any], begin_ms: int, rounds: int
) -> list[Result]:
    walk = _Walk(begin_ms)
    market, clock, wakes = Market(), MarketClock(from_ms(begin_ms)), Wakes()
    market.seed(walk.past())
    watched = _Watched(analyst)
    role = MonitoringRole(watched.call, clock, market, wakes)
    gc.collect()
    before = _resident_kilobytes()
    began = perf_counter()
    await role.start()
    await role.step()
    claiming = perf_counter() - began
    kilobytes = (_resident_kilobytes() - before) / SIGNALS
    watching = role.watching
    whole, decided, recorded = [], [], []
    for _ in range(rounds):
        candles = walk.next()
        clock.advance_ms(candles[0].close_ms)
        watched.begin()
        with _collected():
            began = perf_counter()
            for candle in candles:
                market.publish(candle)
            await role.step()
            whole.append(perf_counter() - began)
        recorded.append(watched.seconds)
        decided.append(whole[-1] - watched.seconds)
    reading = _read_figures(market)
    snapshots = role.counts["snapshots"]
    plain = SIGNALS / _record_plainly(database, watched.batches, rounds + 1)
    await role.stop()
    per_second = SIGNALS / statistics.median(recorded)
    return [
        exactly("signals watched", watching, "signals", SIGNALS),
        exactly("snapshots recorded", snapshots, "snapshots", SIGNALS * rounds),
        at_most("one price round, recorded", statistics.median(whole), "s", TARGET_ROUND_SECONDS),
        figure("of that, deciding", statistics.median(decided) * 1000, "ms", reading * 1000),
        at_least("snapshots through supabase-py", per_second, "snapshots/s", TARGET_SNAPSHOTS),
        figure("the same beside plain SQL", per_second, "snapshots/s", plain),
        figure("claiming them all", claiming, "s"),
        at_most("memory for each signal", kilobytes, "KB", TARGET_KILOBYTES),
    ]


class _Walk:
    """Every symbol's price around 100, the same in every run, never near a plan's levels."""

    def __init__(self, begin_ms: int) -> None:
        self._chance = random.Random(11)  # noqa: S311 - the same prices in every run
        self._begin_ms = begin_ms
        self._open_ms = begin_ms - 2 * WINDOW * MINUTE_MS

    def past(self) -> Sequence[Candle]:
        """What a machine knows when it begins."""
        return [one for _ in range(2 * WINDOW) for one in self.next()]

    def next(self) -> list[Candle]:
        """The next minute of every symbol."""
        opened = self._open_ms
        self._open_ms += MINUTE_MS
        return [self._candle(_symbol(number), opened) for number in range(SYMBOLS)]

    def _candle(self, symbol: str, opened: int) -> Candle:
        low, first, last, high = sorted(round(self._chance.uniform(99, 101), 2) for _ in range(4))
        volume = round(self._chance.uniform(1, 5000), 3)
        return Candle(symbol, "1m", opened, opened + MINUTE_MS, first, high, low, last, volume)


@contextmanager
def _collected() -> Iterator[None]:
    """No collection of garbage falls into what is measured by chance: it is done before."""
    gc.collect()
    yield


def _read_figures(market: Market) -> float:
    """Seconds for the figures of every symbol, once."""
    began = perf_counter()
    for symbol in market.symbols:
        view = last_view(market, symbol)
        if view is None:
            raise RuntimeError(f"{symbol} has no candle")
        _ = view.figures
    return perf_counter() - began


def _record_plainly(
    database: psycopg.Connection[Any], batches: Sequence[Sequence[Mapping[str, Any]]], number: int
) -> float:
    """Seconds for the rows of a round by plain SQL."""
    # A cold connection would plan within the measurement; the first batch is not worth more than that.
    told = [(orjson.dumps(list(batch)).decode(), batch[0], batch[-1]) for batch in batches]
    began = perf_counter()
    for items, first, last in told:
        bounds = {"first": first["signal_id"], "last": last["signal_id"]}
        database.execute(query("record_snapshots"), {"items": items, "number": number, **bounds})
    return perf_counter() - began


def _resident_kilobytes() -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    raise RuntimeError("this system does not tell how much memory a process has")
