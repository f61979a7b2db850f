"""The server as an ASGI application. Its paths are the service's own: the gateway maps /realtime/v1 there."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from scripts.local_supabase.realtime import jsontext, rest
from scripts.local_supabase.realtime.handshake import Refusal, judge
from scripts.local_supabase.realtime.options import Options
from scripts.local_supabase.realtime.server import Server
from scripts.local_supabase.realtime.socket import Socket
from scripts.local_supabase.realtime.tokens import Verifier
from scripts.local_supabase.settings import Settings

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

WEBSOCKET_PATH = "/socket/websocket"


def create_app(settings: Settings, options: Options | None = None) -> App:
    """The server of this stack. options: from the environment (REALTIME_*) unless given."""
    verifier = Verifier(settings.jwt_secret, settings.keys.jwks())
    return App(Server(settings.admin_db_url, verifier, options or Options()))


class App:
    def __init__(self, server: Server) -> None:
        self._server = server

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        match scope["type"]:
            case "websocket":
                await self._websocket(scope, receive, send)
            case "http":
                response = await rest.handle(self._server, Request(scope, receive))
                await response(scope, receive, send)
            case "lifespan":
                await self._lifespan(receive, send)

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        await receive()
        await self._server.start()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self._server.stop()
        await send({"type": "lifespan.shutdown.complete"})

    async def _websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        await receive()  # websocket.connect
        headers = {
            name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]
        }
        if scope["path"].rstrip("/") != WEBSOCKET_PATH:
            verdict: Any = Refusal(404, at_once=True)
        else:
            verdict = judge(scope["query_string"].decode("latin-1"), headers, self._server.verifier)
            if not isinstance(verdict, Refusal) and (refusal := self._full()):
                verdict = refusal
        if isinstance(verdict, Refusal):
            await self._refuse(verdict, scope, receive, send)
            return
        await send({"type": "websocket.accept"})
        socket = Socket(self._server, verdict.serializer, verdict.token, verdict.headers)
        await self._server.serve(socket, receive, send)

    def _full(self) -> Refusal | None:
        if len(self._server.sockets) >= self._server.options.max_concurrent_users:
            return Refusal(429, "Too many connected users")
        if self._server.joins.exceeded:
            return Refusal(429, "Too many joins per second")
        return None

    async def _refuse(self, refusal: Refusal, scope: Scope, receive: Receive, send: Send) -> None:
        if not refusal.at_once:
            await asyncio.sleep(self._server.options.connect_error_backoff_s)
        body = "" if refusal.error is None else jsontext.write({"error": refusal.error})
        headers = {"content-type": "application/json; charset=utf-8"} if body else {}
        await Response(body, refusal.status, headers)(scope, receive, send)
