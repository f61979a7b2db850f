"""The analysis role: claims new signals, asks the analyst, hands the verdicts back in one call a batch."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

import structlog
from structlog.contextvars import bind_contextvars

from shared import work
from shared.candles import interval_ms
from shared.clock import Clock
from shared.errors import SigtrailError, Unavailable
from shared.identity import from_ms, triggered_ms
from shared.log import candle_key
from shared.market import Market
from shared.metrics import Metric
from shared.role import Call
from shared.wakes import Wakes
from shared.work import Work, is_seen
from workers.analysis.analyst import Analyst, AnalystAway, LeaseLost, NotEnoughHistory, Unanswerable
from workers.analysis.metrics import measure

log = structlog.get_logger(__name__)

# What one call of the database takes; it refuses more than 1,000.
BATCH = 500
# After this many candles of its own interval a signal that nobody analysed is no opportunity any more.
STALE_CANDLES = 15
# How long a signal on a symbol that this machine does not see is left to others.
UNSEEN_CANDLES = 5
# How often the analysis of one signal may fail before it is rejected for good.
MOST_ATTEMPTS = 3


class AnalysisRole:
    """Turns `new` signals into `rejected` ones or, with a plan, into `monitoring` ones.

    `counts` holds what was done so far: claimed, approved, rejected, failed, deferred, expired, refused,
    lost. In a `replay` market time waits for an analyst that is away, as it does for the database: it would
    pass a thousand candles while a person counts to ten, and every signal would be stale.
    """

    name = "analysis"

    def __init__(
        self,
        call: Call,
        clock: Clock,
        market: Market,
        wakes: Wakes,
        analyst: Analyst,
        *,
        replay: bool = False,
    ) -> None:
        self._call = call
        self._clock = clock
        self._market = market
        self._wakes = wakes
        self._analyst = analyst
        self._replay = replay
        self._results = Results()
        self._fence = 0
        self.counts: Counter[str] = Counter()
        # When deferred signals come back, so that a replay asks the database exactly then.
        self._deferred_until: list[datetime] = []
        # What is claimed and could not be judged, because the database went away in the midst of it.
        self._unfinished: list[Work] = []

    def report(self) -> dict[str, Any]:
        """How the analyst fares, for the machine's heartbeat."""
        return self._analyst.report()

    async def start(self) -> None:
        """Look for work at once: signals may have waited while no machine was there."""
        self._wakes.wake(self.name)

    async def step(self) -> int:
        """Analyse what waits: all of it, or one batch where somebody else has to be asked, which takes time.
        Verdicts that could not be handed over are kept and go first."""
        done = await self._deliver()
        now = self._clock.now()
        if self._unfinished:
            await self._finish(now)
            done += await self._deliver()
        # Signals that nobody can be asked about stay in the queue, where another machine finds them.
        if not self._analyst.is_open():
            if self._replay:
                raise Unavailable(f"the analyst is away: {self._analyst.report().get('trouble')}")
            return done
        if not self._wakes.take(self.name) and not self._take_deferred(now):
            return done
        waiting = -1
        try:
            while True:
                most = self._analyst.batch
                batch = await work.claim(
                    self._call,
                    "analysis",
                    now,
                    most=most,
                    lease_seconds=self._analyst.lease_seconds,
                    after_fence=self._fence,
                )
                self._fence = max([self._fence, *(one.fence for one in batch)])
                self.counts["claimed"] += len(batch)
                self._unfinished = await self._give_back(batch, now)
                await self._finish(now)
                handed = await self._deliver()
                done += handed
                if self._analyst.is_remote:
                    if handed:
                        # Between two batches a machine can be told to stop.
                        self._wakes.wake(self.name)
                        return done
                    before, waiting = waiting, 0 if batch else await self._count_due(now)
                    # What nobody can claim, such as the row of a signal that is gone, is not waited for.
                    if not batch and waiting in (0, before):
                        return done
                # A claim may answer fewer than it took: those over a trader's limit were rejected with it.
                elif len(batch) <= most // 2:
                    return done
        except Unavailable:
            self._wakes.wake(self.name)
            raise

    async def stop(self) -> None:
        """Hand over what is still held; what cannot be handed over returns when its lease runs out."""
        try:
            await self._deliver()
        finally:
            await self._analyst.close()

    async def _count_due(self, now: datetime) -> int:
        """How many signals wait: in small batches a claim that answers none may have rejected all it took."""
        waiting = await self._call("work_waiting", {"stage": "analysis", "at": now.isoformat()})
        return int(waiting["due"])

    def measure(self) -> Iterable[Metric]:
        """What the role tells Prometheus."""
        return (*measure(self.counts), *self._analyst.measure())

    async def _give_back(self, batch: list[Work], now: datetime) -> list[Work]:
        """Release what is not for this machine now; answers the rest.

        A replay that starts again finds claims of its own future, and the symbols of another machine's feed
        are judged by a machine that sees them.
        """
        kept: list[Work] = []
        later: dict[datetime, list[dict[str, Any]]] = {}
        for one in batch:
            fired, length = triggered_ms(one.signal_id), interval_ms(str(one.signal["interval"]))
            if fired > self._clock.millis():
                later.setdefault(from_ms(fired), []).append(one.reference())
            elif not is_seen(one, self._market) and self._clock.millis() <= fired + STALE_CANDLES * length:
                again = now + timedelta(milliseconds=UNSEEN_CANDLES * length)
                later.setdefault(again, []).append(one.reference())
            else:
                kept.append(one)
        for available_at, references in sorted(later.items()):
            await work.release(self._call, "analysis", references, available_at)
            self._deferred_until.append(available_at)
            self.counts["given_back"] += len(references)
        return kept

    async def _finish(self, now: datetime) -> None:
        """Judge what is claimed, all at once. What has no verdict when the database goes away is kept."""
        claimed, self._unfinished = self._unfinished, []
        judging = (self._analyse(one, now) for one in claimed)
        ends = await asyncio.gather(*judging, return_exceptions=True)
        errors = [end for end in ends if isinstance(end, BaseException)]
        self._unfinished = [
            one for one, end in zip(claimed, ends, strict=True) if isinstance(end, Unavailable)
        ]
        # A defect goes first: an absent database can be waited for.
        for error in sorted(errors, key=lambda end: isinstance(end, Unavailable)):
            raise error

    async def _analyse(self, one: Work, now: datetime) -> None:
        interval = str(one.signal["interval"])
        symbol, fired = str(one.signal["symbol"]), triggered_ms(one.signal_id)
        # Of this task alone: whatever is logged on the way to a verdict says of what.
        bind_contextvars(signal_id=str(one.signal_id), candle=candle_key(symbol, interval, fired))
        length = interval_ms(interval)
        latest = fired + STALE_CANDLES * length
        if self._clock.millis() > latest:
            self._results.expire(one, "signal_stale")
            return
        if one.trader.get("status", "active") != "active":
            self._results.reject(one, "trader_inactive", {"analyst": self._analyst.name})
            return
        self._market.follow(interval)
        candles = self._market.history(symbol, interval, self._analyst.candles_needed)
        try:
            verdict = await self._analyst.analyse(one, candles)
        except NotEnoughHistory as error:
            missing = (error.need - error.have) * length
            if self._clock.millis() + missing > latest:
                # Before there is enough it will be stale: said now, instead of asking again for nothing.
                self._results.fail(one, str(error), None)
                return
            retry_at = now + timedelta(milliseconds=missing)
            self._deferred_until.append(retry_at)
            self._results.fail(one, str(error), retry_at)
            self.counts["deferred"] += 1
        except LeaseLost as error:
            log.warning("analysis_lost", signal_id=str(one.signal_id), error=str(error))
            self.counts["lost"] += 1
        except Unavailable:
            raise
        except SigtrailError as error:
            if self._replay and isinstance(error, AnalystAway):
                raise Unavailable(f"the analyst is away: {error}") from error
            log.warning("analysis_failed", signal_id=str(one.signal_id), error=str(error))
            self._fail(one, error, now)
        else:
            item = verdict.to_json()
            item["result"] = {"analyst": self._analyst.name, **item["result"]}
            self._results.complete(one, item)

    def _fail(self, one: Work, error: SigtrailError, now: datetime) -> None:
        """No verdict for now: again with the next candle, or never."""
        fired, length = triggered_ms(one.signal_id), interval_ms(str(one.signal["interval"]))
        if isinstance(error, AnalystAway):
            # Nothing is wrong with the signal: it is tried as long as it is worth anything.
            again = self._clock.millis() + length <= fired + STALE_CANDLES * length
        else:
            failures = int(one.signal.get("error_count") or 0) + 1
            again = failures < MOST_ATTEMPTS and not isinstance(error, Unanswerable)
        retry_at = now + timedelta(milliseconds=length) if again else None
        if retry_at is not None:
            self._deferred_until.append(retry_at)
        self._results.fail(one, str(error), retry_at)

    async def _deliver(self) -> int:
        """Hand over all results; answers how many. On Unavailable the rest is kept for the next step."""
        now = self._clock.now()
        done = 0
        for function, parameter in Results.FUNCTIONS:
            while items := self._results.first(function, BATCH):
                at = now.isoformat()
                answer = await self._call(function, {parameter: items, "at": at})
                self._results.drop(function, len(items))
                self._count(function, items, answer)
                done += len(items)
        return done

    def _count(self, function: str, items: list[dict[str, Any]], answer: dict[str, Any]) -> None:
        refused = {int(one["index"]) for one in answer["refused"]}
        for one in answer["refused"]:
            self.counts["refused"] += 1
            message = str(one.get("message") or one["code"])
            log.warning("analysis_refused", signal_id=one.get("signal_id"), code=one["code"], message=message)
            if function == "complete_analysis" and one["code"] == "bad_result":
                # Still ours, and no better the next time: the trail says what was wrong with the verdict.
                self._results.give_up(items[int(one["index"])], message)
        for index, item in enumerate(items):
            if index in refused:
                continue
            if function == "complete_analysis":
                self.counts[str(item["verdict"])] += 1
                told = {"confidence": item["confidence"], "code": item.get("outcome_code")}
                log.info("signal_judged", signal_id=item["signal_id"], verdict=item["verdict"], **told)
            else:
                self.counts["failed" if function == "fail_analysis" else "expired"] += 1
        if function == "complete_analysis" and any(item["verdict"] == "approved" for item in items):
            self._wakes.wake("monitoring")

    def _take_deferred(self, now: datetime) -> bool:
        due = [moment for moment in self._deferred_until if moment <= now]
        if due:
            self._deferred_until = [moment for moment in self._deferred_until if moment > now]
        return bool(due)


