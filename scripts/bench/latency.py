"""`sigtrail bench latency`: how long after it fires a signal is on its owner's screen.

From the moment at which a signal's batch was due to be handed to supabase-py, to the moment at which the
subscriber's handler has the message that covers it: the call, the database, its broadcast, the stream from
its log, Realtime and the socket lie in between. Subscribers are real ones, on user:<id>:signals with their
own token.

A message tells at most 50 rows, and of all that it covers the count and the range of ids, which the
subscriber reads over REST. So what covers a signal is the message with which the counts told to its owner
reach all that was handed over for them up to and with its batch. How often a user may be told follows from
the plan's messages a second, shared by everyone who watches: with two watchers each batch is told at once,
with twenty the throttle gathers several, and that waiting is in the figures without a target.
"""

from __future__ import annotations

import asyncio
import gc
from collections import Counter, deque
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from time import perf_counter
from uuid import UUID

import psycopg

from scripts.bench.pacing import Paced, pace
from scripts.bench.report import Progress, Result, at_most, exactly, figure, percentile
from scripts.bench.signals import Cast, Maker, Row, set_stage
from scripts.bench.stage import empty_project
from scripts.bench.ways import Machine, by_supabase
from shared.candles import MINUTE_MS
from shared.client import connect_user
from shared.errors import RealtimeError
from shared.identity import floor_ms
from shared.keys import Tokens
from shared.realtime import Arrival, Realtime
from shared.settings import Settings

USERS = 200
TRADERS = 3000
BEGIN = timedelta(hours=2)
MOST_ROWS = 1000
WATCH_SECONDS = 300
# How long after the last batch messages may still come; the throttle's pauses are far shorter.
PATIENCE = 10.0
SETTLING = 2.0
# How long a subscription may take.
JOINING = 60.0


@dataclass(frozen=True)
class Load:
    """Signals a minute, how many users watch theirs meanwhile, and the target of the p95 (ms)."""

    per_minute: int
    watching: int
    p95: float | None
    seconds: int = 60
    quick_seconds: int = 6

    @property
    def name(self) -> str:
        return f"{self.per_minute:,} signals/min, {self.watching} watching"


LOADS = (Load(100_000, 2, 50), Load(1_000_000, 2, 150), Load(100_000, 20, None))


class Subscriber:
    """What one user hears of their signals, and how long after it was due."""

    def __init__(self) -> None:
        self.latencies: list[float] = []
        self.due = 0
        self.told = 0
        self.messages = 0
        self.complete = asyncio.Event()
        self._waiting: deque[tuple[int, float]] = deque()

    def expect(self, signals: int, moment: float) -> None:
        """So many signals of this user are due now."""
        self.due += signals
        self._waiting.append((self.due, moment))
        self.complete.clear()

    def hear(self, count: int, moment: float) -> None:
        """A message covers so many signals: what it completes has arrived."""
        self.told += count
        self.messages += 1
        while self._waiting and self._waiting[0][0] <= self.told:
            self.latencies.append(moment - self._waiting.popleft()[1])
        if not self._waiting:
            self.complete.set()


async def run(*, quick: bool, progress: Progress) -> list[Result]:
    """The latency at each load: 4 minutes, or within one when quick."""
    if not quick:
        progress(f"this takes about {sum(load.seconds + 10 for load in LOADS) / 60:.0f} minutes")
    progress("starting a local Supabase of its own")
    # Starting and stopping block; nothing else runs yet.
    with empty_project() as settings:
        return await _measure(settings, quick, progress)


async def _measure(settings: Settings, quick: bool, progress: Progress) -> list[Result]:
    with psycopg.connect(settings.need("supabase_db_url"), autocommit=True) as operator:
        # Nobody watches yet: each load has its own watchers.
        cast = set_stage(operator, users=USERS, traders=TRADERS, watching=0)
    first = floor_ms(datetime.now(UTC) - BEGIN) // MINUTE_MS * MINUTE_MS
    maker = Maker([trader for trader, _ in cast.traders], first)
    gc.collect()
    gc.freeze()
    results = []
    async with by_supabase(settings, cast.machine) as machine:
        for load in LOADS:
            seconds = load.quick_seconds if quick else load.seconds
            progress(f"{load.name}: {seconds} s")
            async with _listen(settings, busiest(cast, load.watching)) as subscribers:
                results += await _hear(load, seconds, cast, maker, machine, subscribers)
    return results


