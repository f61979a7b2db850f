"""An HTTP client that sends a request exactly as it is told, with no header of its own but host and
length."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass

import h11


@dataclass(frozen=True, slots=True)
class Answer:
    """headers: names in lower case; several of a name are joined as one list."""

    status: int
    headers: dict[str, str]
    body: bytes


async def send_raw(
    port: int,
    method: str,
    path: str,
    headers: Iterable[tuple[str, str]] = (),
    body: bytes | None = None,
) -> Answer:
    """Send one request to the loopback over a connection of its own."""
    lines = [("host", f"127.0.0.1:{port}"), *headers]
    if body is None and method in ("POST", "PATCH", "PUT"):
        body = b""
    if body is not None:
        lines.append(("content-length", str(len(body))))
    # Written by hand: a client library would correct what some of these requests have wrong on purpose.
    head = f"{method} {path} HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in lines)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(head.encode() + b"\r\n" + (body or b""))
        await writer.drain()
        return await _receive(reader, method)
    finally:
        writer.close()
        await writer.wait_closed()


async def _receive(reader: asyncio.StreamReader, method: str) -> Answer:
    protocol = h11.Connection(h11.CLIENT)
    protocol.send(h11.Request(method=method, target="/", headers=[("host", "the same")]))
    protocol.send(h11.EndOfMessage())
    status = 0
    headers: dict[str, str] = {}
    parts: list[bytes] = []
    while True:
        event = protocol.next_event()
        if event is h11.NEED_DATA:
            protocol.receive_data(await reader.read(65536))
        elif isinstance(event, h11.Response):
            status = event.status_code
            for name, value in event.headers:
                text, known = value.decode(), headers.get(name.decode())
                headers[name.decode()] = text if known is None else f"{known}, {text}"
        elif isinstance(event, h11.Data):
            parts.append(bytes(event.data))
        elif isinstance(event, h11.EndOfMessage):
            return Answer(status, headers, b"".join(parts))
        elif isinstance(event, h11.ConnectionClosed):
            raise ConnectionError("the server closed the connection before its answer was complete")
