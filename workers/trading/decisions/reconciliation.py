"""What the venue says, compared with what we know: the facts that are missing in our record.

A pure function, and idempotent: once its facts are recorded, the same answers of the venue give none.

- Orders are ours by client order id, or by a venue id that we recorded; all others belong to somebody else.
- An order is over only when all of its fills are known: a cancelled one may have filled in part before.
- `filled` decides, not the status; an answer that knows less than we do is old and says nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal

from shared.money import ZERO, add, text
from workers.trading.orders import Order, Side

VenueStatus = Literal["open", "filled", "canceled", "rejected"]


@dataclass(frozen=True, slots=True)
class VenueOrder:
    """An order as the venue answers it, amounts in base currency.

    `fills_as` is the id under which its fills are told, where a stop that triggered becomes another order.
    """

    venue_order_id: str
    client_order_id: str | None
    status: VenueStatus
    amount: Decimal
    filled: Decimal
    trigger_price: Decimal | None = None
    fills_as: str | None = None
    # Whether the venue moves triggers in their place: then it may rest at another one than it was placed at.
    moves: bool = False
    symbol: str = ""
    side: Side | None = None


@dataclass(frozen=True, slots=True)
class VenueTrade:
    """A fill as the venue answers it. `fee_rate` is a third currency's price in quote currency."""

    venue_trade_id: str
    venue_order_id: str
    client_order_id: str | None
    side: Side
    price: Decimal
    amount: Decimal
    fee_cost: Decimal
    fee_currency: str | None
    executed_at: datetime
    is_maker: bool | None = None
    fee_rate: Decimal | None = None
    symbol: str = ""
    # The venue's word for why it was traded, where it says so of the trade itself.
    kind: str | None = None


@dataclass(slots=True)
class Findings:
    """Facts for the record, and the orders whose fills are not all known yet (by client order id)."""

    fills: list[dict[str, Any]] = field(default_factory=list)
    outcomes: list[dict[str, Any]] = field(default_factory=list)
    short: set[str] = field(default_factory=set)

    def __bool__(self) -> bool:
        return bool(self.fills or self.outcomes)


def reconcile(
    orders: Mapping[str, Order],
    seen: Iterable[VenueOrder],
    trades: Iterable[VenueTrade],
    recorded: Mapping[str, Collection[str]],
) -> Findings:
    """Compare our `orders` with what the venue answered.

    `recorded` are the venue's trade ids that are in the record already, by client order id.
    """
    seen = list(seen)
    # Fills of the venue's own orders may be shared out over several positions: closes tell of them.
    owner = {
        order.venue_order_id: order.client_order_id
        for order in orders.values()
        if order.venue_order_id and not order.by_venue
    }
    for answer in seen:
        client_id = _owner_of(answer, orders, owner)
        if client_id is not None:
            owner[answer.venue_order_id] = client_id
            if answer.fills_as is not None:
                owner[answer.fills_as] = client_id
    found = Findings()
    fresh: dict[str, Decimal] = {}
    told: set[tuple[str, str]] = set()
    for trade in sorted(trades, key=_by_time):
        client_id = (
            trade.client_order_id if trade.client_order_id in orders else owner.get(trade.venue_order_id)
        )
        if client_id is None or (client_id, trade.venue_trade_id) in told:
            continue
        if trade.venue_trade_id in recorded.get(client_id, ()):
            continue
        told.add((client_id, trade.venue_trade_id))
        fresh[client_id] = add(fresh.get(client_id, ZERO), trade.amount)
        found.fills.append(_fill(client_id, trade))
    for answer in seen:
        client_id = _owner_of(answer, orders, owner)
        if client_id is not None:
            _compare(orders[client_id], answer, fresh.get(client_id, ZERO), found)
    return found


def _owner_of(answer: VenueOrder, orders: Mapping[str, Order], owner: Mapping[str, str]) -> str | None:
    named = answer.client_order_id
    return named if named is not None and named in orders else owner.get(answer.venue_order_id)


def _compare(order: Order, answer: VenueOrder, fresh: Decimal, found: Findings) -> None:
    known = add(order.filled, fresh)
    if answer.filled > known:
        found.short.add(order.client_order_id)
    if not order.is_live:
        return
    complete = answer.filled == known
    if answer.status in ("canceled", "rejected") and complete:
        refused = answer.status == "rejected" and known == ZERO
        outcome = {"outcome": "rejected", "code": "order_rejected"} if refused else {"outcome": "canceled"}
        found.outcomes.append(_outcome(order, answer, outcome))
        return
    if answer.status == "filled" and complete and not order.attached and known < order.amount:
        # Closed with less than was ordered, such as a market order that found no more volume.
        found.outcomes.append(_outcome(order, answer, {"outcome": "canceled"}))
        return
    # It was moved in its place, by us or by a person: it rests where the venue says.
    moved = answer.trigger_price is not None and answer.trigger_price != order.trigger_price
    if moved and answer.moves and order.is_confirmed and answer.status == "open":
        outcome = {"outcome": "confirmed", "trigger_price": text(answer.trigger_price or ZERO)}
        found.outcomes.append(_outcome(order, answer, outcome))
        return
    grew = order.attached and answer.amount != order.amount and answer.filled <= known
    if order.is_doubtful or order.venue_order_id is None or grew:
        outcome = {"outcome": "confirmed"}
        if order.attached:
            outcome["amount"] = text(answer.amount)
        found.outcomes.append(_outcome(order, answer, outcome))


def _outcome(order: Order, answer: VenueOrder, outcome: dict[str, Any]) -> dict[str, Any]:
    return {
        "client_order_id": order.client_order_id,
        "venue_order_id": answer.venue_order_id,
        **outcome,
    }


def _fill(client_id: str, trade: VenueTrade) -> dict[str, Any]:
    fill: dict[str, Any] = {
        "client_order_id": client_id,
        "venue_trade_id": trade.venue_trade_id,
        "venue_order_id": trade.venue_order_id,
        "price": text(trade.price),
        "amount": text(trade.amount),
        "fee_cost": text(trade.fee_cost),
        "fee_currency": trade.fee_currency,
        "executed_at": trade.executed_at.isoformat(),
    }
    if trade.is_maker is not None:
        fill["is_maker"] = trade.is_maker
    if trade.fee_rate is not None:
        fill["fee_rate"] = text(trade.fee_rate)
    return fill


def _by_time(trade: VenueTrade) -> tuple[datetime, int, str]:
    # Ids of one venue count up; as text, 9 would come after 10.
    return trade.executed_at, len(trade.venue_trade_id), trade.venue_trade_id