async def _hear(
    load: Load,
    seconds: float,
    cast: Cast,
    maker: Maker,
    machine: Machine,
    subscribers: Mapping[str, Subscriber],
) -> list[Result]:
    owners = cast.owners

    def note(rows: list[Row], due: float) -> None:
        for owner, signals in Counter(owners[row["trader_id"]] for row in rows).items():
            if owner in subscribers:
                subscribers[owner].expect(signals, due)

    # A stream from the database takes its time to begin: until each of them hears, nothing counts.
    end = perf_counter() + JOINING
    while silent := [user for user, one in subscribers.items() if one.messages == 0]:
        if perf_counter() > end:
            raise RealtimeError(f"no message reached {silent[0]} within {JOINING:g} s")
        await pace(machine.send, maker.take, per_minute=60_000, seconds=0.5, most_rows=MOST_ROWS)
    # What the throttle held back meanwhile.
    await asyncio.sleep(SETTLING)
    for one in subscribers.values():
        one.told = one.messages = 0
    paced = await pace(
        machine.send,
        maker.take,
        per_minute=load.per_minute,
        seconds=seconds,
        most_rows=MOST_ROWS,
        note=note,
    )
    try:
        async with asyncio.timeout(PATIENCE):
            await asyncio.gather(*(one.complete.wait() for one in subscribers.values()))
    except TimeoutError:
        # Counted below as not told.
        pass
    return judge(load, seconds, paced, list(subscribers.values()))


def judge(load: Load, seconds: float, paced: Paced, subscribers: Sequence[Subscriber]) -> list[Result]:
    """What the subscribers heard, all together."""
    name = f"{load.name}, {seconds:g} s"
    latencies = [each for one in subscribers for each in one.latencies]
    return [
        figure(f"{name}, trigger to subscriber p50", percentile(latencies, 0.5) * 1000, "ms"),
        figure(f"{name}, trigger to subscriber p95", percentile(latencies, 0.95) * 1000, "ms")
        if load.p95 is None
        else at_most(
            f"{name}, trigger to subscriber p95", percentile(latencies, 0.95) * 1000, "ms", load.p95
        ),
        figure(f"{name}, trigger to subscriber p99", percentile(latencies, 0.99) * 1000, "ms"),
        figure(f"{name}, ack p95", percentile(paced.acks, 0.95) * 1000, "ms"),
        figure(f"{name}, messages", sum(one.messages for one in subscribers), "messages"),
        exactly(f"{name}, never told", sum(max(0, one.due - one.told) for one in subscribers), "signals", 0),
    ]


def busiest(cast: Cast, count: int) -> list[UUID]:
    """The users with the most traders: each batch has some of their signals."""
    return [user for user, _ in Counter(user for _, user in cast.traders).most_common(count)]


@asynccontextmanager
async def _listen(settings: Settings, users: Sequence[UUID]) -> AsyncIterator[dict[str, Subscriber]]:
    """These users' subscriptions, watching, each on a connection of its own."""
    subscribers = {str(user): Subscriber() for user in users}
    async with AsyncExitStack() as stack:
        for user, subscriber in subscribers.items():
            realtime = _subscribe(settings, user, subscriber)
            await realtime.start()
            stack.push_async_callback(realtime.stop)
            rest = await connect_user(settings, user)
            stack.push_async_callback(rest.close)
            await _join(user, realtime)
            await rest.call("watch_signals", {"seconds": WATCH_SECONDS})
            stack.push_async_callback(rest.call, "unwatch_signals", {})
        yield subscribers


async def _join(user: str, realtime: Realtime) -> None:
    try:
        async with asyncio.timeout(JOINING):
            await realtime.subscribed.wait()
    except TimeoutError:
        reason = realtime.last_error or "no answer"
        raise RealtimeError(f"{user} could not join within {JOINING:g} s: {reason}") from None


def _subscribe(settings: Settings, user: str, subscriber: Subscriber) -> Realtime:
    def hear(arrival: Arrival) -> None:
        if arrival.event == "signals":
            subscriber.hear(arrival.payload["count"], perf_counter())

    key = settings.supabase_publishable_key.get_secret_value()
    realtime = Realtime(settings.supabase_url, key, Tokens.for_user(settings, user))
    realtime.subscribe(f"user:{user}:signals", hear)
    return realtime
