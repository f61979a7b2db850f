"""A venue that is only ccxt: nothing to look at for free, trades by symbol and time, late answers."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from ccxt.base.errors import BadSymbol, OrderNotFound, RequestTimeout

from tests.trading.world import World
from workers.trading.orders import Leg, client_order_id


class PlainExchange:
    """The paper exchange under another name, without anything that only the paper exchange has."""

    def __init__(self, exchange: Any, name: str = "binanceusdm") -> None:
        self._exchange = exchange
        self.id = name
        # Orders that the venue does not find yet, by how often it will say so.
        self.unindexed: dict[str, int] = {}

    def __getattr__(self, name: str) -> Any:
        if name.startswith("paper_"):
            raise AttributeError(name)
        return getattr(self._exchange, name)

    async def fapiprivate_get_accountconfig(self) -> Any:
        return {"dualSidePosition": False}

    async def fetch_order(self, id: str | None, symbol: str, params: dict[str, Any]) -> Any:
        client_id = params.get("clientOrderId") or self._exchange.paper_engine.orders[id].request.client_id
        if self.unindexed.get(client_id, 0) > 0:
            self.unindexed[client_id] -= 1
            raise OrderNotFound(client_id)
        return await self._exchange.fetch_order(id, symbol, params)

    async def fetch_my_trades(
        self,
        symbol: str | None = None,
        since: int | None = None,
        limit: int | None = None,
        params: dict[str, Any] | None = None,
    ) -> Any:
        assert symbol is not None, "this venue tells trades by symbol only"
        trades = await self._exchange.fetch_my_trades(symbol, since, limit, params)
        # As on Binance: a trade names the venue's order, not ours, and its id counts by symbol.
        return [{**trade, "clientOrderId": None, "info": {}} for trade in trades]


async def play(world: World, bridge: Any, *prices: str) -> None:
    for price in prices:
        world.candle(price)
        await world.settle(bridge)


async def test_a_trade_is_followed_by_asking(world: World) -> None:
    bridge = await world.start(exchange=PlainExchange(world.exchange))
    signal = await world.make_ready()
    await world.settle(bridge)
    await play(world, bridge, "100", "101")
    assert {o["status"] for o in (await world.orders(signal)).values()} == {"filled", "open"}
    assert await world.unprotected() == []
    await play(world, bridge, "105", "105")
    closed = await world.signal(signal)
    assert (closed["status"], closed["outcome_code"]) == ("closed", "take_profit")
    assert closed["total_pnl"] == world.venue_profit()
    await world.check_record()
    await world.check_against_venue()


async def test_a_lost_order_is_proven_absent_only_by_several_answers(world: World) -> None:
    lost: list[str] = []

    def lose(method: str, moment: str, client_id: str) -> None:
        if method == "create_order" and not lost:
            lost.append(client_id)
            raise RequestTimeout("no answer")

    exchange = PlainExchange(world.exchange)
    bridge = await world.start(exchange=exchange)
    world.exchange.paper_fault = lose
    signal = await world.make_ready()
    await world.settle(bridge)
    for sent in (0, 0, 0, 1):
        assert len(world.exchange.paper_engine.orders) == sent
        world.clock.advance(world.clock.now() + timedelta(seconds=5))
        await world.settle(bridge)
    order = (await world.orders(signal))["entry", 1]
    assert (order["status"], order["client_order_id"]) == ("open", lost[0])


async def test_an_order_that_is_only_indexed_late_is_not_sent_again(world: World) -> None:
    """The venue took it, answered nothing, and does not find it for a while: it lists it as open."""
    exchange = PlainExchange(world.exchange)
    bridge = await world.start(exchange=exchange)

    def mute(method: str, moment: str, client_id: str) -> None:
        if method == "create_order" and moment == "after":
            raise RequestTimeout("no answer")

    world.exchange.paper_fault = mute
    signal = await world.make_ready()
    exchange.unindexed[client_order_id(signal, Leg.ENTRY, 1)] = 10
    await world.settle(bridge)
    for _ in range(4):
        world.clock.advance(world.clock.now() + timedelta(seconds=5))
        await world.settle(bridge)
    assert len(world.exchange.paper_engine.orders) == 1
    assert (await world.orders(signal))["entry", 1]["status"] == "open"


async def test_on_a_venue_that_is_not_trusted_the_bridge_watches_the_prices_itself(world: World) -> None:
    bridge = await world.start(exchange=PlainExchange(world.exchange, "kraken"))
    signal = await world.make_ready()
    await world.settle(bridge)
    await play(world, bridge, "100")
    orders = await world.orders(signal)
    assert {(leg, o["managed_by"], o["status"]) for (leg, _), o in orders.items()} == {
        ("entry", "venue", "filled"),
        ("stop_loss", "bridge", "open"),
        ("take_profit", "bridge", "open"),
    }
    assert await world.unprotected() == []
    assert [o.request.trigger for o in world.exchange.paper_engine.orders.values()] == [None]
    await play(world, bridge, "97", "97")
    closed = await world.signal(signal)
    assert (closed["status"], closed["outcome_code"]) == ("closed", "stop_loss")
    # What the bridge watches protects nobody when the bridge is gone.
    await world.check_record()
    await world.check_against_venue()


async def test_what_the_bridge_watches_protects_only_while_it_holds_the_account(world: World) -> None:
    bridge = await world.start(exchange=PlainExchange(world.exchange, "kraken"))
    await world.make_ready()
    await world.settle(bridge)
    await play(world, bridge, "100")
    assert await world.unprotected() == []
    await world.sql.execute(
        "update public.exchange_accounts set leased_until = now() - interval '1 second' where id = %s",
        (world.account,),
    )
    assert [row["reason"] for row in await world.unprotected()] == ["no confirmed stop loss"]


async def test_a_symbol_that_was_delisted_keeps_no_other_from_being_traded(world: World) -> None:
    exchange = PlainExchange(world.exchange)
    bridge = await world.start(exchange=exchange)
    stuck = await world.make_ready("ETHUSDT")
    healthy = await world.make_ready("BTCUSDT")
    await world.settle(bridge)
    world.still()
    await world.settle(bridge)
    asked = exchange._exchange.fetch_my_trades

    async def delisted(symbol: str, since: int | None, limit: int | None, params: Any = None) -> Any:
        if symbol.startswith("ETH"):
            raise BadSymbol("ETH/USDT:USDT is not listed any more")
        return await asked(symbol, since, limit, params)

    exchange._exchange.fetch_my_trades = delisted
    world.candles({"BTCUSDT": ("105", "105", "105", "105"), "ETHUSDT": ("100", "100", "100", "100")})
    await world.settle(bridge)
    world.still()
    await world.settle(bridge)
    assert (await world.signal(healthy))["outcome_code"] == "take_profit"
    assert (await world.signal(stuck))["status"] == "in_position"


@pytest.mark.parametrize("currency", ["BNB", "USDT"])
async def test_a_fee_in_a_third_currency_is_worth_its_price(world: World, currency: str) -> None:
    exchange = PlainExchange(world.exchange)
    asked = exchange.fetch_my_trades

    async def in_bnb(symbol: str, since: int | None, limit: int | None, params: Any = None) -> Any:
        fee = {"cost": 0.01, "currency": currency}
        return [{**trade, "fee": fee} for trade in await asked(symbol, since, limit, params)]

    async def ticker(symbol: str) -> Any:
        assert symbol == "BNB/USDT:USDT", "a market of perpetuals has no plain pair of the two"
        return {"last": 600.5}

    vars(exchange).update(fetch_my_trades=in_bnb, fetch_ticker=ticker)
    bridge = await world.start(exchange=exchange)
    signal = await world.make_ready()
    await world.settle(bridge)
    await play(world, bridge, "100", "100")
    position = await world.position(signal)
    assert float(position["fees"]) == (6.005 if currency == "BNB" else 0.01)
