"""HTTP to a service that runs in a process of its own: bodies stream both ways, nothing waits for ever."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass

import httpx

from scripts.local_supabase.gateway.asgi import Headers, Receive, Scope, Send, answer

log = logging.getLogger(__name__)

# What belongs to one connection, not to the message, and what the server in front writes itself.
_HOP_BY_HOP = frozenset(
    {
        b"connection",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    }
)
_SERVER_OWN = frozenset({b"date", b"server"})
_CONNECT_SECONDS = 5.0
_WRITE_SECONDS = 60.0


class ClientGone(Exception):
    """The client closed the connection before it had sent its whole request."""


@dataclass(frozen=True, slots=True)
class Upstream:
    """A service behind the gateway.

    name: as its errors call it
    url: where it listens, without a path
    idle_seconds: how long it may say nothing
    """

    name: str
    url: str
    idle_seconds: float


def open_client() -> httpx.AsyncClient:
    """A pool of connections to the services of this machine, whatever proxy the environment names."""
    return httpx.AsyncClient(
        limits=httpx.Limits(max_connections=None, max_keepalive_connections=64, keepalive_expiry=30),
        trust_env=False,
        follow_redirects=False,
    )


async def forward(
    client: httpx.AsyncClient,
    upstream: Upstream,
    path: bytes,
    headers: Headers,
    scope: Scope,
    receive: Receive,
    send: Send,
) -> None:
    """Sends a request on and its response back.

    No service: 503; one that breaks off: 502; one that is silent for too long: 504. Each with a message.
    """
    body = _RequestBody(receive)
    request = httpx.Request(
        scope["method"],
        _url(upstream, path, scope["query_string"]),
        headers=[(name, value) for name, value in headers if name not in _HOP_BY_HOP],
        content=body.chunks() if _has_body(headers) else None,
        extensions={"timeout": _timeouts(upstream)},
    )
    try:
        response = await client.send(request, stream=True)
    except ClientGone:
        return
    except httpx.HTTPError as error:
        status, message = _explain(upstream, error)
        log.warning("%s %s: %s (%r)", scope["method"], path.decode("latin-1"), message, error)
        await answer(scope, receive, send, status, {"message": message})
        return
    try:
        await _send_back(response, body, send)
    finally:
        await response.aclose()


def _url(upstream: Upstream, path: bytes, query: bytes) -> httpx.URL:
    raw_path = path + b"?" + query if query else path
    return httpx.URL(upstream.url).copy_with(raw_path=raw_path)


def _timeouts(upstream: Upstream) -> dict[str, float | None]:
    return httpx.Timeout(
        upstream.idle_seconds, connect=_CONNECT_SECONDS, write=_WRITE_SECONDS, pool=_CONNECT_SECONDS
    ).as_dict()


def _has_body(headers: Headers) -> bool:
    return any(
        name == b"transfer-encoding" or (name == b"content-length" and value != b"0")
        for name, value in headers
    )


def _explain(upstream: Upstream, error: httpx.HTTPError) -> tuple[int, str]:
    if isinstance(error, (httpx.ConnectError, httpx.ConnectTimeout)):
        return (
            503,
            f"The {upstream.name} server is not running; it may be starting again. Try again in a moment.",
        )
    if isinstance(error, httpx.TimeoutException):
        return 504, f"The {upstream.name} server did not answer within {upstream.idle_seconds:g} seconds."
    return 502, f"The {upstream.name} server broke off before it answered."


class _RequestBody:
    """The body of a request while it comes in, and the end of its client's patience after that."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive

    async def chunks(self) -> AsyncIterator[bytes]:
        while True:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise ClientGone
            chunk = message.get("body", b"")
            if chunk:
                yield chunk
            if not message.get("more_body", False):
                return

    async def wait_for_disconnect(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            continue


async def _send_back(response: httpx.Response, body: _RequestBody, send: Send) -> None:
    """Streams a response. A client that goes away ends it: the service stops making what nobody reads."""
    headers = [
        (name.lower(), value)
        for name, value in response.headers.raw
        if name.lower() not in _HOP_BY_HOP | _SERVER_OWN
    ]
    await send({"type": "http.response.start", "status": response.status_code, "headers": headers})
    streaming = asyncio.ensure_future(_stream(response, send))
    leaving = asyncio.ensure_future(body.wait_for_disconnect())
    try:
        await asyncio.wait({streaming, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if streaming.done():
            streaming.result()
    finally:
        for task in (streaming, leaving):
            task.cancel()
        await asyncio.gather(streaming, leaving, return_exceptions=True)


async def _stream(response: httpx.Response, send: Send) -> None:
    async for chunk in response.aiter_raw():
        await send({"type": "http.response.body", "body": chunk, "more_body": True})
    await send({"type": "http.response.body", "body": b"", "more_body": False})
