"""The REST interface as an ASGI application, alone or mounted under a prefix."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import suppress
from typing import Any, TypeAlias

import structlog

from scripts.local_supabase.rest import errors
from scripts.local_supabase.rest.catalog.schema_cache import SchemaCache
from scripts.local_supabase.rest.connections import Connections
from scripts.local_supabase.rest.cors import preflight_headers, response_headers
from scripts.local_supabase.rest.errors import ApiError
from scripts.local_supabase.rest.listener import SchemaListener
from scripts.local_supabase.rest.request import Request, from_scope
from scripts.local_supabase.rest.responses import Response, error_response
from scripts.local_supabase.rest.service import Service
from scripts.local_supabase.rest.settings import RestSettings
from scripts.local_supabase.rest.tokens import Verifier
from scripts.local_supabase.settings import Settings

Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]

log = structlog.get_logger(__name__)


class RestApp:
    """`start` and `stop` come from the server's lifespan, or from the application that mounts this one.
    Without them it starts at the first request."""

    def __init__(self, settings: RestSettings) -> None:
        self._patience = settings.patience
        self._connections = Connections(settings)
        self._service = Service(settings, self._connections)
        self._verifier = Verifier(settings)
        self._listener = SchemaListener(settings, self._replace_cache)
        self._cache: SchemaCache | None = None
        self._listening: asyncio.Task[None] | None = None

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["type"] == "http":
            await self._answer(scope, receive, send)
        else:
            raise RuntimeError(f"the REST interface does not speak {scope['type']}")

    async def start(self) -> None:
        """Begin to follow the database; it may come later."""
        if self._listening is None:
            self._listening = asyncio.create_task(self._listener.run(), name="rest-schema-listener")

    async def stop(self) -> None:
        if self._listening is not None:
            self._listening.cancel()
            with suppress(asyncio.CancelledError):
                await self._listening
            self._listening = None
        await self._connections.close()

    async def _live(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                await self.start()
                await send({"type": "lifespan.startup.complete"})
            elif message["type"] == "lifespan.shutdown":
                await self.stop()
                await send({"type": "lifespan.shutdown.complete"})
                return

    async def _replace_cache(self, cache: SchemaCache) -> None:
        self._cache = cache
        await self._connections.renew()

    async def _answer(self, scope: Message, receive: Receive, send: Send) -> None:
        request = from_scope(scope, await _read_body(receive))
        preflight = preflight_headers(request)
        if preflight is not None:
            await _send(send, request, Response(200, tuple(preflight)))
            return
        try:
            response = await self._respond(request)
        except ApiError as error:
            response = error_response(error)
            if error.status >= 500:
                log.warning("request_failed", method=request.method, path=request.path, code=error.code)
        headers = (*response.headers, *response_headers(request))
        await _send(send, request, Response(response.status, headers, response.body))

    async def _respond(self, request: Request) -> Response:
        identity = self._verifier.identify(request.header("authorization"))
        return await self._service.answer(request, identity, await self._ready_cache())

    async def _ready_cache(self) -> SchemaCache:
        if self._cache is None:
            await self.start()
            with suppress(TimeoutError):
                async with asyncio.timeout(self._patience):
                    await self._listener.wait_until_loaded()
        if self._cache is None:
            raise errors.no_schema_cache()
        return self._cache


async def _read_body(receive: Receive) -> bytes:
    parts = []
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            break
        parts.append(message.get("body", b""))
        if not message.get("more_body"):
            break
    return parts[0] if len(parts) == 1 else b"".join(parts)


async def _send(send: Send, request: Request, response: Response) -> None:
    headers = [(name.encode("latin-1"), value.encode()) for name, value in response.headers]
    body = b"" if request.method == "HEAD" else response.body
    # An empty answer to HEAD says nothing of the length that GET would have.
    if response.status not in (204, 304) and (request.method != "HEAD" or response.body):
        headers.append((b"content-length", str(len(response.body)).encode()))
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def create_app(settings: Settings | RestSettings) -> RestApp:
    """The application for a stack, or with settings of its own."""
    return RestApp(settings if isinstance(settings, RestSettings) else RestSettings.of_stack(settings))
