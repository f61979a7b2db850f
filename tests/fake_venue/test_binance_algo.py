"""Conditional orders of Binance USD-M with ids of their own, and what hangs on positions."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

import pytest
from ccxt.base.errors import InvalidOrder, OperationRejected, OrderImmediatelyFillable, OrderNotFound

from tests.fake_venue.conftest import KEY, Client
from tests.waiting import until


@pytest.fixture
async def client(open_client: Any) -> Client:
    one: Client = await open_client("binanceusdm")
    return one


TRIGGER = {"trigger": True}


async def guarded(client: Client, **more: Any) -> Any:
    """A long position of 0.01 with a stop."""
    await client.order("entry")
    more = more or {"stopLossPrice": 49_000}
    return await client.order("guard", "sell", reduceOnly=True, **more)


async def test_a_conditional_order_is_in_a_book_of_its_own_until_it_triggers(client: Client) -> None:
    stop = await guarded(client)
    assert stop["status"] == "open"
    assert await client.exchange.fetch_open_orders(client.symbol) == []
    (listed,) = await client.exchange.fetch_open_orders(client.symbol, None, None, TRIGGER)
    assert (listed["id"], listed["clientOrderId"]) == (stop["id"], "guard")
    with pytest.raises(OrderNotFound):
        await client.find("guard")
    client.venue.move(client.symbol, "48900")
    found = await client.find("guard")
    assert (found["status"], found["filled"]) == ("closed", 0.01)
    assert found["id"] != stop["id"]
    algo = await client.find("guard", **TRIGGER)
    # The algo order is finished and says nothing of what was filled: the actual order does.
    assert (algo["info"]["algoStatus"], algo["filled"]) == ("FINISHED", 0)
    assert algo["info"]["actualOrderId"] == found["id"]
    (_, fill) = await client.exchange.fetch_my_trades(client.symbol)
    assert fill["order"] == found["id"]
    assert await client.exchange.fetch_positions([client.symbol]) == []


async def test_a_conditional_order_is_cancelled_in_its_own_book_alone(client: Client) -> None:
    await guarded(client)
    with pytest.raises(OrderNotFound):
        await client.exchange.cancel_order(None, client.symbol, {"clientOrderId": "guard"})
    await client.exchange.cancel_order(None, client.symbol, {"clientOrderId": "guard", **TRIGGER})
    assert (await client.find("guard", **TRIGGER))["status"] == "canceled"
    client.venue.move(client.symbol, "40000")
    assert len(client.book.trades) == 1


async def test_what_triggered_is_cancelled_as_the_order_that_it_became(client: Client) -> None:
    await client.order("entry")
    limit = {"stopLossPrice": 49_000, "reduceOnly": True}
    await client.order("guard", "sell", price=49_500, **limit)
    client.venue.move(client.symbol, "48900")
    assert (await client.find("guard"))["status"] == "open"
    with pytest.raises(OrderNotFound):
        await client.exchange.cancel_order(None, client.symbol, {"clientOrderId": "guard", **TRIGGER})
    await client.exchange.cancel_order(None, client.symbol, {"clientOrderId": "guard"})
    assert (await client.find("guard"))["status"] == "canceled"


async def test_attached_protection_is_silently_nothing(client: Client) -> None:
    """Pitfall 6: ccxt sends the unified parameters along, and the venue attaches nothing."""
    await client.order("entry", stopLoss={"triggerPrice": 49_000}, takeProfit={"triggerPrice": 52_000})
    assert client.book.open_orders() == []


async def test_a_stop_behind_the_price_is_refused(client: Client) -> None:
    await client.order("entry")
    with pytest.raises((OrderImmediatelyFillable, InvalidOrder)):
        await client.order("late", "sell", reduceOnly=True, stopLossPrice=51_000)


async def test_a_stop_without_a_position_expires_when_it_triggers(client: Client) -> None:
    await guarded(client)
    await client.order("out", "sell", reduceOnly=True)
    client.venue.move(client.symbol, "48000")
    assert (await client.find("guard", **TRIGGER))["info"]["actualOrderId"]
    assert (await client.find("guard"))["status"] == "expired"
    assert len(client.book.trades) == 2


async def test_reduce_only_without_a_position_is_refused(client: Client) -> None:
    with pytest.raises(InvalidOrder, match="-2022"):
        await client.order("nothing", "sell", reduceOnly=True)


async def test_a_trailing_stop_follows_the_price(client: Client) -> None:
    await guarded(client, trailingPercent=1)
    client.venue.move(client.symbol, "60000")
    client.venue.move(client.symbol, "59500")
    assert len(client.book.trades) == 1
    client.venue.move(client.symbol, "59300")
    assert client.book.trades[-1].price == Decimal("59399.9")


async def test_what_triggered_is_told_with_both_ids(client: Client) -> None:
    told: list[Any] = []
    waiting = asyncio.create_task(_collect(client, told))
    await until(lambda: client.venue.binance.streams.has(f"user:{KEY}:usdm"))
    stop = await guarded(client)
    client.venue.move(client.symbol, "48900")
    await until(lambda: any(order["info"].get("X") == "FINISHED" for order in told))
    waiting.cancel()
    finished = next(order for order in told if order["info"].get("X") == "FINISHED")
    actual = await client.find("guard")
    assert finished["id"] == stop["id"]
    assert finished["info"]["ai"] == actual["id"]
    assert {order["id"] for order in told if order["clientOrderId"] == "guard"} == {stop["id"], actual["id"]}


async def _collect(client: Client, told: list[Any]) -> None:
    while True:
        told += await client.exchange.watch_orders(client.symbol)


async def test_a_limit_order_is_amended_in_its_place(client: Client) -> None:
    order = await client.order("moves", price=49_000)
    changed = await client.exchange.edit_order(order["id"], client.symbol, "limit", "buy", 0.02, 49_500)
    assert (changed["id"], changed["price"], changed["amount"]) == (order["id"], 49_500, 0.02)


async def test_one_way_mode_closes_before_it_opens(client: Client) -> None:
    await client.order("long", amount=0.02)
    await client.order("flips", "sell", amount=0.03)
    (position,) = await client.exchange.fetch_positions([client.symbol])
    assert (position["side"], position["contracts"], position["hedged"]) == ("short", 0.01, False)
    assert len([one for one in client.book.ledger.positions.values() if one.amount]) == 1


async def test_hedge_mode_holds_both_sides(client: Client) -> None:
    await client.exchange.set_position_mode(True, client.symbol)
    await client.order("long", hedged=True)
    await client.order("short", "sell", hedged=True)
    positions = await client.exchange.fetch_positions([client.symbol])
    assert {(p["side"], p["contracts"]) for p in positions} == {("long", 0.01), ("short", 0.01)}
    with pytest.raises(OperationRejected, match="-4061"):
        await client.order("wrong")


async def test_funding_is_an_income(client: Client) -> None:
    await client.order("long")
    before = client.book.ledger.balances["USDT"]
    client.venue.fund(client.symbol, "0.0001")
    (paid,) = await client.exchange.fetch_funding_history(client.symbol)
    assert (paid["amount"], paid["code"]) == (-0.05, "USDT")
    assert client.book.ledger.balances["USDT"] == before - Decimal("0.05")


@pytest.mark.parametrize(("why", "prefix"), [("liquidation", "autoclose-"), ("adl", "adl_autoclose")])
async def test_the_venue_closes_a_position_with_an_order_of_its_own(
    client: Client, why: str, prefix: str
) -> None:
    await guarded(client)
    (order,) = client.venue.close_position(KEY, client.symbol, why, "45000")
    assert order.request.client_id.startswith(prefix)
    assert await client.exchange.fetch_positions([client.symbol]) == []
    assert await client.exchange.fetch_open_orders(client.symbol, None, None, TRIGGER) == []
    fill = (await client.exchange.fetch_my_trades(client.symbol))[-1]
    assert (fill["order"], fill["side"], fill["price"]) == (order.id, "sell", 44_999.9)


async def test_profit_is_told_by_trade_and_by_income(client: Client) -> None:
    await client.order("in")
    client.venue.move(client.symbol, "51000")
    await client.order("out", "sell", reduceOnly=True)
    entry, leave = await client.exchange.fetch_my_trades(client.symbol)
    gained = Decimal(leave["info"]["realizedPnl"])
    assert gained == (Decimal("50999.9") - Decimal("50000.1")) * Decimal("0.01")
    fees = Decimal(entry["info"]["commission"]) + Decimal(leave["info"]["commission"])
    assert client.book.ledger.balances["USDT"] == 10_000 + gained - fees
    kinds = [row["incomeType"] for row in await client.exchange.fapiPrivateGetIncome()]
    assert sorted(kinds) == ["COMMISSION", "COMMISSION", "REALIZED_PNL"]


async def test_leverage_is_set_and_read(client: Client) -> None:
    await client.exchange.set_leverage(7, client.symbol)
    assert (await client.exchange.fetch_leverage(client.symbol))["longLeverage"] == 7
    assert (await client.exchange.fetch_position_mode(client.symbol))["hedged"] is False
