"""A fake venue of each test's own, and unmodified ccxt exchanges that trade on it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import ccxt.pro
import pytest

from scripts.fake_venue import FakeVenue

KEY, SECRET = "key-of-the-test", "secret-of-the-test"
# ccxt's class: the symbol that the tests trade on it.
SYMBOLS = {"binance": "BTC/USDT", "binanceusdm": "BTC/USDT:USDT", "bybit": "BTC/USDT:USDT"}
# Markets by class: they are the same for every test, and take longer to learn than most tests.
LEARNED: dict[str, tuple[Any, Any]] = {}


class Client:
    """An exchange of ccxt, the venue behind it, and the symbol to trade."""

    def __init__(self, venue: FakeVenue, exchange: Any, symbol: str) -> None:
        self.venue = venue
        self.exchange = exchange
        self.symbol = symbol

    @property
    def book(self) -> Any:
        """The venue's own truth."""
        return self.venue.engine(KEY, "usdm" if ":" in self.symbol else "spot")

    async def order(self, client_id: str, side: str = "buy", amount: float = 0.01, **more: Any) -> Any:
        """Send an order: a market order unless there is a `price`."""
        price = more.pop("price", None)
        kind = "market" if price is None else "limit"
        params = {"clientOrderId": client_id, **more}
        return await self.exchange.create_order(self.symbol, kind, side, amount, price, params)

    async def find(self, client_id: str, **more: Any) -> Any:
        """Ask for an order by its client order id."""
        if self.exchange.id == "bybit":
            # ccxt wants to be told that only the last 500 orders can be asked for, and knows no other name.
            params = {"orderLinkId": client_id, "acknowledged": True, **more}
            return await self.exchange.fetch_order(None, self.symbol, params)
        return await self.exchange.fetch_order(None, self.symbol, {"clientOrderId": client_id, **more})


@pytest.fixture
async def venue() -> AsyncIterator[FakeVenue]:
    async with FakeVenue() as one:
        one.move("BTC/USDT", "50000")
        one.move("BTC/USDT:USDT", "50000")
        yield one


@pytest.fixture
async def open_client(venue: FakeVenue) -> AsyncIterator[Any]:
    """Makes a client of one of ccxt's classes; options override its config."""
    async with AsyncExitStack() as stack:

        async def make(name: str, symbol: str | None = None, **config: Any) -> Client:
            venue.open_account(name, KEY, SECRET, {"USDT": "10000"})
            session = await stack.enter_async_context(venue.session_factory()())
            exchange = getattr(ccxt.pro, name)(
                {"apiKey": KEY, "secret": SECRET, "session": session, "enableRateLimit": False, **config}
            )
            exchange.timeout_on_exit = 0
            stack.push_async_callback(exchange.close)
            if name in LEARNED:
                exchange.set_markets(*LEARNED[name])
            else:
                await exchange.load_markets()
                LEARNED[name] = (list(exchange.markets.values()), exchange.currencies)
            return Client(venue, exchange, symbol or SYMBOLS[name])

        yield make
