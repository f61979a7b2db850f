"""What all desks of a machine did since it started, as numbers for people: never what a decision rests on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from shared.metrics import Histogram, histogram, observe
from shared.money import ZERO, add, divide, money, subtract
from workers.trading.book import Book
from workers.trading.ledger import State
from workers.trading.orders import FINAL, Leg, Order


class Figures:
    """Orders by how they ended, what entries cost more than planned, what was won and lost. By venue, leg and
    currency alone: accounts and traders are the database's to tell apart."""

    def __init__(self) -> None:
        # By venue, leg and the status that they ended with.
        self.ended: Counter[tuple[str, str, str]] = Counter()
        # By venue and quote currency, since the start: it may fall.
        self.realized: dict[tuple[str, str], Decimal] = {}
        self.slippage: Histogram = histogram(
            "sigtrail_entry_slippage_ratio",
            "What fills of entries cost more than the price that was planned, as a share of it; below zero is"
            " better than planned.",
            (-0.01, -0.005, -0.002, -0.001, 0.0, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05),
        )
        self.fill_ratio: Histogram = histogram(
            "sigtrail_entry_fill_ratio",
            "How much of what an entry asked for was filled when it ended, 0 to 1.",
            (0.0, 0.25, 0.5, 0.75, 0.9, 0.99, 1.0),
        )

    def note(self, venue: str, book: Book, fills: Iterable[Mapping[str, Any]], state: State) -> None:
        """The record took these fills and answered `state`; `book` still shows what was before."""
        before = book.orders
        known = before | {order.client_order_id: order for order in state.orders}
        for fill in fills:
            order = known.get(fill["client_order_id"])
            if order is not None and order.leg is Leg.ENTRY and order.planned_price:
                observe(self.slippage, slippage(order, money(fill["price"])))
        for order in state.orders:
            was = before.get(order.client_order_id)
            if order.status in FINAL and (was is None or was.status not in FINAL):
                self.ended[venue, order.leg.value, order.status.value] += 1
                if order.leg is Leg.ENTRY and order.amount:
                    observe(self.fill_ratio, divide(order.filled, order.amount))
        for position in state.positions:
            trade = book.get(position.signal_id)
            if trade is None:
                # Over before: all of it was counted.
                continue
            known_result = trade.position.realized if trade.position is not None else ZERO
            change = subtract(position.realized, known_result)
            key = (venue, quote_of(position.symbol))
            self.realized[key] = add(self.realized.get(key, ZERO), change)


def slippage(order: Order, price: Decimal) -> Decimal:
    """What a fill at this price costs more than the order planned, as a share of the plan."""
    planned = order.planned_price or price
    worse = subtract(price, planned) if order.side == "buy" else subtract(planned, price)
    return divide(worse, planned)


def quote_of(symbol: str) -> str:
    """The quote currency of ccxt's unified name: USDT of BTC/USDT:USDT."""
    return symbol.partition("/")[2].partition(":")[0]