class Results:
    """What was decided and not yet handed to the database, in the order of the signals' ids."""

    FUNCTIONS = (("complete_analysis", "results"), ("fail_analysis", "results"), ("expire_signals", "items"))

    def __init__(self) -> None:
        self._waiting: dict[str, list[dict[str, Any]]] = {name: [] for name, _ in self.FUNCTIONS}

    def complete(self, one: Work, item: dict[str, Any]) -> None:
        """A verdict, as `Verdict.to_json` gives it."""
        self._waiting["complete_analysis"].append({**one.reference(), **item})

    def reject(self, one: Work, code: str, result: dict[str, Any]) -> None:
        """A verdict against the signal that needed no analyst."""
        verdict = {"verdict": "rejected", "confidence": "0", "outcome_code": code, "plan": None}
        self.complete(one, {**verdict, "result": result})

    def fail(self, one: Work, error: str, retry_at: datetime | None) -> None:
        """No verdict: try again at `retry_at` of the market's time, or never."""
        again = None if retry_at is None else retry_at.isoformat()
        self._waiting["fail_analysis"].append({**one.reference(), "error": error, "retry_at": again})

    def give_up(self, item: dict[str, Any], error: str) -> None:
        """The database could not use this verdict."""
        body = {"signal_id": item["signal_id"], "fence": item["fence"]}
        self._waiting["fail_analysis"].append({**body, "error": error, "retry_at": None})

    def expire(self, one: Work, code: str) -> None:
        """The signal is too old to be worth a verdict."""
        self._waiting["expire_signals"].append({**one.reference(), "outcome_code": code})

    def first(self, function: str, most: int) -> list[dict[str, Any]]:
        """The next items for this function, at most `most` of them."""
        waiting = self._waiting[function]
        # Those that were judged at once ended in any order.
        waiting.sort(key=lambda item: str(item["signal_id"]))
        return waiting[:most]

    def drop(self, function: str, count: int) -> None:
        """Forget the first items: the database answered for them."""
        del self._waiting[function][:count]
