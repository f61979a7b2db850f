"""Order lists and replacements of Binance spot."""

from __future__ import annotations

from typing import Any

import pytest
from ccxt.base.errors import BadRequest, InsufficientFunds, InvalidOrder

from tests.fake_venue.conftest import Client
from tests.fake_venue.test_binance_streams import Ear, listening, tap_frames
from tests.waiting import until


@pytest.fixture
async def client(open_client: Any) -> Client:
    one: Client = await open_client("binance")
    await one.order("entry", amount=0.02)
    return one


async def oco(client: Client, **more: Any) -> Any:
    """Take profit above, stop below, as ccxt's implicit method sends them."""
    asked = {
        "symbol": "BTCUSDT",
        "side": "SELL",
        "quantity": "0.01",
        "aboveType": "LIMIT_MAKER",
        "abovePrice": "52000",
        "aboveClientOrderId": "target",
        "belowType": "STOP_LOSS",
        "belowStopPrice": "49000",
        "belowClientOrderId": "guard",
        **more,
    }
    return await client.exchange.privatePostOrderListOco(asked)


async def test_one_side_ends_the_other(client: Client) -> None:
    answer = await oco(client)
    assert [order["clientOrderId"] for order in answer["orders"]] == ["target", "guard"]
    listed = await client.exchange.fetch_open_orders(client.symbol)
    assert {order["clientOrderId"] for order in listed} == {"target", "guard"}
    # The two bind the coins of one.
    balance = await client.exchange.fetch_balance()
    assert balance["BTC"]["used"] == 0.01
    client.venue.move(client.symbol, "52001")
    assert (await client.find("target"))["status"] == "closed"
    assert (await client.find("guard"))["status"] == "expired"


async def test_the_stop_side_ends_the_target(client: Client) -> None:
    await oco(client)
    client.venue.move(client.symbol, "48999")
    assert (await client.find("guard"))["filled"] == 0.01
    assert (await client.find("target"))["status"] == "expired"


async def test_cancelling_one_side_cancels_the_list(client: Client) -> None:
    answer = await oco(client)
    await client.exchange.cancel_order(None, client.symbol, {"clientOrderId": "guard"})
    assert (await client.find("target"))["status"] == "canceled"
    state = await client.exchange.privateGetOrderList({"orderListId": answer["orderListId"]})
    assert state["listOrderStatus"] == "ALL_DONE"


async def test_a_list_that_would_trigger_or_that_has_no_coins_is_refused(client: Client) -> None:
    with pytest.raises(InvalidOrder):
        await oco(client, belowStopPrice="51000")
    with pytest.raises(InsufficientFunds):
        await oco(client, quantity="0.5")
    assert client.book.open_orders() == []


async def test_attached_protection_is_silently_nothing(client: Client) -> None:
    """Pitfall 6: ccxt sends the unified parameters along, and the venue attaches nothing."""
    await client.order("more", stopLoss={"triggerPrice": 49_000}, takeProfit={"triggerPrice": 52_000})
    assert client.book.open_orders() == []


async def test_an_order_is_replaced_by_another(client: Client) -> None:
    order = await client.order("old", price=49_000)
    fresh = await client.exchange.edit_order(
        order["id"], client.symbol, "limit", "buy", 0.01, 49_500, {"clientOrderId": "new"}
    )
    assert (fresh["clientOrderId"], fresh["price"]) == ("new", 49_500)
    assert (await client.find("old"))["status"] == "canceled"


async def test_a_stop_is_an_order_as_any_other(client: Client) -> None:
    order = await client.order("guard", "sell", stopLossPrice=49_000)
    assert (order["type"], order["triggerPrice"]) == ("market", 49_000)
    client.venue.move(client.symbol, "48500")
    found = await client.find("guard")
    assert (found["id"], found["status"], found["filled"]) == (order["id"], "closed", 0.01)


async def test_a_key_says_what_it_may_do(client: Client) -> None:
    told = await client.exchange.sapiGetAccountApiRestrictions()
    assert (told["enableReading"], told["enableWithdrawals"]) == (True, False)
    assert told["enableSpotAndMarginTrading"] is True


async def test_a_side_that_is_triggered_ends_the_other_although_it_finds_nobody(client: Client) -> None:
    await oco(client)
    client.venue.offer(client.symbol, "0")
    client.venue.move(client.symbol, "48999")
    assert (await client.find("guard"))["filled"] == 0
    assert (await client.find("target"))["status"] == "expired"
    assert client.book.open_orders() == []


async def test_a_list_takes_two_of_the_places_for_conditional_orders(client: Client) -> None:
    conditional = {"aboveType": "TAKE_PROFIT", "aboveStopPrice": "52000", "quantity": "0.001"}
    for number in range(2):
        names = {"aboveClientOrderId": f"target{number}", "belowClientOrderId": f"guard{number}"}
        await oco(client, **conditional, **names)
    with pytest.raises(BadRequest, match="MAX_NUM_ALGO_ORDERS"):
        await oco(client, **conditional)
    await client.order("alone", "sell", 0.001, stopLossPrice=49_000)


async def test_streams_tell_of_both_orders_and_of_the_list(client: Client) -> None:
    frames = tap_frames(client)
    with Ear(client.exchange.watch_orders):
        await listening(client)
        await oco(client)
        client.venue.move(client.symbol, "48999")
        await until(lambda: [one for one in told_of(frames, "listStatus") if one["l"] == "ALL_DONE"])
    assert [one["l"] for one in told_of(frames, "listStatus")] == ["EXEC_STARTED", "ALL_DONE"]
    reports = [(one["c"], one["x"], one["g"] > 0) for one in told_of(frames, "executionReport")]
    assert reports == [
        ("target", "NEW", True),
        ("guard", "NEW", True),
        ("guard", "TRADE", True),
        ("target", "EXPIRED", True),
    ]


def told_of(frames: list[dict[str, Any]], name: str) -> list[dict[str, Any]]:
    """The events of this name, as the venue told them."""
    events = (frame.get("event") or {} for frame in frames)
    return [event for event in events if event.get("e") == name]
