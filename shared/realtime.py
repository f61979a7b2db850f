"""Subscriptions to Realtime that outlive every outage.

A message is only a hint (it may be lost, doubled or late): handlers apply it idempotently, and `catch_up`
reads the truth from the database after every subscription.

The client of supabase-py dies silently in two ways: an exception in a callback ends its listener while the
channel still says joined, and after five failed attempts it gives up for good. So here its callbacks only
enqueue, its own reconnection is off, and a supervisor gives each connection one life: connect, join, watch
the heartbeat's replies, and at the first doubt close it and start a new one, for as long as it takes.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import structlog
import websockets
from realtime import (
    AsyncRealtimeChannel,
    AsyncRealtimeClient,
    Message,
    RealtimeChannelOptions,
    RealtimeSubscribeStates,
    ReplyMessage,
    ServerMessage,
)

from shared.errors import NotSent, RealtimeError, Unavailable

log = structlog.get_logger(__name__)

Handler = Callable[["Arrival"], None]
CatchUp = Callable[[], Awaitable[None]]

# What an outage raises; anything else is a defect, which is logged whole and must not end the supervisor.
# NotSent: its token has ended, and it may be given another.
BROKEN = (RealtimeError, NotSent, OSError, TimeoutError, websockets.exceptions.WebSocketException)
QUEUE_LIMIT = 10_000


@dataclass(frozen=True, slots=True)
class Arrival:
    """One broadcast as it arrived: `at` is the wall's Unix time in seconds when the frame was read."""

    topic: str
    event: str
    payload: dict[str, Any]
    at: float


@dataclass(slots=True)
class Timing:
    """How often to look and how long to wait, in seconds of the wall's clock."""

    pulse: float = 10.0
    reply: float = 5.0
    join: int = 10
    first_pause: float = 0.5
    longest_pause: float = 5.0
    farewell: float = 2.0


@dataclass(slots=True)
class _Topic:
    name: str
    handler: Handler
    catch_up: CatchUp | None
    due: asyncio.Event = field(default_factory=asyncio.Event)


