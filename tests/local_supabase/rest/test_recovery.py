"""A database that goes away makes answers that say so; when it is back, so is the interface, by itself."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from scripts.local_supabase.cluster import Cluster
from scripts.local_supabase.ports import free_ports
from tests.local_supabase.rest.conftest import Rest, rest_settings, running_rest
from tests.local_supabase.rest.relay import Relay
from tests.waiting import until


@pytest.fixture
async def relay(cluster: Cluster) -> AsyncIterator[Relay]:
    relay = Relay(free_ports(1), cluster.settings.db_port)
    yield relay
    await relay.down()


@pytest.fixture
async def relayed(cluster: Cluster, scratch_database: str, relay: Relay) -> AsyncIterator[Rest]:
    """A server that reaches its database through the relay, which is still down."""
    settings = rest_settings(cluster, scratch_database)
    through = make_conninfo(settings.db_url, port=relay.port)
    settings = rest_settings(cluster, scratch_database, db_url=through, patience=0.2)
    async with running_rest(cluster, settings, scratch_database) as server:
        yield server


async def _code(server: Rest) -> tuple[int, Any]:
    answer = await server.send("POST", "/rpc/echo", {"words": "hello"})
    return answer.status, json.loads(answer.body)


async def test_a_database_that_comes_late_is_found(relayed: Rest, relay: Relay) -> None:
    status, body = await _code(relayed)
    assert (status, body["code"]) == (503, "PGRST002")
    await relay.up()
    assert await until(lambda: _answers(relayed))


async def test_connections_that_broke_are_replaced(relayed: Rest, relay: Relay) -> None:
    await relay.up()
    await until(lambda: _answers(relayed))
    await relay.down()
    status, body = await _code(relayed)
    assert (status, body["code"]) == (503, "PGRST000")
    assert "refused" in body["details"]
    await relay.up()
    assert await _code(relayed) == (200, "hello")


async def test_a_broken_connection_is_noticed_before_it_is_used(rest: Rest) -> None:
    assert await _code(rest) == (200, "hello")
    # With a time: returns when they have ended.
    ended = await rest.admin.execute(
        "select count(pg_terminate_backend(pid, 5000)) from pg_stat_activity"
        " where usename = 'authenticator' and datname = current_database()"
    )
    assert (await ended.fetchone() or (0,))[0] > 0
    assert await _code(rest) == (200, "hello")


async def test_a_statement_whose_connection_is_ended_is_answered(rest: Rest) -> None:
    await rest.admin.execute("select pg_advisory_lock(71)")
    asked = asyncio.create_task(rest.send("POST", "/rpc/wait_for", {"lock": 71}))
    try:
        await until(lambda: _end_waiting(rest))
        answer = await asked
    finally:
        await rest.admin.execute("select pg_advisory_unlock(71)")
    assert answer.status == 503
    assert json.loads(answer.body)["code"] in ("57P01", "PGRST001")
    assert await _code(rest) == (200, "hello")


async def test_the_schema_is_followed_again_after_an_outage(relayed: Rest, relay: Relay) -> None:
    await relay.up()
    await until(lambda: _answers(relayed))
    await relay.down()
    name = "made_during_the_outage"
    await relayed.admin.execute(sql.SQL("create table {} (id int)").format(sql.Identifier(name)))
    await relayed.admin.execute(sql.SQL("grant select on {} to anon").format(sql.Identifier(name)))
    try:
        await relay.up()
        assert await until(lambda: _exists(relayed, name))
    finally:
        await relayed.admin.execute(sql.SQL("drop table {}").format(sql.Identifier(name)))


async def _answers(server: Rest) -> bool:
    return (await _code(server))[0] == 200


async def _exists(server: Rest, table: str) -> bool:
    return (await server.send("GET", f"/{table}")).status == 200


async def _end_waiting(rest: Rest) -> bool:
    ended = await rest.admin.execute(
        "select count(pg_terminate_backend(pid)) from pg_stat_activity"
        " where usename = 'authenticator' and datname = current_database() and wait_event = 'advisory'"
    )
    row = await ended.fetchone()
    return bool(row and row[0])
