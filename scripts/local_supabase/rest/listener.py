"""Keeps the schema cache up to date: loads it, and again whenever somebody says NOTIFY pgrst."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import psycopg
import structlog

from scripts.local_supabase.rest.catalog.loading import load_schema_cache
from scripts.local_supabase.rest.catalog.schema_cache import SchemaCache
from scripts.local_supabase.rest.connections import Connection, connect
from scripts.local_supabase.rest.settings import RestSettings

_CHANNEL = b"listen pgrst"
# Pauses (s) between attempts while the database is away.
_FIRST_PAUSE = 0.05
_LONGEST_PAUSE = 1.0

log = structlog.get_logger(__name__)


class SchemaListener:
    """Runs until it is cancelled; survives the database."""

    def __init__(self, settings: RestSettings, changed: Callable[[SchemaCache], Awaitable[None]]) -> None:
        """changed: is given each new schema cache."""
        self._settings = settings
        self._changed = changed
        self._timezones: frozenset[str] = frozenset()
        self._loaded = asyncio.Event()

    async def wait_until_loaded(self) -> None:
        """Return once there is a first schema cache."""
        await self._loaded.wait()

    async def run(self) -> None:
        pause = _FIRST_PAUSE
        while True:
            try:
                async with await connect(self._settings) as connection:
                    # Listening starts before loading, so that no change falls between the two.
                    await connection.execute(_CHANNEL)
                    await self._load(connection)
                    pause = _FIRST_PAUSE
                    await self._follow(connection)
            except psycopg.Error as error:
                log.warning("schema_cache_unreachable", error=str(error).strip(), retry_after=pause)
            await asyncio.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)

    async def _follow(self, connection: Connection) -> None:
        """Load again at each notification; of many that have come, once."""
        while True:
            # Each loop ends before the connection is used again: a generator of notifications holds its lock.
            async for _ in connection.notifies(stop_after=1):
                pass
            async for _ in connection.notifies(timeout=0):
                pass
            await self._load(connection)

    async def _load(self, connection: Connection) -> None:
        cache = await load_schema_cache(connection, self._settings.schemas, self._timezones)
        self._timezones = cache.timezones
        await self._changed(cache)
        self._loaded.set()
        log.info(
            "schema_cache_loaded",
            relations=len(cache.relations),
            functions=len(cache.functions),
            relationships=sum(map(len, cache.relationships.values())),
        )
