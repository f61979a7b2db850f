"""A machine's life: it registers, runs its roles, tells that it is alive, and stops cleanly."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from typing import Any, Protocol

import structlog

from shared.clock import Clock, MarketClock
from shared.errors import SigtrailError, Unavailable
from shared.identity import from_ms
from shared.market import Candle, Market
from shared.realtime import Arrival, Realtime
from shared.role import Call, Role
from shared.wakes import Wakes
from workers.endpoint import Endpoint
from workers.live import POLL_SECONDS, live
from workers.recorder import Recorder
from workers.replay import replay
from workers.signals.feeds.feed import Feed
from workers.signals.role import TRADERS
from workers.status import Status
from workers.stepping import FIRST_PAUSE, LONGEST_PAUSE, Stepping, Stopped

log = structlog.get_logger(__name__)

VERSION = "0.1.0"
# After a companion failed, until it begins again.
COMPANION_PAUSE = 30.0
HEARTBEAT_SECONDS = 15.0
FLUSH_SECONDS = 1.0
# How long the measuring subscriptions may delay the start.
READY_SECONDS = 2.0


class Companion(Protocol):
    """Works beside the roles for as long as the machine runs, and stops nobody when it fails."""

    @property
    def name(self) -> str: ...

    async def run(self) -> None:
        """Until it is cancelled."""

    async def close(self) -> None:
        """Let go of connections."""


class Machine:
    """Runs roles on one feed of candles until the feed ends or `stop` is called; `status` shows how it goes.

    `call` is a connection of any machine role, for registering, heartbeats and flushing broadcasts. `aside`
    take their steps before the roles and belong to no queue, `companions` work beside them. `closers` are
    called last, in reverse order.
    """

    def __init__(
        self,
        status: Status,
        roles: Sequence[Role],
        feed: Feed,
        clock: Clock,
        market: Market,
        wakes: Wakes,
        call: Call,
        *,
        region: str = "local",
        poll_seconds: float = POLL_SECONDS,
        realtime: Realtime | None = None,
        recorder: Recorder | None = None,
        aside: Sequence[Role] = (),
        endpoint: Endpoint | None = None,
        companions: Sequence[Companion] = (),
        closers: Sequence[Callable[[], Awaitable[None]]] = (),
    ) -> None:
        self.status = status
        self._roles = tuple(roles)
        self._feed = feed
        self._clock = clock
        self._market = market
        self._wakes = wakes
        self._call = call
        self._region = region
        self._poll_seconds = poll_seconds
        self._realtime = realtime
        self._recorder = recorder
        self._aside = tuple(aside)
        self.endpoint = endpoint
        self._companions = tuple(companions)
        self._closers = tuple(closers)
        self._stopping = asyncio.Event()
        self._stepping = Stepping(status, self._stopping)
        self._tasks: list[asyncio.Task[None]] = []
        self._started: list[Role] = []

    def stop(self) -> None:
        """Finish the step under way, release what is held, and end `run`. May be called at any time."""
        self._stopping.set()

    async def run(self) -> Status:
        """The machine's whole life. Raises what no waiting heals, after everything was released."""
        try:
            await self._start()
            if isinstance(self._clock, MarketClock):
                await replay(
                    self._feed.batches(),
                    self._clock,
                    self._market,
                    (*self._aside, *self._roles),
                    self._stepping,
                    self._stopping,
                    on_batch=self._see,
                )
            else:
                self._spawn(self._pump(), "feed")
                await live(
                    (*self._aside, *self._roles),
                    self._wakes,
                    self._stepping,
                    self._stopping,
                    poll_seconds=self._poll_seconds,
                )
        except Stopped as stopped:
            log.info("stopped", reason=str(stopped))
        except Exception as error:
            self.status.note_error("machine", error)
            raise
        finally:
            await self._finish()
        return self.status

    # The beginning

    async def _start(self) -> None:
        self.status.version = VERSION
        if self.endpoint is not None:
            await self.endpoint.start()
        names = [role.name for role in self._roles]
        body = {"machine_id": self.status.machine_id, "region": self._region, "roles": names}
        await self._insist(lambda: self._call("register_machine", {**body, "version": VERSION}))
        for role in (*self._aside, *self._roles):
            self._started.append(role)
            await self._insist(role.start)
        self._spawn(self._beat(), "heartbeat")
        self._spawn(self._flush(), "flush")
        for companion in self._companions:
            self._spawn(self._accompany(companion), companion.name)
        if self._recorder is not None:
            await self._recorder.start()
            await self._recorder.ready(READY_SECONDS)
        if self._realtime is not None:
            # What a replay does must not depend on when a message arrives: it hears of changed traders only.
            self._realtime.subscribe("machines", self._hear, None if self.status.replay else self._wake_all)
            await self._realtime.start()
        self._spawn(self._end_feed(), "end of the feed")
        # What is there by now stays: nobody should wait while it is searched for garbage.
        gc.collect()
        gc.freeze()
        self.status.state = "running"
        log.info("machine_running", machine_id=self.status.machine_id, roles=names, replay=self.status.replay)

    async def _insist(self, action: Callable[[], Awaitable[Any]]) -> None:
        """Do it, waiting for the database as long as it takes. Raises Stopped when told to stop meanwhile."""
        pause = FIRST_PAUSE
        while True:
            try:
                await action()
            except Unavailable as error:
                self.status.waits["machine"] += 1
                log.warning("waiting_for_database", error=str(error))
            else:
                return
            try:
                async with asyncio.timeout(pause):
                    await self._stopping.wait()
            except TimeoutError:
                pause = min(pause * 2, LONGEST_PAUSE)
            else:
                raise Stopped("told to stop while the database was away")

    # What runs beside the roles

    def _spawn(self, work: Any, name: str) -> None:
        task: asyncio.Task[None] = asyncio.create_task(work, name=name)
        task.add_done_callback(self._ended)
        self._tasks.append(task)

    def _ended(self, task: asyncio.Task[None]) -> None:
        error = None if task.cancelled() else task.exception()
        if error is not None:
            # Nothing dies in silence: without its feed or its heartbeat a machine only seems to work.
            self.status.note_error(task.get_name(), error)
            log.error("task_failed", task=task.get_name(), error=str(error), exc_info=error)
            self.stop()

    async def _accompany(self, companion: Companion) -> None:
        """It stops nobody: what fails in it is told, and it begins again."""
        while True:
            try:
                return await companion.run()
            except Exception as error:
                self.status.note_error(companion.name, error)
                log.exception("companion_failed", companion=companion.name)
            await asyncio.sleep(COMPANION_PAUSE)

    async def _pump(self) -> None:
        async for batch in self._feed.batches():
            for candle in batch:
                self._market.publish(candle)
            self._see(batch)
        self.stop()

    async def _end_feed(self) -> None:
        # A paced feed may wait a minute for its next candle: told to stop, nobody waits for that.
        await self._stopping.wait()
        await self._feed.close()

    async def _beat(self) -> None:
        while True:
            await self._tell()
            await asyncio.sleep(HEARTBEAT_SECONDS)

    async def _flush(self) -> None:
        """Send what the throttle of the broadcasts held back, so that the last message is never missing."""
        while True:
            await asyncio.sleep(FLUSH_SECONDS)
            try:
                await self._call("flush_broadcasts", {})
            except Unavailable as error:
                log.debug("flush_postponed", error=str(error))

    async def _tell(self) -> None:
        details: dict[str, Any] = {"candles": self.status.candles, "done": dict(self.status.done)}
        details["errors"] = self.status.error_count
        if "signals" in self.status.counts:
            sizes = {"pending": "pending", "bytes": "spool_bytes"}
            details["spool"] = {name: self.status.count("signals", count) for name, count in sizes.items()}
        details["venues"] = dict(self.status.venues())
        details["desks"] = dict(self.status.desks())
        details["analyst"] = dict(self.status.analyst())
        now = time.time()
        details["tokens"] = {role: round(now + left) for role, left in self.status.tokens().items()}
        try:
            await self._call("machine_heartbeat", {"status": self.status.state, "details": details})
        except Unavailable as error:
            log.warning("heartbeat_lost", error=str(error))

    def _see(self, batch: list[Candle]) -> None:
        self.status.candles += len(batch)
        self.status.market_time = from_ms(batch[-1].close_ms)
        self.status.heard_at = time.monotonic()

    def _hear(self, arrival: Arrival) -> None:
        if arrival.event == "work" and not self.status.replay:
            self._wakes.wake(str(arrival.payload.get("stage")))
        elif arrival.event == "traders":
            self._reread_traders()

    async def _wake_all(self) -> None:
        for role in self._roles:
            self._wakes.wake(role.name)
        self._reread_traders()

    def _reread_traders(self) -> None:
        # The signals role reads its traders anew in its next step.
        self._wakes.wake(TRADERS)
        self._wakes.nudge("signals")

    # The end

    async def _finish(self) -> None:
        self.status.state = "draining"
        self._stopping.set()
        # A stack runs every part of the end even when one of them raises; what is pushed last comes first.
        async with AsyncExitStack() as end:
            for close in self._closers:
                end.push_async_callback(close)
            if self.endpoint is not None:
                end.push_async_callback(self.endpoint.stop)
            end.push_async_callback(self._feed.close)
            for companion in self._companions:
                end.push_async_callback(companion.close)
            for subscription in (self._recorder, self._realtime):
                if subscription is not None:
                    end.push_async_callback(subscription.stop)
            end.push_async_callback(self._say_goodbye)
            for role in reversed(self._started):
                end.push_async_callback(self._release, role)
        log.info("machine_stopped", machine_id=self.status.machine_id, errors=self.status.error_count)

    async def _release(self, role: Role) -> None:
        try:
            await role.stop()
        except Unavailable as error:
            # What it holds returns to the queue when its leases run out.
            log.warning("release_postponed", role=role.name, error=str(error))
        except SigtrailError as error:
            self.status.note_error(role.name, error)
            log.exception("stop_failed", role=role.name)

    async def _say_goodbye(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self.status.state = "stopped"
        if self._started:
            await self._tell()
