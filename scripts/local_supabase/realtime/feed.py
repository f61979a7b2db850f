"""A channel's share of postgres_changes."""

from __future__ import annotations

import asyncio
import logging
import uuid
from typing import TYPE_CHECKING, Any

import psycopg

from scripts.local_supabase.realtime import bindings, jsontext, subscriptions
from scripts.local_supabase.realtime.database import Unreachable
from scripts.local_supabase.realtime.join import Join
from scripts.local_supabase.realtime.subscriptions import Subscription

if TYPE_CHECKING:
    from scripts.local_supabase.realtime.channel import Channel
    from scripts.local_supabase.realtime.server import Server

log = logging.getLogger(__name__)


class Feed:
    """Subscribes to what the join asked for, and tells the client of the changes (changes.Subscriber)."""

    def __init__(self, server: Server, channel: Channel, join: Join) -> None:
        self._server = server
        self._channel = channel
        self._join = join
        self._ids = [bindings.binding_id(each) for each in join.bindings]
        self._stored: list[uuid.UUID] = []
        self._attempt: asyncio.Task[None] | None = None

    def bindings(self) -> list[dict[str, Any]]:
        """As the join asked for them, each with its id."""
        return [{"id": id_, **params} for id_, params in zip(self._ids, self._join.bindings, strict=True)]

    def subscribe(self) -> None:
        """Subscribe with the channel's present token, in place of what is subscribed."""
        if self._join.bindings:
            if self._attempt is not None:
                self._attempt.cancel()
            self._attempt = self._channel.spawn(self._subscribe())

    def resubscribe(self) -> None:
        """What was subscribed is gone."""
        self.subscribe()

    def close(self) -> None:
        self._server.changes.unsubscribe(self, self._stored)

    def change(self, event: str, data: str, positions: set[int]) -> None:
        """A change for some of the bindings. data: JSON text."""
        if self._join.legacy:
            self._channel.say(event, jsontext.raw(data))
        else:
            # The real server names the last binding first.
            ids = [self._ids[position] for position in sorted(positions, reverse=True)]
            self._channel.say("postgres_changes", {"data": jsontext.raw(data), "ids": ids})

    async def _subscribe(self) -> None:
        try:
            wanted = [
                Subscription(uuid.uuid4(), position, bindings.parse(params))
                for position, params in enumerate(self._join.bindings)
            ]
        except bindings.BadBinding as error:
            self._channel.system("postgres_changes", "error", str(error))
            return
        before, self._stored = self._stored, [each.id for each in wanted]
        try:
            await self._store(wanted)
        except subscriptions.Refused as error:
            self._channel.system("postgres_changes", "error", str(error))
        else:
            self._channel.system("postgres_changes", "ok", "Subscribed to PostgreSQL")
        finally:
            self._server.changes.unsubscribe(self, before, leaves=False)

    async def _store(self, wanted: list[Subscription]) -> None:
        """Try until the database can be reached. Raises subscriptions.Refused."""
        while True:
            try:
                await self._server.changes.subscribe(self, wanted, self._channel.token.claims)
            except (psycopg.Error, Unreachable) as error:
                log.warning(
                    "could not subscribe %s, trying again: %s", self._channel.topic, str(error).strip()
                )
                await asyncio.sleep(self._server.options.subscribe_retry_s)
            else:
                return
