"""Each request is one transaction: it is done whole or not at all, and there is always an answer."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from scripts.local_supabase.cluster import Cluster
from tests.local_supabase.rest.conftest import Rest, rest_settings, running_rest, token
from tests.local_supabase.rest.raw_http import send_raw
from tests.waiting import until


async def _number(rest: Rest, query: str) -> int:
    row = await (await rest.admin.execute(query.encode())).fetchone()
    assert row is not None
    return int(row[0])


@asynccontextmanager
async def _held(rest: Rest, lock: int) -> AsyncIterator[None]:
    """Hold a lock for which `wait_for` waits."""
    await rest.admin.execute(f"select pg_advisory_lock({lock})".encode())
    try:
        yield
    finally:
        await rest.admin.execute(f"select pg_advisory_unlock({lock})".encode())


async def _waiting(rest: Rest) -> int:
    return await _number(
        rest,
        "select count(*) from pg_stat_activity"
        " where usename = 'authenticator' and datname = current_database() and wait_event = 'advisory'",
    )


@pytest.mark.parametrize("state", ["40001", "40P01"])
async def test_a_transaction_that_lost_against_another_is_answered(rest: Rest, state: str) -> None:
    answer = await rest.send("POST", "/rpc/lose", {"state": state})
    body = json.loads(answer.body)
    assert (answer.status, body["code"], body["message"]) == (409, state, "lost against another")


async def test_a_constraint_that_fails_at_the_commit_undoes_everything(rest: Rest) -> None:
    for _ in range(5):
        answer = await rest.send("POST", "/pairs", [{"a": 1}, {"a": 1}])
        assert (answer.status, json.loads(answer.body)["code"]) == (409, "23505")
    assert await _number(rest, "select count(*) from pairs") == 0
    assert (await rest.send("POST", "/rpc/echo", {"words": "alive"})).body == b'"alive"'


async def test_a_result_that_is_not_the_one_object_asked_for_undoes_the_write(rest: Rest) -> None:
    rows = [{"name": "twin"}, {"name": "twin"}]
    answer = await rest.send(
        "POST", "/gauges", rows, prefer="return=representation", accept="application/vnd.pgrst.object+json"
    )
    assert (answer.status, json.loads(answer.body)["code"]) == (406, "PGRST116")
    assert await _number(rest, "select count(*) from gauges where name = 'twin'") == 0


async def test_errors_leave_the_connection_fit_for_the_next_request(rest: Rest) -> None:
    for _ in range(20):
        assert (await rest.send("GET", "/gauges?level=eq.high")).status == 400
        assert (await rest.send("GET", "/gauges?nope=eq.1")).status == 400
        assert (await rest.send("GET", "/gauges?level=eq.1")).status == 200


async def test_many_at_once_never_see_each_other(rest: Rest) -> None:
    async def who(number: int) -> tuple[str, str]:
        role = ("anon", "rest_machine")[number % 2]
        bearer = token(role, machine_id=f"machine-{number}")
        answer = await send_raw(rest.port, "GET", "/rpc/who", [("authorization", f"Bearer {bearer}")])
        who = json.loads(answer.body)
        return who["role"], who["machine"]

    answers = await asyncio.gather(*map(who, range(200)))
    assert answers == [(("anon", "rest_machine")[n % 2], f"machine-{n}") for n in range(200)]
    connections = await _number(
        rest,
        "select count(*) from pg_stat_activity where usename = 'authenticator'"
        " and datname = current_database() and application_name = 'rest' and query not like 'listen%'",
    )
    assert connections <= 2 * rest.settings.pool_size


async def test_a_request_waits_for_a_free_connection_and_is_told_when_there_is_none(
    cluster: Cluster, scratch_database: str
) -> None:
    settings = rest_settings(cluster, scratch_database, pool_size=2, patience=0.3)
    async with running_rest(cluster, settings, scratch_database) as small, _held(small, 81):
        waiting = [
            asyncio.create_task(small.send("POST", "/rpc/wait_for", {"lock": 81}, role="rest_machine"))
            for _ in range(2)
        ]
        await until(lambda: _at_least(small, 2))
        answer = await small.send("GET", "/gauges")
        assert (answer.status, json.loads(answer.body)["code"]) == (504, "PGRST003")
        await small.admin.execute("select pg_advisory_unlock(81)")
        assert [answer.status for answer in await asyncio.gather(*waiting)] == [200, 200]
        assert (await small.send("GET", "/gauges")).status == 200
        # For the end of the block, which lets go of it once more.
        await small.admin.execute("select pg_advisory_lock(81)")


async def _at_least(rest: Rest, count: int) -> bool:
    return await _waiting(rest) >= count


async def test_a_real_deadlock_is_answered_to_the_one_that_loses(rest: Rest) -> None:
    await rest.admin.execute(
        "create or replace function cross_locks(first bigint, second bigint) returns int"
        " language plpgsql volatile as $$ begin perform pg_advisory_xact_lock(first);"
        " perform pg_advisory_xact_lock_shared(90); perform pg_advisory_xact_lock(second); return 1; end $$;"
        "grant execute on function cross_locks(bigint, bigint) to rest_machine; notify pgrst"
    )
    body = {"first": 91, "second": 92}
    async with _held(rest, 90):
        first = asyncio.create_task(_call_when_known(rest, body))
        await until(lambda: _at_least(rest, 1))
        second = asyncio.create_task(_call_when_known(rest, {"first": 92, "second": 91}))
        await until(lambda: _at_least(rest, 2))
    statuses = sorted([await first, await second])
    assert statuses == [200, 409]


async def _call_when_known(rest: Rest, body: dict[str, int]) -> int:
    async def known() -> int:
        answer = await rest.send("POST", "/rpc/cross_locks", body, role="rest_machine")
        return 0 if answer.status == 404 else answer.status

    return await until(known)
