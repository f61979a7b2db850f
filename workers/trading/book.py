"""What the bridge keeps in mind of an account: signals that are not over, their orders and positions.

It mirrors the database's answers and is never ahead of them: a restart builds the same book again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from workers.trading.decisions.risk import Holding, holding_of
from workers.trading.ledger import State
from workers.trading.orders import Leg, Order, OrderStatus, Position


@dataclass(slots=True)
class Trade:
    """One signal's orders and position."""

    signal_id: UUID
    orders: dict[str, Order] = field(default_factory=dict)
    position: Position | None = None

    @property
    def is_over(self) -> bool:
        return not (self.position is not None and self.position.is_open) and not any(
            order.is_live for order in self.orders.values()
        )

    def next_attempt(self, leg: Leg) -> int:
        """The number of the next order of this leg."""
        return 1 + max((order.attempt for order in self.orders.values() if order.leg is leg), default=0)

    @property
    def entry(self) -> Order | None:
        """The last entry order."""
        entries = [order for order in self.orders.values() if order.leg is Leg.ENTRY]
        return max(entries, key=lambda order: order.attempt, default=None)


class Book:
    """The trades of one account that are not over, by signal."""

    def __init__(self) -> None:
        self._trades: dict[UUID, Trade] = {}
        # The venue's trade ids in the record, of orders that are not over.
        self.recorded: dict[str, set[str]] = {}

    def __iter__(self) -> Iterator[Trade]:
        """In order of signal id, so that a replay does everything in the same order."""
        return iter([self._trades[signal] for signal in sorted(self._trades)])

    def __len__(self) -> int:
        return len(self._trades)

    def get(self, signal_id: UUID) -> Trade | None:
        return self._trades.get(signal_id)

    def find(self, client_order_id: str) -> Order | None:
        """The order with this client order id, if its trade is not over."""
        for trade in self._trades.values():
            if client_order_id in trade.orders:
                return trade.orders[client_order_id]
        return None

    @property
    def orders(self) -> dict[str, Order]:
        """All orders, by client order id."""
        return {order.client_order_id: order for trade in self for order in trade.orders.values()}

    def symbols(self) -> dict[str, str]:
        """The symbols of orders and positions, by client order id and the position's id."""
        positions = [trade.position for trade in self if trade.position is not None]
        orders = {one.client_order_id: one.symbol for one in self.orders.values()}
        return orders | {str(one.id): one.symbol for one in positions}

    def position_of(self, order: Order) -> Position | None:
        """The position of an order's signal."""
        trade = self._trades.get(order.signal_id)
        return trade.position if trade is not None else None

    def latest(self, last_execution_at: datetime | None) -> datetime | None:
        """When something happened last, of what is here or in the account's last execution."""
        moments = [last_execution_at]
        for trade in self._trades.values():
            moments += [order.sent_at for order in trade.orders.values()]
            moments.append(trade.position.opened_at if trade.position is not None else None)
        return max((moment for moment in moments if moment is not None), default=None)

    def live_orders(self) -> list[Order]:
        """The orders that may still fill."""
        return [order for trade in self for order in trade.orders.values() if order.is_live]

    def busy(self, trader_id: UUID) -> int:
        """How many positions a trader has or is about to have."""
        return sum(1 for trade in self._trades.values() if _trader(trade) == trader_id)

    def holdings(self, but: UUID, price_of: Callable[[str], Decimal | None]) -> list[Holding]:
        """What every signal but this one holds or has under way, at the last prices by the venue's names."""
        found: list[Holding] = []
        for trade in self._trades.values():
            trader = _trader(trade)
            if trade.signal_id != but and trader is not None:
                orders = trade.orders.values()
                symbol = trade.position.symbol if trade.position else next(o.symbol for o in orders)
                price = price_of(trade.position.venue_symbol) if trade.position is not None else None
                found.append(holding_of(trade.signal_id, trader, symbol, trade.position, orders, price))
        return found

    def unresolved(self) -> list[Order]:
        """Orders that were sent and of which nobody knows whether the venue has them."""
        return [order for order in self.live_orders() if order.status is OrderStatus.UNRESOLVED]

    def note_fills(self, fills: Iterable[dict[str, str]]) -> None:
        """Remember which of the venue's trades are in the record now."""
        for fill in fills:
            self.recorded.setdefault(fill["client_order_id"], set()).add(fill["venue_trade_id"])

    def update(self, state: State) -> set[UUID]:
        """Take over what the database answered. Answers the signals that it was about."""
        changed: set[UUID] = set()
        for order in state.orders:
            self._trade(order.signal_id).orders[order.client_order_id] = order
            changed.add(order.signal_id)
        for position in state.positions:
            self._trade(position.signal_id).position = position
            changed.add(position.signal_id)
        for client_id, ids in state.trade_ids.items():
            self.recorded.setdefault(client_id, set()).update(ids)
        for signal in changed:
            trade = self._trades[signal]
            if trade.is_over:
                del self._trades[signal]
                for client_id in trade.orders:
                    self.recorded.pop(client_id, None)
        return changed

    def _trade(self, signal_id: UUID) -> Trade:
        trade = self._trades.get(signal_id)
        if trade is None:
            trade = self._trades[signal_id] = Trade(signal_id)
        return trade


def _trader(trade: Trade) -> UUID | None:
    if trade.position is not None:
        return trade.position.trader_id
    entry = trade.entry
    return entry.trader_id if entry is not None else None
