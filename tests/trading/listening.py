"""A venue and its stream that answer what a test writes down, and one account's ear for them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from ccxt.base.errors import BadSymbol, RequestTimeout

from tests.trading.made import NOW, RULES
from workers.trading.book import Book
from workers.trading.decisions.reconciliation import VenueOrder, VenueTrade
from workers.trading.hearing import Hearing
from workers.trading.ledger import State
from workers.trading.orders import Order
from workers.trading.policy import Policy
from workers.trading.venues.assets import Holdings
from workers.trading.venues.capabilities import Capabilities
from workers.trading.venues.stream import NOTHING, News

SYMBOL = RULES.symbol
POLICY = Policy()


class StubStream:
    """A stream that rings when the test says so."""

    def __init__(self) -> None:
        self.news = NOTHING
        self.is_healthy = True
        self.distrusted: list[str] = []

    @property
    def has_rung(self) -> bool:
        return bool(self.news)

    def take(self) -> News:
        return self.news

    def done(self) -> None:
        self.news = NOTHING

    def distrust(self, why: str) -> None:
        self.distrusted.append(why)


class StubVenue:
    """A venue whose answers a test writes down."""

    activity = None
    counts_trades = False
    is_authoritative = False

    def __init__(self, **row: Any) -> None:
        self.capabilities = Capabilities(**row)
        self.stream: StubStream | None = StubStream()
        self.orders: dict[str, VenueOrder] = {}
        self.fills: list[VenueTrade] = []
        self.asked: list[str] = []
        self.holds: dict[tuple[str, str], Decimal] = {}
        self.fails = False
        self.delisted: set[str] = set()

    async def find(self, one: Order) -> VenueOrder | None:
        self.asked.append(f"find {one.leg.value}")
        if one.symbol in self.delisted:
            raise BadSymbol(one.symbol)
        if self.fails:
            raise RequestTimeout("away")
        return self.orders.get(one.client_order_id)

    async def open_orders(self, symbol: str) -> list[VenueOrder]:
        self.asked.append("open")
        return [one for one in self.orders.values() if one.status == "open"]

    async def trades_of(self, symbols: Collection[str], since: datetime | None) -> list[VenueTrade]:
        self.asked.append(f"trades of {len(symbols)}")
        return self.fills

    async def open_orders_of(self, symbols: Collection[str]) -> dict[str, list[VenueOrder]]:
        self.asked.append(f"open of {len(symbols)}")
        resting = [one for one in self.orders.values() if one.status == "open"]
        return {symbol: [one for one in resting if one.symbol == symbol] for symbol in symbols}

    async def holdings(self, symbols: list[str]) -> Holdings:
        self.asked.append("holdings")
        return Holdings({}, self.holds)

    async def trades(self, symbol: str, since: datetime | None) -> list[VenueTrade]:
        self.asked.append("trades")
        if symbol in self.delisted:
            raise BadSymbol(symbol)
        if self.fails:
            raise RequestTimeout("away")
        return self.fills


def fill(number: str, order_id: str, at: datetime = NOW, client_id: str | None = None) -> VenueTrade:
    return VenueTrade(
        number, order_id, client_id, "sell", Decimal(98), Decimal(10), Decimal(0), "USDT", at, symbol=SYMBOL
    )


def at_venue(one: Order, **fields: Any) -> VenueOrder:
    named = one.venue_order_id or "v"
    return replace(VenueOrder(named, one.client_order_id, "open", one.amount, Decimal(0)), **fields)


def hear(venue: StubVenue, *orders: Order) -> Hearing:
    book = Book()
    state = State(orders=orders, positions=())
    book.update(state)
    hearing = Hearing(venue, book, POLICY)  # type: ignore[arg-type]
    hearing.begin(None, NOW)
    return hearing


async def heard(hearing: Hearing, now: datetime) -> Any:
    found = await hearing.listen(now)
    hearing.heard()
    return found
