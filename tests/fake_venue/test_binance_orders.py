"""Orders on Binance's wires, sent and read by ccxt: what it says is what the venue's own book says."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from ccxt.base.errors import (
    BadRequest,
    InsufficientFunds,
    InvalidOrder,
    OperationRejected,
    OrderNotFillable,
    OrderNotFound,
)

from tests.fake_venue.conftest import Client

pytestmark = pytest.mark.parametrize("name", ["binance", "binanceusdm"])


@pytest.fixture
async def client(open_client: Any, name: str) -> Client:
    one: Client = await open_client(name)
    return one


async def test_a_market_order_fills_at_once(client: Client) -> None:
    order = await client.order("first")
    assert (order["status"], order["filled"], order["clientOrderId"]) == ("closed", 0.01, "first")
    (trade,) = await client.exchange.fetch_my_trades(client.symbol)
    assert (trade["order"], trade["amount"], trade["side"]) == (order["id"], 0.01, "buy")
    own = client.book.trades[0]
    assert Decimal(trade["info"]["price"]) == own.price
    assert trade["id"] == str(own.id)
    assert Decimal(trade["info"]["commission"]) == own.fee
    assert trade["fee"]["currency"] == own.fee_currency


async def test_a_limit_order_rests_fills_when_crossed_and_is_listed_until_then(client: Client) -> None:
    order = await client.order("resting", price=49_000)
    assert order["status"] == "open"
    (listed,) = await client.exchange.fetch_open_orders(client.symbol)
    assert listed["clientOrderId"] == "resting"
    client.venue.move(client.symbol, "48999")
    found = await client.find("resting")
    assert (found["status"], found["average"]) == ("closed", 49_000)
    assert await client.exchange.fetch_open_orders(client.symbol) == []
    assert client.book.trades[0].maker


async def test_an_order_is_cancelled_by_its_client_id(client: Client) -> None:
    await client.order("gone", price=49_000)
    answer = await client.exchange.cancel_order(None, client.symbol, {"clientOrderId": "gone"})
    assert answer["status"] == "canceled"
    assert (await client.find("gone"))["status"] == "canceled"
    with pytest.raises(OrderNotFound):
        await client.exchange.cancel_order(None, client.symbol, {"clientOrderId": "gone"})


async def test_a_cancelled_order_can_have_filled(client: Client) -> None:
    """Pitfall 9: the status says nothing about the fills."""
    client.venue.offer(client.symbol, "0.004")
    order = await client.order("part", price=50_010)
    assert (order["status"], order["filled"]) == ("open", 0.004)
    await client.exchange.cancel_order(None, client.symbol, {"clientOrderId": "part"})
    found = await client.find("part")
    assert (found["status"], found["filled"]) == ("canceled", 0.004)


async def test_a_market_order_that_finds_too_little_expires_with_what_it_got(client: Client) -> None:
    client.venue.offer(client.symbol, "0.003")
    order = await client.order("thin")
    assert (order["status"], order["filled"]) == ("expired", 0.003)


async def test_what_ccxt_does_not_check_the_venue_refuses(client: Client) -> None:
    """Pitfall 7: the minimum cost is checked by nobody but the venue."""
    with pytest.raises((BadRequest, InvalidOrder)) as refused:
        await client.order("tiny", amount=0.001 if ":" in client.symbol else 0.0001, price=20_000)
    assert "notional" in str(refused.value).lower()
    assert client.book.orders == {}


async def test_a_price_out_of_its_band_is_refused(client: Client) -> None:
    with pytest.raises((BadRequest, InvalidOrder)) as refused:
        await client.order("far", price=300_000)
    assert "PERCENT_PRICE" in str(refused.value) or "-4016" in str(refused.value)
    # Below the market a futures order is bound by nothing: it is no worse than the market.
    if ":" in client.symbol:
        assert (await client.order("low", amount=0.1, price=1_000))["status"] == "open"
    assert len(client.book.orders) == (1 if ":" in client.symbol else 0)


async def test_only_so_many_conditional_orders_may_wait(client: Client) -> None:
    client.venue.binance.tape.listings[client.symbol].most_waiting = 2
    await client.order("entry", amount=0.03)
    for number in range(2):
        await client.order(f"stop-{number}", "sell", stopLossPrice=49_000)
    with pytest.raises((BadRequest, OperationRejected)):
        await client.order("stop-3", "sell", stopLossPrice=49_000)


async def test_an_order_beyond_the_money_is_refused(client: Client) -> None:
    with pytest.raises(InsufficientFunds):
        await client.order("rich", amount=50)
    assert client.book.orders == {}


async def test_a_client_id_is_free_again_when_its_order_is_over(client: Client) -> None:
    """Pitfalls 5 and 8: an open duplicate is refused without saying so by class, a blind retry buys twice."""
    await client.order("same", price=49_000)
    with pytest.raises(InvalidOrder) as refused:
        await client.order("same", price=49_000)
    assert "uplicate" in str(refused.value)
    await client.exchange.cancel_order(None, client.symbol, {"clientOrderId": "same"})
    await client.order("same")
    await client.order("same")
    assert len(client.book.trades) == 2


async def test_a_post_only_order_that_would_take_is_refused(client: Client) -> None:
    with pytest.raises((OrderNotFillable, InvalidOrder)):
        await client.order("maker", price=50_100, postOnly=True)
    order = await client.order("maker", price=49_000, postOnly=True)
    assert (order["status"], order["postOnly"]) == ("open", True)


async def test_an_order_nobody_sent_is_not_found(client: Client) -> None:
    with pytest.raises(OrderNotFound):
        await client.find("nobody")


async def test_a_delisted_symbol_takes_no_orders_and_ends_those_it_has(client: Client) -> None:
    await client.order("last", price=49_000)
    client.venue.delist(client.symbol)
    with pytest.raises(OperationRejected, match="closed"):
        await client.order("late", price=49_000)
    assert (await client.find("last"))["status"] == "expired"
    assert (await client.exchange.load_markets(True))[client.symbol]["active"] is False


async def test_the_balance_is_the_ledgers(client: Client) -> None:
    await client.order("first")
    await client.order("bound", price=40_000)
    balance = await client.exchange.fetch_balance()
    ledger = client.book.ledger
    total = ledger.balances["USDT"]
    if client.exchange.id == "binance":
        assert balance["USDT"]["total"] == float(total)
        assert balance["USDT"]["used"] == 400
        assert balance["BTC"]["total"] == float(ledger.balances["BTC"])
    else:
        assert Decimal(balance["info"]["assets"][0]["walletBalance"]) == total
