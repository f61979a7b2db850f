"""The monitoring role: holds approved signals, looks at each candle close, says ready, exit or time-out."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import Any
from uuid import UUID

import structlog

from shared import work
from shared.candles import MINUTE_MS, Candle, interval_ms
from shared.clock import Clock
from shared.errors import InputError, Unavailable
from shared.identity import floor_ms
from shared.market import Market
from shared.metrics import Metric
from shared.role import Call
from shared.wakes import Wakes
from shared.work import LEASE_SECONDS, Work, is_seen
from workers.monitoring.decision import Decision, decide, time_out
from workers.monitoring.metrics import measure
from workers.monitoring.snapshot import take_snapshot
from workers.monitoring.view import View, last_view, views_after
from workers.monitoring.watch import Watch, Watches, open_watch

log = structlog.get_logger(__name__)

BATCH = 500
# A plan without candles (a delisted symbol, a dead feed) ends this long after the candle in which its time
# ran out would have closed.
SILENCE_MS = MINUTE_MS
# How long a signal on a symbol that this machine does not see is left to others.
UNSEEN_MS = 5 * MINUTE_MS


class MonitoringRole:
    """Turns `monitoring` signals into `ready` or `expired` ones, with a snapshot at each trader's interval.

    `counts` holds what was done so far: claimed, snapshots, ready, exit, stop_monitoring, lost, refused.
    """

    name = "monitoring"

    def __init__(
        self,
        call: Call,
        clock: Clock,
        market: Market,
        wakes: Wakes,
        *,
        lease_seconds: int = LEASE_SECONDS,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._call = call
        self._clock = clock
        self._market = market
        self._wakes = wakes
        self._lease_seconds = lease_seconds
        self._monotonic = monotonic
        self._renew_at = 0.0
        self._fence = 0
        # When signals come back whose leases were lost, in Unix milliseconds of the market's time.
        self._reclaim_ms: int | None = None
        self._watches = Watches()
        # Symbols of which candles closed, or watches were added, since they were last looked at.
        self._unseen: set[str] = set()
        # One item a signal: after an outage the latest decision counts, and a call names a signal once.
        self._waiting: dict[UUID, dict[str, Any]] = {}
        self._unsubscribe: Callable[[], None] | None = None
        self.counts: Counter[str] = Counter()

    @property
    def watching(self) -> int:
        """How many signals this machine holds now."""
        return len(self._watches)

    async def start(self) -> None:
        """Hear of candles, and look for work at once."""
        self._unsubscribe = self._market.subscribe(self._hear)
        self._wakes.wake(self.name)

    async def step(self) -> int:
        """Claim what is new, look at the candles that closed, record what was decided."""
        done = await self._deliver()
        if self._wakes.take(self.name) or self._is_reclaim_due():
            await self._claim()
        self._look_at_candles()
        self._end_silent_plans()
        done += await self._deliver()
        await self._renew_when_due()
        return done

    async def stop(self) -> None:
        """Record what was decided and release every lease, so that another machine goes on at once."""
        if self._unsubscribe is not None:
            self._unsubscribe()
            self._unsubscribe = None
        await self._deliver()
        held = [watch.reference() for watch in self._watches]
        for start in range(0, len(held), BATCH):
            await work.release(self._call, "monitoring", held[start : start + BATCH], self._clock.now())
        for watch in list(self._watches):
            self._watches.remove(watch.signal_id)

    def measure(self) -> Iterable[Metric]:
        """What the role tells Prometheus."""
        return measure(self.counts, self.watching)

    def _hear(self, candle: Candle) -> None:
        # Only the feed's own interval: the longer candles that the market builds repeat the same prices.
        if self._watches.is_watched(candle.symbol):
            self._unseen.add(candle.symbol)
            self._wakes.nudge(self.name)

    # Claiming

    async def _claim(self) -> None:
        try:
            while True:
                claimed_at = self._monotonic()
                batch = await work.claim(
                    self._call,
                    "monitoring",
                    self._clock.now(),
                    most=BATCH,
                    lease_seconds=self._lease_seconds,
                    after_fence=self._fence,
                )
                self._fence = max([self._fence, *(one.fence for one in batch)])
                self._note_lease(claimed_at)
                await self._give_back([one for one in batch if not self._adopt(one)])
                if len(batch) < BATCH:
                    return
        except Unavailable:
            self._wakes.wake(self.name)
            raise

    def _is_reclaim_due(self) -> bool:
        if self._reclaim_ms is None or self._clock.millis() < self._reclaim_ms:
            return False
        self._reclaim_ms = None
        return True

    def _lose(self, signal_id: UUID) -> None:
        """Watch it no longer, and look whether it is free again at its next snapshot."""
        watch = self._watches.find(signal_id)
        if watch is None:
            return
        self._watches.remove(signal_id)
        self._reclaim_ms = min(self._reclaim_ms or watch.snapshot_ms, watch.snapshot_ms)

    async def _give_back(self, unseen: list[Work]) -> None:
        """Leave signals on symbols of another machine's feed to a machine that sees them."""
        if unseen:
            later = self._clock.now() + timedelta(milliseconds=UNSEEN_MS)
            references = [one.reference() for one in unseen]
            await work.release(self._call, "monitoring", references, later)
            self._reclaim_ms = min(self._reclaim_ms or floor_ms(later), floor_ms(later))
            self.counts["given_back"] += len(unseen)

    def _adopt(self, one: Work) -> bool:
        """Watch it from now on; False when it is not for this machine."""
        self.counts["claimed"] += 1
        try:
            watch = open_watch(one)
        except InputError as error:
            log.warning("plan_unreadable", signal_id=str(one.signal_id), error=str(error))
            price = str(one.signal.get("current_price") or one.signal.get("initial_price"))
            self._waiting[one.signal_id] = _give_up(one, price, str(error))
            return True
        until = watch.setup.valid_until_ms + self._patience(watch.symbol)
        if not is_seen(one, self._market) and self._clock.millis() < until:
            return False
        known = self._watches.find(one.signal_id)
        if known is not None:
            watch.go_on_from(known)
        self._watches.add(watch)
        # What closed between the approval and this claim: nothing in a replay, some candles after a restart.
        self._unseen.add(watch.symbol)
        return True

    # Deciding

    def _look_at_candles(self) -> None:
        """Each watch looks at each candle that it has not seen, in the order of time; symbols know nothing of
        each other."""
        unseen, self._unseen = self._unseen, set()
        for symbol in unseen:
            watches = self._watches.on(symbol)
            if not watches:
                continue
            for view in views_after(self._market, symbol, min(watch.seen_ms for watch in watches)):
                close_ms = view.close_ms
                for watch in watches:
                    if watch.seen_ms < close_ms:
                        watch.seen_ms = close_ms
                        self._look(watch, view)
                watches = self._watches.on(symbol)

    def _look(self, watch: Watch, view: View) -> None:
        due = watch.seen_ms >= watch.snapshot_ms
        decision = decide(watch.setup, view.bar, view.previous_close, due=due)
        if decision.action != "continue":
            self._end(watch, decision, view, watch.seen_ms)
        elif due:
            watch.schedule_snapshot(watch.seen_ms)
            self._waiting[watch.signal_id] = take_snapshot(watch, decision, view, at_ms=watch.seen_ms)

    def _end(self, watch: Watch, decision: Decision, view: View | None, at_ms: int) -> None:
        self._waiting[watch.signal_id] = take_snapshot(watch, decision, view, at_ms=at_ms)
        self._watches.remove(watch.signal_id)

    def _end_silent_plans(self) -> None:
        end = self._watches.earliest_end_ms
        now = self._clock.millis()
        if end is None or now < end + SILENCE_MS:
            return
        # The candle in which the time ran out may still come, and what it touched comes first.
        for watch in self._watches:
            if now >= watch.setup.valid_until_ms + self._patience(watch.symbol):
                self._end(watch, time_out(), last_view(self._market, watch.symbol), now)

    def _patience(self, symbol: str) -> int:
        """How long after its time a plan is ended without a candle: one whole candle, and a grace."""
        base = self._market.base_interval(symbol)
        return SILENCE_MS + (0 if base is None else interval_ms(base))

    # Recording

    async def _deliver(self) -> int:
        """Record what was decided, ordered by signal; on Unavailable it is kept for the next step."""
        done = 0
        ids = sorted(self._waiting, key=_number_of)
        for start in range(0, len(ids), BATCH):
            batch = ids[start : start + BATCH]
            items = [self._waiting[signal_id] for signal_id in batch]
            at = self._clock.now().isoformat()
            answer = await self._call("record_monitoring", {"snapshots": items, "at": at})
            for signal_id in batch:
                del self._waiting[signal_id]
            self._count(items, answer)
            done += len(items)
        return done

    def _count(self, items: list[dict[str, Any]], answer: dict[str, Any]) -> None:
        refused = {int(one["index"]): one for one in answer["refused"]}
        # Also when it is refused: an answer that was lost meant that it had been done.
        if any(item["action"] == "ready" for item in items):
            self._wakes.wake("trading")
        for index, item in enumerate(items):
            if index in refused:
                # Somebody else has it, or it ended meanwhile: the database knows better.
                self.counts["refused"] += 1
                self._lose(UUID(item["signal_id"]))
                log.warning("monitoring_refused", signal_id=item["signal_id"], code=refused[index]["code"])
                continue
            self.counts["snapshots"] += 1
            if item["action"] != "continue":
                self.counts[item["action"]] += 1
                log.info("signal_watched", signal_id=item["signal_id"], action=item["action"])

    # Leases, on the wall's clock

    async def _renew_when_due(self) -> None:
        now = self._monotonic()
        if not len(self._watches) or now < self._renew_at:
            return
        held = [watch.reference() for watch in self._watches]
        for start in range(0, len(held), BATCH):
            lost = await work.renew(
                self._call, "monitoring", held[start : start + BATCH], self._lease_seconds
            )
            for signal_id in lost:
                self.counts["lost"] += 1
                self._lose(signal_id)
        self._renew_at = now + self._lease_seconds / 3

    def _note_lease(self, claimed_at: float) -> None:
        # The oldest lease decides when all are renewed.
        due = claimed_at + self._lease_seconds / 3
        self._renew_at = min(self._renew_at, due) if len(self._watches) else due


def _number_of(signal_id: UUID) -> int:
    return signal_id.int


def _give_up(one: Work, price: str, error: str) -> dict[str, Any]:
    return {
        **one.reference(),
        "price": price,
        "action": "exit",
        "confidence": "0",
        "reasoning": error,
        "indicators": {},
        "outcome_code": "setup_invalidated",
    }
