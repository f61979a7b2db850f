"""The fake venue: exchanges, accounts and prices, served on one TLS port that answers for all their hosts."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from types import TracebackType

import aiohttp

from scripts.fake_venue.accounts import Account, Permission
from scripts.fake_venue.binance.listen_keys import expire_listen_key, terminate
from scripts.fake_venue.binance.wire import Binance
from scripts.fake_venue.bybit.wire import Bybit
from scripts.fake_venue.exchange import Exchange
from scripts.fake_venue.faults import Faults
from scripts.fake_venue.listings import Listing, built_in, recorded
from scripts.fake_venue.matching import Book
from scripts.fake_venue.server import Server
from shared.candles import Candle, exact
from shared.clock import Clock, WallClock
from shared.market import Market as CandleMarket
from workers.trading.paper.engine import Terms
from workers.trading.paper.ledger import PaperLedger
from workers.trading.paper.order import Order
from workers.trading.paper.path import Bar, legs_of
from workers.trading.paper.rules import Market, rule_for

# Which exchange and market an account belongs to, by ccxt's id.
VENUES: Mapping[str, tuple[str, Market]] = {
    "binance": ("binance", "spot"),
    "binanceusdm": ("binance", "usdm"),
    "bybit": ("bybit", "usdm"),
}


class FakeVenue:
    """Binance spot, Binance USD-M and Bybit on 127.0.0.1.

    `clock` gives orders and fills their times (the wall's by default); the timestamps of signed requests are
    held against the wall's clock and `skew_ms`, since ccxt signs with it. `recorded` is a folder with a
    recorded exchangeInfo, without it a few symbols are listed; `symbols` narrows both, by the venue's names.
    `immediate` and `terms`: see `Book`. `kept` is a folder for the certificate authority, which is the same
    one again after a restart.
    """

    def __init__(
        self,
        clock: Clock | None = None,
        seed: int = 0,
        *,
        recorded: Path | None = None,
        symbols: Iterable[str] | None = None,
        immediate: bool = True,
        terms: Terms | None = None,
        kept: Path | None = None,
    ) -> None:
        self.clock = clock or WallClock()
        self.seed = seed
        self.faults = Faults()
        self.skew_ms = 0
        # Requests that each exchange takes in a minute from all its clients; more are refused. None: all.
        self.requests_a_minute: int | None = None
        self.immediate = immediate
        self.terms = terms
        names = None if symbols is None else list(symbols)
        listings = _listings(recorded, names)
        self.binance = Binance(self, listings)
        self.bybit = Bybit(self, listings)
        self.exchanges: dict[str, Exchange] = {"binance": self.binance, "bybit": self.bybit}
        self._server = Server(list(self.exchanges.values()), self.faults, kept)
        self._numbers: Iterator[int] = itertools.count(1)
        # How often an order changed by a candle.
        self.changes = 0

    async def __aenter__(self) -> FakeVenue:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def start(self, port: int = 0) -> None:
        """Serve on this port of 127.0.0.1, or on a free one."""
        await self._server.start(port)

    async def stop(self) -> None:
        """Close all connections."""
        await self._server.stop()

    # ---------------------------------------------------------------- how to reach it

    @property
    def address(self) -> str:
        """`host:port`, for a resolver in another process."""
        return f"127.0.0.1:{self._server.port}"

    @property
    def ca_pem(self) -> bytes:
        """The certificate that a client in another process has to trust."""
        return self._server.authority.pem

    def session_factory(self) -> Callable[[], aiohttp.ClientSession]:
        """Makes sessions for ccxt that find this venue behind every host. Whoever makes one closes it."""
        return self._server.open_session

    @property
    def arrivals(self) -> dict[str, float]:
        """When the requests of orders came, by their client order ids: see Server."""
        return self._server.arrivals

    @property
    def requests(self) -> list[str]:
        """The routes that were asked for, the oldest first."""
        return self._server.routes

    # ---------------------------------------------------------------- accounts

    def open_account(
        self,
        venue_id: str,
        key: str,
        secret: str,
        balances: Mapping[str, str | Decimal],
        permissions: Iterable[Permission] = ("read", "trade"),
        leverage: int = 20,
    ) -> Account:
        """An account with money, or another wallet of one with the same key. `venue_id` is ccxt's id."""
        name, market = VENUES[venue_id]
        exchange = self.exchanges[name]
        account = exchange.accounts.get(key)
        if account is None:
            account = Account(name, key, secret, frozenset(permissions), next(self._numbers))
            exchange.accounts[key] = account
        ledger = PaperLedger(
            {coin: Decimal(str(amount)) for coin, amount in balances.items()}, Decimal(leverage), netting=True
        )
        book = self.make_book(exchange, ledger)
        for one in exchange.markets_of(market):
            account.books[one] = book
        return account

    def make_book(self, exchange: Exchange, ledger: PaperLedger) -> Book:
        """Orders and fills of an account that owns this."""
        return Book(
            exchange.tape, ledger, self.terms, immediate=self.immediate, ids_forever=exchange.ids_forever
        )

    def account(self, key: str) -> Account:
        """The account with this key. KeyError if there is none."""
        return next(
            exchange.accounts[key] for exchange in self.exchanges.values() if key in exchange.accounts
        )

    def engine(self, key: str, market: Market) -> Book:
        """The venue's own truth of an account: `orders`, `trades`, `ledger`, `open_orders()`."""
        return self.account(key).books[market]

    def ledger(self, key: str, market: Market) -> PaperLedger:
        """What the account owns, by the venue's own count."""
        return self.engine(key, market).ledger

    # ---------------------------------------------------------------- the market

    def move(self, symbol: str, price: str | Decimal, exchange: str | None = None) -> None:
        """The price of a symbol (ccxt's unified name) goes to a value, on one exchange or on all that list
        it; orders on the way act."""
        target = Decimal(str(price))
        for one in self._listing(symbol, exchange):
            start = one.tape.prices.get(symbol, target)
            # Set first: what an event makes somebody do happens at the new price.
            one.tape.prices[symbol] = target
            for account, book in one.books(symbol):
                # Most accounts have nothing in most symbols.
                if book.has_open(symbol):
                    one.publish(account, book.move(symbol, start, target, self.clock.millis()))
                    book.trail(symbol, target)
            one.tell_price(symbol)

    def candle(self, bar: Bar, exchange: str | None = None) -> None:
        """A closed candle: its way from open to close acts on the orders, and streams tell it."""
        for one in self._listing(bar.symbol, exchange):
            if not self.immediate:
                for account, book in one.books(bar.symbol):
                    changes = book.walk(bar)
                    if changes:
                        self.changes += len(changes.orders)
                        one.publish(account, changes)
                one.tape.prices[bar.symbol] = bar.close
        if self.immediate:
            for leg in legs_of(bar):
                self.move(bar.symbol, leg.end, exchange)
        self.know_candle(bar, exchange)
        self.tell_candle(bar, exchange)

    def know_candle(self, bar: Bar, exchange: str | None = None) -> None:
        """REST tells this candle from now on, in place of what it told of it before; streams are silent."""
        for one in self._listing(bar.symbol, exchange):
            one.candles.know(bar)

    def tell_candle(self, bar: Bar, exchange: str | None = None, *, closed: bool = True) -> None:
        """Streams tell a state of a candle; REST knows nothing of it."""
        for one in self._listing(bar.symbol, exchange):
            one.tell_candle(bar, closed=closed)

    def follow(self, market: CandleMarket) -> Callable[[], None]:
        """Let the candles that a market publishes act here, as they do on the paper exchange. Symbols
        that are not listed are from then on. The answer ends it."""

        def take(candle: Candle) -> None:
            if candle.interval != market.base_interval(candle.symbol):
                return
            rule = rule_for(candle.symbol, "spot" if market.kind == "spot" else "usdm")
            for one in self.exchanges.values():
                one.list_rule(rule)
            self.candle(bar_of(rule.symbol, candle))

        return market.subscribe(take)

    def offer(self, symbol: str, amount: str | Decimal | None, exchange: str | None = None) -> None:
        """No more than this can be bought or sold until the next `offer`; None: as much as anybody wants."""
        for one in self._listing(symbol, exchange):
            if amount is None:
                one.tape.offered.pop(symbol, None)
            else:
                one.tape.offered[symbol] = Decimal(str(amount))

    def delist(self, symbol: str, exchange: str | None = None) -> None:
        """The symbol is not traded any more; its open orders are cancelled."""
        for one in self._listing(symbol, exchange):
            one.tape.listings[symbol].trading = False
            for account, book in one.books(symbol):
                for order in book.open_orders(symbol):
                    one.publish(account, book.expire(order, self.clock.millis()))

    def change_rule(self, symbol: str, exchange: str | None = None, **steps: str) -> None:
        """From now on a symbol has these steps and limits (`tick`, `step`, `least_amount`, …); orders that
        rest stay as they are, and nobody is told."""
        for one in self._listing(symbol, exchange):
            one.change_rule(symbol, {name: Decimal(value) for name, value in steps.items()})

    def fund(self, symbol: str, rate: str | Decimal, exchange: str | None = None) -> None:
        """Funding is exchanged: a positive rate is paid by longs and received by shorts."""
        for one in self._listing(symbol, exchange):
            for account, book in one.books(symbol):
                one.fund(account, book, symbol, Decimal(str(rate)))

    def close_position(
        self, key: str, symbol: str, why: str = "liquidation", price: str | None = None
    ) -> list[Order]:
        """The venue itself closes a position: `liquidation`, `adl` or `settlement`. Answers its orders."""
        account = self.account(key)
        one = self.exchanges[account.exchange]
        return one.close_position(account, symbol, why, None if price is None else Decimal(price))

    def transfer(self, key: str, market: Market, coin: str, amount: str) -> None:
        """Money comes to an account, or leaves it where the amount is below zero."""
        account, moved = self.account(key), Decimal(amount)
        balances = self.engine(key, market).ledger.balances
        balances[coin] = balances.get(coin, Decimal(0)) + moved
        account.earn("TRANSFER", "", coin, moved, self.exchanges[account.exchange].now_ms())

    def pay_fees_in(self, key: str, market: Market, coin: str | None) -> None:
        """Fees are taken in this coin (BNB), at its last price in the quote currency; None: as usual."""
        self.engine(key, market).fee_coin = coin

    # ---------------------------------------------------------------- streams

    async def cut_streams(self) -> None:
        """Close all web sockets, and take none until `mend_streams`."""
        for one in self.exchanges.values():
            await one.streams.cut()

    def silence_streams(self) -> None:
        """The web sockets that are open now stay so and tell nothing any more; new ones do."""
        for one in self.exchanges.values():
            one.streams.silence()

    def mend_streams(self) -> None:
        """Web sockets are taken again. What happened meanwhile is told to nobody."""
        for one in self.exchanges.values():
            one.streams.mend()

    def end_user_stream(self, key: str) -> None:
        """Binance ends an account's streams without closing a socket: nothing comes any more."""
        account = self.account(key)
        terminate(self.binance, account)
        expire_listen_key(self.binance, account)

    def next_number(self) -> int:
        """A number that nothing else has."""
        return next(self._numbers)

    def number_from(self, first: int) -> None:
        """Numbers begin here: those below were given in an earlier run."""
        self._numbers = itertools.count(first)

    def _listing(self, symbol: str, exchange: str | None) -> list[Exchange]:
        found = [
            one
            for name, one in self.exchanges.items()
            if symbol in one.tape.listings and exchange in (None, name)
        ]
        if not found:
            raise KeyError(f"{symbol} is not listed here")
        return found


def bar_of(symbol: str, candle: Candle) -> Bar:
    """A candle in exact numbers, under ccxt's name of its symbol."""
    return Bar(
        symbol=symbol,
        open_ms=candle.open_ms,
        close_ms=candle.close_ms,
        open=exact(candle.open),
        high=exact(candle.high),
        low=exact(candle.low),
        close=candle.price,
        volume=exact(candle.volume),
    )


def _listings(folder: Path | None, names: list[str] | None) -> dict[str, Listing]:
    chosen: dict[str, Listing] = {}
    markets: tuple[Market, ...] = ("spot", "usdm")
    for market in markets:
        found = built_in(market, names) if folder is None else recorded(folder, market, names)
        chosen |= {listing.rule.symbol: listing for listing in found.values()}
    return chosen
