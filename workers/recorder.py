"""Measures the way from trigger to subscriber: a user's own subscription, against when the machine fired."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from uuid import UUID

import structlog

from shared.client import Connection, connect_user
from shared.errors import SigtrailError
from shared.realtime import Arrival, Realtime
from shared.settings import Settings
from workers.status import Latencies

log = structlog.get_logger(__name__)

WATCH_SECONDS = 60
# What did not arrive by then is counted as missed: the client would have found it by its catch-up.
GIVEN_UP_SECONDS = 60.0


class Recorder:
    """Watches the signals of some users as their consoles would, and notes how long each took to arrive.

    `wall` is Unix time in seconds. A message names at most 50 rows and the range of ids that it covers: every
    signal that was fired before it came and lies in that range has arrived with it.
    """

    def __init__(
        self,
        settings: Settings,
        user_ids: Sequence[str],
        latencies: Latencies,
        *,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._settings = settings
        self._user_ids = tuple(user_ids)
        self._latencies = latencies
        self._wall = wall
        self._fired: dict[UUID, float] = {}
        self._all_arrived = asyncio.Event()
        self._all_arrived.set()
        self._connections: list[Connection] = []
        self._subscriptions: list[Realtime] = []
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def pending(self) -> int:
        """How many signals fired and have not arrived yet."""
        return len(self._fired)

    def fired(self, signal_id: UUID) -> None:
        """A signal fired just now on this machine."""
        self._fired.setdefault(signal_id, self._wall())
        self._all_arrived.clear()

    async def start(self) -> None:
        """Subscribe as each user, in the background."""
        for user_id in self._user_ids:
            connection = await connect_user(self._settings, user_id)
            self._connections.append(connection)
            key = self._settings.supabase_publishable_key.get_secret_value()
            realtime = Realtime(self._settings.supabase_url, key, connection.token)
            realtime.subscribe(f"user:{user_id}:signals", self.note)
            await realtime.start()
            self._subscriptions.append(realtime)
            self._tasks.append(asyncio.create_task(self._keep_watching(connection)))

    async def ready(self, seconds: float) -> bool:
        """Wait until every subscription stands, at most `seconds`: what fires before is not measured."""
        try:
            async with asyncio.timeout(seconds):
                for realtime in self._subscriptions:
                    await realtime.subscribed.wait()
        except TimeoutError:
            return False
        return True

    async def drained(self, seconds: float) -> bool:
        """Wait until everything that fired has arrived, at most `seconds`."""
        try:
            async with asyncio.timeout(seconds):
                await self._all_arrived.wait()
        except TimeoutError:
            return False
        return True

    async def stop(self) -> None:
        """Unsubscribe and close."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for realtime in self._subscriptions:
            await realtime.stop()
        for connection in self._connections:
            await connection.close()

    def note(self, arrival: Arrival) -> None:
        """Take a message that a user's subscription got."""
        if arrival.event != "signals":
            return
        body = arrival.payload
        rows = body.get("rows") or ()
        for row in rows:
            self._arrived(UUID(str(row["id"])), arrival.at)
        if int(body["count"]) > len(rows):
            first, last = UUID(str(body["from_id"])), UUID(str(body["to_id"]))
            for signal_id in [one for one in self._fired if first <= one <= last]:
                self._arrived(signal_id, arrival.at)
        self._give_up(arrival.at)
        if not self._fired:
            self._all_arrived.set()

    def _arrived(self, signal_id: UUID, at: float) -> None:
        fired = self._fired.get(signal_id)
        if fired is not None and fired <= at:
            del self._fired[signal_id]
            self._latencies.add((at - fired) * 1000.0)

    def _give_up(self, now: float) -> None:
        # In the order of firing, so the first that is young enough ends the search.
        while self._fired:
            oldest = next(iter(self._fired))
            if now - self._fired[oldest] < GIVEN_UP_SECONDS:
                return
            del self._fired[oldest]
            self._latencies.missed += 1

    async def _keep_watching(self, connection: Connection) -> None:
        while True:
            try:
                await connection.call("watch_signals", {"seconds": WATCH_SECONDS})
            except SigtrailError as error:
                log.warning("watch_postponed", error=str(error))
                await asyncio.sleep(1.0)
            else:
                await asyncio.sleep(WATCH_SECONDS / 2)
