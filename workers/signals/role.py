"""The signals role: from closed candles to recorded signals.

    market ─▶ evaluator ─▶ spool (disk) ─▶ writer ─▶ rpc ingest_signals

Candles are evaluated as the market publishes them. A step makes what fired durable; in a replay it also sends
it and waits for the answer, so that market time stands still meanwhile. Live, a task of its own sends, and an
absent database delays nobody.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Coroutine, Iterable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import orjson
import structlog

from shared.candles import Candle
from shared.clock import Clock
from shared.errors import SigtrailError, Unavailable
from shared.market import Market
from shared.metrics import Metric
from shared.models import Signal
from shared.role import Call
from shared.wakes import Wakes
from workers.signals.dead_letters import DeadLetters
from workers.signals.evaluator import Evaluator, Unfit
from workers.signals.metrics import SpoolState, Timings, measure
from workers.signals.spool import Spool, SpoolFull
from workers.signals.traders import LoadTraders
from workers.signals.writer import Writer

log = structlog.get_logger(__name__)

# Wake this name when traders were changed (the machines' topic has an event for it).
TRADERS = "traders"
RELOAD_EVERY = timedelta(seconds=60)
KEPT_FIRED = 100_000
FLUSH_SECONDS = 0.1
MOST_FLUSHES = 50
DRAIN_SECONDS = 10.0


class SignalsRole:
    """Evaluates every active trader at each candle close and records what fires.

    `market` has to be seeded with history before `start`. `call` reaches the database as signal_worker,
    `load_traders` reads the active traders. `counts` has evaluated, fired, inserted, duplicates, rejected,
    refused (the spool was full), pending, traders, unfit and more from the writer.
    """

    name = "signals"

    def __init__(
        self,
        market: Market,
        clock: Clock,
        wakes: Wakes,
        call: Call,
        load_traders: LoadTraders,
        spool_folder: Path,
        *,
        replay: bool,
    ) -> None:
        self.counts: Counter[str] = Counter()
        self.unfit: list[Unfit] = []
        self._market = market
        self._clock = clock
        self._wakes = wakes
        self._call = call
        self._load_traders = load_traders
        self._spool_folder = spool_folder
        self._replay = replay
        self._evaluator = Evaluator(market)
        self._made: list[Signal] = []
        self._fired: OrderedDict[UUID, float] = OrderedDict()
        self._reload_at: datetime | None = None
        self._leave_market: Callable[[], None] | None = None
        self._spool: Spool | None = None
        self._writer: Writer | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._defect: BaseException | None = None
        self._flushing = False
        self._timings = Timings()

    async def start(self) -> None:
        """Open the spool, read the traders, and begin to listen to the market.

        May be called again when it raised `Unavailable`.
        """
        if self._spool is None:
            self._spool = Spool(self._spool_folder)
            self._writer = self._open_writer(self._spool)
        await self._reload()
        if self._leave_market is None:
            self._leave_market = self._market.subscribe(self._hear, aggregated=True)
            if not self._replay and self._writer is not None:
                self._run(self._writer.run())

    async def step(self) -> int:
        """Make durable what fired since the last step, and in a replay have the database answer for it."""
        if self._spool is None or self._writer is None:
            raise RuntimeError("the signals role takes steps after start and before stop")
        self._wakes.take(self.name)
        done = self._spool_made(self._spool, sync=not self._replay)
        self._writer.notice()
        try:
            if self._is_reload_due():
                await self._reload()
            if self._replay:
                done = await self._writer.drain()
        finally:
            # What the database has answered for is durable there; the disk need only keep the rest.
            if self._replay and self._spool.pending:
                self._spool.sync()
        failure = self._defect or self._writer.failure
        self._defect = self._writer.failure = None
        if failure is not None:
            raise failure
        return done

    async def stop(self) -> None:
        """Stop listening and send what is spooled; what cannot be sent now waits on the disk."""
        if self._leave_market is not None:
            self._leave_market()
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._spool is None or self._writer is None:
            return
        try:
            self._spool_made(self._spool, sync=True)
            async with asyncio.timeout(DRAIN_SECONDS):
                await self._writer.drain()
        except (TimeoutError, SigtrailError) as error:
            log.warning("spool_kept", pending=self._spool.pending, error=str(error) or "the time was up")
        finally:
            self._spool.close()

    def fired_at(self, signal: UUID) -> float | None:
        """When this machine's evaluator fired a signal, in Unix seconds of the wall's clock.

        For the latency from trigger to subscriber; the last KEPT_FIRED are remembered.
        """
        return self._fired.get(signal)

    @property
    def spool_state(self) -> SpoolState:
        """How the spool stands now."""
        spool = self._spool
        if spool is None:
            return SpoolState()
        return SpoolState(spool.pending, spool.size, spool.limit_bytes, spool.age_seconds, spool.alarm)

    def measure(self) -> Iterable[Metric]:
        """What the role tells Prometheus."""
        return measure(self.counts, self.spool_state, self._timings)

    def _open_writer(self, spool: Spool) -> Writer:
        if spool.damaged_bytes:
            log.warning("spool_damaged", folder=str(spool.folder), bytes=spool.damaged_bytes)
        if spool.pending:
            log.info("spool_restored", pending=spool.pending)
        self.counts["pending"] = spool.pending
        return Writer(
            spool,
            DeadLetters(spool.folder),
            self._call,
            self._clock.now,
            self.counts,
            on_stored=self._pass_on,
            on_held_back=self._flush_soon,
            timings=self._timings,
        )

    def _hear(self, candle: Candle) -> None:
        began = time.perf_counter()
        signals = self._evaluator.evaluate(candle)
        self._timings.evaluation.observe(time.perf_counter() - began)
        self.counts["evaluated"] += 1
        if signals:
            moment = time.time()  # what a person experiences, never what a decision rests on
            self._made += signals
            for signal in signals:
                self._fired[signal.id] = moment
            while len(self._fired) > KEPT_FIRED:
                self._fired.popitem(last=False)
            self.counts["fired"] += len(signals)
            self._wakes.nudge(self.name)

    def _spool_made(self, spool: Spool, *, sync: bool) -> int:
        if not self._made:
            return 0
        made = sorted(self._made, key=lambda one: one.id)
        try:
            spool.append([orjson.dumps(signal.row()) for signal in made], sync=sync)
        except SpoolFull as error:
            if self._replay:
                raise
            # The stated policy: what was promised first is kept, and what is refused is named.
            self.counts["refused"] += len(made)
            log.exception("signals_refused", error=str(error), ids=[str(signal.id) for signal in made])
            made = []
        self._made.clear()
        self.counts["pending"] = spool.pending
        return len(made)

    def _is_reload_due(self) -> bool:
        if self._wakes.take(TRADERS):
            return True
        # A replay hears of changes by its wake alone: market time runs a thousand times faster than people.
        return not self._replay and (self._reload_at is None or self._clock.now() >= self._reload_at)

    async def _reload(self) -> None:
        try:
            traders, unreadable = await self._load_traders()
        except Unavailable:
            self._wakes.wake(TRADERS)
            raise
        known, self.unfit = self.unfit, unreadable + self._evaluator.assign(traders)
        self._reload_at = self._clock.now() + RELOAD_EVERY
        self.counts["traders"], self.counts["unfit"] = len(traders), len(self.unfit)
        self.counts["rules"] = self._evaluator.rules
        for one in self.unfit:
            if one in known:
                continue
            log.warning("trader_unfit", trader=str(one.trader_id), name=one.name, reason=one.reason)

    def _pass_on(self) -> None:
        self._wakes.wake("analysis")

    def _flush_soon(self) -> None:
        if not self._flushing:
            self._flushing = True
            self._run(self._flush())

    async def _flush(self) -> None:
        """Have what the broadcast's throttle held back sent as soon as its interval is over."""
        try:
            for _ in range(MOST_FLUSHES):
                await asyncio.sleep(FLUSH_SECONDS)
                if await self._call("flush_broadcasts", {}):
                    return
        except Unavailable as error:
            # Subscribers catch up over REST, and the machine flushes now and then.
            log.info("flush_skipped", error=str(error))
        finally:
            self._flushing = False

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        """Run a task beside the steps; a defect in it rises out of the next step."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._end)

    def _end(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (defect := task.exception()) is not None:
            self._defect = defect
            self._wakes.nudge(self.name)
