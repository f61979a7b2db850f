"""What the venue tells everybody: symbols and filters, prices, candles; and time as a test gives it."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import ccxt.pro
import pytest

from scripts.fake_venue import FakeVenue
from shared.candles import MINUTE_MS, Candle
from shared.clock import MarketClock
from shared.market import Market
from tests.fake_venue.conftest import KEY, SECRET, Client
from tests.waiting import until
from workers.trading.paper import PaperExchange
from workers.trading.paper.engine import Terms
from workers.trading.paper.path import Bar

NAMES = ["binance", "binanceusdm", "bybit"]
RECORDED = Path(__file__).resolve().parents[3] / "shared" / "data" / "exchange_info"


@pytest.mark.parametrize("name", NAMES)
async def test_markets_carry_their_filters(open_client: Any, name: str) -> None:
    client: Client = await open_client(name)
    rule = client.book.rules[client.symbol]
    market = client.exchange.market(client.symbol)
    assert market["precision"] == pytest.approx(
        {**market["precision"], "price": float(rule.tick), "amount": float(rule.step)}
    )
    assert market["limits"]["amount"]["min"] == float(rule.least_amount)
    assert market["limits"]["cost"]["min"] == float(rule.least_notional)
    assert market["active"] is True


@pytest.mark.parametrize("name", NAMES)
async def test_prices_are_told_when_asked_and_when_they_move(open_client: Any, name: str) -> None:
    client: Client = await open_client(name)
    assert (await client.exchange.fetch_ticker(client.symbol))["last"] == 50_000
    assert (await client.exchange.fetch_order_book(client.symbol))["bids"][0][0] == 50_000
    waiting = asyncio.create_task(client.exchange.watch_ticker(client.symbol))
    exchange = client.venue.exchanges["bybit" if name == "bybit" else "binance"]
    await until(lambda: exchange.streams.count() and any(one.topics for one in exchange.streams))
    client.venue.move(client.symbol, "51000")
    assert (await waiting)["last"] == 51_000


@pytest.mark.parametrize("name", NAMES)
async def test_closed_candles_are_told_and_can_be_asked_for(open_client: Any, name: str) -> None:
    client: Client = await open_client(name)
    waiting = asyncio.create_task(client.exchange.watch_ohlcv(client.symbol, "1m"))
    exchange = client.venue.exchanges["bybit" if name == "bybit" else "binance"]
    await until(lambda: exchange.streams.count() and any(one.topics for one in exchange.streams))
    start = 1_700_000_040_000
    values = [Decimal(text) for text in ("50000", "50500", "49000", "50100", "12")]
    client.venue.candle(Bar(client.symbol, start, start + MINUTE_MS, *values))
    told = await waiting
    assert told[-1] == [start, 50_000, 50_500, 49_000, 50_100, 12]
    assert await client.exchange.fetch_ohlcv(client.symbol, "1m") == [told[-1]]


@pytest.mark.skipif(not RECORDED.exists(), reason="the recorded exchangeInfo is not beside the checkout")
@pytest.mark.parametrize("name", NAMES)
async def test_filters_come_from_a_recorded_answer(name: str) -> None:
    async with (
        FakeVenue(recorded=RECORDED, symbols=["BTCUSDT", "DOGEUSDT"]) as venue,
        venue.session_factory()() as one,
    ):
        exchange = getattr(ccxt.pro, name)({"session": one, "options": {"fetchCurrencies": False}})
        exchange.timeout_on_exit = 0
        markets = await exchange.load_markets()
        await exchange.close()
    symbol = "DOGE/USDT" if name == "binance" else "DOGE/USDT:USDT"
    assert markets[symbol]["precision"]["amount"] == 1
    assert set(markets) >= {symbol}
    assert all(market["limits"]["amount"]["max"] for market in markets.values())


async def test_orders_and_fills_carry_the_time_that_a_test_gives(open_client: Any) -> None:
    """Requests are signed with the wall's time all the same."""
    clock = MarketClock(datetime(2025, 5, 5, tzinfo=UTC))
    async with FakeVenue(clock) as venue, venue.session_factory()() as session:
        venue.open_account("binance", KEY, SECRET, {"USDT": "10000"})
        venue.move("BTC/USDT", "50000")
        exchange = ccxt.pro.binance({"apiKey": KEY, "secret": SECRET, "session": session})
        exchange.timeout_on_exit = 0
        clock.advance(clock.now() + timedelta(hours=3))
        await exchange.create_order("BTC/USDT", "market", "buy", 0.01)
        (trade,) = await exchange.fetch_my_trades("BTC/USDT")
        await exchange.close()
    assert trade["datetime"] == "2025-05-05T03:00:00.000Z"


async def test_by_candles_it_fills_as_the_paper_exchange_does() -> None:
    """The same orders and the same candles: the same fills and the same money, to the last digit."""
    clock = MarketClock(datetime(2025, 5, 5, tzinfo=UTC))
    market = Market("usdm")
    venue = FakeVenue(clock, immediate=False, terms=Terms())
    venue.open_account("binanceusdm", KEY, SECRET, {"USDT": "10000"}, leverage=10)
    venue.follow(market)
    paper = PaperExchange({"clock": clock, "market": market, "account": "test"})
    async with venue, venue.session_factory()() as session:
        exchange = ccxt.pro.binanceusdm({"apiKey": KEY, "secret": SECRET, "session": session})
        exchange.timeout_on_exit = 0
        publish(market, clock, 50_000)
        for one in (paper, exchange):
            await one.create_order("BTC/USDT:USDT", "market", "buy", 0.05, None, {"clientOrderId": "in"})
        publish(market, clock, 50_050)
        for one in (paper, exchange):
            stop = {"stopLossPrice": 49_500, "reduceOnly": True, "clientOrderId": "out"}
            await one.create_order("BTC/USDT:USDT", "market", "sell", 0.05, None, stop)
        for price in (50_100, 49_900, 49_400, 49_300):
            publish(market, clock, price)
        await exchange.close()
    await paper.close()
    own, theirs = venue.engine(KEY, "usdm"), paper.paper_engine
    assert [fill_of(trade) for trade in own.trades] == [fill_of(trade) for trade in theirs.trades]
    assert len(own.trades) == 2
    assert own.ledger.balances == theirs.ledger.balances


def fill_of(trade: Any) -> tuple[Any, ...]:
    """What counts of a fill."""
    return trade.client_id, trade.side, trade.price, trade.amount, trade.fee, trade.maker, trade.at_ms


def publish(market: Market, clock: MarketClock, price: float) -> None:
    """One candle around a price."""
    opened = clock.millis()
    clock.advance_ms(opened + MINUTE_MS)
    candle = Candle(
        "BTCUSDT", "1m", opened, opened + MINUTE_MS, price, price + 60, price - 70, price + 10, 50
    )
    market.publish(candle)