class Realtime:
    """One identity's private broadcast topics on one connection.

    `subscribe` the topics, then `start`. All topics of one instance share its connection and its fate: a
    topic that may be refused gets an instance of its own. `token` is asked before each use, so it may renew.
    """

    def __init__(
        self, url: str, apikey: str, token: Callable[[], str], *, timing: Timing | None = None
    ) -> None:
        self._url = f"{url.rstrip('/')}/realtime/v1"
        self._apikey = apikey
        self._token = token
        self._timing = timing or Timing()
        self._topics: dict[str, _Topic] = {}
        self._queue: asyncio.Queue[Arrival] = asyncio.Queue(QUEUE_LIMIT)
        self._tasks: list[asyncio.Task[None]] = []
        self._lives = 0
        self.subscribed = asyncio.Event()
        self.failures = 0
        self.last_error: str | None = None

    @property
    def lives(self) -> int:
        """How many connections reached the state where every topic was joined."""
        return self._lives

    def subscribe(self, topic: str, handler: Handler, catch_up: CatchUp | None = None) -> None:
        """Hear every broadcast on the private channel `topic`.

        `handler` runs on the event loop, one message at a time. `catch_up` runs after every join and again
        when the server's stream from the database is known to be live; it may run more often than needed.
        """
        if self._tasks:
            raise RuntimeError("subscribe to every topic before start()")
        self._topics[topic] = _Topic(topic, handler, catch_up)

    async def start(self) -> None:
        """Begin to connect, in the background: an unreachable server is no error here."""
        self._tasks.append(asyncio.create_task(self._supervise(), name="realtime supervisor"))
        self._tasks.append(asyncio.create_task(self._dispatch(), name="realtime dispatcher"))
        for topic in self._topics.values():
            if topic.catch_up is not None:
                self._tasks.append(asyncio.create_task(self._catch_up(topic, topic.catch_up)))

    async def stop(self) -> None:
        """Leave and close. What was received and not handled yet is dropped: it is in the database."""
        for task in self._tasks:
            task.cancel()
        results = await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()
        self.subscribed.clear()
        for result in results:
            if isinstance(result, Exception):
                raise result

    # The supervisor

    async def _supervise(self) -> None:
        pause = self._timing.first_pause
        while True:
            before = self._lives
            try:
                await self._live()
            except BROKEN as error:
                # Once an outage, not once an attempt.
                report = log.warning if self._lives != before or self.failures == 0 else log.debug
                self._count(error)
                report("realtime_lost", error=self.last_error, lives=self._lives)
            except Exception as error:
                self._count(error)
                log.exception("realtime_defect")
            finally:
                self.subscribed.clear()
            if self._lives != before:
                pause = self._timing.first_pause
            # Jitter: a server that comes back must not meet all its clients in the same instant.
            await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311
            pause = min(pause * 2, self._timing.longest_pause)

    async def _live(self) -> None:
        """One connection from its first packet to its end; raises one of BROKEN when it ends."""
        client = AsyncRealtimeClient(
            self._url, token=self._apikey, auto_reconnect=False, timeout=self._timing.join
        )
        token = self._token()
        await client.set_auth(token)
        broken: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        try:
            await client.connect()
            for topic in self._topics.values():
                await self._join(client, topic, broken)
                if broken.done():
                    raise RealtimeError(broken.result())
            self._lives += 1
            self.subscribed.set()
            log.info("realtime_subscribed", topics=list(self._topics), lives=self._lives)
            for topic in self._topics.values():
                topic.due.set()
            await self._watch(client, token, broken)
        finally:
            await self._close(client)

    async def _join(self, client: AsyncRealtimeClient, topic: _Topic, broken: asyncio.Future[str]) -> None:
        def on_state(state: RealtimeSubscribeStates, error: Exception | None) -> None:
            if state != RealtimeSubscribeStates.SUBSCRIBED and not broken.done():
                broken.set_result(f"{topic.name}: {state.value} {error or ''}".rstrip())

        def on_broadcast(payload: Any) -> None:
            arrival = Arrival(topic.name, payload["event"], payload["payload"], time.time())
            try:
                self._queue.put_nowait(arrival)
            except asyncio.QueueFull:
                # Nothing is lost for good: the catch-up reads what this message would have told.
                topic.due.set()

        def on_system(payload: Any) -> None:
            # SUBSCRIBED may come seconds before the stream from the database is live: catch up once more.
            if payload.extension == "system":
                topic.due.set()

        options: RealtimeChannelOptions = {
            "config": {
                "broadcast": {"ack": False, "self": False, "replication_ready": True},
                "presence": {"key": "", "enabled": False},
                "private": True,
            }
        }
        channel = client.channel(topic.name, options)
        channel.on_broadcast("*", on_broadcast)
        channel.on_system(on_system)
        await channel.subscribe(on_state)

    async def _watch(self, client: AsyncRealtimeClient, token: str, broken: asyncio.Future[str]) -> None:
        pulse = _Pulse(client)
        client.channels[pulse.topic] = pulse
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._timing.pulse):
                    raise RealtimeError(await asyncio.shield(broken))
            renewed = self._token()
            if renewed != token:
                token = renewed
                await client.set_auth(token)
            await pulse.beat(self._timing.reply)

    async def _close(self, client: AsyncRealtimeClient) -> None:
        try:
            async with asyncio.timeout(self._timing.farewell):
                await client.close()
        except TimeoutError:
            # A dead peer never answers the closing frame; the second call ends the client's own tasks.
            await client.close()
        except websockets.exceptions.WebSocketException:
            await client.close()

    # What arrives

    async def _dispatch(self) -> None:
        while True:
            arrival = await self._queue.get()
            topic = self._topics[arrival.topic]
            try:
                topic.handler(arrival)
            except Exception as error:
                self._count(error)
                log.exception("realtime_handler_failed", topic=arrival.topic, event_name=arrival.event)
                topic.due.set()

    async def _catch_up(self, topic: _Topic, read: CatchUp) -> None:
        pause = self._timing.first_pause
        while True:
            await topic.due.wait()
            topic.due.clear()
            try:
                await read()
                pause = self._timing.first_pause
                continue
            except Unavailable as error:
                log.warning("catch_up_postponed", topic=topic.name, error=str(error))
            except Exception as error:
                self._count(error)
                log.exception("catch_up_failed", topic=topic.name)
            topic.due.set()
            await asyncio.sleep(pause)
            pause = min(pause * 2, self._timing.longest_pause)

    def _count(self, error: Exception) -> None:
        self.failures += 1
        self.last_error = str(error) or type(error).__name__


class _Pulse(AsyncRealtimeChannel):
    """The heartbeat that somebody checks: a stand-in for the socket's own topic, which the client ignores."""

    def __init__(self, client: AsyncRealtimeClient) -> None:
        super().__init__(client, "phoenix")
        self._answers: dict[str, asyncio.Future[None]] = {}

    async def beat(self, patience: float) -> None:
        """Send a heartbeat; raises RealtimeError when its reply does not come within `patience` seconds."""
        ref = self.socket._make_ref()
        answer: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._answers[ref] = answer
        try:
            async with asyncio.timeout(patience):
                await self.socket.send(Message(topic=self.topic, event="heartbeat", payload={}, ref=ref))
                await answer
        except TimeoutError:
            raise RealtimeError(f"no answer to a heartbeat within {patience:g} s") from None
        finally:
            del self._answers[ref]

    def _handle_message(self, message: ServerMessage) -> None:
        answer = self._answers.get(message.ref or "") if isinstance(message, ReplyMessage) else None
        if answer is not None and not answer.done():
            answer.set_result(None)
