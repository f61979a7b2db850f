"""One client on one topic: from a join that was admitted until it leaves, fails or disconnects."""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any

import psycopg

from scripts.local_supabase.realtime import authorization, replay
from scripts.local_supabase.realtime.admission import Admission, not_allowed
from scripts.local_supabase.realtime.authorization import Identity
from scripts.local_supabase.realtime.broadcast import UserBroadcast
from scripts.local_supabase.realtime.database import Unreachable
from scripts.local_supabase.realtime.delivery import Delivery
from scripts.local_supabase.realtime.feed import Feed
from scripts.local_supabase.realtime.frames import Message
from scripts.local_supabase.realtime.join import Join, Refused
from scripts.local_supabase.realtime.presence import Diff
from scripts.local_supabase.realtime.rates import Window
from scripts.local_supabase.realtime.tokens import BadToken, Token

if TYPE_CHECKING:
    from scripts.local_supabase.realtime.server import Server
    from scripts.local_supabase.realtime.socket import Socket

log = logging.getLogger(__name__)

PREFIX = "realtime:"
# Events of a client that wait for the one before; then its socket is not read.
INBOX = 1000


class Channel:
    """Handles the client's events one after another, and receives what others send at any time.

    life: the life of the database's message stream in which it joined; 0 when there was none
    """

    def __init__(
        self, server: Server, socket: Socket, name: str, join: Join, join_ref: Any, admission: Admission
    ) -> None:
        self.name = name
        self.topic = PREFIX + name
        self.join_ref = join_ref
        self.address = (join.private, name)
        self.life = server.messages.lives if server.messages.live.is_set() else 0
        self._server = server
        self._socket = socket
        self._join = join
        self._token = admission.token
        self._readable = admission.readable
        self._writable: dict[str, bool] = {}
        self._presence_key = join.presence_key or str(uuid.uuid1())
        self._presence_calls = Window(
            server.options.client_presence_calls, server.options.client_presence_window_s
        )
        self._feed = Feed(server, self, join)
        self._open = True
        # What comes before the join is answered: it is delivered after what is replayed.
        self._early: list[Delivery] | None = []
        self._missed: list[UserBroadcast] = []
        self._replayed: set[str | None] = set()
        self._inbox: asyncio.Queue[Message] = asyncio.Queue(INBOX)
        self._tasks: set[asyncio.Task[None]] = set()
        self._expiry: asyncio.TimerHandle | None = None

    @property
    def token(self) -> Token:
        """The one that it goes by now."""
        return self._token

    # -- life ---------------------------------------------------------------------------------------------

    def enter(self) -> None:
        """From now on nothing that is sent to the topic is missed."""
        self._server.hub.join(self.address, self)

    def answer(self) -> dict[str, Any]:
        """The response to the join."""
        return {"postgres_changes": self._feed.bindings()}

    async def read_replay(self) -> None:
        """Read what the join wants to be told again. Raises join.Refused."""
        options = self._server.options
        wanted = replay.parse(self._join.replay, private=self._join.private, most=options.replay_limit)
        if "broadcast" not in self._readable:
            raise Refused(f"Unauthorized: {not_allowed(self.name)}")
        self._missed = await replay.fetch(self._server.database, self.name, wanted)
        if not self._open:
            raise Refused("RealtimeRestarting: Realtime is restarting, please standby")

    def start(self) -> None:
        """The join has been answered: say what follows from it."""
        self._replay()
        if self._join.presence_enabled and "presence" in self._readable:
            self.push("presence_state", self._server.presences.state(self.address))
        if self._join.replication_ready:
            self.spawn(self._tell_replication_ready())
        self._feed.subscribe()
        self._watch_expiry()
        self.spawn(self._work())

    def close(self) -> None:
        """Stop taking part. The client is not told."""
        if not self._open:
            return
        self._open = False
        self._server.hub.leave(self.address, self)
        self._publish_diff(self._server.presences.untrack(self.address, self))
        self._feed.close()
        if self._expiry is not None:
            self._expiry.cancel()
        for task in self._tasks:
            if task is not asyncio.current_task():
                task.cancel()
        while not self._inbox.empty():
            self._inbox.get_nowait()
            self._inbox.task_done()

    def fail(self, message: str) -> None:
        """Tell the client why the channel ends, and end it. Clients do not join again after this."""
        if self._open:
            self.system("system", "error", message)
            self.close()
            self._socket.drop(self)
            self.tell_closed()

    def crash(self) -> None:
        """End the channel so that the client joins again: it may have missed something."""
        if self._open:
            self.close()
            self._socket.drop(self)
            # A join that was not answered yet is refused instead.
            if self._early is None:
                self.push("phx_error", {"reason": "channel_crash"}, ref=self.join_ref)

    async def leave(self, ref: Any) -> None:
        """The client's wish, after all that it sent before."""
        await self._inbox.join()
        # If it failed meanwhile, the client was told of its end already.
        if self._open:
            self.close()
            self.reply(ref, "ok", {})
            self.tell_closed()

    def tell_closed(self, first: bool = False) -> None:
        self.push("phx_close", {}, ref=self.join_ref, first=first)

    # -- to the client ------------------------------------------------------------------------------------

    def say(self, event: str, payload: Any) -> None:
        """What has nothing to do with this join in particular."""
        self._socket.send(Message(self.topic, event, payload))

    def push(self, event: str, payload: Any, ref: Any = None, first: bool = False) -> None:
        self._socket.send(Message(self.topic, event, payload, ref, self.join_ref), first)

    def reply(self, ref: Any, status: str, response: Any) -> None:
        self.push("phx_reply", {"status": status, "response": response}, ref=ref)

    def system(self, extension: str, status: str, message: str) -> None:
        self.push(
            "system",
            {"message": message, "status": status, "extension": extension, "channel": self.name},
        )

    def deliver(self, delivery: Delivery) -> None:
        """What somebody sent to the topic (hub.Member)."""
        if self._early is not None:
            self._early.append(delivery)
        elif delivery.extension in self._readable and (
            delivery.id is None or delivery.id not in self._replayed
        ):
            if self._server.events.exceeded:
                self.fail("Too many messages per second")
            elif (frame := delivery.frame(self._socket.serializer)) is not None:
                self._server.events.add()
                self._socket.send_frame(frame)

    # -- from the client ----------------------------------------------------------------------------------

    async def receive(self, message: Message) -> None:
        """Take an event of the client's. Waits when too many wait already."""
        await self._inbox.put(message)

    async def _work(self) -> None:
        while self._open:
            message = await self._inbox.get()
            try:
                match message.event:
                    case "broadcast":
                        await self._broadcast(message)
                    case "presence":
                        await self._presence(message)
                    case "access_token":
                        await self._access_token(message)
                    case _:
                        log.info("unhandled event on %s", self.topic)
            except (psycopg.Error, Unreachable) as error:
                log.warning("an event on %s was dropped: %s", self.topic, str(error).strip())
            finally:
                self._inbox.task_done()

    async def _broadcast(self, message: Message) -> None:
        if self._server.events.exceeded:
            self.fail("Too many messages per second")
            return
        if message.size > self._server.options.max_payload_bytes:
            if self._join.ack:
                self.reply(message.ref, "error", "payload_size_exceeded")
            return
        if not await self._may_write("broadcast"):
            return
        delivery = Delivery(self.topic, "broadcast", message.payload)
        self._server.hub.publish(self.address, delivery, sender=None if self._join.to_self else self)
        if self._join.ack:
            self.reply(message.ref, "ok", {})

    async def _presence(self, message: Message) -> None:
        self._server.presence_events.add()
        if not self._presence_calls.take():
            self.fail("Client presence rate limit exceeded")
        elif self._server.presence_events.exceeded:
            self.fail("Too many presence messages per second")
        elif message.size > self._server.options.max_payload_bytes:
            self.fail("Track message size exceeded")
        else:
            payload = message.payload if isinstance(message.payload, dict) else {}
            match str(payload.get("event", "")).lower():
                case "":
                    self.reply(message.ref, "ok", {})
                case "track":
                    await self._track(message.ref, payload.get("payload", {}))
                case "untrack":
                    self._publish_diff(self._server.presences.untrack(self.address, self))
                    self.reply(message.ref, "ok", {})
                case _:
                    self.reply(message.ref, "error", {})

    async def _track(self, ref: Any, payload: Any) -> None:
        if not isinstance(payload, dict):
            self.reply(ref, "error", {"reason": "Presence track payload must be a map"})
        elif not await self._may_write("presence"):
            self.reply(ref, "error", {})
        else:
            if "presence" not in self._readable and not self._join.presence_enabled:
                # To track is to enable presence; whether it may be read was not asked at the join.
                self._readable |= await self._ask_readable(("presence",))
            self._publish_diff(self._server.presences.track(self.address, self, self._presence_key, payload))
            self.reply(ref, "ok", {})

    async def _access_token(self, message: Message) -> None:
        text = message.payload.get("access_token") if isinstance(message.payload, dict) else None
        if text is None or text == self._token.text:
            return
        if isinstance(text, str) and text.startswith("sb_"):
            return
        try:
            self._token = self._server.verifier.verify(text if isinstance(text, str) else "")
        except BadToken as error:
            self.fail(error.notice)
            return
        if self._join.private and not await self._read_policies_again():
            return
        self._writable.clear()
        self._watch_expiry()
        self._feed.subscribe()

    async def _read_policies_again(self) -> bool:
        """Whether the new token may still read. If not, the channel has failed."""
        asked = ("broadcast", "presence") if self._join.presence_enabled else ("broadcast",)
        try:
            self._readable = await self._ask_readable(asked)
        except Unreachable:
            self.fail("Realtime was unable to connect to the project database")
            return False
        if not self._readable:
            self.fail(not_allowed(self.name))
            return False
        return True

    async def _ask_readable(self, extensions: tuple[str, ...]) -> frozenset[str]:
        identity = Identity(self._token.claims, self._socket.headers)
        return await authorization.readable(self._server.database, identity, self.name, extensions)

    async def _may_write(self, extension: str) -> bool:
        """Asked once for each token."""
        if not self._join.private:
            return True
        if extension not in self._writable:
            identity = Identity(self._token.claims, self._socket.headers)
            self._writable[extension] = await authorization.writable(
                self._server.database, identity, self.name, extension
            )
        return self._writable[extension]

    # -- presence, replay, expiry -------------------------------------------------------------------------

    def _publish_diff(self, diff: Diff | None) -> None:
        if diff is not None:
            delivery = Delivery(self.topic, "presence_diff", diff.payload(), extension="presence")
            self._server.hub.publish(self.address, delivery)

    def _replay(self) -> None:
        for broadcast in self._missed:
            self._replayed.add(broadcast.id)
            if broadcast.is_json:
                self.push("broadcast", broadcast.as_payload())
            else:
                frame = self._socket.serializer.encode_user_broadcast(self.topic, broadcast)
                if frame is not None:
                    self._socket.send_frame(frame)
        early, self._early = self._early or [], None
        for delivery in early:
            self.deliver(delivery)

    def _watch_expiry(self) -> None:
        if self._expiry is not None:
            self._expiry.cancel()
        wait = max(0.0, min(self._server.options.token_check_s, self._token.expires_in))
        self._expiry = asyncio.get_running_loop().call_later(wait, self._check_expiry)

    def _check_expiry(self) -> None:
        try:
            self._server.verifier.verify(self._token.text)
        except BadToken as error:
            self.fail(error.notice)
        else:
            self._watch_expiry()

    async def _tell_replication_ready(self) -> None:
        try:
            async with asyncio.timeout(self._server.options.replication_ready_s):
                await self._server.messages.live.wait()
        except TimeoutError:
            self.fail("Replication connection was not established in time")
        else:
            self.system("system", "ok", "Replication connection established")

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Do this for as long as the channel is there. If it fails, so does the channel."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._look_at_end)
        return task

    def _look_at_end(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            log.error("channel %s failed", self.topic, exc_info=error)
            self.crash()
