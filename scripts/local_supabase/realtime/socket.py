"""One client's WebSocket: reads its frames in order, and sends what its channels have to say."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from scripts.local_supabase.realtime import join
from scripts.local_supabase.realtime.admission import TooManyJoins, admit
from scripts.local_supabase.realtime.channel import PREFIX, Channel
from scripts.local_supabase.realtime.frames import Frame, Malformed, Message, Serializer
from scripts.local_supabase.realtime.join import Refused
from scripts.local_supabase.realtime.outbox import Close, Outbox, Send
from scripts.local_supabase.realtime.tokens import Token

if TYPE_CHECKING:
    from scripts.local_supabase.realtime.server import Server

log = logging.getLogger(__name__)

Receive = Callable[[], Awaitable[dict[str, Any]]]

NORMAL, GOING_AWAY = 1000, 1001


class Socket:
    """token: the API key it came with. headers: the x-* headers of its handshake, for policies to see."""

    def __init__(self, server: Server, serializer: Serializer, token: Token, headers: dict[str, str]) -> None:
        self.serializer = serializer
        self.token = token
        self.headers = headers
        self.channels: dict[str, Channel] = {}
        # Since when it has no channel, on the loop's clock; None while it has one.
        self.idle_since: float | None = asyncio.get_running_loop().time()
        self._server = server
        self._outbox = Outbox(server.options.max_unread_bytes)

    async def run(self, receive: Receive, send: Send) -> None:
        """Serve the client until it is gone, or is cut off because it does not read."""
        tasks = [
            asyncio.create_task(self._read(receive)),
            asyncio.create_task(self._outbox.drain(send)),
            asyncio.create_task(self._cut_off()),
        ]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            ends = await asyncio.gather(*tasks, return_exceptions=True)
            for channel in list(self.channels.values()):
                channel.close()
            for end in ends:
                # A client that is gone while it is sent to is nothing to speak of.
                if isinstance(end, Exception) and not isinstance(end, OSError):
                    log.error("a socket failed", exc_info=end)

    def send(self, message: Message, first: bool = False) -> None:
        """first: even while a join is being decided."""
        self._outbox.put(self.serializer.encode(message), first)

    def send_frame(self, frame: Frame) -> None:
        self._outbox.put(frame)

    def disconnect(self, code: int) -> None:
        self._outbox.put(Close(code), first=True)

    def drop(self, channel: Channel) -> None:
        """The channel is at its end."""
        if self.channels.get(channel.topic) is channel:
            self._remove(channel.topic)

    async def _read(self, receive: Receive) -> None:
        while True:
            try:
                async with asyncio.timeout(self._server.options.idle_timeout_s):
                    event = await receive()
            except TimeoutError:
                self.disconnect(NORMAL)
                await asyncio.get_running_loop().create_future()
            if event["type"] == "websocket.disconnect":
                return
            data = event.get("text")
            try:
                message = self.serializer.decode(event["bytes"] if data is None else data)
            except Malformed as error:
                log.info("a malformed frame was ignored: %s", error)
            else:
                await self._handle(message)

    async def _handle(self, message: Message) -> None:
        topic = message.topic
        channel = self.channels.get(topic) if isinstance(topic, str) else None
        match message.event:
            case "heartbeat" if topic == "phoenix":
                self._reply(message, "ok", {})
            case "phx_join" if isinstance(topic, str) and topic.startswith(PREFIX):
                await self._join(message)
            case "phx_leave" if channel is None:
                self._reply(message, "ok", {}, message.join_ref)
            case "phx_leave" if channel is not None:
                # With another join_ref it means a channel of the past.
                if channel.join_ref is None or channel.join_ref == message.join_ref:
                    await channel.leave(message.ref)
                    self.drop(channel)
            case _ if channel is not None:
                await channel.receive(message)
            case _:
                self._reply(message, "error", {"reason": "unmatched topic"})

    async def _join(self, message: Message) -> None:
        """Answer a join. Until then the socket is neither read nor sent anything else."""
        self._outbox.hold()
        before = self.channels.get(message.topic)
        if before is not None:
            before.close()
            self._remove(message.topic)
        try:
            await self._try_join(message)
        except Refused as refusal:
            await asyncio.sleep(self._server.options.channel_error_backoff_s)
            self._reply(message, "error", {"reason": str(refusal)}, message.join_ref, first=True)
            if isinstance(refusal, TooManyJoins):
                self.disconnect(GOING_AWAY)
        finally:
            if before is not None:
                before.tell_closed(first=True)
            self._outbox.release()
        if (channel := self.channels.get(message.topic)) is not None:
            channel.start()

    async def _try_join(self, message: Message) -> None:
        name = message.topic.removeprefix(PREFIX)
        wanted = join.parse(name, message.payload)
        admission = await admit(self._server, self, name, wanted)
        channel = Channel(self._server, self, name, wanted, message.join_ref, admission)
        channel.enter()
        try:
            if wanted.replay is not None:
                await channel.read_replay()
        except BaseException:
            channel.close()
            raise
        self.channels[message.topic] = channel
        self.idle_since = None
        self._reply(message, "ok", channel.answer(), message.join_ref, first=True)

    def _reply(
        self, message: Message, status: str, response: Any, join_ref: Any = None, first: bool = False
    ) -> None:
        payload = {"status": status, "response": response}
        self.send(Message(message.topic, "phx_reply", payload, message.ref, join_ref), first)

    def _remove(self, topic: str) -> None:
        self.channels.pop(topic, None)
        if not self.channels:
            self.idle_since = asyncio.get_running_loop().time()

    async def _cut_off(self) -> None:
        await self._outbox.overflowed.wait()
        log.warning("a client that does not read was cut off")
