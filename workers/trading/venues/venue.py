"""The bridge's edge to a venue: one account's orders and fills through ccxt, with exact numbers on our side.

What a venue does and how it is asked is its row in the table of capabilities. Every ccxt exception rises; the
desk judges it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Coroutine, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal, TypeVar

import ccxt
from ccxt.base.errors import NotSupported, OrderNotFound

from shared.errors import OrderDenied
from shared.identity import floor_ms
from shared.money import text
from workers.trading.decisions.external import VenueIncome
from workers.trading.decisions.margin import VenuePosition
from workers.trading.decisions.reconciliation import VenueOrder, VenueTrade
from workers.trading.decisions.rules import Rules
from workers.trading.orders import Leg, Order
from workers.trading.traffic.traffic import FreeTraffic, Traffic, Turn
from workers.trading.venues.assets import Assets, Holdings
from workers.trading.venues.capabilities import Capabilities
from workers.trading.venues.fills import list_fills
from workers.trading.venues.gate import Gate, Held, NotLetOut, behind
from workers.trading.venues.markets import Markets
from workers.trading.venues.pairs import read_pair, word_pair, word_pair_cancel
from workers.trading.venues.reading import Reading
from workers.trading.venues.search import Search
from workers.trading.venues.standing import Balance
from workers.trading.venues.stream import Stream
from workers.trading.venues.wire import Wire
from workers.trading.venues.wording import (
    coins_of,
    is_conditional,
    read_liquidation,
    read_order,
    read_successor,
    read_trade,
    readable,
    word_amendment,
    word_amount,
    word_cancel,
    word_names,
    word_order,
    word_price,
)

# What Bybit calls a fill that liquidated.
_BUST = "BustTrade"
# As many open orders of all symbols as Bybit tells at once.
_LISTED = 50
T = TypeVar("T")
# What is answered later.
Later = Coroutine[Any, Any, T]


class Venue:
    """One account at one venue. Amounts are in base currency, also where the venue counts contracts.

    `data` answers what is public, so that a cancel never waits behind it; without one, `exchange` does.
    `now_ms` is the time of fills; without it, ccxt's. `activity` is a number that changes with every change
    at a venue that is not a part of this process, where somebody knows it. `reading` says when the markets of
    `data` are read again.
    """

    def __init__(
        self,
        exchange: Any,
        capabilities: Capabilities,
        traffic: Traffic | None = None,
        data: Any = None,
        now_ms: Callable[[], int] | None = None,
        activity: Callable[[], int] | None = None,
        reading: Reading | None = None,
    ) -> None:
        self.exchange = exchange
        self._now_ms = now_ms
        self._activity = activity
        # Whether the account is in hedge mode, as the venue says: then an order names the side it is for.
        self._is_hedged = False
        self.capabilities = capabilities
        self.traffic = traffic or FreeTraffic()
        self.stream: Stream | None = None
        self._wire = Wire(exchange, self.traffic)
        self._markets = Markets(self._wire, exchange if data is None else data, reading or Reading())
        self._search = Search(self._wire, capabilities)
        self._assets = Assets(self._wire, self._markets, capabilities)

    @property
    def activity(self) -> int | None:
        """A number that changes with every change at the venue, where there is one to look at for free."""
        value: int | None = getattr(self.exchange, "paper_activity", None)
        return self._activity() if value is None and self._activity is not None else value

    @property
    def key_error(self) -> str | None:
        """What the venue said when it refused the key, or a right of it, for the last question or command."""
        return self._wire.key_error

    @property
    def is_authoritative(self) -> bool:
        """Whether "there is no such order" is certain at once, since no request can be under way."""
        return self.capabilities.authoritative

    @property
    def nets(self) -> bool:
        """Whether long and short of a perpetual are one position here. On paper they never are."""
        return not self._is_hedged and not self.is_authoritative

    def listen(self, wake: Callable[[], None]) -> None:
        """Have `wake` called when the venue tells of something, from `open` on, where it tells anything."""
        names = self.capabilities.streams
        if names and all(self.exchange.has.get(camel_case(name)) for name in names):
            self.stream = Stream(self.exchange, names, wake)

    async def open(self) -> None:
        """Learn the markets, and begin to listen."""
        await self._markets.open()
        if self.capabilities.hedges is not None:
            told = await self._wire.read(self.capabilities.hedges)
            with readable(self.capabilities.hedges):
                self._is_hedged = told["dualSidePosition"] is True
        if self.stream is not None:
            self.stream.start()

    async def close(self) -> None:
        """Close all connections."""
        self._markets.close()
        if self.stream is not None:
            await self.stream.stop()
        await self._wire.close()

    # Markets

    def rules(self, symbol: str) -> Later[Rules]:
        """Steps and limits of a symbol: see Markets.rules."""
        return self._markets.rules(symbol)

    def rate(self, currency: str, quote: str, at: datetime | None = None) -> Later[Decimal]:
        """The price of a currency in quote currency: see Markets.rate."""
        return self._markets.rate(currency, quote, at)

    def refresh(self, now: datetime) -> None:
        """Begin to read the markets again if that is due. Waits for nothing."""
        if not self.is_authoritative:
            self._markets.refresh(now)

    def doubt_rules(self, now: datetime) -> asyncio.Task[None] | None:
        """An order was refused as one that misses the rules: see Markets.doubt."""
        return None if self.is_authoritative else self._markets.doubt(now)

    # Assets

    def equity(self, currency: str) -> Later[Decimal]:
        """What the account owns in a currency, bound or not."""
        return self._assets.equity(currency)

    def held(self, symbol: str, side: str) -> Later[Decimal]:
        """How much the venue says is held of a symbol on a side."""
        return self._assets.held(symbol, side)

    def holdings(self, symbols: list[str]) -> Later[Holdings]:
        """What the account holds of these symbols: balances, when one is of spot, and positions."""
        return self._assets.holdings(symbols)

    def standing(self, symbols: list[str]) -> Later[tuple[list[VenuePosition], Decimal]]:
        """The positions in these symbols with their margin, and the margin balance behind all of them."""
        return self._assets.standing(symbols)

    def wallet(self, symbols: list[str]) -> Later[list[Balance]]:
        """What is in the wallet, less what the positions in these symbols cost: see Assets.wallet."""
        return self._assets.wallet(symbols)

    def transfers(self, since: datetime) -> Later[list[VenueIncome]]:
        """Money that came to the account or left it since a time, where the venue tells of it."""
        return self._assets.transfers(since)

    def funding(self, since: Mapping[str, datetime]) -> Later[list[VenueIncome]]:
        """Payments of funding of each symbol since its time, where the venue tells of them."""
        return self._assets.funding(since)

    # Orders

    async def place(self, order: Order, attached: list[Order], held: Held | None = None) -> VenueOrder:
        """Send an order, with the protection that the venue is to place when it fills. Where `held` says just
        that, it is let out instead: the order has to be in the record.

        Raises OrderDenied, before anything is sent, for what the venue would not do as it was decided.
        """
        rules = await self.rules(order.symbol)
        words = self._word(order, attached, rules)
        if held is not None and held.says(words):
            # What stayed behind its gate is made anew.
            with suppress(NotLetOut):
                return self._read_placed(await held.let_out(), order, rules)
        return self._read_placed(await self._wire.request(*words), order, rules)

    def _read_placed(self, answer: Any, order: Order, rules: Rules) -> VenueOrder:
        with readable("create_order"):
            return read_order(answer, self.capabilities, rules, order)

    def hold(self, order: Order, attached: list[Order]) -> Held | None:
        """Make an order's request ready, and keep it behind its gate; None where that cannot be. Whoever
        holds it drops it, whatever happens: see gate.py."""
        if not self._wire.has_gates:
            return None
        gate = Gate()
        held = Held(gate)
        held.begin(asyncio.create_task(self._make_ready(held, gate, order, attached)))
        return held

    async def _make_ready(self, held: Held, gate: Gate, order: Order, attached: list[Order]) -> Any:
        # What goes out to the database at this moment goes first.
        await asyncio.sleep(0)
        words = self._word(order, attached, await self.rules(order.symbol))
        held.words = words
        with behind(gate):
            return await self._wire.request(*words)

    def _word(self, order: Order, attached: list[Order], rules: Rules) -> tuple[Any, ...]:
        return (
            "stop" if order.leg in (Leg.STOP_LOSS, Leg.EXIT) else "order",
            "create_order",
            order.symbol,
            "limit" if order.kind == "limit" else "market",
            order.side,
            word_amount(self.exchange, order, rules),
            self._price(order.symbol, order.price) if order.kind == "limit" else None,
            {
                **word_order(order, attached, self.capabilities, rules, self._price),
                **({"hedged": True} if self._is_hedged else {}),
            },
        )

    async def amend(self, order: Order, trigger_price: Decimal) -> None:
        """Move the trigger price of a resting stop in place. Raises NotSupported where there is no such way.

        The answer says nothing but that it was heard: listings tell the trigger price that holds.
        """
        if self.capabilities.amend is None:
            raise NotSupported(f"{self.exchange.id} cannot move a stop in place")
        price = self.exchange.price_to_precision(order.symbol, text(trigger_price))
        kind, moved = word_amendment(order, self.capabilities.amend, price)
        await self._wire.request(
            "stop", "edit_order", order.venue_order_id, order.symbol, kind, order.side, None, None, moved
        )

    async def cancel(self, order: Order) -> VenueOrder | None:
        """Cancel an order. Answers what the venue tells of it afterwards, None when it tells nothing."""
        params = {**word_names(order, self.capabilities), **word_cancel(order, self.capabilities)}
        answer = await self._wire.request(
            "cancel", "cancel_order", order.venue_order_id, order.symbol, params
        )
        if not answer or answer.get("status") is None or answer.get("filled") is None:
            return None
        # A conditional order that was cancelled may have triggered before: only asking for it tells.
        if self.capabilities.triggers_anew and is_conditional(order):
            return None
        with readable("cancel_order"):
            return read_order(answer, self.capabilities, await self.rules(order.symbol), order)

    async def place_pair(self, stop: Order, target: Order) -> list[VenueOrder]:
        """Send a stop loss and a take profit of which one ends the other, where the venue has such lists.

        Raises OrderDenied, before anything is sent, for a symbol that takes none.
        """
        rules = await self.rules(stop.symbol)
        asked = word_pair(self.exchange, stop, target, self.capabilities, rules)
        return await self._ask_pair("stop", "place", (stop, target), asked)

    async def cancel_pair(self, stop: Order, target: Order) -> list[VenueOrder]:
        """Cancel both of a pair. Answers what the venue tells of each afterwards."""
        await self.rules(stop.symbol)
        asked = word_pair_cancel(self.exchange, stop)
        return await self._ask_pair("cancel", "cancel", (stop, target), asked)

    async def _ask_pair(
        self, kind: Turn, what: Literal["place", "cancel"], pair: tuple[Order, Order], asked: dict[str, Any]
    ) -> list[VenueOrder]:
        if self.capabilities.oco is None:
            raise NotSupported(f"{self.exchange.id} has no lists of orders")
        name: str = getattr(self.capabilities.oco, what)
        answer = await self._wire.request(kind, name, asked)
        with readable(name):
            rules = await self.rules(pair[0].symbol)
            return read_pair(self.exchange, answer, pair, self.capabilities, rules)

    async def find(self, order: Order) -> VenueOrder | None:
        """Ask for an order by its ids; None: the venue says that it is not there."""
        answer = await self._search.look_up(order)
        if answer is None:
            return None
        rules = await self.rules(order.symbol)
        with readable("fetch_order"):
            found = read_order(answer, self.capabilities, rules, order)
            became = read_successor(answer)
        if not (self.capabilities.triggers_anew and is_conditional(order)):
            return found
        # Triggered, and what it became is not told yet: it neither filled nor ended, whatever ccxt infers.
        underway = replace(found, status="open", filled=order.filled)
        if became is None:
            return underway if found.status == "filled" else found
        try:
            successor = await self._wire.read("fetch_order", became, order.symbol, {})
        except OrderNotFound:
            return underway
        with readable("fetch_order"):
            other = read_order(successor, self.capabilities, rules, None)
        return replace(
            found,
            status=other.status,
            amount=other.amount,
            filled=other.filled,
            fills_as=other.venue_order_id,
        )

    async def open_orders(self, symbol: str) -> list[VenueOrder]:
        """All open orders of a symbol, also those of others."""
        answers: list[Any] = []
        for params in ({}, *self.capabilities.trigger_books):
            answers += await self._wire.read("fetch_open_orders", symbol, None, None, dict(params))
        rules = await self.rules(symbol)
        with readable("fetch_open_orders"):
            return [read_order(answer, self.capabilities, rules, None) for answer in answers]

    async def open_orders_of(self, symbols: Collection[str]) -> dict[str, list[VenueOrder]]:
        """All open orders of these symbols by symbol, where one question tells those of all."""
        found: dict[str, list[VenueOrder]] = {symbol: [] for symbol in symbols}
        for coin in coins_of(symbols):
            answers = await self._wire.read_pages(
                "fetch_open_orders", None, None, _LISTED, page=_LISTED, params={"settleCoin": coin}
            )
            for answer in answers:
                if answer["symbol"] in found:
                    rules = await self.rules(answer["symbol"])
                    with readable("fetch_open_orders"):
                        one = read_order(answer, self.capabilities, rules, None)
                    found[answer["symbol"]].append(one)
        return found

    # Fills

    @property
    def counts_trades(self) -> bool:
        """Whether the venue numbers all trades of an account, so that `trades_after` misses none."""
        return self.capabilities.fills.counted and self.activity is not None

    async def trades_after(self, cursor: int | None) -> tuple[list[VenueTrade], int | None]:
        """Fills of all symbols after the one that the cursor names, and the next cursor."""
        first = 1 if cursor is None else cursor + 1
        raw = await self._wire.read("fetch_my_trades", None, None, None, {"fromId": first})
        newest = max((int(trade["id"]) for trade in raw), default=cursor)
        return [await self._trade(trade) for trade in raw], newest

    async def trades(self, symbol: str, since: datetime | None, kind: str | None = None) -> list[VenueTrade]:
        """Fills of a symbol since a time; with `kind`, those of the venue's making that it calls so."""
        raw = await self._list_fills(symbol, since, {} if kind is None else {"execType": kind})
        return [await self._trade(trade) for trade in raw]

    async def trades_of(self, symbols: Collection[str], since: datetime | None) -> list[VenueTrade]:
        """Fills of these symbols since a time, where one question tells those of all."""
        raw = await self._list_fills(None, since, {})
        return [await self._trade(trade) for trade in raw if trade["symbol"] in symbols]

    async def _list_fills(
        self, named: str | None, since: datetime | None, of_kind: Mapping[str, Any]
    ) -> list[Mapping[str, Any]]:
        async def ask(_: str, since: int | None, limit: int, params: dict[str, Any]) -> list[Any]:
            params = {**params, **of_kind}
            page: list[Any] = await self._wire.read("fetch_my_trades", named, since, limit, params)
            return page

        start = None if since is None else floor_ms(since)
        now = self.exchange.milliseconds() if self._now_ms is None else self._now_ms()
        with readable("fetch_my_trades"):
            return await list_fills(ask, self.capabilities.fills, named or "", start, now)

    async def is_liquidation(self, trade: VenueTrade) -> bool:
        """Whether a fill that is not ours liquidated; no, where the venue does not say."""
        if trade.kind is not None:
            return trade.kind == _BUST
        if (await self.rules(trade.symbol)).spot:
            return False
        try:
            answer = await self._wire.read("fetch_order", trade.venue_order_id, trade.symbol, {})
        except OrderNotFound:
            return False
        with readable("fetch_order"):
            return read_liquidation(answer)

    async def _trade(self, raw: Mapping[str, Any]) -> VenueTrade:
        rules = await self.rules(str(raw["symbol"]))
        with readable("fetch_my_trades"):
            return read_trade(raw, self.capabilities, rules)

    def _price(self, symbol: str, price: Decimal | None) -> float:
        return word_price(self.exchange, symbol, price)


def camel_case(method: str) -> str:
    """ccxt's name of an ability, from its method's."""
    first, *words = method.split("_")
    return first + "".join(word.title() for word in words)


def ccxt_class(venue: str) -> Any:
    """ccxt's class of a venue, with its streams where it has them. Raises OrderDenied for an unknown name."""
    if venue not in ccxt.exchanges:
        raise OrderDenied(f"ccxt knows no venue {venue!r}", code="account_inactive")
    import ccxt.async_support as async_ccxt
    import ccxt.pro as streaming_ccxt

    return getattr(streaming_ccxt, venue, None) or getattr(async_ccxt, venue)
