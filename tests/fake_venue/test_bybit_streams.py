"""Bybit's private stream as ccxt hears it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from ccxt.base.errors import AuthenticationError, NetworkError

from scripts.fake_venue import Fault
from tests.fake_venue.conftest import KEY, Client
from tests.fake_venue.test_binance_streams import Ear
from tests.waiting import until


@pytest.fixture
async def client(open_client: Any) -> Client:
    one: Client = await open_client(
        "bybit",
        options={"watchPositions": {"fetchPositionsSnapshot": False, "awaitPositionsSnapshot": False}},
    )
    return one


async def listening(client: Client, topic: str) -> None:
    """Wait until the venue has this account's stream."""
    await until(lambda: client.venue.bybit.streams.has(f"{KEY}:{topic}"))


async def test_orders_fills_and_positions_are_told_as_rest_tells_them(client: Client) -> None:
    with (
        Ear(client.exchange.watch_orders, client.symbol) as orders,
        Ear(client.exchange.watch_my_trades, client.symbol) as fills,
        Ear(client.exchange.watch_positions, [client.symbol]) as positions,
    ):
        for topic in ("order", "execution", "position"):
            await listening(client, topic)
        await client.order("heard", price=49_000)
        client.venue.move(client.symbol, "48000")
        await until(lambda: fills.told and positions.told)
        await until(lambda: orders.told and orders.told[-1]["status"] == "closed")
    (asked,) = await client.exchange.fetch_my_trades(client.symbol)
    (heard,) = fills.told
    for field in ("id", "order", "price", "amount", "cost", "side", "timestamp", "takerOrMaker", "fee"):
        assert heard[field] == asked[field], field
    assert {order["clientOrderId"] for order in orders.told} == {"heard"}
    assert (positions.told[-1]["side"], positions.told[-1]["contracts"]) == ("long", 0.01)


async def test_the_wallet_is_told(client: Client) -> None:
    waiting = asyncio.create_task(client.exchange.watch_balance())
    await listening(client, "wallet")
    await client.order("spends")
    balance = await waiting
    assert balance["USDT"]["total"] == float(client.book.ledger.balances["USDT"])


async def test_a_wrong_secret_hears_nothing(client: Client) -> None:
    await client.exchange.is_unified_enabled()
    client.exchange.secret = "somebody else's"
    with pytest.raises(AuthenticationError):
        await client.exchange.watch_orders(client.symbol)


async def test_a_lost_event_is_silence_and_rest_has_the_fill(client: Client) -> None:
    with Ear(client.exchange.watch_my_trades, client.symbol) as fills:
        await listening(client, "execution")
        client.venue.faults.add(Fault("lost", route="EVENT execution", client_id="lost"))
        await client.order("lost")
        await client.order("heard")
        await until(lambda: fills.told)
    heard = await client.find("heard")
    assert [fill["order"] for fill in fills.told] == [heard["id"]]
    assert len(await client.exchange.fetch_my_trades(client.symbol)) == 2


async def test_what_happens_while_the_stream_is_cut_is_told_to_nobody(client: Client) -> None:
    first = asyncio.create_task(client.exchange.watch_my_trades(client.symbol))
    await listening(client, "execution")
    await client.venue.cut_streams()
    with pytest.raises(NetworkError):
        await first
    await client.order("unheard")
    client.venue.mend_streams()
    with Ear(client.exchange.watch_my_trades, client.symbol) as fills:
        await listening(client, "execution")
        await client.order("heard")
        await until(lambda: fills.told)
    assert len(fills.told) == 1
