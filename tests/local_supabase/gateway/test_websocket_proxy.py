"""WebSockets to a service in a process of its own: frames, sizes, pressure, and how they close."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Subprotocol

from tests.local_supabase.gateway.conftest import Gateway
from tests.waiting import until

Handler = Callable[[ServerConnection], Awaitable[None]]


def realtime(gateway: Gateway, handler: Handler, **options: Any) -> Any:
    """A WebSocket server in the place of the realtime server."""
    return serve(handler, "127.0.0.1", gateway.settings.realtime_port, max_size=None, **options)


def client(gateway: Gateway, query: str = "", **options: Any) -> Any:
    url = f"{gateway.socket_url}?apikey={gateway.keys.publishable}{query}"
    return connect(url, max_size=None, proxy=None, **options)


async def echo_frames(socket: ServerConnection) -> None:
    async for frame in socket:
        await socket.send(frame)


async def test_frames_of_both_kinds_pass_both_ways(gateway: Gateway) -> None:
    async with realtime(gateway, echo_frames), client(gateway) as socket:
        for frame in ("text ✓", b"\x00\xffbinary", "", b""):
            await socket.send(frame)
            assert await socket.recv() == frame


async def test_large_frames_pass(gateway: Gateway) -> None:
    large = os.urandom(4_999_000)
    async with realtime(gateway, echo_frames), client(gateway) as socket:
        await socket.send(large)
        assert await socket.recv() == large
        await socket.send("x" * 4_999_000)
        assert len(await socket.recv()) == 4_999_000


async def test_the_service_sees_its_own_path_and_a_token(gateway: Gateway) -> None:
    seen: list[Any] = []

    async def look(socket: ServerConnection) -> None:
        seen.append(socket.request)
        await socket.send("seen")

    options = {"user_agent_header": "a browser", "additional_headers": {"x-own": "1"}}
    async with realtime(gateway, look), client(gateway, "&vsn=2.0.0", **options) as socket:
        await socket.recv()
    url = urlsplit(seen[0].path)
    query = parse_qs(url.query)
    assert (url.path, query["vsn"]) == ("/socket/websocket", ["2.0.0"])
    assert gateway.keys.verify(query["apikey"][0])["role"] == "anon"
    assert seen[0].headers.get_all("user-agent") == ["a browser"]
    assert seen[0].headers["x-own"] == "1"


async def test_the_service_chooses_the_subprotocol(gateway: Gateway) -> None:
    offered = [Subprotocol("one"), Subprotocol("two")]
    chosen = [Subprotocol("two")]
    async with (
        realtime(gateway, echo_frames, subprotocols=chosen),
        client(gateway, subprotocols=offered) as socket,
    ):
        assert socket.subprotocol == "two"


@pytest.mark.parametrize(("code", "reason"), [(1000, ""), (1001, "going"), (1009, "too big"), (4321, "own")])
async def test_the_service_closes(gateway: Gateway, code: int, reason: str) -> None:
    async def close(socket: ServerConnection) -> None:
        await socket.recv()
        await socket.close(code, reason)

    async with realtime(gateway, close), client(gateway) as socket:
        await socket.send("close")
        with pytest.raises(ConnectionClosed):
            await socket.recv()
        assert (socket.close_code, socket.close_reason) == (code, reason)


@pytest.mark.parametrize(("code", "reason"), [(1000, "done"), (3000, ""), (4999, "own")])
async def test_the_client_closes(gateway: Gateway, code: int, reason: str) -> None:
    closed: asyncio.Future[tuple[int | None, str | None]] = asyncio.get_running_loop().create_future()

    async def wait(socket: ServerConnection) -> None:
        await socket.wait_closed()
        closed.set_result((socket.close_code, socket.close_reason))

    async with realtime(gateway, wait):
        async with client(gateway) as socket:
            await socket.close(code, reason)
        assert await asyncio.wait_for(closed, 10) == (code, reason)


async def test_a_client_that_vanishes_is_not_kept(gateway: Gateway) -> None:
    gone = asyncio.Event()

    async def wait(socket: ServerConnection) -> None:
        await socket.wait_closed()
        gone.set()

    async with realtime(gateway, wait), client(gateway) as socket:
        socket.transport.abort()
        await asyncio.wait_for(gone.wait(), 10)


async def test_a_service_that_vanishes_closes_its_clients(gateway: Gateway) -> None:
    async def vanish(socket: ServerConnection) -> None:
        await socket.recv()
        socket.transport.abort()

    async with realtime(gateway, vanish), client(gateway) as socket:
        await socket.send("vanish")
        with pytest.raises(ConnectionClosed):
            await socket.recv()
        assert (socket.close_code, socket.close_reason) == (1011, "The realtime server went away.")


async def test_a_service_that_is_down_answers_the_handshake(gateway: Gateway) -> None:
    with pytest.raises(InvalidStatus) as refused:
        await client(gateway)
    assert refused.value.response.status_code == 503
    assert b"The realtime server is not running" in (refused.value.response.body or b"")


async def test_a_service_that_refuses_the_handshake_is_heard(gateway: Gateway) -> None:
    async with realtime(
        gateway, echo_frames, process_request=lambda socket, _: socket.respond(403, "not you")
    ):
        with pytest.raises(InvalidStatus) as refused:
            await client(gateway)
    assert refused.value.response.status_code == 403
    assert refused.value.response.body == b"not you"


@pytest.mark.parametrize("query", ["", "?apikey=sb_publishable_nobodys"])
async def test_without_a_key_there_is_no_socket(gateway: Gateway, query: str) -> None:
    async with realtime(gateway, echo_frames):
        with pytest.raises(InvalidStatus) as refused:
            await connect(gateway.socket_url + query, proxy=None)
    assert refused.value.response.status_code == 401
    assert b"API key" in (refused.value.response.body or b"")


async def test_other_paths_have_no_sockets(gateway: Gateway) -> None:
    url = gateway.settings.url.replace("http", "ws") + "/rest/v1/signals"
    with pytest.raises(InvalidStatus) as refused:
        await connect(url, proxy=None)
    assert refused.value.response.status_code == 404


async def test_a_client_that_does_not_read_stops_the_service(gateway: Gateway) -> None:
    """What waits for a slow client stays bounded, and nothing is lost once it reads."""
    size, count = 100_000, 400
    sent = 0
    done = asyncio.Event()

    async def flood(socket: ServerConnection) -> None:
        nonlocal sent
        for number in range(count):
            await socket.send(number.to_bytes(4, "big") + bytes(size))
            sent += 1
        done.set()

    async with realtime(gateway, flood), client(gateway, max_queue=1) as socket:
        await until(_at_rest(lambda: sent))
        assert sent < count
        numbers = [int.from_bytes((await socket.recv())[:4], "big") for _ in range(count)]
        assert numbers == list(range(count))
        assert done.is_set()


async def test_a_service_that_does_not_read_stops_its_client(gateway: Gateway) -> None:
    size, count = 100_000, 400
    sent = 0
    read = asyncio.Event()
    numbers: list[int] = []

    async def lag(socket: ServerConnection) -> None:
        await read.wait()
        async for frame in socket:
            assert isinstance(frame, bytes)
            numbers.append(int.from_bytes(frame[:4], "big"))

    async with realtime(gateway, lag, max_queue=1), client(gateway) as socket:

        async def flood() -> None:
            nonlocal sent
            for number in range(count):
                await socket.send(number.to_bytes(4, "big") + bytes(size))
                sent += 1

        flooding = asyncio.create_task(flood())
        await until(_at_rest(lambda: sent))
        assert sent < count
        read.set()
        await flooding
        await until(lambda: len(numbers) == count)
        assert numbers == list(range(count))


def _at_rest(value: Callable[[], int]) -> Callable[[], bool]:
    """True once the value is above zero and has not changed for ten looks."""
    seen: list[int] = []

    def rests() -> bool:
        seen.append(value())
        return value() > 0 and len(seen) > 10 and len(set(seen[-10:])) == 1

    return rests
