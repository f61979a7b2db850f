"""Broadcasts from the database: every row that is inserted into realtime.messages goes to its topic."""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Callable

import psycopg

from scripts.local_supabase.realtime.broadcast import UserBroadcast
from scripts.local_supabase.realtime.database import Connection, Database
from scripts.local_supabase.realtime.pgoutput import Decoder, Row
from scripts.local_supabase.realtime.queries import query
from scripts.local_supabase.realtime.replication import LogStream

log = logging.getLogger(__name__)

PUBLICATION = "supabase_realtime_messages_publication"
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.1, 2.0

# private, topic, what was sent
Receiver = Callable[[bool, str, UserBroadcast], None]


class Messages:
    """Follows the table's log while somebody wants it, through every outage of the database.

    lives: how often the stream began. What is committed between two lives is lost to the subscribers, so each
    that joined in an earlier one must be told: `began` is called at every beginning.
    """

    def __init__(
        self, database: Database, slot_suffix: str, receive: Receiver, began: Callable[[], None]
    ) -> None:
        self._database = database
        self._slot = f"supabase_realtime_messages_replication_slot_{slot_suffix}"
        self._receive = receive
        self._began = began
        self.wanted = asyncio.Event()
        self.live = asyncio.Event()
        self.lives = 0

    async def run(self) -> None:
        pause = FIRST_PAUSE_S
        told = False
        while True:
            await self.wanted.wait()
            try:
                await self._database.run(_publish)
                stream = await LogStream.open(
                    self._database.url, self._slot, PUBLICATION, "realtime_replication_connection"
                )
                try:
                    pause, told = FIRST_PAUSE_S, False
                    self._come_alive()
                    await self._follow(stream)
                finally:
                    self.live.clear()
                    await stream.close()
            except (psycopg.Error, ConnectionError) as error:
                if not told:
                    log.warning("following realtime.messages failed, trying again: %s", str(error).strip())
                told = True
                await asyncio.sleep(pause)
                pause = min(pause * 2, LONGEST_PAUSE_S)

    def _come_alive(self) -> None:
        self.lives += 1
        self.live.set()
        self._began()

    async def _follow(self, stream: LogStream) -> None:
        """Return when nobody wants it any more."""
        decoder = Decoder()

        def receive(message: memoryview) -> None:
            row = decoder.inserted(message)
            if row is not None and (found := broadcast_of(row)):
                self._receive(*found)

        await stream.run(receive, self.wanted.is_set)


def broadcast_of(row: Row) -> tuple[bool, str, UserBroadcast] | None:
    """Whether it is private, its topic, and what it says. None for the rows that only ask a policy."""
    topic, event, private, id_ = row["topic"], row["event"], row["private"], row["id"]
    payload, binary = row["payload"], row["binary_payload"]
    if topic is None or event is None or private is None or id_ is None or row["inserted_at"] is None:
        return None
    if binary is not None:
        body, is_json = binary, False
    elif payload is not None:
        # The binary form of jsonb is its text behind one byte for the version.
        body, is_json = payload[1:], True
    else:
        return None
    broadcast = UserBroadcast(event.decode(), body, is_json, id=str(uuid.UUID(bytes=id_)))
    return private == b"\x01", topic.decode(), broadcast


async def _publish(connection: Connection) -> None:
    await connection.execute(query("messages_publication"))
