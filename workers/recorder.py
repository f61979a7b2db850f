"""Measures the way from trigger to subscriber: a user's own subscription, against when the machine fired."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
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


class Recorder:
    """Watches the signals of some users as their consoles would, and notes how long each took to arrive.

    `fired_at` answers when this machine fired a signal, in Unix seconds of the wall, or None. A message names
    its newest rows (at most 50): these are measured, at their first arrival.
    """

    def __init__(
        self,
        settings: Settings,
        user_ids: Sequence[str],
        latencies: Latencies,
        fired_at: Callable[[UUID], float | None],
    ) -> None:
        self._settings = settings
        self._user_ids = tuple(user_ids)
        self._latencies = latencies
        self._fired_at = fired_at
        self._arrived: OrderedDict[UUID, None] = OrderedDict()
        self._connections: list[Connection] = []
        self._subscriptions: list[Realtime] = []
        self._tasks: list[asyncio.Task[None]] = []

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
        for row in arrival.payload.get("rows") or ():
            signal_id = UUID(str(row["id"]))
            fired = self._fired_at(signal_id)
            # A signal is in many messages in its life; only the first tells of its firing.
            if fired is None or signal_id in self._arrived:
                continue
            self._arrived[signal_id] = None
            # What the role has forgotten is never measured again.
            while self._fired_at(next(iter(self._arrived))) is None:
                self._arrived.popitem(last=False)
            self._latencies.add((arrival.at - fired) * 1000.0)

    async def _keep_watching(self, connection: Connection) -> None:
        while True:
            try:
                await connection.call("watch_signals", {"seconds": WATCH_SECONDS})
            except SigtrailError as error:
                log.warning("watch_postponed", error=str(error))
                await asyncio.sleep(1.0)
            else:
                await asyncio.sleep(WATCH_SECONDS / 2)
