"""A user's console under chaos: what it was told of, and what it read after it may have missed something.

A message lists at most 50 rows and says which ids it covers; what it does not list is read over REST. A
message may be lost with a connection, so every new subscription, and a slow poll, read what was stored lately
by an overlapping window. Whatever comes twice is one signal by its id.
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
from postgrest.exceptions import APIError

from shared.answers import translate
from shared.client import Connection, connect_user
from shared.errors import NotSent, Unavailable
from shared.keys import Tokens
from shared.realtime import Arrival, Realtime
from shared.settings import Settings

PAGE = 1000
READ_SECONDS = 0.5
POLL_SECONDS = 10.0
WATCH_SECONDS = 60
PATIENCE = 60.0
# How long a row may take from its transaction's begin, which is its created_at, until it can be read: shortly
# after a message, and at worst.
MESSAGE_OVERLAP = timedelta(seconds=2)
OVERLAP = timedelta(seconds=45)


class Receiver:
    """Subscribed as one user from `start` to `stop`. `received` are ids as integers; `caught_up` is how many
    of them no message told of."""

    def __init__(self, settings: Settings, user: UUID) -> None:
        self.received: set[int] = set()
        self.caught_up = 0
        self.messages = 0
        self._settings = settings
        self._user = str(user)
        self._stack = AsyncExitStack()
        self._tasks: list[asyncio.Task[None]] = []
        self._told: tuple[str, str] | None = None
        self._more = asyncio.Event()
        self._newest: datetime | None = None
        self._rest: Connection | None = None

    async def start(self) -> None:
        """Watch and subscribe. Raises TimeoutError when that does not work at once."""
        self._rest = await connect_user(self._settings, self._user)
        self._stack.push_async_callback(self._rest.close)
        key = self._settings.supabase_publishable_key.get_secret_value()
        realtime = Realtime(self._settings.supabase_url, key, Tokens.for_user(self._settings, self._user))
        realtime.subscribe(f"user:{self._user}:signals", self._hear, self._catch_up)
        await realtime.start()
        self._stack.push_async_callback(realtime.stop)
        async with asyncio.timeout(PATIENCE):
            await realtime.subscribed.wait()
        await self._rest.call("watch_signals", {"seconds": WATCH_SECONDS})
        for work in (self._keep_watching(), self._read_told(), self._poll()):
            self._tasks.append(asyncio.create_task(work))

    async def stop(self) -> None:
        """Close everything. Raises what a task of it died of."""
        for task in self._tasks:
            task.cancel()
        ends = await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._stack.aclose()
        for end in ends:
            if isinstance(end, Exception):
                raise end

    def _hear(self, arrival: Arrival) -> None:
        if arrival.event != "signals":
            return
        self.messages += 1
        payload = arrival.payload
        rows = payload.get("rows") or ()
        self.received.update(UUID(row["id"]).int for row in rows)
        if payload["count"] > len(rows):
            first, last = payload["from_id"], payload["to_id"]
            told = self._told or (first, last)
            self._told = (min(first, told[0]), max(last, told[1]))
            self._more.set()

    async def _read_told(self) -> None:
        while True:
            await self._more.wait()
            self._more.clear()
            told, self._told = self._told, None
            if told is not None:
                try:
                    await self._read(MESSAGE_OVERLAP, *told)
                except Unavailable:
                    # What could not be read is read by the next window.
                    self._told = self._told or told
                    self._more.set()
            await asyncio.sleep(READ_SECONDS)

    async def _poll(self) -> None:
        while True:
            await asyncio.sleep(POLL_SECONDS)
            try:
                await self._catch_up()
            except Unavailable:
                continue

    async def _catch_up(self) -> None:
        known = len(self.received)
        await self._read(OVERLAP)
        self.caught_up += len(self.received) - known

    async def _keep_watching(self) -> None:
        while True:
            try:
                if self._rest is not None:
                    await self._rest.call("watch_signals", {"seconds": WATCH_SECONDS})
            except Unavailable:
                await asyncio.sleep(READ_SECONDS)
            else:
                await asyncio.sleep(WATCH_SECONDS / 3)

    async def _read(self, overlap: timedelta, first: str | None = None, last: str | None = None) -> None:
        """What was stored since the newest row that is known, less the overlap, within these ids.

        Raises Unavailable.
        """
        since = None if self._newest is None else self._newest - overlap
        newest = self._newest
        after: str | None = None
        while rows := await self._read_page(since, first, last, after):
            self.received.update(UUID(row["id"]).int for row in rows)
            after = rows[-1]["id"]
            stored = max(datetime.fromisoformat(row["created_at"]) for row in rows)
            newest = stored if newest is None else max(newest, stored)
            if len(rows) < PAGE:
                break
        if first is None:
            # Only a read of everything may let what is older be.
            self._newest = newest

    async def _read_page(
        self, since: datetime | None, first: str | None, last: str | None, after: str | None
    ) -> list[dict[str, Any]]:
        if self._rest is None:
            raise RuntimeError("a receiver reads after it was started")
        query = self._rest.client.table("signals").select("id,created_at").order("id").limit(PAGE)
        if since is not None:
            query = query.gte("created_at", since.isoformat())
        if after is not None:
            query = query.gt("id", after)
        elif first is not None:
            query = query.gte("id", first)
        if last is not None:
            query = query.lte("id", last)
        try:
            answer = await query.execute()
        except APIError as error:
            raise translate("signals", error) from error
        except httpx.TransportError as error:
            raise NotSent(f"signals cannot be read: {error or type(error).__name__}") from error
        rows: Any = answer.data
        return list(rows or ())
