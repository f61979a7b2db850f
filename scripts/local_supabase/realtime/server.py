"""Everything that all clients share: who is on which topic, what may pass, and the ways to the database."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from scripts.local_supabase.realtime import partitions
from scripts.local_supabase.realtime.broadcast import UserBroadcast
from scripts.local_supabase.realtime.changes import Changes
from scripts.local_supabase.realtime.channel import PREFIX, Channel
from scripts.local_supabase.realtime.database import Connection, Database
from scripts.local_supabase.realtime.delivery import Delivery
from scripts.local_supabase.realtime.hub import Hub
from scripts.local_supabase.realtime.messages import Messages
from scripts.local_supabase.realtime.options import Options
from scripts.local_supabase.realtime.presence import Presences
from scripts.local_supabase.realtime.rates import Rate
from scripts.local_supabase.realtime.socket import GOING_AWAY, Socket
from scripts.local_supabase.realtime.tokens import Verifier

log = logging.getLogger(__name__)

SWEEP_S = 30.0


class Server:
    """database_url: of a superuser with the right to replicate."""

    def __init__(self, database_url: str, verifier: Verifier, options: Options) -> None:
        self.options = options
        self.verifier = verifier
        self.database = Database(database_url, options.database_connections, options.database_wait_s)
        self.events = Rate(options.max_events_per_second)
        self.joins = Rate(options.max_joins_per_second)
        self.presence_events = Rate(options.max_presence_events_per_second)
        self.requests = Rate(options.max_events_per_second)
        self.hub = Hub(self.events)
        self.presences = Presences()
        self.changes = Changes(self.database, options, Rate(options.max_events_per_second))
        self.messages = Messages(self.database, options.slot_suffix, self._broadcast, self._began)
        self.sockets: set[Socket] = set()
        self._dropping = False
        self._alone_since: float | None = None
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Begin to follow the database; it may as well come later."""
        self.messages.wanted.set()
        work = (
            self.messages.run(),
            self.changes.run(),
            partitions.keep(self.database, self.options.messages_kept_h),
            self._sweep(),
        )
        for each in work:
            task = asyncio.create_task(each)
            task.add_done_callback(_tell_end)
            self._tasks.append(task)

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.database.close()

    async def serve(self, socket: Socket, receive: Any, send: Any) -> None:
        """Serve a client that was let in, until it is gone."""
        self.sockets.add(socket)
        self.messages.wanted.set()
        try:
            await socket.run(receive, send)
        finally:
            self.sockets.discard(socket)

    async def wait_for_database(self) -> None:
        """Return when what is committed from now on will be heard of, or the database can be reached.

        Raises database.Unreachable.
        """
        if self.messages.live.is_set():
            return
        try:
            async with asyncio.timeout(self.options.stream_wait_s):
                await self.messages.live.wait()
        except TimeoutError:
            # A long transaction can hold up the stream's start. Who joins now is told to join again then.
            await self.database.run(_ask)

    def _broadcast(self, private: bool, topic: str, broadcast: UserBroadcast) -> None:
        """A row of realtime.messages."""
        if len(broadcast.payload) > self.options.max_payload_bytes:
            log.warning("a message to %s was dropped: its payload is larger than allowed", topic)
            return
        if self.events.exceeded:
            # Said once, not for each of the many.
            if not self._dropping:
                log.warning(
                    "messages from the database are dropped: over %d a second",
                    self.options.max_events_per_second,
                )
            self._dropping = True
            return
        self._dropping = False
        self.hub.publish((private, topic), Delivery(PREFIX + topic, "broadcast", broadcast))

    def _began(self) -> None:
        """Whoever joined before the stream began may have missed something: they join again and catch up."""
        for member in self.hub.everybody():
            if isinstance(member, Channel) and member.life != self.messages.lives:
                member.crash()

    async def _sweep(self) -> None:
        """Disconnect clients that want nothing; and when there are none, stop following the database."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(min(SWEEP_S, self.options.no_channel_timeout_s, self.options.database_idle_s))
            now = loop.time()
            for socket in tuple(self.sockets):
                idle = socket.idle_since
                if idle is not None and now - idle > self.options.no_channel_timeout_s:
                    socket.disconnect(GOING_AWAY)
            if self.sockets:
                self._alone_since = None
            elif self._alone_since is None:
                self._alone_since = now
            elif now - self._alone_since > self.options.database_idle_s:
                self.messages.wanted.clear()


def _tell_end(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()):
        log.critical("a part of the server failed and will not come back", exc_info=error)


async def _ask(connection: Connection) -> None:
    await connection.execute("select 1")
