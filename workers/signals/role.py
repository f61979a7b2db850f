"""The signals role: from closed candles to recorded signals.

    market ─▶ evaluator ─▶ spool (disk) ─▶ writer ─▶ rpc ingest_signals

A step evaluates the candles that the market published since the last one, those of a close together, and
makes what fired durable; in a replay it also sends it and waits for the answer, so that market time stands
still meanwhile. Live, a task of its own sends, and an absent database delays nobody.

Live, it also notes how far it came. Candles that closed while it was away are evaluated at its start, from
the history that the feed brought along; so are, once there is room, those whose signals a full spool refused.
What lies further back than CATCH_UP is told and left. In a replay the recording itself is played again.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import orjson
import structlog

from shared.candles import Candle
from shared.clock import Clock
from shared.errors import SigtrailError, Unavailable
from shared.log import candle_key
from shared.market import Market
from shared.metrics import Metric
from shared.models import Signal, Trader
from shared.role import Call
from shared.wakes import Wakes
from workers.signals.dead_letters import DeadLetter, DeadLetters
from workers.signals.evaluator import Evaluator, Unfit
from workers.signals.marks import Marks
from workers.signals.metrics import SpoolState, Timings, measure
from workers.signals.missed import evaluate_missed, find_missed
from workers.signals.spool import LARGEST_PAYLOAD, Spool, SpoolError, SpoolFull
from workers.signals.traders import LoadTraders, intervals_of
from workers.signals.writer import Writer

log = structlog.get_logger(__name__)

# Wake this name when traders were changed (the machines' topic has an event for it).
TRADERS = "traders"
RELOAD_EVERY = timedelta(seconds=60)
# What arrives later than that was caught up, and tells nothing of how long a message takes.
FIRED_SECONDS = 600.0
KEPT_FIRED = 100_000
FLUSH_SECONDS = 0.1
MOST_FLUSHES = 50
DRAIN_SECONDS = 10.0
# How far back from the newest close missed candles are made up for: the signal of an older one helps nobody.
CATCH_UP = timedelta(hours=4)
# So many signals wait in memory for a disk that refuses; more are made again from history when it is back.
MOST_MADE = 50_000
# A spool that was full is tried again below this part of its bound.
ROOM_SHARE = 0.9


class SignalsRole:
    """Evaluates every active trader at each candle close and records what fires.

    `market` has to be seeded with history before `start`; `holds` says which symbols are this machine's.
    `call` reaches the database as signal_worker, `load_traders` reads the active traders. `counts` has
    evaluated, fired, made (durable on the disk), refused (not taken, since the spool was full or the disk
    refused for long), caught_up (fired at closes that were missed), cut_off (closes too long ago for that),
    unmarked (marks that the disk did not take), pending, spool_bytes, traders, unfit and more from the
    writer.
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
        holds: Callable[[str], bool] = lambda _symbol: True,
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
        self._holds = holds
        self._is_reheld = False
        self._owed: dict[str, int] = {}
        self._evaluator = Evaluator(market)
        self._made: list[Signal] = []
        self._traders: list[Trader] = []
        self._unreadable: list[Unfit] = []
        # The last close heard of each symbol, and whether something closed that was not evaluated durably.
        self._heard: dict[str, int] = {}
        self._is_behind = False
        self._alarm = ""
        self._fired: OrderedDict[UUID, float] = OrderedDict()
        self._reloaded_at: datetime | None = None
        self._leave_market: Callable[[], None] | None = None
        self._spool: Spool | None = None
        self._marks = Marks(spool_folder)
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
            if not self._replay:
                self._marks.read()
                await self._catch_up(self._spool)
            self._leave_market = self._market.subscribe(self._hear, aggregated=True)
            if not self._replay and self._writer is not None:
                self._run(self._writer.run())

    async def step(self) -> int:
        """Make durable what fired since the last step, and in a replay have the database answer for it."""
        if self._spool is None or self._writer is None:
            raise RuntimeError("the signals role takes steps after start and before stop")
        self._wakes.take(self.name)
        done = self._spool_made(self._spool, sync=not self._replay)
        if self._is_reheld:
            self._assign(self._traders)
        if (self._is_behind or self._owed) and self._spool.size < ROOM_SHARE * self._spool.limit_bytes:
            done += await self._catch_up(self._spool)
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

        For the latency from trigger to subscriber; the last KEPT_FIRED of FIRED_SECONDS are remembered.
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
            waits_for_clock=not self._replay,
        )

    def _hear(self, candle: Candle) -> None:
        if not self._holds(candle.symbol):
            return
        self._evaluator.hear(candle)
        self.counts["evaluated"] += 1
        self._heard[candle.symbol] = candle.close_ms
        self._marks.closes.setdefault(candle.symbol, candle.open_ms)
        self._wakes.nudge(self.name)

    def _evaluate(self) -> None:
        """Evaluate what was heard: all candles of a close together, as far as they are there."""
        began, waiting = time.perf_counter(), self._evaluator.waiting
        signals = self._evaluator.evaluate()
        if waiting:
            self._timings.evaluation.observe(time.perf_counter() - began)
        if signals:
            moment = time.time()  # what a person experiences, never what a decision rests on
            self._made += signals
            for signal in signals:
                self._fired[signal.id] = moment
            while len(self._fired) > KEPT_FIRED or next(iter(self._fired.values())) < moment - FIRED_SECONDS:
                self._fired.popitem(last=False)
            self.counts["fired"] += len(signals)
            _tell(signals)

    def owe(self, since: Mapping[str, int]) -> None:
        """Evaluate again what closed of these symbols after these closes (Unix milliseconds), as far as the
        history goes: whoever was to do so may have died before it did. Live alone."""
        self._owed.update(since)
        self._wakes.nudge(self.name)

    def rehold(self) -> None:
        """What `holds` answers is another: evaluate those symbols, and only those."""
        self._is_reheld = True
        self._wakes.nudge(self.name)

    @property
    def wanted(self) -> frozenset[str]:
        """The symbols that active traders of this market watch, whichever machine holds them."""
        return frozenset(self.intervals)

    @property
    def intervals(self) -> Mapping[str, set[str]]:
        """The intervals on which active traders of this market watch each symbol."""
        return intervals_of(one for one in self._traders if one.market == self._market.kind)

    def settled(self) -> Mapping[str, int]:
        """Up to which close each symbol was evaluated, with all that fired in the database; empty while
        something waits for that."""
        if self._is_behind or self._owed or self._made or self._spool is None or self._spool.pending:
            return {}
        return self._marks.closes

    def _spool_made(self, spool: Spool, *, sync: bool) -> int:
        """Evaluate what was heard, make durable what fired, and note how far that is.

        Raises SpoolError when the disk refuses.
        """
        self._evaluate()
        made = sorted(self._made, key=lambda one: one.id)
        heard = dict(self._heard)
        try:
            self._append(spool, made, sync=sync)
        except SpoolFull as error:
            if self._replay:
                raise
            # The stated policy: what was promised first is kept. What is refused is named, and made again
            # from history once there is room.
            self._refuse(made, error)
            return 0
        except SpoolError as error:
            if len(made) > MOST_MADE and not self._replay:
                self._refuse(made, error)
            raise
        finally:
            self._tell_alarm(spool)
        self._made.clear()
        if not self._replay and not self._is_behind and not self._owed:
            self._mark(heard)
        return len(made)

    def _append(self, spool: Spool, made: Sequence[Signal], *, sync: bool) -> None:
        rows = [orjson.dumps(signal.row()) for signal in made]
        if large := [row for row in rows if len(row) > LARGEST_PAYLOAD]:
            # Once: the others must not wait for a row that no spool and no database takes.
            self._put_aside(spool, large)
            rows = [row for row in rows if len(row) <= LARGEST_PAYLOAD]
        if rows:
            spool.append(rows, sync=sync)
            self.counts["made"] += len(rows)
            self.counts["pending"] += len(rows)

    def _put_aside(self, spool: Spool, large: Sequence[bytes]) -> None:
        letters = []
        for row in large:
            told = orjson.loads(row)
            why = f"a row of {len(row)} bytes is no signal: at most {LARGEST_PAYLOAD} are sent"
            kept = {
                name: told.get(name) for name in ("id", "trader_id", "symbol", "interval", "triggered_at")
            }
            letters.append(DeadLetter(kept, "too_large", why))
            log.error(
                "signal_too_large", signal_id=told.get("id"), trader=told.get("trader_id"), bytes=len(row)
            )
        DeadLetters(spool.folder).add(letters, self._clock.now())
        self.counts["rejected"] += len(letters)
        self.counts["rejected_too_large"] += len(letters)

    def _refuse(self, made: Sequence[Signal], error: SpoolError) -> None:
        self.counts["refused"] += len(made)
        log.error("signals_refused", error=str(error), ids=[str(signal.id) for signal in made])
        self._made.clear()
        self._is_behind = True

    def _mark(self, closes: Mapping[str, int]) -> None:
        try:
            self._marks.set(closes)
        except SpoolError as error:
            # Older marks have the same candles evaluated again after a restart, which loses nothing.
            self.counts["unmarked"] += 1
            log.warning("marks_not_written", error=str(error))

    def _tell_alarm(self, spool: Spool) -> None:
        self.counts["spool_bytes"] = spool.size
        if spool.alarm == self._alarm:
            return
        self._alarm = spool.alarm
        if self._alarm:
            state = {"pending": spool.pending, "bytes": spool.size, "limit_bytes": spool.limit_bytes}
            log.error("spool_alarm", alarm=self._alarm, folder=str(spool.folder), **state)
        else:
            log.info("spool_alarm_over", folder=str(spool.folder), pending=spool.pending)

    async def _catch_up(self, spool: Spool) -> int:
        """Make up for the closes behind the marks, and answer how many signals that made.

        What a full or broken disk does not take stays due, for a later step.
        """
        self._is_behind = True
        self._marks.closes.update(self._owed)
        self._owed = {}
        held = filter(self._holds, self._market.symbols)
        latest = {one.symbol: one.close_ms for one in map(self._market.latest, held) if one}
        since = {one: mark for one in latest if (mark := self._marks.since(one)) is not None}
        missed = find_missed(self._market, since, round(CATCH_UP.total_seconds() * 1000))
        done = 0
        try:
            async for candles, signals in evaluate_missed(self._market.kind, missed, self._traders):
                self._append(spool, sorted(signals, key=lambda one: one.id), sync=True)
                done += len(signals)
                if signals:
                    self._mark({candle.symbol: candle.close_ms for candle in candles})
        except SpoolError as error:
            log.warning("catch_up_postponed", error=str(error))
            return done
        finally:
            self.counts["caught_up"] += done
            self._tell_alarm(spool)
        self._is_behind = False
        self._mark(latest)
        if missed.candles:
            log.info("caught_up", candles=len(missed.candles), signals=done)
        if missed.cut_off:
            self.counts["cut_off"] += missed.cut_off
            log.error("closes_too_long_ago", count=missed.cut_off, most_hours=CATCH_UP.total_seconds() / 3600)
        return done

    def _is_reload_due(self) -> bool:
        if self._wakes.take(TRADERS):
            return True
        # A replay hears of changes by its wake alone: market time runs a thousand times faster than people.
        # A clock that was put back counts as one that has come far.
        return not self._replay and (
            self._reloaded_at is None or abs(self._clock.now() - self._reloaded_at) >= RELOAD_EVERY
        )

    async def _reload(self) -> None:
        try:
            traders, unreadable = await self._load_traders()
        except Unavailable:
            self._wakes.wake(TRADERS)
            raise
        self._reloaded_at = self._clock.now()
        self._traders, self._unreadable = traders, unreadable
        self._assign(traders)

    def _assign(self, traders: Sequence[Trader]) -> None:
        """Evaluate these traders on the symbols that this machine holds."""
        self._is_reheld = False
        # Thousands of traders watch the same symbols: each list of them is looked through once.
        cut = {one: tuple(filter(self._holds, one)) for one in {trader.symbols for trader in traders}}
        held = [
            one if len(symbols) == len(one.symbols) else one.model_copy(update={"symbols": symbols})
            for one in traders
            if (symbols := cut[one.symbols])
        ]
        known, self.unfit = self.unfit, self._unreadable + self._evaluator.assign(held)
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


def _tell(signals: Sequence[Signal]) -> None:
    """A line for each candle that fired: from here on a signal is found by its id."""
    by_candle: dict[tuple[str, str, int], list[str]] = {}
    for one in signals:
        by_candle.setdefault((one.symbol, one.interval, one.triggered_ms), []).append(str(one.id))
    for candle, ids in by_candle.items():
        log.info("signals_fired", candle=candle_key(*candle), count=len(ids), signal_ids=ids)
