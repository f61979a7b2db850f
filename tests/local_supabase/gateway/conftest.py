"""A gateway in front of services that the tests write themselves."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from scripts.local_supabase.gateway.app import create_app
from scripts.local_supabase.keys import Keys
from scripts.local_supabase.ports import free_ports
from scripts.local_supabase.settings import Settings
from tests.local_supabase.serving import echo, serving

App = Callable[[Any, Any, Any], Awaitable[None]]


@dataclass
class Gateway:
    """A running gateway. `serve_realtime` and `serve_functions` start what it hands on to."""

    settings: Settings
    http: httpx.AsyncClient
    exits: AsyncExitStack = field(default_factory=AsyncExitStack)

    @property
    def keys(self) -> Keys:
        return self.settings.keys

    @property
    def socket_url(self) -> str:
        return self.settings.url.replace("http", "ws") + "/realtime/v1/websocket"

    async def serve_realtime(self, app: App) -> None:
        await self.exits.enter_async_context(serving(app, self.settings.realtime_port))

    async def serve_functions(self, app: App) -> None:
        await self.exits.enter_async_context(serving(app, self.settings.functions_port))

    async def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        """A request with the publishable key unless other headers are given."""
        headers = options.pop("headers", {"apikey": self.keys.publishable})
        return await self.http.request(method, path, headers=headers, **options)


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[Gateway]:
    settings = Settings(root=tmp_path).at_port(free_ports())
    async with (
        AsyncExitStack() as exits,
        httpx.AsyncClient(base_url=settings.url, trust_env=False, timeout=30) as client,
        serving(create_app(settings, rest=echo, auth=echo, storage=echo), settings.api_port),
    ):
        yield Gateway(settings, client, exits)
        await exits.aclose()
