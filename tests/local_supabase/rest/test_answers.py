"""What the recorded cases leave out: mounting, wishes of functions, variadic arguments, relationships, big
bodies."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx
import pytest

from scripts.local_supabase.rest.app import create_app
from tests.local_supabase.rest.conftest import Rest
from tests.local_supabase.rest.raw_http import Answer


def _json(answer: Answer) -> Any:
    return json.loads(answer.body)


async def test_mounted_under_a_prefix_the_path_is_its_own(rest: Rest) -> None:
    app = create_app(rest.settings)
    transport = httpx.ASGITransport(app=app, root_path="/rest/v1")
    try:
        async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as client:
            answer = await client.post("/rest/v1/rpc/echo", json={"words": "x"})
            assert (answer.status_code, answer.json()) == (200, "x")
            assert (await client.get("/rest/v1/")).json()["swagger"] == "2.0"
            assert (await client.get("/rest/v1/gauges/1")).status_code == 404
    finally:
        await app.stop()


@pytest.mark.parametrize(
    ("status", "headers", "answer"),
    [
        ("teapot", "[]", (500, "PGRST112")),
        ("20", "[]", (500, "PGRST112")),
        ("200", "{}", (500, "PGRST111")),
        ("200", '[{"a": "b", "c": "d"}]', (500, "PGRST111")),
        ("200", '[{"a": 1}]', (500, "PGRST111")),
        ("200", "[", (500, "PGRST111")),
    ],
)
async def test_wishes_that_make_no_sense(
    rest: Rest, status: str, headers: str, answer: tuple[int, str]
) -> None:
    got = await rest.send("POST", "/rpc/answer_with", {"status": status, "headers": headers})
    assert (got.status, _json(got)["code"]) == answer


async def test_a_header_that_would_end_its_line_is_not_sent(rest: Rest) -> None:
    body = {"status": "200", "headers": '[{"x-a": "b\\r\\nset-cookie: stolen=1"}]'}
    got = await rest.send("POST", "/rpc/answer_with", body)
    assert (got.status, _json(got)["code"]) == (500, "PGRST111")
    assert "set-cookie" not in got.headers


async def test_variadic_arguments(rest: Rest) -> None:
    assert _json(await rest.send("POST", "/rpc/add_all", {"numbers": [1, 2, 3]})) == 6
    assert _json(await rest.send("GET", "/rpc/add_all?numbers=1&numbers=2")) == 3


async def test_a_whole_body_of_any_shape(rest: Rest) -> None:
    for body in ({"a": [1, {"b": None}]}, {}):
        assert _json(await rest.send("POST", "/rpc/echo_whole", body)) == body


async def test_a_column_may_name_the_embedded_resource(rest: Rest) -> None:
    assert _json(await rest.send("GET", "/follows?select=note,followed(name)")) == []
    assert (await rest.send("GET", "/gauges?select=id,follows(note)")).status == 200


async def test_a_big_batch_comes_through_whole(rest: Rest) -> None:
    rows = [{"name": f"gauge {n}", "level": f"{n % 1000}.25"} for n in range(5000)]
    answer = await rest.send("POST", "/gauges", rows, prefer="return=minimal,count=exact")
    assert (answer.status, answer.headers["content-range"]) == (201, "*/5000")
    page = await rest.send("GET", "/gauges?select=name&order=id&name=like.gauge*", prefer="count=exact")
    assert page.headers["content-range"] == "0-999/5000"
    assert len(_json(page)) == 1000
    deleted = await rest.send("DELETE", "/gauges?name=like.gauge*", prefer="count=exact")
    assert deleted.headers["content-range"] == "*/5000"


async def test_money_keeps_its_digits(rest: Rest) -> None:
    written = await rest.send(
        "POST", "/gauges?select=level", {"name": "exact", "level": "1.50"}, prefer="return=representation"
    )
    assert written.body == b'[{"level":1.50}]'


async def test_two_starts_at_once_are_one(rest: Rest) -> None:
    app = create_app(rest.settings)
    transport = httpx.ASGITransport(app=app)
    try:
        async with httpx.AsyncClient(transport=transport, base_url="http://rest") as client:
            answers = await asyncio.gather(*(client.get("/gauges") for _ in range(5)))
            assert {answer.status_code for answer in answers} == {200}
    finally:
        await app.stop()
