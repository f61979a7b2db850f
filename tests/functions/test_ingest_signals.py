"""What a browser sends is recorded or refused row by row, by the same law as everything else."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import uuid4

import httpx
import psycopg
import pytest

from tests.functions.conftest import MakePerson
from tests.functions.people import Person
from tests.stacks import Stack

Operator = psycopg.Connection[Any]


async def test_sound_rows_are_recorded_and_the_others_have_their_reasons(
    ann: Person, bob: Person, operator: Operator
) -> None:
    answer = await ann.ingest(
        [
            ann.row("BTCUSDT", price="0.12345678901234567890", tags=["dip"], original_signal={"rsi": 28}),
            ann.row("ETHUSDT", machine_id="vyx-63eea370"),
            ann.row("SOLUSDT", trader_id=str(uuid4())),
            bob.row("ADAUSDT"),
            7,
            ann.row("XRPUSDT", age=-3600),
            ann.row("DOTUSDT", price="free"),
        ]
    )
    assert answer.status_code == 200
    said = answer.json()
    assert (said["inserted"], said["duplicates"]) == (1, 0)
    assert [(one["index"], one["code"]) for one in said["rejected"]] == [
        (1, "bad_row"),
        (2, "unknown_trader"),
        (3, "not_your_trader"),
        (4, "bad_row"),
        (5, "in_future"),
        (6, "bad_row"),
    ]
    assert said["rejected"][0]["message"] == "machine_id is not a field"
    recorded = operator.execute(
        "select symbol, source::text, machine_id, initial_price::text from public.signals where user_id = %s",
        (ann.id,),
    ).fetchall()
    assert recorded == [("BTCUSDT", "local", None, "0.12345678901234567890")]


async def test_a_batch_sent_twice_is_recorded_once(ann: Person, operator: Operator) -> None:
    rows = [ann.row("BTCUSDT"), {}, ann.row("ETHUSDT")]
    request = str(uuid4())
    first = await ann.ingest(rows, request_id=request)
    again = await ann.ingest(rows, request_id=request)
    assert first.json() == again.json()
    assert first.json()["inserted"] == 2
    other = await ann.ingest(rows)
    assert (other.json()["inserted"], other.json()["duplicates"]) == (0, 2)
    assert _writes(operator, ann) == 4


async def test_nobody_writes_without_a_valid_token_of_a_user(ann: Person, stack: Stack) -> None:
    async def status(authorization: str | None, key: str | None = stack.publishable_key) -> int:
        headers = {"authorization": authorization, "apikey": key}
        async with httpx.AsyncClient(base_url=stack.url, trust_env=False) as http:
            answer = await http.post(
                "/functions/v1/ingest-signals",
                json={"signals": [ann.row()]},
                headers={name: value for name, value in headers.items() if value is not None},
            )
        return answer.status_code

    assert await status(None, key=None) == 401
    assert await status(None) == 401
    assert await status(f"Bearer {stack.publishable_key}") == 401
    assert await status(f"Bearer {stack.token('authenticated', ann.id, exp=1_700_000_000)}") == 401
    head, payload, signature = ann.token.split(".")
    assert await status(f"Bearer {head}.{payload}.{signature[::-1]}") == 401
    assert await status("Bearer nonsense") == 401


@pytest.mark.parametrize(
    ("content", "headers", "status", "code"),
    [
        (b'{"signals": [' + b" " * (3 << 20) + b"]}", {}, 413, "too_large"),
        (b'{"signals": [' + b"0," * 1000 + b"0]}", {}, 413, "too_many_rows"),
        (b"[" * 100, {}, 400, "too_deep"),
        (b'{"signals": ', {}, 400, "bad_json"),
        (b"[]", {}, 400, "bad_batch"),
        (b'{"signals": [], "role": "service_role"}', {}, 400, "bad_batch"),
        (b"signals=1", {"content-type": "application/x-www-form-urlencoded"}, 415, "not_json"),
    ],
)
async def test_what_is_no_batch_is_refused_whole(
    ann: Person, content: bytes, headers: dict[str, str], status: int, code: str
) -> None:
    answer = await ann.http.post(
        "/functions/v1/ingest-signals",
        content=content,
        headers={"content-type": "application/json"} | headers,
    )
    assert (answer.status_code, answer.json()["code"]) == (status, code)


async def test_a_page_of_another_origin_may_call(ann: Person, stack: Stack) -> None:
    origin = {"origin": "https://app.example"}
    async with httpx.AsyncClient(base_url=stack.url, trust_env=False) as http:
        asked = await http.options(
            "/functions/v1/ingest-signals",
            headers=origin
            | {
                "access-control-request-method": "POST",
                "access-control-request-headers": "authorization,content-type",
            },
        )
    assert asked.status_code == 204
    assert asked.headers["access-control-allow-origin"] == "*"
    assert "POST" in asked.headers["access-control-allow-methods"]
    assert "authorization" in asked.headers["access-control-allow-headers"]
    answer = await ann.http.post("/functions/v1/ingest-signals", json={"signals": []}, headers=origin)
    assert answer.headers["access-control-allow-origin"] == "*"
    assert "retry-after" in answer.headers["access-control-expose-headers"]
    wrong = await ann.http.get("/functions/v1/ingest-signals", headers=origin)
    assert (wrong.status_code, wrong.headers["access-control-allow-origin"]) == (405, "*")


async def test_who_writes_too_fast_is_told_when_to_come_back(ann: Person, operator: Operator) -> None:
    assert (await ann.ingest([ann.row(f"S{n}") for n in range(999)])).json()["inserted"] == 999
    over = await ann.ingest([ann.row("T1"), ann.row("T2")])
    assert (over.status_code, over.json()["code"]) == (429, "rate_limited")
    assert 0 < int(over.headers["retry-after"]) <= 61
    assert "999 of 1000 writes" in over.json()["message"]
    # Nor by the door beside it.
    direct = await ann.http.post(
        "/rest/v1/rpc/ingest_signals", json={"signals": [ann.row("T1"), ann.row("T2")]}
    )
    assert direct.status_code == 429
    assert 0 < int(direct.headers["retry-after"]) <= 61
    assert (await ann.ingest([ann.row("T1")])).json()["inserted"] == 1
    assert _count(operator, ann) == 1000


async def test_the_rate_is_exact_however_many_write_at_once(ann: Person, operator: Operator) -> None:
    answers = await asyncio.gather(
        *(ann.ingest([ann.row(f"C{call}R{n}") for n in range(120)]) for call in range(14))
    )
    assert sorted(answer.status_code for answer in answers) == [200] * 8 + [429] * 6
    assert _count(operator, ann) == _writes(operator, ann) == 960


async def test_a_free_user_has_a_days_quota_a_minute(make_person: MakePerson, operator: Operator) -> None:
    free = await make_person("free")
    much = await free.ingest([free.row(f"S{n}") for n in range(101)])
    assert (much.status_code, much.json()["code"]) == (413, "too_many_rows")
    assert (await free.ingest([free.row(f"S{n}") for n in range(100)])).json()["inserted"] == 100
    assert (await free.ingest([free.row("T")])).status_code == 429
    assert _count(operator, free) == 100


def _count(operator: Operator, person: Person) -> int:
    found = operator.execute(
        "select count(*) from public.signals where user_id = %s", (person.id,)
    ).fetchone()
    assert found is not None
    return int(found[0])


def _writes(operator: Operator, person: Person) -> int:
    found = operator.execute(
        "select sum(value::integer) from private.browser_writes w, jsonb_each(w.recent) where user_id = %s",
        (person.id,),
    ).fetchone()
    assert found is not None
    return int(found[0])
