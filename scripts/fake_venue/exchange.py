"""What all exchanges played here have in common: accounts, one tape of prices, and a wire of their own."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterator, Mapping
from copy import copy
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from aiohttp import web

from scripts.fake_venue.accounts import Account
from scripts.fake_venue.call import Call, Reply
from scripts.fake_venue.candles import Candles
from scripts.fake_venue.faults import Fault
from scripts.fake_venue.listings import Listing, plain_listing
from scripts.fake_venue.matching import Book, Tape
from scripts.fake_venue.streams import Streams
from workers.trading.paper.engine import Changes
from workers.trading.paper.order import ZERO, Order, Request
from workers.trading.paper.path import Bar
from workers.trading.paper.rules import Market, Rule

if TYPE_CHECKING:
    from scripts.fake_venue.venue import FakeVenue


class Exchange(ABC):
    """One exchange: `answer` takes its HTTP requests, `converse` its web sockets."""

    name: str
    ids_forever: bool
    suffixes: tuple[str, ...]  # of the hosts that are its own

    def __init__(self, venue: FakeVenue, listings: dict[str, Listing]) -> None:
        self.venue = venue
        # Each exchange delists on its own.
        self.tape = Tape({symbol: copy(listing) for symbol, listing in listings.items()})
        self.accounts: dict[str, Account] = {}
        self.streams = Streams(venue.faults)
        self._by_id: dict[tuple[str, Market], Listing] = {}
        self._minute = 0
        # Requests of this minute, by the address that they came from.
        self.taken: Counter[str] = Counter()
        self.candles = Candles()
        self._told_ms = 0
        # Coins beside those of the listings, that the exchange lists: fees may be paid in them.
        self.coins: set[str] = {"BNB"}

    # ---------------------------------------------------------------- time

    def now_ms(self) -> int:
        """The market's time, on orders and fills."""
        return self.venue.clock.millis()

    def server_ms(self) -> int:
        """The server's clock, that signed requests are held against."""
        return time.time_ns() // 1_000_000 + self.venue.skew_ms

    def is_flooded(self, caller: str) -> int:
        """Count a request; the seconds until one is taken again, or zero if this one is."""
        minute, second = divmod(time.time_ns() // 1_000_000_000, 60)
        if minute != self._minute:
            self._minute = minute
            self.taken.clear()
        most = self.venue.requests_a_minute
        if most is not None and self.taken[caller] >= most:
            return 60 - second
        self.taken[caller] += 1
        return 0

    # ---------------------------------------------------------------- the wire

    @abstractmethod
    def answer(self, call: Call) -> Reply:
        """Do what a request asks for; refusals are replies, too."""

    @abstractmethod
    def fail(self, fault: Fault, call: Call) -> Reply:
        """How this exchange words a fault of its own making."""

    @abstractmethod
    async def converse(self, call: Call, socket: web.WebSocketResponse) -> None:
        """Serve one web socket until it closes."""

    @abstractmethod
    def publish(self, account: Account, changes: Changes) -> None:
        """Tell the account's streams what changed."""

    @abstractmethod
    def tell_price(self, symbol: str) -> None:
        """Tell market streams the price of a symbol."""

    @abstractmethod
    def tell_candle(self, bar: Bar, *, closed: bool = True) -> None:
        """Tell market streams a state of a candle."""

    def told_ms(self) -> int:
        """The time on a frame: later than that of any frame before it."""
        self._told_ms = max(self.now_ms(), self._told_ms + 1)
        return self._told_ms

    @abstractmethod
    def tell_funding(self, account: Account, book: Book, symbol: str, paid: Decimal, rate: Decimal) -> None:
        """Tell the account that funding was exchanged; `paid` is negative if it was received."""

    @abstractmethod
    def closing_facts(self, why: str) -> dict[str, str]:
        """What this exchange writes on an order of its own that closes somebody's position."""

    # ---------------------------------------------------------------- what the venue does by itself

    def markets_of(self, market: Market) -> tuple[Market, ...]:
        """The markets that one wallet serves."""
        return (market,)

    def find_by_id(self, name: str, market: Market) -> Listing | None:
        """A symbol by the exchange's own name for it."""
        if len(self._by_id) != len(self.tape.listings):
            self._by_id = {(one.rule.id, one.rule.market): one for one in self.tape.listings.values()}
        return self._by_id.get((name, market))

    def list_rule(self, rule: Rule) -> None:
        """Trade this symbol from now on; one that is listed stays as it is."""
        if rule.symbol in self.tape.listings:
            return
        listing = plain_listing(rule)
        self.tape.listings[rule.symbol] = listing
        for account in self.accounts.values():
            for book in account.books.values():
                book.rules[rule.symbol] = listing.rule

    def change_rule(self, symbol: str, steps: Mapping[str, Decimal]) -> None:
        """Steps and limits of a symbol, by the names of its rule, are others from now on."""
        listing = self.tape.listings[symbol]
        changes: dict[str, Any] = dict(steps)
        listing.rule = replace(listing.rule, **changes)
        for _, book in self.books(symbol):
            book.rules[symbol] = listing.rule

    def books(self, symbol: str) -> Iterator[tuple[Account, Book]]:
        """The books in which a symbol is traded, in the order of their accounts."""
        market = self.tape.listings[symbol].rule.market
        for account in list(self.accounts.values()):
            if market in account.books:
                yield account, account.books[market]

    def race(self, fault: Fault, call: Call) -> None:
        """The market is faster than a request: `partial` offers a share of what an order asks for,
        `fills_first` fills the order that a request is about before it arrives."""
        if fault.kind == "partial":
            listing = self.find_listing(call)
            amount = Decimal(str(call.params.get("quantity") or call.params.get("qty") or 0))
            step = listing.rule.step
            share = (amount * Decimal(fault.share) / step).to_integral_value() * step
            self.tape.offered[listing.rule.symbol] = share
            return
        for account, book in self.books(self.find_listing(call).rule.symbol):
            named = [book.find(None, client_id) for client_id in call.client_ids]
            named += [order for client_id in call.client_ids for order in book.list_of(client_id)]
            for order in [*named, book.find(call.params.get("orderId"), None)]:
                if order is not None and order.status == "open":
                    self.publish(account, book.fill_now(order, self.now_ms()))

    @abstractmethod
    def find_listing(self, call: Call) -> Listing:
        """The symbol that a request names. Raises VenueError."""

    def fund(self, account: Account, book: Book, symbol: str, rate: Decimal) -> None:
        """Exchange funding for what the account holds of a symbol."""
        price = self.tape.prices[symbol]
        for position in list(book.ledger.positions.values()):
            if position.symbol != symbol or not position.amount:
                continue
            paid = position.amount * price * rate * (1 if position.side == "long" else -1)
            coin = self.tape.listings[symbol].rule.quote
            book.ledger.balances[coin] = book.ledger.balances.get(coin, ZERO) - paid
            account.earn("FUNDING_FEE", symbol, coin, -paid, self.now_ms())
            self.tell_funding(account, book, symbol, paid, rate)

    def close_position(self, account: Account, symbol: str, why: str, price: Decimal | None) -> list[Order]:
        """Close what the account holds of a symbol; its open orders of that symbol go first."""
        rule = self.tape.listings[symbol].rule
        book = account.books[rule.market]
        now = self.now_ms()
        for order in book.open_orders(symbol):
            self.publish(account, book.cancel(order.id, now))
        if price is not None:
            self.tape.prices[symbol] = price
        closed: list[Order] = []
        for position in list(book.ledger.positions.values()):
            if position.symbol != symbol or not position.amount:
                continue
            facts = self.closing_facts(why)
            request = Request(
                symbol=symbol,
                side="sell" if position.side == "long" else "buy",
                kind="market",
                amount=position.amount,
                client_id=facts.pop("client_id") + str(self.venue.next_number()),
                reduce_only=True,
            )
            order, changes = book.place(request, now, "GTC", **facts)
            self.publish(account, changes)
            closed.append(order)
        return closed
