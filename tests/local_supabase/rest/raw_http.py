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


class RawClient:
    """One connection, opened again when the server closes it."""

    def __init__(self, host: str, port: int) -> None:
        self._host, self._port = host, port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self._protocol = h11.Connection(h11.CLIENT)

    async def send(
        self, method: str, path: str, headers: Iterable[tuple[str, str]] = (), body: bytes | None = None
    ) -> Answer:
        lines = [("host", f"{self._host}:{self._port}"), *headers]
        if body is None and method in ("POST", "PATCH", "PUT"):
            body = b""
        if body is not None:
            lines.append(("content-length", str(len(body))))
        # Written by hand: a client library would correct what these requests are meant to have wrong.
        head = f"{method} {path} HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in lines)
        reader, writer = await self._connect()
        writer.write(head.encode() + b"\r\n" + (body or b""))
        await writer.drain()
        protocol = h11.Connection(h11.CLIENT)
        protocol.send(h11.Request(method=method, target="/", headers=[("host", "x")]))
        protocol.send(h11.EndOfMessage())
        return await self._receive(reader, protocol)

    async def close(self) -> None:
        if self._streams is not None:
            writer = self._streams[1]
            writer.close()
            await writer.wait_closed()
            self._streams = None

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self._streams is None:
            self._streams = await asyncio.open_connection(self._host, self._port)
        return self._streams

    async def _receive(self, reader: asyncio.StreamReader, protocol: h11.Connection) -> Answer:
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
                    text = value.decode()
                    known = headers.get(name.decode())
                    headers[name.decode()] = text if known is None else f"{known}, {text}"
            elif isinstance(event, h11.Data):
                parts.append(bytes(event.data))
            elif isinstance(event, h11.EndOfMessage):
                if headers.get("connection") == "close":
                    await self.close()
                return Answer(status, headers, b"".join(parts))
            elif isinstance(event, h11.ConnectionClosed):
                raise ConnectionError("the server closed the connection before its answer was complete")
