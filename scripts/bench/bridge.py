"""`sigtrail bench bridge`: how soon an order leaves, and what a thousand open positions cost.

A machine with the trading role runs as a process of its own, with real accounts, against a fake venue in
another process: unmodified ccxt, TLS, REST and Realtime of a local Supabase lie in between. Nothing of the
bridge is replaced; a probe stands around the decision, the commit and the writing of the request.
"""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

import psycopg

from scripts.bench.bridge_floor import Floor, measure_floor
from scripts.bench.bridge_holding import FULL, QUICK, QUICK_WINDOW_SECONDS, WINDOW_SECONDS, measure_holding
from scripts.bench.bridge_run import running_bridge
from scripts.bench.bridge_stage import PRICES, Desk, Stage
from scripts.bench.report import Progress, Result, at_most, exactly, figure, percentile
from scripts.bench.stage import empty_project
from scripts.fake_venue.process import run_process
from workers.trading.orders import Leg, client_order_id
from workers.trading.venues.capabilities import TABLE

# Entries come due one by one, on accounts of both kinds, and the bridge protects the last ones meanwhile. It
# lasts a minute, the window in which Binance counts what an address asks.
VENUES = ("binanceusdm", "bybit")
DESKS, ENTRIES, QUICK_ENTRIES = 10, 180, 50
A_SECOND = 3.0
# Left out of the figures: each connection to the database plans its first calls.
WARMING = 20
SENT_P99_MS = 20.0
# More than sending writes.
LOG_MB = 256


async def run(*, quick: bool, progress: Progress) -> list[Result]:
    """From the decision to the bytes, then what holding costs: minutes, or within one when quick."""
    progress("starting a local Supabase and a venue of its own")
    with (
        empty_project(written_log_mb=LOG_MB) as settings,
        tempfile.TemporaryDirectory(prefix="sigtrail-bench.") as name,
        psycopg.connect(settings.need("supabase_db_url"), autocommit=True) as operator,
    ):
        folder = Path(name)
        async with run_process(folder / "venue", "--symbols", *PRICES) as venue:
            stage = Stage(settings, operator, venue)
            await stage.set_up()
            results = await _measure_sending(stage, folder, quick, progress)
            # What was opened for that is nobody's concern any more.
            stage.retire()
            window = QUICK_WINDOW_SECONDS if quick else WINDOW_SECONDS
            size = QUICK if quick else FULL
            return results + await measure_holding(stage, folder, size, progress, window=window)


async def _measure_sending(stage: Stage, folder: Path, quick: bool, progress: Progress) -> list[Result]:
    count = QUICK_ENTRIES if quick else ENTRIES
    desks: list[Desk] = []
    for venue in VENUES:
        desks += await stage.add_desks(venue, DESKS // len(VENUES))
    symbols = sorted(PRICES)
    fired: list[str] = []
    # As the venues know them.
    names: list[str] = []
    progress(f"{count} entries, {A_SECOND:g} a second, on {len(desks)} accounts of {' and '.join(VENUES)}")
    async with running_bridge(stage, folder / "sending.log") as bridge:
        for number in range(WARMING + count):
            due = asyncio.create_task(asyncio.sleep(1 / A_SECOND))
            symbol = symbols[number // len(desks) % len(symbols)]
            desk = desks[number % len(desks)]
            (signal,) = stage.fire([(desk, symbol)])
            fired.append(client_order_id(signal, Leg.ENTRY, 1))
            names.append(TABLE[desk.venue, "usdm"].client_ids.seen(fired[-1]))
            await due
        await bridge.until("send every entry", lambda: len(bridge.sent) >= len(fired))
        await bridge.until("protect every position", lambda: stage.held() == (len(fired), len(fired)))
        arrivals = await stage.venue("arrivals")
    left = [leaving(bridge.sent[one], arrivals.get(name)) for one, name in zip(fired, names, strict=True)]
    progress("the floor: the same intents, by SQL and by REST")
    floor = await measure_floor(stage, count=count, warming=WARMING)
    first = [one["sent_ms"] for one in left[:WARMING]]
    return [
        *judge_sending(left[WARMING:], count, floor),
        figure(f"the first {WARMING} entries, from the decision to the bytes, longest", max(first), "ms"),
    ]


def leaving(told: dict[str, float], arrived_at: float | None) -> dict[str, float]:
    """What the bridge told of an entry. It was sent at the latest when the venue had it: a write returns late
    when the receiver takes the processor."""
    if arrived_at is None:
        return told
    return {**told, "sent_ms": min(told["sent_ms"], (arrived_at - told["decided_at"]) * 1000)}


def judge_sending(sent: list[dict[str, float]], count: int, floor: Floor) -> list[Result]:
    """How soon an entry left, and where the time went."""
    results = [exactly("entries that left", len(sent), "orders", count)]
    for part in (0.5, 0.95, 0.99):
        value = percentile([one["sent_ms"] for one in sent], part)
        best = percentile(floor.by_rest, part)
        name = f"from the decision to the bytes, p{part * 100:.0f}"
        if part == 0.99:
            results.append(at_most(name, value, "ms", SENT_P99_MS, best, of_value=True))
        else:
            results.append(figure(name, value, "ms", best))
    for part in (0.5, 0.99):
        committed = percentile([one["committed_ms"] for one in sent], part)
        after = percentile([one["sent_ms"] - one["committed_ms"] for one in sent], part)
        mark = f"p{part * 100:.0f}"
        results += [
            figure(f"of it to the commit, {mark}", committed, "ms", percentile(floor.by_rest, part)),
            figure(f"of it from the commit to the bytes, {mark}", after, "ms"),
            figure(f"the same commit by SQL alone, {mark}", percentile(floor.by_sql, part), "ms"),
        ]
    return results
