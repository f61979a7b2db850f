"""Orders on Bybit's wire, sent and read by ccxt: what it says is what the venue's own book says."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from ccxt.base.errors import BadRequest, ExchangeError, InsufficientFunds, InvalidOrder, OrderNotFound

from scripts.fake_venue import Fault
from tests.fake_venue.conftest import Client

SYMBOLS = ["BTC/USDT", "BTC/USDT:USDT"]
pytestmark = pytest.mark.parametrize("symbol", SYMBOLS)


@pytest.fixture
async def client(open_client: Any, symbol: str) -> Client:
    one: Client = await open_client("bybit", symbol)
    return one


async def test_an_acknowledgement_says_nothing_but_the_ids(client: Client) -> None:
    order = await client.order("first")
    assert (order["clientOrderId"], order["status"], order["filled"]) == ("first", None, None)
    found = await client.find("first")
    assert (found["id"], found["status"], found["filled"]) == (order["id"], "closed", 0.01)
    (trade,) = await client.exchange.fetch_my_trades(client.symbol)
    own = client.book.trades[0]
    assert (trade["order"], trade["amount"], trade["side"]) == (order["id"], 0.01, "buy")
    assert Decimal(trade["info"]["execPrice"]) == own.price
    assert Decimal(trade["info"]["execFee"]) == own.fee
    assert trade["info"]["orderLinkId"] == "first"
    assert trade["fee"]["currency"] == own.fee_currency


async def test_a_limit_order_rests_fills_when_crossed_and_is_listed_until_then(client: Client) -> None:
    await client.order("resting", price=49_000)
    (listed,) = await client.exchange.fetch_open_orders(client.symbol)
    assert (listed["clientOrderId"], listed["status"]) == ("resting", "open")
    client.venue.move(client.symbol, "48999")
    found = await client.find("resting")
    assert (found["status"], found["average"]) == ("closed", 49_000)
    assert await client.exchange.fetch_open_orders(client.symbol) == []


async def test_an_order_is_cancelled_and_its_fills_stay(client: Client) -> None:
    client.venue.offer(client.symbol, "0.004")
    await client.order("part", price=50_010)
    await client.exchange.cancel_order(None, client.symbol, {"orderLinkId": "part"})
    found = await client.find("part")
    # On spot, ccxt calls an order closed that was cancelled after a part of it filled.
    assert (found["status"], found["filled"]) == ("canceled" if ":" in client.symbol else "closed", 0.004)
    with pytest.raises(OrderNotFound):
        await client.exchange.cancel_order(None, client.symbol, {"orderLinkId": "part"})


async def test_an_order_is_amended_in_its_place(client: Client) -> None:
    order = await client.order("moves", price=49_000)
    await client.exchange.edit_order(order["id"], client.symbol, "limit", "buy", 0.02, 49_500)
    found = await client.find("moves")
    assert (found["id"], found["price"], found["amount"]) == (order["id"], 49_500, 0.02)


async def test_a_client_id_is_never_free_again(client: Client) -> None:
    """Pitfall 8: a duplicate is an InvalidOrder, told by its code alone."""
    await client.order("same")
    with pytest.raises(InvalidOrder) as refused:
        await client.order("same")
    assert ("110072" if ":" in client.symbol else "170141") in str(refused.value)
    assert len(client.book.trades) == 1


async def test_what_ccxt_does_not_check_the_venue_refuses(client: Client) -> None:
    with pytest.raises((BadRequest, InvalidOrder)):
        await client.order("tiny", amount=0.0001, price=20_000)
    with pytest.raises(InsufficientFunds):
        await client.order("rich", amount=50)
    assert client.book.orders == {}


async def test_a_post_only_order_that_would_take_is_taken_and_cancelled(client: Client) -> None:
    await client.order("maker", price=50_100, postOnly=True)
    found = await client.find("maker")
    assert (found["status"], found["filled"]) == ("canceled", 0)
    assert found["info"]["rejectReason"] == "EC_PostOnlyWillTakeLiquidity"


async def test_a_stop_is_listed_triggers_and_fills_under_its_own_id(client: Client) -> None:
    await client.order("entry")
    amount = 0.01 if ":" in client.symbol else 0.009
    await client.order("guard", "sell", amount, stopLossPrice=49_000)
    (listed,) = await client.exchange.fetch_open_orders(client.symbol)
    assert (listed["clientOrderId"], listed["triggerPrice"]) == ("guard", 49_000)
    client.venue.move(client.symbol, "48900")
    found = await client.find("guard")
    assert (found["status"], found["filled"]) == ("closed", amount)


async def test_an_order_nobody_sent_is_not_found(client: Client) -> None:
    with pytest.raises(OrderNotFound):
        await client.find("nobody")


async def test_fills_come_in_pages_the_latest_first(client: Client) -> None:
    for number in range(5):
        await client.order(f"order-{number}", amount=0.001 * (number + 1))
    asked = {"category": "linear" if ":" in client.symbol else "spot", "limit": 2}
    pages: list[list[str]] = []
    cursor = ""
    while not pages or cursor:
        answer = await client.exchange.privateGetV5ExecutionList({**asked, "cursor": cursor})
        pages.append([row["orderLinkId"] for row in answer["result"]["list"]])
        cursor = answer["result"]["nextPageCursor"]
    assert pages == [["order-4", "order-3"], ["order-2", "order-1"], ["order-0"]]


async def test_the_balance_is_the_ledgers(client: Client) -> None:
    await client.order("first")
    balance = await client.exchange.fetch_balance()
    assert balance["USDT"]["total"] == float(client.book.ledger.balances["USDT"])


async def test_a_delisted_symbol_takes_no_orders(client: Client) -> None:
    client.venue.delist(client.symbol)
    with pytest.raises(ExchangeError) as refused:
        await client.order("late", price=49_000)
    assert ("110074" if ":" in client.symbol else "170209") in str(refused.value)


async def test_half_of_an_order_fills(client: Client) -> None:
    client.venue.faults.add(Fault("partial", route="POST /v5/order/create", share="0.5"))
    await client.order("half", price=50_010)
    found = await client.find("half")
    assert (found["status"], found["filled"], found["remaining"]) == ("open", 0.005, 0.005)


async def test_an_order_fills_before_its_cancel_arrives(client: Client) -> None:
    await client.order("racing", price=49_000)
    client.venue.faults.add(Fault("fills_first", route="POST /v5/order/cancel"))
    with pytest.raises(OrderNotFound):
        await client.exchange.cancel_order(None, client.symbol, {"orderLinkId": "racing"})
    assert (await client.find("racing"))["status"] == "closed"
