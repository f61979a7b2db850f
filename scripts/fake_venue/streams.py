"""Who listens on web sockets, and to what; events wait in order, and faults strike them here."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import orjson
from aiohttp import WSMsgType, web

from scripts.fake_venue.faults import Faults

Payload = dict[str, Any]


@dataclass(eq=False, slots=True)
class Listener:
    """One web socket. `topics` are what it subscribed to, `wrap` how its frames carry an event."""

    socket: web.WebSocketResponse
    topics: set[str] = field(default_factory=set)
    wraps: dict[str, Callable[[Payload], Payload]] = field(default_factory=dict)
    is_silent: bool = False
    frames: asyncio.Queue[Payload | None] = field(default_factory=asyncio.Queue)

    def send(self, payload: Payload) -> None:
        """Send a frame after those that wait."""
        self.frames.put_nowait(payload)


class Streams:
    """All web sockets of one exchange."""

    def __init__(self, faults: Faults) -> None:
        self._faults = faults
        self._listeners: list[Listener] = []
        self._held: tuple[str, str, Payload] | None = None
        self.is_cut = False
        # How often something happened that could be told.
        self.events = 0

    async def serve(
        self, socket: web.WebSocketResponse, hear: Callable[[Listener, Any], None], *topics: str
    ) -> None:
        """Send events to a socket, and hear what it says, until it closes."""
        listener = Listener(socket, set(topics))
        self._listeners.append(listener)
        sender = asyncio.create_task(self._send(listener))
        try:
            async for message in socket:
                if message.type is WSMsgType.TEXT:
                    hear(listener, orjson.loads(message.data))
        finally:
            self._listeners.remove(listener)
            listener.frames.put_nowait(None)
            await sender

    def tell(self, topic: str, name: str, payload: Payload, client_ids: set[str] | None = None) -> None:
        """An event for everybody who subscribed to a topic. Faults strike by `EVENT name`."""
        self.events += 1
        kinds = {fault.kind for fault in self._faults.of_event(name, client_ids or set())}
        if "lost" in kinds:
            return
        if "swapped" in kinds and self._held is None:
            self._held = (topic, name, payload)
            return
        for _ in range(2 if "doubled" in kinds else 1):
            self._deliver(topic, payload)
        if self._held is not None and self._held[0] == topic:
            held, self._held = self._held, None
            self._deliver(topic, held[2])

    async def told(self) -> None:
        """Wait until everybody was sent what happened so far."""
        for listener in list(self._listeners):
            await listener.frames.join()

    def has(self, topic: str) -> bool:
        """Whether anybody would hear of it."""
        return any(topic in listener.topics for listener in self._listeners)

    def __iter__(self) -> Iterator[Listener]:
        return iter(self._listeners)

    def leave(self, topic: str) -> None:
        """Nobody hears of a topic any more; the sockets stay open."""
        for listener in self._listeners:
            listener.topics.discard(topic)

    def count(self) -> int:
        """How many sockets are open."""
        return len(self._listeners)

    async def cut(self) -> None:
        """Close all sockets and take no new ones until `mend`."""
        self.is_cut = True
        for listener in list(self._listeners):
            await listener.socket.close(code=1001)

    def silence(self) -> None:
        """Sockets that are open now are told nothing any more, and stay open."""
        for listener in self._listeners:
            listener.is_silent = True

    def mend(self) -> None:
        """Take sockets again."""
        self.is_cut = False

    def _deliver(self, topic: str, payload: Payload) -> None:
        for listener in self._listeners:
            if topic in listener.topics and not listener.is_silent:
                wrap = listener.wraps.get(topic)
                listener.send(payload if wrap is None else wrap(payload))

    @staticmethod
    async def _send(listener: Listener) -> None:
        while True:
            payload = await listener.frames.get()
            try:
                if payload is None:
                    return
                if not listener.socket.closed:
                    await listener.socket.send_str(orjson.dumps(payload).decode())
            except ConnectionError:
                # Gone between the look and the frame: as a real venue, nobody is told.
                continue
            finally:
                listener.frames.task_done()
