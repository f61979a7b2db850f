"""The matching engine of the paper exchange as a venue that fills at once.

The paper exchange knows candles and lets an order wait for the next one. A venue has a price at every moment:
here an order meets it when it arrives, and every move of the price afterwards. The rest is the same code.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any, Literal

from scripts.fake_venue.listings import Listing
from workers.trading.paper.engine import Changes, Engine, Terms
from workers.trading.paper.ledger import PaperLedger
from workers.trading.paper.order import ZERO, Order, Refused, Request, Trade
from workers.trading.paper.path import Bar, Leg
from workers.trading.paper.rules import Rule

TimeInForce = Literal["GTC", "IOC", "FOK"]
AMPLE = Decimal(10) ** 15


@dataclass(slots=True)
class Tape:
    """What all accounts of one exchange share: listings, prices, what is on offer, and the numbers."""

    listings: dict[str, Listing]  # by ccxt's unified symbol
    prices: dict[str, Decimal] = field(default_factory=dict)
    # Set for a test: as much is on offer until the price moves. Without an entry: all that anybody wants.
    offered: dict[str, Decimal] = field(default_factory=dict)
    # Binance counts trades by symbol: two symbols of one account share trade ids, and so they do here.
    # Bybit's ids are UUIDs, and none comes twice.
    uuids: bool = False
    orders: Iterator[int] = field(default_factory=lambda: itertools.count(5_000_001))
    trades: dict[str, Iterator[int]] = field(default_factory=dict)

    def name_order(self) -> str:
        number = next(self.orders)
        return f"{number:08x}-0000-4000-8000-{number:012x}" if self.uuids else str(number)

    def number_trade(self, symbol: str) -> int:
        return next(self.trades.setdefault("" if self.uuids else symbol, itertools.count(1_001)))


class Book(Engine):
    """Orders, fills and money of one account at one exchange: the venue's own truth.

    `immediate`: an order meets the last price when it arrives; otherwise it waits for the next candle as it
    does on the paper exchange. `ids_forever`: a client order id can be used once; otherwise (Binance) it is
    free again when its order is no longer open. `facts` keeps what only the wire knows of an order.
    """

    def __init__(
        self,
        tape: Tape,
        ledger: PaperLedger,
        terms: Terms | None = None,
        *,
        immediate: bool = True,
        ids_forever: bool = False,
    ) -> None:
        usual = Terms(latency_ms=0, slippage=ZERO, participation=Decimal(1))
        super().__init__(
            {symbol: listing.rule for symbol, listing in tape.listings.items()}, ledger, terms or usual
        )
        self.tape = tape
        self.last_price = tape.prices
        self.immediate = immediate
        self.ids_forever = ids_forever
        self.facts: defaultdict[str, dict[str, Any]] = defaultdict(dict)
        self.fee_coin: str | None = None
        self.realized: dict[tuple[str, int], Decimal] = {}

    # ---------------------------------------------------------------- commands

    def place(
        self, request: Request, now_ms: int, time_in_force: TimeInForce = "GTC", **facts: Any
    ) -> tuple[Order, Changes]:
        """Take an order and let it meet the price. Raises Refused; then nothing changed.
        `dead`: the matching engine cancels it as soon as it was taken."""
        listing = self.tape.listings.get(request.symbol)
        if listing is not None and not listing.trading:
            raise Refused("closed", f"{request.symbol} is not traded any more")
        if listing is not None:
            self._check_bounds(request, listing)
        changes = self.submit(request, now_ms)
        order = self.orders[self.by_client_id[request.client_id]]
        self.facts[order.id] = {"time_in_force": time_in_force, **facts}
        if facts.get("dead"):
            self._end(order, "canceled", now_ms, changes)
        if self.immediate and request.trigger is None:
            if time_in_force == "FOK" and self._on_offer(request.symbol) < request.amount:
                self._end(order, "expired", now_ms, changes)
            self._meet(request.symbol, now_ms, changes)
        waits = request.trigger is not None or not self.immediate
        if time_in_force != "GTC" and order.status == "open" and not waits:
            self._end(order, "expired", now_ms, changes)
        return order, changes

    def amend(
        self,
        order: Order,
        now_ms: int,
        amount: Decimal | None = None,
        price: Decimal | None = None,
        trigger_price: Decimal | None = None,
    ) -> Changes:
        """Change an open order in its place. Raises Refused; then nothing changed."""
        if order.status != "open":
            raise Refused("not_open", f"order {order.id} is not open")
        asked = order.request
        changed = replace(
            asked,
            amount=asked.amount if amount is None else amount,
            price=asked.price if price is None else price,
            trigger_price=asked.trigger_price if trigger_price is None else trigger_price,
        )
        self._check(changed, self._rule(changed.symbol))
        if changed.amount <= order.filled:
            raise Refused("amount_step", f"order {order.id} has filled {order.filled} already")
        order.request, order.amount, order.updated_ms = changed, changed.amount, now_ms
        order.rested = False
        changes = Changes(orders={order.id: order})
        if self.immediate:
            self._meet(changed.symbol, now_ms, changes)
        return changes

    def place_pair(self, first: Request, second: Request, now_ms: int, **facts: Any) -> list[Order]:
        """Take two orders of which one ends the other; the money is bound once. Raises Refused."""
        rule, listing = self._rule(first.symbol), self.tape.listings[first.symbol]
        if not listing.trading:
            raise Refused("closed", f"{first.symbol} is not traded any more")
        for number, request in enumerate((first, second)):
            self._check_bounds(request, listing, beside=number)
            self._check(request, rule)
            self._check_id(request)
        self._check_funds(first, rule)
        changes = Changes()
        orders = [self._place(request, now_ms, changes) for request in (first, second)]
        orders[0].sibling, orders[1].sibling = orders[1].id, orders[0].id
        for order in orders:
            self.facts[order.id] = {"time_in_force": "GTC", **facts}
        return orders

    def free(self, currency: str) -> Decimal:
        """What of a currency is bound to nothing. A pair binds once, a waiting trigger of futures nothing."""
        reserved = [
            (order, self.rules[order.request.symbol], self._reference(order.request))
            for order in self.open_orders()
            if not self._binds_nothing(order)
        ]
        return self.ledger.balances.get(currency, ZERO) - self.ledger.used(currency, reserved)

    def expire(self, order: Order, now_ms: int) -> Changes:
        """The venue itself ends an order."""
        changes = Changes()
        self._end(order, "expired", now_ms, changes)
        return changes

    def move(self, symbol: str, start: Decimal, end: Decimal, now_ms: int) -> Changes:
        """Let the price go from one value to another."""
        changes = Changes()
        self._sweep(symbol, Leg(start, end, now_ms), changes, first=False)
        return changes

    def fill_now(self, order: Order, now_ms: int) -> Changes:
        """Somebody takes the whole of an order, at its limit or the last price."""
        changes = Changes()
        rule = self.rules[order.request.symbol]
        price = order.request.price or self.tape.prices[rule.symbol]
        order.triggered = True
        self._fill(order, rule, price, order.remaining, order.request.price is not None, now_ms, changes)
        return changes

    def trail(self, symbol: str, price: Decimal) -> None:
        """Let trailing stops follow a price that goes their way. The distance is a share of
        the price, `facts["trail"]`, or an amount, `facts["trail_by"]`."""
        for order in self._open.get(symbol, {}).values():
            facts, asked = self.facts[order.id], order.request
            if order.triggered or asked.trigger_price is None or not facts.keys() & {"trail", "trail_by"}:
                continue
            distance = facts["trail_by"] if "trail_by" in facts else price * facts["trail"]
            step = self.rules[symbol].tick
            if asked.side == "sell":
                wanted = ((price - distance) / step).to_integral_value() * step
                better = wanted > asked.trigger_price
            else:
                wanted = ((price + distance) / step).to_integral_value() * step
                better = wanted < asked.trigger_price
            if better:
                order.request = replace(asked, trigger_price=wanted)

    def find(self, order_id: str | None, client_id: str | None) -> Order | None:
        """An order by the venue's id, or the latest with this client order id."""
        return self.orders.get(order_id or self.by_client_id.get(client_id or "", ""))

    def list_of(self, list_client_id: str) -> list[Order]:
        """The orders of a list, by our name of it."""
        named = (one for one, facts in self.facts.items() if facts.get("list_client_id") == list_client_id)
        return [self.orders[one] for one in named]

    def trades_of(self, order: Order) -> list[Trade]:
        """The fills of one order, the oldest first."""
        return [trade for trade in self.trades if trade.order_id == order.id]

    # ---------------------------------------------------------------- how orders meet the price

    def _meet(self, symbol: str, now_ms: int, changes: Changes) -> None:
        price = self.tape.prices.get(symbol)
        if price is not None:
            self._sweep(symbol, Leg(price, price, now_ms), changes, first=True)

    def _on_offer(self, symbol: str) -> Decimal:
        return self.tape.offered.get(symbol, AMPLE)

    def _sweep(self, symbol: str, leg: Leg, changes: Changes, *, first: bool) -> None:
        if not self._open.get(symbol):
            return
        low, high = min(leg.start, leg.end), max(leg.start, leg.end)
        bar = Bar(symbol, leg.at_ms, leg.at_ms + 1, leg.start, high, low, leg.end, AMPLE)
        before = self._on_offer(symbol)
        left = self._walk_leg(bar, leg, before, changes, first=first)
        if symbol in self.tape.offered:
            self.tape.offered[symbol] = left
        for order in list(self._open.get(symbol, {}).values()):
            if order.working and order.request.kind == "market":
                # What finds nobody on the other side is over: no venue keeps a market order.
                self._end(order, "expired", leg.at_ms, changes)
            else:
                order.rested = order.rested or order.working

    def _act(
        self, order: Order, leg: Leg, price: Decimal, budget: Decimal, changes: Changes, *, first: bool
    ) -> Decimal:
        triggers = not order.working
        taken = super()._act(order, leg, price, budget, changes, first=first)
        sibling = self.orders.get(order.sibling or "")
        if triggers and sibling is not None and sibling.status == "open":
            # One side ends the other as soon as it is triggered, whether it then fills or not.
            self._end(sibling, "expired", max(leg.at_ms, order.arrives_ms), changes)
        return taken

    def _fill(
        self,
        order: Order,
        rule: Rule,
        price: Decimal,
        amount: Decimal,
        maker: bool,
        at_ms: int,
        changes: Changes,
    ) -> None:
        sibling = self.orders.get(order.sibling or "")
        if sibling is not None and sibling.status == "open":
            # The first fill of one side ends the other, not only the last one.
            self._end(sibling, "expired", at_ms, changes)
        before = self.ledger.balances.get(rule.quote, ZERO)
        super()._fill(order, rule, price, amount, maker, at_ms, changes)
        trade = self.trades[-1]
        if rule.market == "usdm":
            gained = self.ledger.balances.get(rule.quote, ZERO) - before + trade.fee
            self.realized[rule.symbol, trade.id] = gained
        if self.fee_coin is not None:
            self._charge_in(self.fee_coin, order, rule, trade, changes)
        if rule.market == "usdm":
            self._follow(rule.symbol, at_ms, changes)

    def _follow(self, symbol: str, at_ms: int, changes: Changes) -> None:
        """Protection of a whole position (`facts["full"]`) follows its amount, and ends with it."""
        for order in list(self._open.get(symbol, {}).values()):
            if not self.facts[order.id].get("full") or order.triggered:
                continue
            amount = self.ledger.reducible(symbol, order.request.side)
            if not amount:
                self._end(order, "expired", at_ms, changes)
            elif amount != order.amount:
                order.amount = amount
                changes.orders[order.id] = order

    def guard(self, request: Request, now_ms: int, changes: Changes, **facts: Any) -> Order:
        """Protect a position with a conditional order of the venue's own; one of the same kind gives way."""
        if facts.get("full"):
            self._give_way(request, now_ms, changes)
        order = self._place(request, now_ms, changes)
        self.facts[order.id] = {"time_in_force": "IOC", **facts}
        return order

    def _give_way(self, request: Request, now_ms: int, changes: Changes) -> None:
        for other in list(self._open.get(request.symbol, {}).values()):
            facts = self.facts[other.id]
            same = (other.request.trigger, other.request.side) == (request.trigger, request.side)
            if facts.get("full") and same and "trail_by" not in facts:
                self._end(other, "expired", now_ms, changes)

    def _place(self, request: Request, now_ms: int, changes: Changes, parent: Order | None = None) -> Order:
        if parent is None:
            return super()._place(request, now_ms, changes)
        whole = self.rules[request.symbol].market == "usdm"
        if whole:
            # Attached protection of futures is the position's, and the latest one counts.
            self._give_way(request, now_ms, changes)
        order = super()._place(request, now_ms, changes, parent)
        self.facts[order.id] = {"time_in_force": "IOC", "type": "Market", "full": whole, "attached": True}
        return order

    def _charge_in(self, coin: str, order: Order, rule: Rule, trade: Trade, changes: Changes) -> None:
        """Take the fee in another coin than the one that the ledger took it in."""
        value = trade.fee * trade.price if trade.fee_currency == rule.base else trade.fee
        worth = self.tape.prices.get(f"{coin}/{rule.quote}", Decimal(1))
        fee = (value / worth).quantize(Decimal("0.00000001"))
        balances = self.ledger.balances
        balances[trade.fee_currency] += trade.fee
        balances[coin] = balances.get(coin, ZERO) - fee
        charged = replace(trade, fee=fee, fee_currency=coin)
        self.trades[-1] = changes.trades[-1] = charged
        order.fee, order.fee_currency = order.fee - trade.fee + fee, coin

    # ---------------------------------------------------------------- checks

    def _binds_nothing(self, order: Order) -> bool:
        sibling = self.orders.get(order.sibling or "")
        second = sibling is not None and sibling.status == "open" and sibling.sequence < order.sequence
        waits = not order.working and self.rules[order.request.symbol].market == "usdm"
        return second or waits

    def _check_bounds(self, request: Request, listing: Listing, beside: int = 0) -> None:
        last, price = self.tape.prices.get(request.symbol), request.price
        if request.trigger is not None:
            waiting = [one for one in self._open.get(request.symbol, {}).values() if not one.working]
            if len(waiting) + beside >= listing.most_waiting:
                raise Refused("most_waiting", f"{len(waiting)} conditional orders wait already")
        elif last is not None and price is not None:
            low, high = last * listing.band[0], last * listing.band[1]
            # Futures bound only what is worse than the market.
            spot = listing.rule.market == "spot"
            if price > high and (spot or request.side == "buy"):
                raise Refused("price_high", f"{price} is over {high}")
            if price < low and (spot or request.side == "sell"):
                raise Refused("price_low", f"{price} is under {low}")

    def _check_funds(self, request: Request, rule: Rule) -> None:
        # Margin of a conditional order is asked for when it triggers.
        if request.trigger is None or rule.market == "spot":
            super()._check_funds(request, rule)

    def _check_reducing(self, request: Request, rule: Rule) -> None:
        # A conditional order may wait for a position that is not there yet.
        if request.trigger is None:
            super()._check_reducing(request, rule)

    # ---------------------------------------------------------------- ids

    def _name_order(self, request: Request, sequence: int) -> str:
        return self.tape.name_order()

    def _number_trade(self, rule: Rule) -> int:
        return self.tape.number_trade(rule.symbol)

    def _check_id(self, request: Request) -> None:
        known = self.orders.get(self.by_client_id.get(request.client_id, ""))
        if known is not None and (self.ids_forever or known.status == "open"):
            raise Refused("duplicate", f"client order id {request.client_id} is in use")
