"""The bridge's edge to a venue: ccxt on one side, exact numbers on the other.

Floats exist only here, and only because ccxt wants them. Every ccxt exception rises; the desk judges it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

import ccxt
from ccxt.base.errors import BadSymbol, OrderNotFound

from shared.errors import OrderDenied
from shared.identity import floor_ms, from_ms
from shared.money import ZERO, divide, money, multiply
from workers.trading.capabilities import Capabilities
from workers.trading.limits import Rules, rules_of
from workers.trading.orders import Leg, Order
from workers.trading.reconciliation import VenueOrder, VenueStatus, VenueTrade

_STATUS: Mapping[str, VenueStatus] = {
    "open": "open",
    "closed": "filled",
    "canceled": "canceled",
    "cancelled": "canceled",
    "expired": "canceled",
    "rejected": "rejected",
}
# Binance keeps conditional orders of USD-M in a book of their own, and answers them only when asked for it.
_TRIGGER_BOOK = frozenset({"binanceusdm", "binance"})
_PAGE = 500


class Venue:
    """One account at one venue. Amounts are in base currency, also where the venue counts contracts."""

    def __init__(self, exchange: Any, capabilities: Capabilities) -> None:
        self.exchange = exchange
        self.capabilities = capabilities
        self._rules: dict[str, Rules] = {}
        # Where trades are counted for the whole account, the next page starts by id and misses none.
        self._counts_trades: bool = exchange.id == "paper"

    @property
    def activity(self) -> int | None:
        """A number that changes with every change at the venue, where there is one to look at for free."""
        value: int | None = getattr(self.exchange, "paper_activity", None)
        return value

    @property
    def is_authoritative(self) -> bool:
        """Whether "there is no such order" is certain at once, since no request can be under way."""
        return bool(self.exchange.id == "paper")

    async def open(self) -> None:
        """Learn the markets."""
        await self.exchange.load_markets()

    async def close(self) -> None:
        """Close all connections."""
        await self.exchange.close()

    async def rules(self, symbol: str) -> Rules:
        """Steps and limits of a symbol. Raises OrderDenied for one that is not traded."""
        known = self._rules.get(symbol)
        if known is not None:
            return known
        if symbol not in self.exchange.markets:
            await self.exchange.load_markets(True)
        try:
            market = self.exchange.market(symbol)
        except BadSymbol as error:
            raise OrderDenied(
                f"{self.exchange.id} does not trade {symbol}", code="symbol_not_tradable"
            ) from error
        rules = self._rules[symbol] = rules_of(market, self.exchange.precisionMode)
        return rules

    async def equity(self, currency: str) -> Decimal:
        """What the account owns in a currency, bound or not."""
        balance = await self.exchange.fetch_balance()
        return money((balance.get(currency) or {}).get("total") or 0)

    async def rate(self, currency: str, quote: str) -> Decimal:
        """The last price of a currency in quote currency: what a fee in BNB was worth."""
        ticker = await self.exchange.fetch_ticker(f"{currency}/{quote}")
        return money(ticker["last"])

    async def place(self, order: Order, attached: list[Order]) -> VenueOrder:
        """Send an order, with the protection that the venue is to place when it fills."""
        rules = await self.rules(order.symbol)
        params: dict[str, Any] = {"clientOrderId": order.client_order_id}
        if order.kind == "stop":
            params["stopLossPrice"] = self._price(order.symbol, order.trigger_price)
        elif order.kind == "take_profit":
            params["takeProfitPrice"] = self._price(order.symbol, order.trigger_price)
        if order.reduce_only and not rules.spot:
            params["reduceOnly"] = True
        for leg in attached:
            params["stopLoss" if leg.leg is Leg.STOP_LOSS else "takeProfit"] = {
                "triggerPrice": self._price(order.symbol, leg.trigger_price),
                "clientOrderId": leg.client_order_id,
            }
        answer = await self.exchange.create_order(
            order.symbol,
            "limit" if order.kind == "limit" else "market",
            order.side,
            self._amount(order.symbol, order.amount, rules),
            self._price(order.symbol, order.price) if order.kind == "limit" else None,
            params,
        )
        return self._order(answer, rules, order)

    async def cancel(self, order: Order) -> VenueOrder | None:
        """Cancel an order. Answers what the venue tells of it afterwards, None when it tells nothing."""
        params = {"clientOrderId": order.client_order_id, **self._book_of(order)}
        answer = await self.exchange.cancel_order(order.venue_order_id, order.symbol, params)
        if not answer or answer.get("status") is None or answer.get("filled") is None:
            return None
        return self._order(answer, await self.rules(order.symbol), order)

    async def find(self, order: Order) -> VenueOrder | None:
        """Ask for an order by its ids; None: the venue says that it is not there."""
        params = {"clientOrderId": order.client_order_id, **self._book_of(order)}
        try:
            answer = await self.exchange.fetch_order(order.venue_order_id, order.symbol, params)
        except OrderNotFound:
            return None
        return self._order(answer, await self.rules(order.symbol), order)

    async def open_orders(self, symbol: str) -> list[VenueOrder]:
        """All open orders of a symbol, also those of others."""
        answers = list(await self.exchange.fetch_open_orders(symbol))
        if self.exchange.id in _TRIGGER_BOOK:
            answers += await self.exchange.fetch_open_orders(symbol, None, None, {"trigger": True})
        rules = await self.rules(symbol)
        return [self._order(answer, rules, None) for answer in answers]

    @property
    def counts_trades(self) -> bool:
        """Whether the venue numbers all trades of an account, so that `trades_after` misses none."""
        return self._counts_trades

    async def trades_after(self, cursor: int | None) -> tuple[list[VenueTrade], int | None]:
        """Fills of all symbols after the one that the cursor names, and the next cursor."""
        first = 1 if cursor is None else cursor + 1
        raw = await self.exchange.fetch_my_trades(None, None, None, {"fromId": first})
        newest = max((int(trade["id"]) for trade in raw), default=cursor)
        return [await self._trade(trade) for trade in raw], newest

    async def trades(self, symbol: str, since: datetime | None) -> list[VenueTrade]:
        """Fills of a symbol since a time."""
        fills: list[VenueTrade] = []
        start = None if since is None else floor_ms(since)
        while True:
            raw = await self.exchange.fetch_my_trades(symbol, start, _PAGE)
            fills += [await self._trade(trade) for trade in raw]
            newest = max((trade["timestamp"] for trade in raw), default=None)
            # A full page may go on; one that does not move on in time would be asked for again and again.
            if len(raw) < _PAGE or newest is None or newest == start:
                return fills
            start = newest

    async def held(self, symbol: str, side: str) -> Decimal:
        """How much the venue says is held of a symbol on a side."""
        rules = await self.rules(symbol)
        if rules.spot:
            return await self.equity(rules.base)
        positions = await self.exchange.fetch_positions([symbol])
        amounts = [
            money(p["contracts"] or 0) for p in positions if p["symbol"] == symbol and p["side"] == side
        ]
        return multiply(sum(amounts, ZERO), rules.contract_size)

    def _amount(self, symbol: str, amount: Decimal, rules: Rules) -> float:
        contracts = divide(amount, rules.contract_size)
        return float(self.exchange.amount_to_precision(symbol, str(contracts)))

    def _price(self, symbol: str, price: Decimal | None) -> float:
        if price is None:
            raise ValueError(f"an order of {symbol} lacks its price")
        return float(self.exchange.price_to_precision(symbol, str(price)))

    def _book_of(self, order: Order) -> dict[str, Any]:
        conditional = order.kind in ("stop", "take_profit")
        return {"trigger": True} if conditional and self.exchange.id in _TRIGGER_BOOK else {}

    def _order(self, answer: Mapping[str, Any], rules: Rules, order: Order | None) -> VenueOrder:
        amount, filled = answer.get("amount"), answer.get("filled")
        known = ZERO if order is None else order.amount
        return VenueOrder(
            venue_order_id=str(answer["id"]),
            client_order_id=answer.get("clientOrderId") or (None if order is None else order.client_order_id),
            # An acknowledgement without a status is an order in the book.
            status=_STATUS.get(answer.get("status") or "open", "open"),
            amount=known if amount is None else multiply(money(amount), rules.contract_size),
            filled=ZERO if filled is None else multiply(money(filled), rules.contract_size),
        )

    async def _trade(self, trade: Mapping[str, Any]) -> VenueTrade:
        rules = await self.rules(str(trade["symbol"]))
        fee = trade.get("fee") or {}
        currency = fee.get("currency")
        cost = _exact(trade, fee.get("cost") or 0, "fee", "commission")
        rate = None
        if currency not in (None, rules.base, rules.quote) and cost:
            rate = await self.rate(str(currency), rules.quote)
        info = trade.get("info") or {}
        maker = trade.get("takerOrMaker")
        return VenueTrade(
            venue_trade_id=str(trade["id"]),
            venue_order_id=str(trade["order"]),
            client_order_id=trade.get("clientOrderId") or info.get("clientOrderId"),
            side="buy" if trade["side"] == "buy" else "sell",
            price=_exact(trade, trade["price"], "price"),
            amount=multiply(_exact(trade, trade["amount"], "amount", "qty"), rules.contract_size),
            fee_cost=cost,
            fee_currency=currency,
            executed_at=from_ms(int(trade["timestamp"])),
            is_maker=None if maker is None else maker == "maker",
            fee_rate=rate,
        )


def ccxt_class(venue: str) -> Any:
    """ccxt's asynchronous class of a venue. Raises OrderDenied for a name that it does not know."""
    if venue not in ccxt.exchanges:
        raise OrderDenied(f"ccxt knows no venue {venue!r}", code="account_inactive")
    import ccxt.async_support as async_ccxt

    return getattr(async_ccxt, venue)


def _exact(trade: Mapping[str, Any], value: Any, *names: str) -> Decimal:
    """The number as the venue wrote it, where its raw answer has it: a float may have lost digits."""
    info = trade.get("info") or {}
    rounded = money(value)
    for name in names:
        raw = info.get(name)
        if isinstance(raw, str) and raw:
            exact = money(raw)
            if float(exact) == float(rounded):
                return exact
    return rounded
