"""Bybit's positions: attached protection, trading stops, funding, and what the venue closes itself."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from ccxt.base.errors import BadRequest, InvalidOrder

from tests.fake_venue.conftest import KEY, Client


@pytest.fixture
async def client(open_client: Any) -> Client:
    one: Client = await open_client("bybit")
    return one


async def position(client: Client) -> Any:
    """The position as ccxt tells it."""
    (one,) = await client.exchange.fetch_positions([client.symbol])
    return one


async def protected(client: Client, **more: Any) -> None:
    """A long position of 0.01 with attached protection."""
    await client.order(
        "entry", stopLoss={"triggerPrice": 49_000}, takeProfit={"triggerPrice": 52_000}, **more
    )


async def test_attached_protection_is_placed_by_the_venue(client: Client) -> None:
    await protected(client)
    orders = await client.exchange.fetch_open_orders(client.symbol)
    assert {(one["triggerPrice"], one["amount"], one["clientOrderId"]) for one in orders} == {
        (49_000, 0.01, None),
        (52_000, 0.01, None),
    }
    held = await position(client)
    assert (held["info"]["stopLoss"], held["info"]["takeProfit"]) == ("49000", "52000")


async def test_one_side_of_protection_ends_the_other(client: Client) -> None:
    await protected(client)
    client.venue.move(client.symbol, "52010")
    assert await client.exchange.fetch_open_orders(client.symbol) == []
    assert (await position(client))["contracts"] == 0
    assert [order.status for order in client.book.orders.values()] == ["filled", "expired", "filled"]


async def test_protection_follows_what_was_filled_and_what_was_closed(client: Client) -> None:
    client.venue.offer(client.symbol, "0.004")
    await protected(client, price=50_010)
    amounts = {one["amount"] for one in await client.exchange.fetch_open_orders(client.symbol)} - {0.01}
    assert amounts == {0.004}
    client.venue.offer(client.symbol, None)
    client.venue.move(client.symbol, "49900")
    await client.order("half", "sell", 0.005, reduceOnly=True)
    amounts = {one["amount"] for one in await client.exchange.fetch_open_orders(client.symbol)}
    assert amounts == {0.005}
    await client.order("rest", "sell", 0.005, reduceOnly=True)
    assert await client.exchange.fetch_open_orders(client.symbol) == []


async def test_a_trading_stop_sets_moves_and_removes_protection(client: Client) -> None:
    await client.order("entry")
    asked = {"category": "linear", "symbol": "BTCUSDT", "positionIdx": 0, "tpslMode": "Full"}
    await client.exchange.privatePostV5PositionTradingStop({**asked, "stopLoss": "49000"})
    assert (await position(client))["info"]["stopLoss"] == "49000"
    await client.exchange.privatePostV5PositionTradingStop({**asked, "stopLoss": "49500"})
    (stop,) = await client.exchange.fetch_open_orders(client.symbol)
    assert stop["triggerPrice"] == 49_500
    with pytest.raises(Exception, match="34040"):
        await client.exchange.privatePostV5PositionTradingStop({**asked, "stopLoss": "49500"})
    with pytest.raises(BadRequest, match="10001"):
        await client.exchange.privatePostV5PositionTradingStop({**asked, "stopLoss": "51000"})
    await client.exchange.privatePostV5PositionTradingStop({**asked, "stopLoss": "0"})
    assert await client.exchange.fetch_open_orders(client.symbol) == []


async def test_a_trailing_stop_follows_the_price(client: Client) -> None:
    await client.order("entry")
    await client.order("trail", "sell", reduceOnly=True, trailingAmount="500")
    client.venue.move(client.symbol, "60000")
    client.venue.move(client.symbol, "59600")
    assert len(client.book.trades) == 1
    client.venue.move(client.symbol, "59400")
    assert client.book.trades[-1].price == Decimal("59499.9")


async def test_without_a_position_there_is_nothing_to_protect(client: Client) -> None:
    with pytest.raises(BadRequest, match="zero position"):
        await client.exchange.privatePostV5PositionTradingStop(
            {"category": "linear", "symbol": "BTCUSDT", "positionIdx": 0, "stopLoss": "49000"}
        )
    with pytest.raises(InvalidOrder, match="110017"):
        await client.order("nothing", "sell", reduceOnly=True)


async def test_hedge_mode_holds_both_sides(client: Client) -> None:
    await client.exchange.set_position_mode(True, client.symbol)
    await client.order("long", hedged=True)
    await client.order("short", "sell", hedged=True)
    positions = await client.exchange.fetch_positions([client.symbol])
    assert {(one["side"], one["contracts"]) for one in positions} == {("long", 0.01), ("short", 0.01)}
    await client.order("less", "sell", 0.01, hedged=True, reduceOnly=True)
    assert (await client.exchange.fetch_positions([client.symbol]))[0]["contracts"] == 0


async def test_funding_is_an_execution_without_an_order(client: Client) -> None:
    await client.order("long")
    before = client.book.ledger.balances["USDT"]
    client.venue.fund(client.symbol, "0.0001", "bybit")
    (paid,) = await client.exchange.fetch_funding_history(client.symbol)
    assert abs(paid["amount"]) == 0.05
    assert client.book.ledger.balances["USDT"] == before - Decimal("0.05")
    # The fills of orders do not name it.
    assert len(await client.exchange.fetch_my_trades(client.symbol)) == 1


async def test_a_liquidation_is_a_fill_that_is_no_trade(client: Client) -> None:
    """ccxt asks for executions of the type Trade: it takes asking for others to see the liquidation."""
    await protected(client)
    (order,) = client.venue.close_position(KEY, client.symbol, "liquidation", "45000")
    assert (await position(client))["contracts"] == 0
    assert len(await client.exchange.fetch_my_trades(client.symbol)) == 1
    (bust,) = await client.exchange.fetch_my_trades(client.symbol, None, None, {"execType": "BustTrade"})
    assert (bust["order"], bust["price"], bust["info"]["createType"]) == (order.id, 44_999.9, "CreateByLiq")


async def test_leverage_is_set_and_read(client: Client) -> None:
    await client.exchange.set_leverage(7, client.symbol)
    assert (await client.exchange.fetch_leverage(client.symbol))["longLeverage"] == 7
