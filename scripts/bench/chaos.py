"""`sigtrail bench chaos`: signals made, stored and received while everything breaks, counted.

Two machines in processes of their own, with some symbols in common, make 100,000 signals a minute on a fresh
project, and users listen. One fault after the other strikes. At the end every signal of the plan has to be in
the database once, and every user has to have theirs.
"""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg

from scripts.bench.chaos_faults import FAULTS, Fault
from scripts.bench.chaos_gateway import gateway
from scripts.bench.chaos_network import own_network
from scripts.bench.chaos_plan import END, Plan
from scripts.bench.chaos_receiver import Receiver
from scripts.bench.chaos_site import Site, running, small_disk
from scripts.bench.report import Progress, Result, at_least, exactly, figure
from scripts.bench.signals import SYMBOLS
from scripts.bench.sql import query
from scripts.bench.stage import empty_project, state_folder
from shared.candles import MINUTE_MS
from shared.identity import floor_ms, lowest_id
from shared.settings import Settings

# How long after the last close everything may take to arrive.
PATIENCE = 120.0
LOOK_SECONDS = 0.25
# How long machines may take to start before the market opens, which is soon after that.
STARTING_SECONDS = 120.0
LEAD_SECONDS = 0.5
# By how much the last candle is of the past, in market time.
MARGIN = timedelta(minutes=30)


@dataclass(frozen=True)
class Load:
    """beat: seconds between closes; hold, pause: seconds that faults last; rest: seconds between them
    target: signals a minute that have to be made, None without"""

    symbols: int
    traders: int
    beat: float
    hold: float
    pause: float
    rest: float
    target: int | None = 100_000

    @property
    def per_minute(self) -> float:
        return self.symbols * self.traders / 2 * 60 / self.beat


FULL = Load(symbols=20, traders=336, beat=2.0, hold=20.0, pause=120.0, rest=20.0)
QUICK = Load(symbols=20, traders=168, beat=1.0, hold=1.5, pause=2.0, rest=0.5)


@dataclass
class Window:
    """What became of the candles that closed while one fault struck, first to last."""

    name: str
    first: int
    last: int = -1
    made: int = 0
    stored: int = 0
    received: int = 0
    foreign: int = 0

    @property
    def equal(self) -> bool:
        """Made, stored and received are the same, and nothing else is there."""
        return self.made == self.stored == self.received and not self.foreign


@dataclass
class Outcome:
    """A whole run: its windows, and what there must be nothing of."""

    windows: list[Window] = field(default_factory=list)
    skipped: dict[str, str] = field(default_factory=dict)
    twice: int = 0
    ended: int = 0
    caught_up: int = 0
    messages: int = 0
    seconds: float = 0.0
    words: str = ""

    @property
    def made(self) -> int:
        return sum(one.made for one in self.windows)

    @property
    def equal(self) -> bool:
        """So they are in all windows, and nothing is there twice."""
        return not self.twice and all(one.equal for one in self.windows)


async def run(*, quick: bool, progress: Progress) -> list[Result]:
    """Every fault once: a quarter of an hour, or about a minute when quick."""
    load = QUICK if quick else FULL
    if not quick:
        progress(f"this takes about {expected_seconds(load) / 60:.0f} minutes; --quick about one")
    progress("starting a local Supabase of its own")
    # Starting and stopping block; nothing else runs yet.
    with empty_project() as settings:
        outcome = await play(settings, state_folder(settings), load, FAULTS, progress)
    return judge(outcome, load)


