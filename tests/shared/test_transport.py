"""What each end of the wire means for a call, on real sockets: was it certainly not sent, or nobody knows."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any, TypeAlias

import httpx
import pytest
import stamina

from shared.client import Connection, open_connection
from shared.errors import NotSent, OutcomeUnknown
from shared.settings import Settings
from shared.transport import Sockets
from tests.waiting import until

Play: TypeAlias = Callable[[bytes, asyncio.StreamWriter], Awaitable[None]]


@pytest.fixture(autouse=True)
def no_pauses() -> Iterator[None]:
    with stamina.set_testing(True, attempts=3, cap=True):
        yield


class Wire:
    """A server that does with each request what a test plays, and counts both."""

    def __init__(self, play: Play) -> None:
        self.play = play
        self.requests: list[bytes] = []
        self.connections = 0
        self.port = 0

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = next(
                    int(line.split(b":")[1])
                    for line in head.lower().split(b"\r\n")
                    if line.startswith(b"content-length")
                )
                self.requests.append(head + await reader.readexactly(length))
                await self.play(self.requests[-1], writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


def answer(body: bytes = b"[]", *headers: bytes) -> bytes:
    lines = [
        b"HTTP/1.1 200 OK",
        b"Content-Type: application/json",
        b"Content-Length: %d" % len(body),
        *headers,
    ]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


async def well(_: bytes, writer: asyncio.StreamWriter) -> None:
    writer.write(answer())


def settings(address: str) -> Settings:
    values: dict[str, Any] = {"SUPABASE_PUBLISHABLE_KEY": "sb_publishable_x", "supabase_jwt_secret": "s" * 40}
    return Settings(_env_file=None, supabase_url=address, **values)  # type: ignore[call-arg]


@asynccontextmanager
async def reached(play: Play) -> AsyncIterator[tuple[Wire, Connection]]:
    wire = Wire(play)
    server = await asyncio.start_server(wire.accept, "127.0.0.1", 0)
    wire.port = server.sockets[0].getsockname()[1]
    connection = await open_connection(settings(f"http://127.0.0.1:{wire.port}"), lambda: "t", "analyst")
    try:
        yield wire, connection
    finally:
        await connection.close()
        server.close()
        await server.wait_closed()


async def test_a_connection_is_used_again() -> None:
    async with reached(well) as (wire, connection):
        for _ in range(3):
            assert await connection.call("flush_broadcasts", {}) == []
        assert (len(wire.requests), wire.connections) == (3, 1)


async def test_an_answer_may_be_compressed() -> None:
    async def zip_it(_: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(answer(gzip.compress(b'{"inserted": 2}'), b"Content-Encoding: gzip"))

    async with reached(zip_it) as (_, connection):
        assert await connection.call("ingest_signals", {}) == {"inserted": 2}


async def test_a_large_call_arrives_whole() -> None:
    async with reached(well) as (wire, connection):
        await connection.call("ingest_signals", {"signals": "x" * (2 << 20)})
        assert wire.requests[0].endswith(b'{"signals":"' + b"x" * (2 << 20) + b'"}')


async def hang_up(_: bytes, writer: asyncio.StreamWriter) -> None:
    writer.close()


async def reset(_: bytes, writer: asyncio.StreamWriter) -> None:
    writer.transport.abort()


async def half_a_head(_: bytes, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-")
    writer.close()


async def half_a_body(_: bytes, writer: asyncio.StreamWriter) -> None:
    writer.write(answer(b'{"inserted": 1}')[:-5])
    writer.close()


async def garbage(_: bytes, writer: asyncio.StreamWriter) -> None:
    writer.write(b"\x16\x03\x01 this is no HTTP\r\n\r\n")


@pytest.mark.parametrize("play", [hang_up, reset, half_a_head, half_a_body, garbage])
@pytest.mark.parametrize("before", [0, 1], ids=["on a fresh connection", "on one that was used"])
async def test_nobody_knows_what_became_of_a_call_whose_answer_did_not_come(play: Play, before: int) -> None:
    async with reached(well) as (wire, connection):
        for _ in range(before):
            await connection.call("record_trading", {})
        wire.play = play
        with pytest.raises(OutcomeUnknown):
            await connection.call("record_trading", {})
        assert len(wire.requests) == before + 1, "a call that may have been carried out was sent again"


async def test_a_call_that_may_be_repeated_is_sent_again() -> None:
    async with reached(hang_up) as (wire, connection):
        with pytest.raises(OutcomeUnknown):
            await connection.call("ingest_signals", {})
        assert len(wire.requests) == 3


async def test_an_answer_that_does_not_come_in_time_leaves_the_outcome_open() -> None:
    async def nothing(_: bytes, writer: asyncio.StreamWriter) -> None:
        await writer.drain()

    async with reached(nothing) as (wire, connection):
        connection._http.timeout = 0.05
        with pytest.raises(OutcomeUnknown):
            await connection.call("record_trading", {})
        assert len(wire.requests) == 1


async def test_a_peer_that_stops_to_read_is_not_waited_for() -> None:
    async def accept(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        await left.wait()
        writer.close()

    left = asyncio.Event()
    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    connection = await open_connection(settings(f"http://127.0.0.1:{port}"), lambda: "t", "analyst")
    connection._http.timeout = httpx.Timeout(0.1)
    with pytest.raises(OutcomeUnknown):
        await connection.call("record_trading", {"facts": "x" * (32 << 20)})
    left.set()
    await connection.close()
    server.close()


async def test_a_server_that_closes_what_is_idle_costs_no_call() -> None:
    closed: list[asyncio.StreamWriter] = []

    async def answer_and_leave(_: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(answer())
        await writer.drain()
        closed.append(writer)

    async with reached(answer_and_leave) as (wire, connection):
        await connection.call("record_trading", {})
        closed[0].close()
        await closed[0].wait_closed()
        sockets = connection._http._transport._session.connector._conns  # type: ignore[attr-defined]
        await until(lambda: not any(one.is_connected() for kept in sockets.values() for one, _ in kept))
        assert await connection.call("record_trading", {}) == []
        assert (len(wire.requests), wire.connections) == (2, 2)


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_what_could_not_connect_was_not_sent(scheme: str) -> None:
    """Nobody listens there; or somebody who hangs up within the handshake of TLS."""
    shaken: list[bytes] = []

    async def shake(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        shaken.append(await reader.read(5))
        writer.close()

    server = await asyncio.start_server(shake, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    if scheme == "http":
        server.close()
        await server.wait_closed()
    connection = await open_connection(settings(f"{scheme}://127.0.0.1:{port}"), lambda: "t", "analyst")
    with pytest.raises(NotSent, match="cannot be reached"):
        await connection.call("record_trading", {})
    assert all(part.startswith(b"\x16\x03") for part in shaken)
    await connection.close()
    server.close()


async def test_an_address_of_another_kind_is_named() -> None:
    async with httpx.AsyncClient(transport=Sockets(most=1, keep_seconds=1, trust_env=False)) as client:
        with pytest.raises(httpx.UnsupportedProtocol):
            await client.get("ftp://127.0.0.1/")
