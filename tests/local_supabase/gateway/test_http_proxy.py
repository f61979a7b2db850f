"""HTTP to a service in a process of its own: bodies, errors, and clients that leave."""

from __future__ import annotations

import asyncio
import gzip
import os
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from scripts.local_supabase.gateway import app as gateway_app
from scripts.local_supabase.ports import free_ports
from scripts.local_supabase.settings import Settings
from tests.local_supabase.gateway.conftest import Gateway
from tests.local_supabase.serving import echo, serving


async def mirror(scope: Any, receive: Any, send: Any) -> None:
    """Sends the body of a request back as it comes in, compressed headers and all."""
    if scope["type"] == "lifespan":
        return await echo(scope, receive, send)
    kept = [pair for pair in scope["headers"] if pair[0].startswith((b"content-", b"x-"))]
    await send({"type": "http.response.start", "status": 207, "headers": kept})
    more = True
    while more:
        message = await receive()
        more = message.get("more_body", False)
        await send({"type": "http.response.body", "body": message.get("body", b""), "more_body": more})
    return None


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"])
async def test_methods_and_headers_pass(gateway: Gateway, method: str) -> None:
    await gateway.serve_functions(echo)
    headers = {"x-own": "1", "te": "trailers", "accept-encoding": "br", "cookie": "a=b"}
    answer = await gateway.request(method, "/functions/v1/f", headers=headers)
    assert answer.status_code == 200
    assert len(answer.headers.get_list("date")) == 1
    if method != "HEAD":
        seen = answer.json()
        assert seen["method"] == method
        passed = dict(seen["headers"])
        assert (passed["x-own"], passed["accept-encoding"], passed["cookie"]) == ("1", "br", "a=b")
        assert passed["host"] == f"127.0.0.1:{gateway.settings.api_port}"
        assert "te" not in passed


async def test_bodies_pass_unchanged(gateway: Gateway) -> None:
    await gateway.serve_functions(mirror)
    plain = os.urandom(3_000_000)
    packed = gzip.compress(plain, 1)
    async with gateway.http.stream(
        "POST", "/functions/v1/f", content=packed, headers={"content-encoding": "gzip", "x-own": "1"}
    ) as answer:
        assert (answer.status_code, answer.headers["x-own"]) == (207, "1")
        assert answer.headers["content-length"] == str(len(packed))
        assert b"".join([chunk async for chunk in answer.aiter_raw()]) == packed


async def test_a_body_of_unknown_length_streams(gateway: Gateway) -> None:
    await gateway.serve_functions(mirror)
    echoed = asyncio.Event()

    async def parts() -> AsyncIterator[bytes]:
        yield b"first,"
        yield b"second"
        echoed.set()

    answer = await gateway.request("POST", "/functions/v1/f", content=parts())
    assert answer.content == b"first,second"
    assert echoed.is_set()


async def test_an_answer_comes_piece_by_piece(gateway: Gateway) -> None:
    more = asyncio.Event()

    async def slow(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            return await echo(scope, receive, send)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"first\n", "more_body": True})
        await more.wait()
        await send({"type": "http.response.body", "body": b"second\n"})
        return None

    await gateway.serve_functions(slow)
    async with gateway.http.stream("GET", "/functions/v1/f") as answer:
        lines = answer.aiter_lines()
        assert await anext(lines) == "first"
        more.set()
        assert await anext(lines) == "second"


async def test_a_client_that_leaves_ends_the_work(gateway: Gateway) -> None:
    left = asyncio.Event()

    async def endless(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            return await echo(scope, receive, send)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"first", "more_body": True})
        await receive()
        while (await receive())["type"] != "http.disconnect":
            continue
        left.set()
        return None

    await gateway.serve_functions(endless)
    async with gateway.http.stream("GET", "/functions/v1/f") as answer:
        await anext(answer.aiter_raw())
    await asyncio.wait_for(left.wait(), 10)


@pytest.mark.parametrize(
    ("path", "name"), [("/functions/v1/f", "functions"), ("/realtime/v1/api/broadcast", "realtime")]
)
async def test_a_service_that_is_down(gateway: Gateway, path: str, name: str) -> None:
    answer = await gateway.request("POST", path, json={})
    assert answer.status_code == 503
    assert answer.json()["message"].startswith(f"The {name} server is not running")


async def test_a_service_that_comes_back_is_found(gateway: Gateway) -> None:
    for _ in range(2):
        await gateway.serve_functions(echo)
        assert (await gateway.request("GET", "/functions/v1/f")).status_code == 200
        await gateway.exits.aclose()
        assert (await gateway.request("GET", "/functions/v1/f")).status_code == 503


async def raw_service(gateway: Gateway, answer: bytes | None) -> asyncio.Server:
    """A server on the functions' port that says this and closes, or says nothing at all."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        if answer is None:
            await reader.read()
        else:
            writer.write(answer)
        writer.close()

    return await asyncio.start_server(serve, "127.0.0.1", gateway.settings.functions_port)


async def test_a_service_that_breaks_off_before_its_answer(gateway: Gateway) -> None:
    async with await raw_service(gateway, b""):
        answer = await gateway.request("GET", "/functions/v1/f")
    assert answer.status_code == 502
    assert answer.json() == {"message": "The functions server broke off before it answered."}


async def test_an_answer_that_breaks_off_does_not_look_whole(gateway: Gateway) -> None:
    start = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nfirst\r\n"
    async with await raw_service(gateway, start):
        with pytest.raises(httpx.RemoteProtocolError):
            await gateway.request("GET", "/functions/v1/f")


async def test_a_service_that_says_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    monkeypatch.setattr(gateway_app, "_FUNCTION_IDLE_SECONDS", 0.1)
    settings = Settings(root=tmp_path).at_port(free_ports())
    app = gateway_app.create_app(settings, rest=echo, auth=echo)
    async with (
        serving(app, settings.api_port),
        httpx.AsyncClient(base_url=settings.url, trust_env=False) as http,
        await raw_service(Gateway(settings, http), None),
    ):
        answer = await http.get("/functions/v1/f")
    assert answer.status_code == 504
    assert "did not answer within 0.1 seconds" in answer.json()["message"]


async def test_a_client_that_leaves_in_the_middle_of_its_body(gateway: Gateway) -> None:
    """It is nobody's error, and the gateway goes on."""
    await gateway.serve_functions(mirror)
    _, writer = await asyncio.open_connection("127.0.0.1", gateway.settings.api_port)
    writer.write(b"POST /functions/v1/f HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\nhalf")
    await writer.drain()
    writer.close()
    await writer.wait_closed()
    assert (await gateway.request("POST", "/functions/v1/f", content=b"whole")).content == b"whole"
