"""The unmodified client of supabase-py, with what its callbacks heard."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from realtime import AsyncRealtimeChannel, AsyncRealtimeClient, RealtimePostgresChangesListenEvent

from tests.local_supabase.realtime.service import Service
from tests.local_supabase.realtime.transcript import mint
from tests.waiting import until

USER_1 = "authenticated:11111111-1111-1111-1111-111111111111"
USER_2 = "authenticated:22222222-2222-2222-2222-222222222222"


class Subscriber:
    """One client on one channel."""

    def __init__(self, client: AsyncRealtimeClient, topic: str, *, private: bool) -> None:
        self.client = client
        self.statuses: list[str] = []
        self.errors: list[str] = []
        self.broadcasts: list[Any] = []
        self.changes: list[Any] = []
        self.systems: list[str] = []
        config: Any = {
            "config": {
                "broadcast": {"ack": False, "self": False},
                "presence": {"key": "", "enabled": False},
                "private": private,
            }
        }
        self.channel: AsyncRealtimeChannel = client.channel(topic, config)
        self.channel.on_broadcast("*", self.broadcasts.append)
        self.channel.on_system(lambda payload: self.systems.append(payload.message))

    def on_changes(self, table: str, **rest: Any) -> None:
        self.channel.on_postgres_changes(
            RealtimePostgresChangesListenEvent.All, self.changes.append, table=table, schema="public", **rest
        )

    async def subscribe(self) -> None:
        def told(status: Any, error: Exception | None) -> None:
            self.statuses.append(status.value)
            if error is not None:
                self.errors.append(str(error))

        await self.channel.subscribe(told)

    @property
    def subscribed(self) -> int:
        return self.statuses.count("SUBSCRIBED")

    async def subscribed_to_changes(self, times: int = 1) -> None:
        await until(lambda: self.systems.count("Subscribed to PostgreSQL") >= times)

    @property
    def events(self) -> list[str]:
        return [broadcast["event"] for broadcast in self.broadcasts]


@asynccontextmanager
async def subscriber(
    service: Service, who: str, topic: str, *, private: bool = True
) -> AsyncIterator[Subscriber]:
    client = AsyncRealtimeClient(
        f"{service.url}/socket",
        token=mint(who, service.settings.jwt_secret),
        initial_backoff=0.1,
        max_retries=50,
    )
    await client.connect()
    try:
        yield Subscriber(client, topic, private=private)
    finally:
        await client.close()