async def play(
    settings: Settings, root: Path, load: Load, faults: Sequence[Fault], progress: Progress
) -> Outcome:
    """Strike one fault after the other and count. `root` is the folder of the project's stack."""
    outcome = Outcome()
    folder = root / "chaos"
    folder.mkdir()
    with psycopg.connect(settings.need("supabase_db_url"), autocommit=True) as operator:
        traders = set_stage(operator, load)
    async with AsyncExitStack() as stack:
        stack.enter_context(_ended_by_signal())
        network = stack.enter_context(own_network())
        disk = stack.enter_context(small_disk(folder / "disk"))
        address = "127.0.0.1" if network is None else network.address
        inner_port = int(settings.supabase_url.rpartition(":")[2])
        before = await stack.enter_async_context(gateway(address, 0, inner_port))
        receivers = [Receiver(settings, user) for user in {user for _, user, _ in traders}]
        for one in receivers:
            await one.start()
            stack.push_async_callback(one.stop)
        plan = make_plan(load, len(faults))
        plan.write(folder)
        site = Site(settings, folder, root / "pids", plan, share_out(plan.symbols), network, disk, before)
        async with running(site):
            plan = await _open_market(site)
            await _strike(site, load, faults, outcome, progress)
            risers = [trader for trader, _, rises in traders if rises]
            fallers = [trader for trader, _, rises in traders if not rises]
            progress("waiting for what is on its way")
            await _wait_for(settings, plan, outcome, receivers, risers, fallers)
        outcome.ended, outcome.words = len(site.ended), site.last_words()
    outcome.caught_up = sum(one.caught_up for one in receivers)
    outcome.messages = sum(one.messages for one in receivers)
    return outcome


@contextmanager
def _ended_by_signal() -> Iterator[None]:
    """Told to end, this takes its network and its disk away first."""
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    if task is not None:
        loop.add_signal_handler(signal.SIGTERM, task.cancel)
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGTERM)


def set_stage(operator: psycopg.Connection[Any], load: Load) -> list[tuple[UUID, UUID, bool]]:
    """Users and their traders: (trader, user, whether it fires when a candle rises)."""
    operator.execute(query("add_users"), {"users": 2})
    operator.execute(query("set_tier"), {})
    operator.execute("select private.open_partitions(current_date - 3, current_date + 1)")
    words = {"symbols": list(SYMBOLS[: load.symbols]), "traders": load.traders}
    return operator.execute(query("add_chaos_traders"), words).fetchall()


def make_plan(load: Load, faults: int) -> Plan:
    """Candles that begin soon, and so long ago in market time that none is of the future."""
    # A machine that is busy with other things takes several times as long.
    minutes = (expected_seconds(load, faults) + PATIENCE) * 4 / load.beat
    ago = datetime.now(UTC) - MARGIN - timedelta(minutes=minutes)
    origin = floor_ms(ago) // MINUTE_MS * MINUTE_MS
    return Plan(load.beat, origin, SYMBOLS[: load.symbols])


