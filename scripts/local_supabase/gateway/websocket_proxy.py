"""WebSockets to a service in a process of its own: frames, close codes and pressure pass both ways."""

from __future__ import annotations

import asyncio
import logging

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus
from websockets.typing import Subprotocol

from scripts.local_supabase.gateway.asgi import Headers, Receive, Scope, Send, answer, answer_raw

log = logging.getLogger(__name__)

_CONNECT_SECONDS = 5.0
_CLOSE_SECONDS = 2.0
# Frames that wait for a slow reader; when there are as many, the other side is not read any further.
_WAITING_FRAMES = 8
# What the handshake with the service makes anew.
_OWN_HEADERS = frozenset({b"host", b"connection", b"upgrade", b"content-length", b"transfer-encoding"})
_NO_STATUS = 1005
_NORMAL = 1000
_SERVICE_GONE = 1011
_CLIENT_GONE = 1001


async def relay(url: str, name: str, headers: Headers, scope: Scope, receive: Receive, send: Send) -> None:
    """Joins a client's WebSocket with one to the service at `url` until either side closes.

    The client is let in only once the service has let the gateway in: a service that refuses answers the
    handshake itself, and one that is down answers 503.
    """
    try:
        upstream = await connect(
            url,
            additional_headers=_handshake_headers(headers),
            subprotocols=[Subprotocol(each) for each in scope.get("subprotocols", ())] or None,
            user_agent_header=None,
            # Between two processes of one machine compressing costs more than it saves.
            compression=None,
            max_size=None,
            max_queue=_WAITING_FRAMES,
            open_timeout=_CONNECT_SECONDS,
            close_timeout=_CLOSE_SECONDS,
            # A ping would time out behind frames that wait for a slow client, which has its own heartbeat.
            ping_interval=None,
            proxy=None,
        )
    except InvalidStatus as refusal:
        response = refusal.response
        kind = response.headers.get("content-type", "text/plain").encode()
        await answer_raw(
            scope, receive, send, response.status_code, [(b"content-type", kind)], bytes(response.body or b"")
        )
        return
    except (OSError, TimeoutError, InvalidHandshake) as error:
        message = f"The {name} server is not running; it may be starting again. Try again in a moment."
        log.warning("%s: %s (%r)", scope["path"], message, error)
        await answer(scope, receive, send, 503, {"message": message})
        return
    try:
        await receive()
        await send({"type": "websocket.accept", "subprotocol": upstream.subprotocol})
        await _relay_frames(name, upstream, receive, send)
    finally:
        await upstream.close(_CLIENT_GONE)


def _handshake_headers(headers: Headers) -> list[tuple[str, str]]:
    return [
        (name.decode("latin-1"), value.decode("latin-1"))
        for name, value in headers
        if name not in _OWN_HEADERS and not name.startswith(b"sec-websocket-")
    ]


async def _relay_frames(name: str, upstream: ClientConnection, receive: Receive, send: Send) -> None:
    down = asyncio.ensure_future(_pass_down(name, upstream, send))
    up = asyncio.ensure_future(_pass_up(upstream, receive))
    try:
        done, _ = await asyncio.wait({down, up}, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in (down, up):
            task.cancel()
        await asyncio.gather(down, up, return_exceptions=True)


async def _pass_down(name: str, upstream: ClientConnection, send: Send) -> None:
    """From the service to its client. One frame at a time: a client that does not read stops the service."""
    try:
        while True:
            frame = await upstream.recv()
            if isinstance(frame, str):
                await send({"type": "websocket.send", "text": frame})
            else:
                await send({"type": "websocket.send", "bytes": frame})
    except ConnectionClosed as closed:
        code, reason = _SERVICE_GONE, f"The {name} server went away."
        if closed.rcvd is not None:
            code, reason = closed.rcvd.code, closed.rcvd.reason
        await send(
            {"type": "websocket.close", "code": _NORMAL if code == _NO_STATUS else code, "reason": reason}
        )


async def _pass_up(upstream: ClientConnection, receive: Receive) -> None:
    """From the client to its service, until the client closes."""
    while True:
        message = await receive()
        if message["type"] == "websocket.disconnect":
            await upstream.close(_sendable(message.get("code")), message.get("reason") or "")
            return
        text = message.get("text")
        try:
            await upstream.send(message["bytes"] if text is None else text)
        except ConnectionClosed:
            # The service closed first; the other direction hands on with which code.
            await asyncio.get_running_loop().create_future()


def _sendable(code: int | None) -> int:
    """A close code that may be sent: the ones that mean "no code" or "lost" never travel."""
    if code is not None and (code in (1000, 1001, 1002, 1003, *range(1007, 1015)) or 3000 <= code < 5000):
        return code
    return _NORMAL if code == _NO_STATUS else _CLIENT_GONE
