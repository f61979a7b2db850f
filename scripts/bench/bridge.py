"""`sigtrail bench bridge`: how soon an order leaves, and what a thousand open positions cost.

A machine with the trading role runs as a process of its own, with real accounts, against a fake venue in
another process: unmodified ccxt, TLS, REST and Realtime of a local Supabase lie in between. Nothing of the
bridge is replaced; a probe stands around the decision, the commit and the writing of the request.
"""

from __future__ import annotations

import asyncio
import json
import tempfile
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from time import perf_counter
from typing import Any

import psycopg

from scripts.bench.bridge_floor import Floor, measure_floor
from scripts.bench.bridge_stage import PRICES, Desk, Stage, end
from scripts.bench.report import Progress, Result, at_most, exactly, figure, percentile
from scripts.bench.stage import empty_project
from scripts.fake_venue.process import run_process
from workers.trading.orders import Leg, client_order_id

# Entries come due one by one, on accounts of both kinds, and the bridge protects the last ones meanwhile.
VENUES = ("binanceusdm", "bybit")
DESKS, ENTRIES, QUICK_ENTRIES = 10, 600, 50
A_SECOND = 3.0
# Left out of the figures: each connection to the database plans its first calls.
WARMING = 20
SENT_P99_MS = 20.0
# How long a bridge may take for anything before the benchmark gives up on it.
PATIENCE = 120.0


async def run(*, quick: bool, progress: Progress) -> list[Result]:
    """From the decision to the bytes, then what holding costs: minutes, or within one when quick."""
    progress("starting a local Supabase and a venue of its own")
    with (
        empty_project() as settings,
        tempfile.TemporaryDirectory(prefix="sigtrail-bench.") as name,
        psycopg.connect(settings.need("supabase_db_url"), autocommit=True) as operator,
    ):
        folder = Path(name)
        async with run_process(folder / "venue", "--symbols", *PRICES) as venue:
            stage = Stage(settings, operator, venue)
            await stage.set_up()
            return await _measure_sending(stage, folder, quick, progress)


class Bridge:
    """A bridge that runs, and what it tells."""

    def __init__(self, process: Process) -> None:
        self.process = process
        self.sent: dict[str, dict[str, float]] = {}
        self.running_after: float | None = None
        self.counts: dict[str, int] = {}
        self.log = Path()

    async def listen(self) -> None:
        """Take what it tells until it ends."""
        if self.process.stdout is None:
            raise RuntimeError("the bridge was started without its pipes")
        async for line in self.process.stdout:
            told = json.loads(line)
            if told["event"] == "sent":
                self.sent[told["client_order_id"]] = told
            elif told["event"] == "running":
                self.running_after = told["seconds"]
            else:
                self.counts = told["counts"]

    async def until(self, what: str, holds: Callable[[], Any], seconds: float = PATIENCE) -> float:
        """Wait until this holds; answers after how many seconds it did. TimeoutError when it never does."""
        begun = perf_counter()
        while not holds():
            if self.process.returncode is not None:
                raise RuntimeError(f"the bridge ended while it was to {what}: {self.last_words()}")
            if perf_counter() - begun > seconds:
                raise TimeoutError(f"the bridge did not {what} in {seconds:g} s: {self.last_words()}")
            await asyncio.sleep(0.05)
        return perf_counter() - begun

    def last_words(self) -> str:
        """The end of its log."""
        return self.log.read_text()[-2000:]


@asynccontextmanager
async def running_bridge(stage: Stage, folder: Path) -> AsyncIterator[Bridge]:
    """A bridge that has started, until the block ends."""
    log = folder / "bridge.log"
    process = await stage.start_bridge(log)
    bridge = Bridge(process)
    bridge.log = log
    listening = asyncio.create_task(bridge.listen())
    try:
        await bridge.until("start", lambda: bridge.running_after is not None)
        yield bridge
    finally:
        await end(process)
        await listening


async def _measure_sending(stage: Stage, folder: Path, quick: bool, progress: Progress) -> list[Result]:
    count = QUICK_ENTRIES if quick else ENTRIES
    desks: list[Desk] = []
    for venue in VENUES:
        desks += await stage.add_desks(venue, DESKS // len(VENUES))
    symbols = sorted(PRICES)
    fired: list[str] = []
    progress(f"{count} entries, {A_SECOND:g} a second, on {len(desks)} accounts of {' and '.join(VENUES)}")
    async with running_bridge(stage, folder) as bridge:
        for number in range(WARMING + count):
            due = asyncio.create_task(asyncio.sleep(1 / A_SECOND))
            symbol = symbols[number // len(desks) % len(symbols)]
            (signal,) = stage.fire([(desks[number % len(desks)], symbol)])
            fired.append(client_order_id(signal, Leg.ENTRY, 1))
            await due
        await bridge.until("send every entry", lambda: len(bridge.sent) >= len(fired))
        await bridge.until("protect every position", lambda: stage.held() == (len(fired), len(fired)))
    progress("the floor: the same intents, by SQL and by REST")
    floor = await measure_floor(stage, count=count, warming=WARMING)
    first = [bridge.sent[one]["sent_ms"] for one in fired[:WARMING]]
    return [
        *judge_sending([bridge.sent[one] for one in fired[WARMING:]], count, floor),
        figure(f"the first {WARMING} entries, from the decision to the bytes, longest", max(first), "ms"),
    ]


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
