"""The bridge's edge to a venue: one account's requests through ccxt, with exact numbers on our side.

What a venue does and how it is asked is its row in the table of capabilities. Every ccxt exception rises; the
desk judges it. An answer that nobody can read, and an error of which only the transport is known, rise as
failed operations: what they were about may have happened.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal

import aiohttp
import ccxt
import structlog
from ccxt.base.errors import (
    BadSymbol,
    BaseError,
    ExchangeError,
    ExchangeNotAvailable,
    NotSupported,
    OperationFailed,
    OrderNotFound,
)

from shared.errors import OrderDenied
from shared.identity import floor_ms
from shared.money import ONE, ZERO, add, money, multiply, text
from workers.trading.decisions.external import VenueIncome
from workers.trading.decisions.limits import Rules, rules_of
from workers.trading.decisions.margin import VenuePosition
from workers.trading.decisions.outcome import describe, is_key_refused
from workers.trading.decisions.reconciliation import VenueOrder, VenueTrade
from workers.trading.orders import Leg, Order
from workers.trading.traffic.traffic import FreeTraffic, Traffic, Turn
from workers.trading.venues.capabilities import Capabilities
from workers.trading.venues.fills import list_bills, list_fills
from workers.trading.venues.pairs import read_pair, word_pair, word_pair_cancel
from workers.trading.venues.reading import Reading
from workers.trading.venues.standing import read_funding, read_standing
from workers.trading.venues.stream import Stream
from workers.trading.venues.wording import (
    UNREADABLE,
    is_conditional,
    read_liquidation,
    read_order,
    read_successor,
    read_trade,
    readable,
    unreadable,
    word_amendment,
    word_amount,
    word_order,
    word_price,
)

log = structlog.get_logger(__name__)

# Listings answer twenty orders or so when no number is asked for.
_LISTED = 50
# What Bybit calls a fill that liquidated.
_BUST = "BustTrade"
_SERVER_ERROR = 500
# Where a venue lists orders that have ended, by ccxt's name of the ability.
_ENDED = (
    ("fetchClosedOrders", "fetch_closed_orders"),
    ("fetchCanceledOrders", "fetch_canceled_orders"),
    ("fetchOrders", "fetch_orders"),
)
# The venue's clock may be behind ours.
_EARLIER_MS = 60_000


@dataclass(slots=True)
class _Answered:
    """The HTTP status of the last answer within one request."""

    status: int = 0


_answered: ContextVar[_Answered | None] = ContextVar("answered", default=None)


@dataclass(frozen=True, slots=True)
class Holdings:
    """What the venue says an account has: totals by currency, amounts by symbol and side."""

    balances: Mapping[str, Decimal] = field(default_factory=dict)
    positions: Mapping[tuple[str, str], Decimal] = field(default_factory=dict)


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
        self._data = exchange if data is None else data
        self._rules: dict[str, Rules] = {}
        # The markets that these are of.
        self._listed: Any = None
        self._reading = reading or Reading()
        # What the venue said when it refused the key, while it does: of questions (True), and of commands.
        self._key_errors: dict[bool, str] = {}
        self.stream: Stream | None = None
        self._session: aiohttp.ClientSession | None = getattr(exchange, "session", None)
        if hasattr(exchange, "on_rest_response"):
            exchange.on_rest_response = self._hear_answer

    @property
    def activity(self) -> int | None:
        """A number that changes with every change at the venue, where there is one to look at for free."""
        value: int | None = getattr(self.exchange, "paper_activity", None)
        return self._activity() if value is None and self._activity is not None else value

    @property
    def key_error(self) -> str | None:
        """What the venue said when it refused the key, or a right of it, for the last question or command."""
        return next(iter(self._key_errors.values()), None)

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
        if self._data is self.exchange:
            await self._read("load_markets")
        else:
            async with self.traffic.turn("read", "load_markets"):
                with readable("load_markets"):
                    # All accounts wait for one answer: an account that gives up leaves it to the others.
                    await asyncio.shield(self._data.load_markets())
            self.exchange.set_markets_from_exchange(self._data)
        if self.capabilities.hedges:
            mode = await self._read("fetch_position_mode")
            with readable("fetch_position_mode"):
                self._is_hedged = mode["hedged"] is True
        if self.stream is not None:
            self.stream.start()

    async def close(self) -> None:
        """Close all connections."""
        if self._data is self.exchange:
            self._reading.stop()
        if self.stream is not None:
            await self.stream.stop()
        await self.exchange.close()
        # A session that was handed to ccxt is not closed by it.
        if self._session is not None and not self._session.closed:
            await self._session.close()

    # Markets

    async def rules(self, symbol: str) -> Rules:
        """Steps and limits of a symbol. Raises OrderDenied for one that is not traded; what was traded when
        this account asked first keeps its last rules, by which it is left."""
        self._take_markets()
        known = self._rules.get(symbol)
        if known is not None:
            return known
        if symbol not in (self.exchange.markets or {}):
            await self._relearn()
            self._take_markets()
        try:
            market = self.exchange.market(symbol)
        except BadSymbol as error:
            raise OrderDenied(
                f"{self.exchange.id} does not trade {symbol}", code="symbol_not_tradable"
            ) from error
        rules = self._rules[symbol] = rules_of(market, self.exchange.precisionMode)
        return rules

    async def rate(self, currency: str, quote: str, at: datetime | None = None) -> Decimal:
        """The price of a currency in quote currency, what a fee in BNB is worth: the last one, or that of the
        minute `at`. Raises what ccxt raises where there is none."""
        # A market of perpetuals has no plain pair of the two.
        pairs = (f"{currency}/{quote}", f"{currency}/{quote}:{quote}")
        listed = [pair for pair in pairs if pair in (self._data.markets or {})]
        pair = (listed or pairs)[0]
        name = "fetch_ticker" if at is None else "fetch_ohlcv"
        async with self.traffic.turn("read", name):
            with readable(name):
                if at is None:
                    return money((await self._data.fetch_ticker(pair))["last"])
                candles = await self._data.fetch_ohlcv(pair, "1m", floor_ms(at), 1)
                [closed] = [candle[4] for candle in candles if candle[0] == floor_ms(at)]
                return money(closed)

    def refresh(self, now: datetime) -> None:
        """Begin to read the markets again if that is due. Waits for nothing."""
        if not self.is_authoritative:
            self._reading.look(self._relearn, now)

    def doubt_rules(self, now: datetime) -> asyncio.Task[None] | None:
        """An order was refused as one that misses the rules: the markets are read again now, if they were not
        just before. The reading that is under way, to be waited for."""
        return None if self.is_authoritative else self._reading.hurry(self._relearn, now)

    async def _relearn(self) -> None:
        before = dict(self._data.markets or {})
        async with self.traffic.turn("read", "load_markets"):
            with readable("load_markets"):
                await asyncio.shield(self._data.load_markets(True))
        for symbol, market in before.items():
            if symbol not in self._data.markets:
                # Whoever holds it has orders there to ask about and to cancel.
                gone = {**market, "active": False}
                self._data.markets[symbol] = gone
                self._data.markets_by_id.setdefault(gone["id"], []).append(gone)

    def _take_markets(self) -> None:
        """Go by the markets that were read last, whoever had them read."""
        listed = getattr(self._data, "markets", None)
        if not listed or listed is self._listed:
            return
        self._listed = listed
        if self._data is not self.exchange:
            self.exchange.set_markets_from_exchange(self._data)
        for symbol, rules in self._rules.items():
            try:
                fresh = rules_of(listed[symbol], self.exchange.precisionMode)
            except (KeyError, OrderDenied):
                fresh = replace(rules, traded=False)
            if fresh != rules:
                log.warning("rules_changed", symbol=symbol, venue=self.exchange.id)
                self._rules[symbol] = fresh

    # Orders

    async def place(self, order: Order, attached: list[Order]) -> VenueOrder:
        """Send an order, with the protection that the venue is to place when it fills.

        Raises OrderDenied, before anything is sent, for what the venue would not do as it was decided.
        """
        rules = await self.rules(order.symbol)
        answer = await self._request(
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
        with readable("create_order"):
            return read_order(answer, self.capabilities, rules, order)

    async def amend(self, order: Order, trigger_price: Decimal) -> None:
        """Move the trigger price of a resting stop in place. Raises NotSupported where there is no such way.

        The answer says nothing but that it was heard: listings tell the trigger price that holds.
        """
        if self.capabilities.amend is None:
            raise NotSupported(f"{self.exchange.id} cannot move a stop in place")
        price = self.exchange.price_to_precision(order.symbol, text(trigger_price))
        kind, moved = word_amendment(order, self.capabilities.amend, price)
        await self._request(
            "stop", "edit_order", order.venue_order_id, order.symbol, kind, order.side, None, None, moved
        )

    async def cancel(self, order: Order) -> VenueOrder | None:
        """Cancel an order. Answers what the venue tells of it afterwards, None when it tells nothing."""
        params = {**self._naming(order), **self._book_of(order), **self._filter_of(order)}
        answer = await self._request("cancel", "cancel_order", order.venue_order_id, order.symbol, params)
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
        answer = await self._request(kind, name, asked)
        with readable(name):
            rules = await self.rules(pair[0].symbol)
            return read_pair(self.exchange, answer, pair, self.capabilities, rules)

    async def find(self, order: Order) -> VenueOrder | None:
        """Ask for an order by its ids; None: the venue says that it is not there."""
        answer = await self._look_up(order)
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
            successor = await self._read("fetch_order", became, order.symbol, {})
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
            answers += await self._read("fetch_open_orders", symbol, None, None, dict(params))
        rules = await self.rules(symbol)
        with readable("fetch_open_orders"):
            return [read_order(answer, self.capabilities, rules, None) for answer in answers]

    # Fills and holdings

    @property
    def counts_trades(self) -> bool:
        """Whether the venue numbers all trades of an account, so that `trades_after` misses none."""
        return self.capabilities.fills.counted and self.activity is not None

    async def trades_after(self, cursor: int | None) -> tuple[list[VenueTrade], int | None]:
        """Fills of all symbols after the one that the cursor names, and the next cursor."""
        first = 1 if cursor is None else cursor + 1
        raw = await self._read("fetch_my_trades", None, None, None, {"fromId": first})
        newest = max((int(trade["id"]) for trade in raw), default=cursor)
        return [await self._trade(trade) for trade in raw], newest

    async def trades(self, symbol: str, since: datetime | None, kind: str | None = None) -> list[VenueTrade]:
        """Fills of a symbol since a time; with `kind`, those of the venue's making that it calls so."""
        of_kind = {} if kind is None else {"execType": kind}

        async def ask(symbol: str, since: int | None, limit: int, params: dict[str, Any]) -> list[Any]:
            params = {**params, **of_kind}
            page: list[Any] = await self._read("fetch_my_trades", symbol, since, limit, params)
            return page

        start = None if since is None else floor_ms(since)
        now = self.exchange.milliseconds() if self._now_ms is None else self._now_ms()
        with readable("fetch_my_trades"):
            raw = await list_fills(ask, self.capabilities.fills, symbol, start, now)
        return [await self._trade(trade) for trade in raw]

    async def is_liquidation(self, trade: VenueTrade) -> bool:
        """Whether a fill that is not ours liquidated; no, where the venue does not say."""
        if trade.kind is not None:
            return trade.kind == _BUST
        if (await self.rules(trade.symbol)).spot:
            return False
        try:
            answer = await self._read("fetch_order", trade.venue_order_id, trade.symbol, {})
        except OrderNotFound:
            return False
        with readable("fetch_order"):
            return read_liquidation(answer)

    async def equity(self, currency: str) -> Decimal:
        """What the account owns in a currency, bound or not."""
        balance = await self._read("fetch_balance")
        with readable("fetch_balance"):
            return money((balance.get(currency) or {}).get("total") or 0)

    async def held(self, symbol: str, side: str) -> Decimal:
        """How much the venue says is held of a symbol on a side."""
        rules = await self.rules(symbol)
        if rules.spot:
            return await self.equity(rules.base)
        return (await self._positions([symbol])).get((symbol, side), ZERO)

    async def holdings(self, symbols: list[str]) -> Holdings:
        """What the account holds of these symbols: balances, when one is of spot, and positions."""
        spot, derivatives = False, list[str]()
        for symbol in symbols:
            # One that is not traded any more keeps nobody from asking for the others.
            with suppress(OrderDenied):
                if (await self.rules(symbol)).spot:
                    spot = True
                else:
                    derivatives.append(symbol)
        balances: dict[str, Decimal] = {}
        if spot:
            balance = await self._read("fetch_balance")
            with readable("fetch_balance"):
                totals = balance.get("total") or {}
                balances = {str(name): money(total) for name, total in totals.items() if total}
        return Holdings(balances, await self._positions(derivatives) if derivatives else {})

    async def standing(self, symbols: list[str]) -> tuple[list[VenuePosition], Decimal]:
        """The positions in these symbols with their margin, and the margin balance behind all of them."""
        found: list[VenuePosition] = []
        for answer in await self._fetch_positions(symbols):
            if answer["symbol"] in symbols:
                rules = await self.rules(answer["symbol"])
                with readable("fetch_positions"):
                    one = read_standing(answer, rules)
                found += [] if one is None else [one]
        quotes = {(await self.rules(symbol)).quote for symbol in symbols}
        balance = await self._read("fetch_balance")
        with readable("fetch_balance"):
            totals = [money((balance.get(quote) or {}).get("total") or 0) for quote in sorted(quotes)]
        return found, add(*totals)

    async def funding(self, symbol: str, since: datetime) -> list[VenueIncome]:
        """Payments of funding of a symbol since a time, where the venue tells of them."""
        if not self.exchange.has.get("fetchFundingHistory"):
            return []
        rules = await self.rules(symbol)
        rule = self.capabilities.fundings
        # OKX tells the bills of all symbols together, and ccxt leaves the others out afterwards.
        of_all = rule.paging == "id"

        async def ask(symbol: str, since: int | None, limit: int, params: dict[str, Any]) -> list[Any]:
            # ccxt asks Bybit for its number under a wrong name.
            sized = {**params, "limit": limit} if rule.paging == "cursor" else params
            named = None if of_all else symbol
            page: list[Any] = await self._read("fetch_funding_history", named, since, limit, sized)
            return page

        start = floor_ms(since)
        with readable("fetch_funding_history"):
            if of_all:
                raw = await list_bills(ask, rule.page, symbol, start)
            else:
                raw = await list_fills(ask, rule, symbol, start, self.exchange.milliseconds())
            incomes = [read_funding(one, rules) for one in raw if one.get("symbol") in (None, symbol)]
        currencies = sorted({one.currency for one in incomes} - {rules.quote})
        rates = {currency: await self.rate(currency, rules.quote) for currency in currencies}
        return [replace(one, rate=rates.get(one.currency, ONE)) for one in incomes]

    async def _fetch_positions(self, symbols: list[str]) -> list[Any]:
        # Bybit tells of one symbol, or of the first twenty positions of all: ccxt refuses a list of several.
        groups = [[one] for one in symbols] if self.exchange.id == "bybit" else [symbols]
        answers: list[Any] = []
        for group in groups:
            answers += await self._read("fetch_positions", group)
        return answers

    async def _positions(self, symbols: list[str]) -> dict[tuple[str, str], Decimal]:
        answers = await self._fetch_positions(symbols)
        held: dict[tuple[str, str], Decimal] = {}
        for answer in answers:
            if answer["symbol"] not in symbols or not answer["contracts"]:
                continue
            rules = await self.rules(answer["symbol"])
            with readable("fetch_positions"):
                key = (str(answer["symbol"]), str(answer["side"]))
                amount = multiply(money(answer["contracts"]), rules.contract_size)
                held[key] = held.get(key, ZERO) + amount
        return held

    async def _trade(self, raw: Mapping[str, Any]) -> VenueTrade:
        rules = await self.rules(str(raw["symbol"]))
        with readable("fetch_my_trades"):
            return read_trade(raw, self.capabilities, rules)

    # Asking

    async def _look_up(self, order: Order) -> Mapping[str, Any] | None:
        ways = {"order": self._ask_itself, "filter": self._ask_filtered, "listing": self._ask_listings}
        with suppress(OrderNotFound):
            return await ways[self.capabilities.lookup](order)
        return None

    async def _ask_itself(self, order: Order) -> Mapping[str, Any] | None:
        params = {**self._naming(order), **self._book_of(order)}
        answer: Mapping[str, Any] = await self._read(
            "fetch_order", order.venue_order_id, order.symbol, params
        )
        return answer

    async def _ask_filtered(self, order: Order) -> Mapping[str, Any] | None:
        # By our id always: it is known before the venue's, and holds for every state of the order.
        params = {self.capabilities.client_ids.asked_by: self._seen(order)}
        for name in ("fetch_open_orders", "fetch_canceled_and_closed_orders"):
            answers = await self._read(name, order.symbol, None, _LISTED, dict(params))
            found = self._pick(order, answers)
            if found is not None:
                return found
        return None

    async def _ask_listings(self, order: Order) -> Mapping[str, Any] | None:
        if order.venue_order_id is not None:
            answer: Mapping[str, Any] = await self._read(
                "fetch_order", order.venue_order_id, order.symbol, {}
            )
            return answer
        since = None if order.sent_at is None else floor_ms(order.sent_at) - _EARLIER_MS
        ended = [method for name, method in _ENDED if self.exchange.has.get(name)]
        if not ended:
            # Nothing proves here that an order is absent: it stays unresolved, and a person looks.
            raise OperationFailed(f"{self.exchange.id} lists no orders that have ended")
        for method in ("fetch_open_orders", *ended):
            found = self._pick(order, await self._read(method, order.symbol, since))
            if found is not None:
                return found
        return None

    def _pick(self, order: Order, answers: list[Any]) -> Mapping[str, Any] | None:
        seen = self._seen(order)
        return next(
            (
                one
                for one in answers
                if one.get("clientOrderId") == seen or one.get("id") == order.venue_order_id is not None
            ),
            None,
        )

    def _seen(self, order: Order) -> str:
        return self.capabilities.client_ids.seen(order.client_order_id)

    def _naming(self, order: Order) -> dict[str, Any]:
        """The venue's own id names an order best; ours does until the venue's is known, and where the venue's
        may be that of what a stop became."""
        renamed = self.capabilities.triggers_anew and is_conditional(order)
        if order.venue_order_id is not None and not renamed:
            return {}
        ids = self.capabilities.client_ids
        return {ids.asked_by: ids.sent(order.client_order_id)}

    def _book_of(self, order: Order) -> dict[str, Any]:
        """In which of its books the venue has to look for an order."""
        return {"trigger": True} if is_conditional(order) and self.capabilities.trigger_books else {}

    def _filter_of(self, order: Order) -> dict[str, Any]:
        row = self.capabilities
        if row.cancel_filter is None or not is_conditional(order):
            return {}
        return {"orderFilter": "StopOrder" if order.leg is Leg.ENTRY else row.cancel_filter}

    # Requests

    def _price(self, symbol: str, price: Decimal | None) -> float:
        return word_price(self.exchange, symbol, price)

    async def _read(self, name: str, *args: Any) -> Any:
        return await self._request("read", name, *args)

    async def _request(self, kind: Turn, name: str, *args: Any) -> Any:
        """One request in its turn. What fails in a way that tells nothing of its outcome says so."""
        answered = _Answered()
        token = _answered.set(answered)
        asks = kind == "read"
        try:
            async with self.traffic.turn(kind, name):
                try:
                    answer = await getattr(self.exchange, name)(*args)
                except ExchangeError as error:
                    # ccxt calls an answer that broke off, and codes of a server in trouble, refusals.
                    if answered.status >= _SERVER_ERROR or isinstance(error.__cause__, aiohttp.ClientError):
                        raise ExchangeNotAvailable(f"{answered.status or 'no'} answer: {error}") from error
                    raise
                except UNREADABLE as error:
                    raise unreadable(name, error) from error
        except BaseError as error:
            if is_key_refused(error):
                self._key_errors[asks] = describe(error)
            raise
        else:
            # Markets are told to everybody.
            if name != "load_markets":
                self._key_errors.pop(asks, None)
            return answer
        finally:
            _answered.reset(token)

    def _hear_answer(
        self, status: int, reason: str, url: str, method: str, headers: Any, body: str, *_: Any
    ) -> str:
        answered = _answered.get()
        if answered is not None:
            answered.status = status
        self.traffic.hear(status, {str(name).lower(): str(value) for name, value in headers.items()})
        return body.strip()


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
