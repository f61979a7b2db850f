"""Reads the changes of published tables from the database's log, and hands each channel what it may see.

The slot exists only while somebody is subscribed: otherwise the database would keep its log for nobody.
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from typing import Any, Protocol

import psycopg

from scripts.local_supabase.realtime import subscriptions
from scripts.local_supabase.realtime.database import Connection, Database, Unreachable, connect
from scripts.local_supabase.realtime.options import Options
from scripts.local_supabase.realtime.queries import query
from scripts.local_supabase.realtime.rates import Rate
from scripts.local_supabase.realtime.subscriptions import PUBLICATION, Subscription

log = logging.getLogger(__name__)

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.1, 5.0


class Subscriber(Protocol):
    """A channel, as the changes see it."""

    def change(self, event: str, data: str, positions: set[int]) -> None:
        """A change for these of its bindings. data: JSON text."""

    def resubscribe(self) -> None:
        """Its subscriptions are gone from the database."""


class Changes:
    """events: what is delivered; changes are skipped while there is too much of it."""

    def __init__(self, database: Database, options: Options, events: Rate) -> None:
        self._database = database
        self._options = options
        self._events = events
        self._slot = f"supabase_realtime_replication_slot_{options.slot_suffix}".rstrip("_")
        self._subscribers: set[Subscriber] = set()
        self._subscriptions: dict[uuid.UUID, tuple[Subscriber, int]] = {}
        self._wanted = asyncio.Event()
        self._live = asyncio.Event()
        self._lives = 0
        self._gone: list[uuid.UUID] = []
        self._removal: asyncio.Task[None] | None = None

    async def subscribe(
        self, subscriber: Subscriber, wanted: list[Subscription], claims: dict[str, Any]
    ) -> None:
        """Return once every change from now on reaches the subscriber.

        Raises subscriptions.Refused, and database.Unreachable.
        """
        self._subscribers.add(subscriber)
        self._wanted.set()
        stored_in = None
        # A poller that began anew meanwhile has deleted what was stored.
        while stored_in != self._lives:
            await self._live.wait()
            stored_in = self._lives
            # Known before it is stored: its first change may come before this goes on.
            for each in wanted:
                self._subscriptions[each.id] = (subscriber, each.position)
            try:
                await subscriptions.store(self._database, wanted, claims)
            except BaseException:
                self._forget(wanted)
                raise

    def unsubscribe(self, subscriber: Subscriber, ids: list[uuid.UUID], *, leaves: bool = True) -> None:
        """Stop what was subscribed under these ids. leaves: and the subscriber wants nothing more."""
        for each in ids:
            self._subscriptions.pop(each, None)
        if leaves:
            self._subscribers.discard(subscriber)
            if not self._subscribers:
                self._wanted.clear()
        self._gone.extend(ids)
        if self._gone and self._removal is None:
            self._removal = asyncio.create_task(self._remove())

    async def run(self) -> None:
        """Follow the log for as long as somebody is subscribed; for ever."""
        pause = FIRST_PAUSE_S
        while True:
            await self._wanted.wait()
            try:
                await self._follow()
                pause = FIRST_PAUSE_S
            except psycopg.Error as error:
                was_live = self._live.is_set()
                log.warning("following the changes failed, trying again: %s", str(error).strip())
                await asyncio.sleep(pause)
                pause = FIRST_PAUSE_S if was_live else min(pause * 2, LONGEST_PAUSE_S)
            finally:
                self._live.clear()

    async def _follow(self) -> None:
        connection = await connect(self._database.url, "realtime_rls")
        try:
            tables = await _published(connection)
            await connection.execute(query("unsubscribe_all"))
            if tables:
                await connection.execute(query("create_changes_slot"), {"slot": self._slot})
            self._start_again()
            await self._poll(connection, tables)
        finally:
            self._live.clear()
            # With the connection goes the slot, which is temporary.
            await connection.close()

    def _start_again(self) -> None:
        """Everybody who was subscribed before this slot has to say so again."""
        before = {subscriber for subscriber, _ in self._subscriptions.values()}
        self._subscriptions.clear()
        self._lives += 1
        self._live.set()
        for subscriber in before:
            subscriber.resubscribe()

    async def _poll(self, connection: Connection, tables: list[str]) -> None:
        """Return when nobody is subscribed any more, or other tables are published."""
        loop = asyncio.get_running_loop()
        check_at = loop.time() + self._options.publication_check_s
        while self._wanted.is_set():
            seen, delivered = await self._poll_once(connection) if tables else (0, 0)
            if not tables or loop.time() > check_at:
                if await _published(connection) != tables:
                    return
                check_at = loop.time() + self._options.publication_check_s
            if delivered:
                continue
            await asyncio.sleep(self._options.poll_interval_s if seen else self._options.poll_idle_s)

    async def _poll_once(self, connection: Connection) -> tuple[int, int]:
        """How many changes there were, and for how many of them somebody to tell."""
        cursor = await connection.execute(
            query("poll_changes"),
            {
                "publication": PUBLICATION,
                "slot": self._slot,
                "max_changes": self._options.poll_max_changes,
                "max_record_bytes": self._options.poll_max_record_bytes,
            },
        )
        seen = delivered = 0
        for data, event, ids, count in await cursor.fetchall():
            seen = int(str(count))
            if data is not None:
                delivered += 1
                self._deliver(str(event), str(data), ids)
        return seen, delivered

    def _deliver(self, event: str, data: str, ids: Any) -> None:
        if self._events.exceeded:
            return
        # A set: while a new token takes the place of the old one, a binding is subscribed twice.
        positions: dict[Subscriber, set[int]] = {}
        for each in ids:
            if each in self._subscriptions:
                subscriber, position = self._subscriptions[each]
                positions.setdefault(subscriber, set()).add(position)
        for subscriber, found in positions.items():
            self._events.add()
            subscriber.change(event, data, found)

    def _forget(self, wanted: list[Subscription]) -> None:
        for each in wanted:
            self._subscriptions.pop(each.id, None)

    async def _remove(self) -> None:
        """Delete the rows of channels that are gone, those that go meanwhile too."""
        try:
            while self._gone:
                ids, self._gone = self._gone, []
                await subscriptions.remove(self._database, ids)
        except (psycopg.Error, Unreachable) as error:
            # Nobody hears of these ids any more; the next start of the poller deletes all rows.
            log.warning("could not delete subscriptions: %s", str(error).strip())
        finally:
            self._removal = None


async def _published(connection: Connection) -> list[str]:
    cursor = await connection.execute(query("published_tables"), {"publication": PUBLICATION})
    return [str(name) for (name,) in await cursor.fetchall()]