def share_out(symbols: Sequence[str]) -> dict[str, Sequence[str]]:
    """Two machines with some symbols in common (3 of 20), on purpose: as for the moment in which one takes
    over from another, both fire on these, and only the ids keep what they send from being there twice."""
    third = len(symbols) // 3
    return {"first": symbols[: len(symbols) - third], "second": symbols[len(symbols) - third - third // 2 :]}


def expected_seconds(load: Load, faults: int = len(FAULTS)) -> float:
    """About how long a run takes."""
    pauses = min(2, faults)
    return (faults - pauses) * (load.hold * 1.2 + load.rest + 2) + pauses * (load.pause + load.rest) + 30


async def _open_market(site: Site) -> Plan:
    """Let candles close from now on: every machine is there. Raises TimeoutError when one is not."""
    async with asyncio.timeout(STARTING_SECONDS):
        for name in site.machines:
            await site.begun(name)
    site.plan = replace(site.plan, start=time.monotonic() + LEAD_SECONDS)
    site.plan.write(site.folder)
    return site.plan


async def _work_again(site: Site) -> None:
    """Let every machine get back to work, so that the next fault strikes one that is at it; what takes too
    long shows in the counts."""
    now = time.time()
    with suppress(TimeoutError):
        async with asyncio.timeout(STARTING_SECONDS):
            for name in site.machines:
                await site.begun(name, now)


async def _strike(
    site: Site, load: Load, faults: Sequence[Fault], outcome: Outcome, progress: Progress
) -> None:
    began = time.monotonic()
    windows = outcome.windows
    windows.append(Window("before the first fault", 0))
    await asyncio.sleep(LEAD_SECONDS + load.rest + load.beat)
    for fault in faults:
        if reason := fault.reason(site):
            outcome.skipped[fault.name] = reason
            progress(f"left out: {fault.name}, since {reason}")
            continue
        seconds = load.pause if fault.long else load.hold
        progress(f"{fault.name}, {seconds:g} s")
        _open_window(windows, fault.name, site.plan.latest + 1)
        await fault.strike(site, seconds)
        await _work_again(site)
        await asyncio.sleep(load.rest)
    windows[-1].last = site.plan.latest + 2
    draft = site.folder / "end.new"
    draft.write_text(str(windows[-1].last))
    draft.rename(site.folder / END)
    outcome.seconds = time.monotonic() - began


def _open_window(windows: list[Window], name: str, first: int) -> None:
    windows[-1].last = first - 1
    windows.append(Window(name, first))


async def _wait_for(
    settings: Settings,
    plan: Plan,
    outcome: Outcome,
    receivers: Sequence[Receiver],
    risers: Sequence[UUID],
    fallers: Sequence[UUID],
) -> None:
    """Count, again and again, until all is there or the patience is at its end."""
    ended = plan.due(outcome.windows[-1].last)
    await asyncio.sleep(max(0.0, ended - time.monotonic()))
    for window in outcome.windows:
        indexes = range(window.first, window.last + 1)
        wanted = {one.int for index in indexes for one in plan.signals(index, risers, fallers)}
        window.made = len(wanted)
        while not window.equal and time.monotonic() < ended + PATIENCE:
            await asyncio.sleep(LOOK_SECONDS)
            with suppress(psycopg.OperationalError):  # it may still be starting
                await _count(settings, plan, window, wanted, receivers)
    with psycopg.connect(settings.need("supabase_db_url"), autocommit=True) as operator:
        row = operator.execute(query("count_twice")).fetchone()
        outcome.twice = sum(row or ())


async def _count(
    settings: Settings, plan: Plan, window: Window, wanted: set[int], receivers: Sequence[Receiver]
) -> None:
    url = settings.need("supabase_db_url")
    bounds = (lowest_id(plan.close_ms(window.first)), lowest_id(plan.close_ms(window.last + 1)))
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        found = await connection.execute("select id from public.signals where id >= %s and id < %s", bounds)
        stored = {one.int for (one,) in await found.fetchall()}
    window.stored, window.foreign = len(stored & wanted), len(stored - wanted)
    window.received = sum(len(one.received & wanted) for one in receivers)


def judge(outcome: Outcome, load: Load) -> list[Result]:
    """Per fault what was made, stored and received, and what there must be nothing of."""
    results: list[Result] = []
    for one in outcome.windows:
        results += [
            figure(f"{one.name}: made", one.made, "signals"),
            exactly(f"{one.name}: stored", one.stored, "signals", one.made),
            exactly(f"{one.name}: received", one.received, "signals", one.made),
        ]
    for name, reason in outcome.skipped.items():
        results.append(figure(f"left out: {name}, since {reason}", 1, "faults"))
    rate = outcome.made * 60 / outcome.seconds
    results.append(figure("made in all", outcome.made, "signals"))
    if load.target is None:
        results.append(figure("made a minute", rate, "signals/min"))
    else:
        results.append(at_least("made a minute", rate, "signals/min", load.target))
    results += [
        exactly("stored twice", outcome.twice, "signals", 0),
        exactly("stored and never made", sum(one.foreign for one in outcome.windows), "signals", 0),
        exactly("machines that ended by themselves", outcome.ended, "machines", 0),
        figure("messages to the users", outcome.messages, "messages"),
        figure("received by catching up alone", outcome.caught_up, "signals"),
    ]
    return results
