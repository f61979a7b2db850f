"""The types of ASGI, and the gateway's own JSON answers for HTTP requests and WebSocket handshakes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, TypeAlias

import orjson

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
App: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]
Headers: TypeAlias = list[tuple[bytes, bytes]]


def header_of(headers: Headers, name: bytes) -> bytes | None:
    """The first header of this lower-case name. ASGI servers lower the names of HTTP requests."""
    for key, value in headers:
        if key == name:
            return value
    return None


def path_of(scope: Scope) -> bytes:
    """The path as it came, percent-encoded and without the query."""
    raw: bytes | None = scope.get("raw_path")
    return raw if raw is not None else str(scope["path"]).encode()


async def answer(
    scope: Scope,
    receive: Receive,
    send: Send,
    status: int,
    body: dict[str, Any],
    headers: Headers | None = None,
) -> None:
    """Answers with JSON what never reached a service: an HTTP request, or the handshake of a WebSocket."""
    await answer_raw(
        scope,
        receive,
        send,
        status,
        [(b"content-type", b"application/json; charset=utf-8"), *(headers or [])],
        orjson.dumps(body),
    )


async def answer_raw(
    scope: Scope, receive: Receive, send: Send, status: int, headers: Headers, body: bytes
) -> None:
    kind = "http.response"
    if scope["type"] == "websocket":
        await receive()
        if "websocket.http.response" not in scope.get("extensions", {}):
            await send({"type": "websocket.close", "code": 1008})
            return
        kind = "websocket.http.response"
    length = (b"content-length", str(len(body)).encode())
    await send({"type": f"{kind}.start", "status": status, "headers": [*headers, length]})
    await send({"type": f"{kind}.body", "body": b"" if scope.get("method") == "HEAD" else body})
