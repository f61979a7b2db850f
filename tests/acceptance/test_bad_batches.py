"""Batches that are partly or wholly wrong, as a client of supabase-py sends them and reads the answer."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from postgrest.exceptions import APIError
from supabase import AsyncClient, AsyncClientOptions, acreate_client

from shared.client import connect
from tests.acceptance.journey import ask
from tests.machine.scenes import Scene, machine_connection, settings_of
from tests.stacks import Stack

NOON = datetime.now(UTC).replace(hour=12, minute=0, second=0, microsecond=0) - timedelta(days=1)


def row(trader: UUID | str, **changes: Any) -> dict[str, Any]:
    return {
        "trader_id": str(trader),
        "symbol": "BTCUSDT",
        "interval": "1m",
        "triggered_at": NOON.isoformat(),
        "price": "64000.5",
        "side": "long",
        **changes,
    }


async def ingest(client: AsyncClient, *rows: dict[str, Any]) -> dict[str, Any]:
    answer: Any = (await client.rpc("ingest_signals", {"signals": list(rows)}).execute()).data
    return dict(answer)


def stored(stack: Stack, *traders: UUID) -> set[tuple[UUID, str]]:
    """Trader and symbol of what these traders have on record."""
    query = "select trader_id, symbol from public.signals where trader_id = any (%s)"
    return {(trader, symbol) for trader, symbol in ask(stack, query, list(traders))}


@asynccontextmanager
async def client_of(stack: Stack, key: str) -> AsyncIterator[AsyncClient]:
    async with httpx.AsyncClient(trust_env=False, timeout=60) as http:
        options = AsyncClientOptions(auto_refresh_token=False, persist_session=False, httpx_client=http)
        yield await acreate_client(stack.url, key, options)


async def test_bad_rows_are_answered_one_by_one_and_the_others_are_stored(stack: Stack) -> None:
    scene = Scene(stack)
    scene.open_days(NOON, NOON)
    soon = datetime.now(UTC) + timedelta(minutes=5)
    bad: dict[int, tuple[dict[str, Any], str, str]] = {
        1: ({"symbol": None}, "bad_row", "symbol is missing"),
        2: ({"price": "0"}, "bad_row", "price must be above zero"),
        3: ({"price": "NaN"}, "bad_row", "price must be above zero"),
        5: ({"triggered_at": soon.isoformat()}, "in_future", "60 s ahead"),
        6: ({"triggered_at": "1999-12-31T23:59:00Z"}, "outside_partitions", "not open"),
        7: ({"trader_id": str(uuid4())}, "unknown_trader", "there is no trader"),
        8: ({"machine_id": "vyx-00000000"}, "unknown_machine", "the token is of machine"),
        9: ({"id": str(uuid4())}, "bad_id", "this signal's id is"),
    }
    rows = [row(scene.trader_id, symbol=f"S{place}USDT") for place in range(11)]
    for place, (changes, _, _) in bad.items():
        rows[place] |= changes
    async with machine_connection(stack, "signal_worker") as machine:
        answer = await ingest(machine.client, *rows)
    assert (answer["inserted"], answer["duplicates"]) == (3, 0)
    assert [one["index"] for one in answer["rejected"]] == sorted(bad)
    for one in answer["rejected"]:
        _, code, says = bad[one["index"]]
        assert one["code"] == code
        assert says in one["message"]
    assert stored(stack, scene.trader_id) == {(scene.trader_id, f"S{place}USDT") for place in (0, 4, 10)}


async def test_a_user_fires_and_sizes_only_what_is_theirs_and_possible(stack: Stack) -> None:
    foreign = Scene(stack)
    foreign.open_days(NOON, NOON)
    trader: dict[str, Any] = {"name": "mine", "market": "usdm", "symbols": ["BTCUSDT"], "interval": "1m"}
    trader |= {"strategy": "test", "conditions": ["close > open"]}
    trader |= {"position_size_type": "percentage", "position_size_value": "5"}
    async with client_of(stack, stack.publishable_key) as client:
        await client.auth.sign_up(
            {"email": f"{uuid4().hex}@example.com", "password": "correct horse battery"}
        )
        with pytest.raises(APIError) as impossible:
            await client.table("traders").insert(trader | {"position_size_value": "500"}).execute()
        made: Any = (await client.table("traders").insert(trader).execute()).data
        mine = UUID(made[0]["id"])
        answer = await ingest(client, row(mine), row(foreign.trader_id))
    assert impossible.value.code == "23514"
    assert "a percentage size is at most 100 percent of the equity" in str(impossible.value.message)
    assert answer["inserted"] == 1
    (rejected,) = answer["rejected"]
    assert (rejected["index"], rejected["code"]) == (1, "not_your_trader")
    assert stored(stack, mine, foreign.trader_id) == {(mine, "BTCUSDT")}


async def test_a_machine_that_nobody_registered_stores_nothing(stack: Stack) -> None:
    scene = Scene(stack)
    scene.open_days(NOON, NOON)
    stranger = await connect(settings_of(stack), "signal_worker", "vyx-ffffffff")
    try:
        answer = await ingest(stranger.client, row(scene.trader_id), row(scene.trader_id, symbol="ETHUSDT"))
    finally:
        await stranger.close()
    assert answer["inserted"] == 0
    assert {one["code"] for one in answer["rejected"]} == {"unknown_machine"}
    assert "vyx-ffffffff" in answer["rejected"][0]["message"]
    assert stored(stack, scene.trader_id) == set()


async def test_one_row_more_than_the_limit_is_refused_whole_and_the_limit_is_taken(stack: Stack) -> None:
    scene = Scene(stack)
    scene.open_days(NOON, NOON)
    rows = [row(scene.trader_id, symbol=f"S{place}USDT") for place in range(10_001)]
    async with machine_connection(stack, "signal_worker") as machine:
        with pytest.raises(APIError) as refused:
            await ingest(machine.client, *rows)
        assert stored(stack, scene.trader_id) == set()
        answer = await ingest(machine.client, *rows[:-1])
    assert refused.value.code == "22023"
    assert refused.value.message == "a batch holds at most 10000 signals, this one has 10001"
    assert (answer["inserted"], answer["rejected"]) == (10_000, [])
    assert len(stored(stack, scene.trader_id)) == 10_000


async def test_an_illegal_transition_names_both_states(stack: Stack) -> None:
    scene = Scene(stack)
    scene.open_days(NOON, NOON)
    async with machine_connection(stack, "signal_worker") as machine:
        signal = await scene.fire(machine, NOON)
    change = {"status": "closed", "outcome_code": "take_profit", "closed_at": NOON.isoformat()}
    async with client_of(stack, stack.secret_key) as operator:
        with pytest.raises(APIError) as refused:
            await operator.table("signals").update(change).eq("id", str(signal)).execute()
    assert refused.value.code == "23514"
    assert refused.value.message == f"signal {signal} cannot go from new to closed"
    assert scene.signals() == [(signal, "new", None)]
    assert [kind for kind, _, _ in scene.events(signal)] == ["signal_created"]
