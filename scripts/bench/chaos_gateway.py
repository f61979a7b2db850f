"""What stands between machines and the project, as a proxy does before a hosted one: it passes bytes on, or
answers for the project in its own words, which are HTML.
"""

from __future__ import annotations

import asyncio
import itertools
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)\r\n", re.IGNORECASE)
_WORDS = ((502, "Bad Gateway"), (503, "Service Temporarily Unavailable"))


class Gateway:
    """Takes connections at `url` and leads them to the same service on loopback, unless it `fail`s."""

    def __init__(self, address: str, port: int) -> None:
        self.url = f"http://{address}:{port}"
        self.refused = 0
        self._words = itertools.cycle(_WORDS)
        self._is_failing = False
        self._open: set[asyncio.StreamWriter] = set()

    def fail(self) -> None:
        """Answer 502 and 503 from now on; what is under way is cut off, and nobody knows what came of it."""
        self._is_failing = True
        self.abort()

    def mend(self) -> None:
        """Pass everything on again."""
        self._is_failing = False

    def abort(self) -> None:
        """Cut every connection off."""
        for writer in self._open:
            writer.transport.abort()

    async def serve(
        self, inner_port: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """One connection, to its end."""
        if self._is_failing:
            await self._refuse(reader, writer)
            return
        try:
            inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", inner_port)
        except OSError:
            writer.close()
            return
        both = {writer, inner_writer}
        self._open |= both
        try:
            await asyncio.gather(_pump(reader, inner_writer), _pump(inner_reader, writer))
        finally:
            self._open -= both

    async def _refuse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            head = await reader.readuntil(b"\r\n\r\n")
            length = _LENGTH.search(head)
            # Whoever still sends would take a closed socket for a broken one, and never see the answer.
            await reader.readexactly(int(length[1]) if length else 0)
            status, words = next(self._words)
            page = f"<html><head><title>{status} {words}</title></head><body><h1>{words}</h1></body></html>"
            lines = (
                f"HTTP/1.1 {status} {words}",
                "Content-Type: text/html",
                f"Content-Length: {len(page)}",
                "Connection: close",
            )
            writer.write(("\r\n".join(lines) + "\r\n\r\n" + page).encode())
            await writer.drain()
            self.refused += 1
        writer.close()


@asynccontextmanager
async def gateway(address: str, port: int, inner_port: int) -> AsyncIterator[Gateway]:
    """A gateway at this address before a port of loopback; with port 0 at one that is free."""
    one = Gateway(address, port)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await one.serve(inner_port, reader, writer)

    server = await asyncio.start_server(serve, address, port)
    one.url = f"http://{address}:{server.sockets[0].getsockname()[1]}"
    try:
        yield one
    finally:
        server.close()
        one.abort()
        await server.wait_closed()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while piece := await reader.read(1 << 16):
            writer.write(piece)
            await writer.drain()
    writer.close()
