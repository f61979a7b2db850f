"""What a private stream told of one order or fill. It is never recorded: it only says what has to be asked.

An order that is told as the record has it leaves nothing to ask for. Whatever differs, is told again, cannot
be read, or is about orders that nobody here knows, is asked for at the venue.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from shared.money import ZERO, money
from workers.trading.orders import FINAL, Order, OrderStatus
from workers.trading.venues.wording import UNREADABLE


@dataclass(frozen=True, slots=True)
class Told:
    """One order, or one fill (with `trade_id`), as ccxt understood it."""

    symbol: str
    venue_order_id: str
    status: str = ""
    filled: Decimal = Decimal(0)
    trigger_price: Decimal | None = None
    trade_id: str | None = None


def read_told(answer: Any) -> list[Told] | None:
    """What a watch method answered; None when it names no symbol: then it may be about any."""
    if not isinstance(answer, list) or not answer:
        return None
    try:
        return [_read(one) for one in answer]
    except UNREADABLE:
        return None


def is_known(told: Told, order: Order | None, recorded: Collection[str], before: Told | None) -> bool:
    """Whether this says nothing that the record lacks. `order` is ours with this venue's id, `recorded` are
    the venue's trade ids that the record has of it, `before` is what was told of it last and was known.
    """
    if order is None:
        return False
    if told.trade_id is not None:
        return told.trade_id in recorded
    if told.status == "open" and ZERO <= told.filled < order.filled:
        # It knows less than the record: it is old.
        return True
    if told.filled != order.filled:
        return False
    if told.status == "open":
        # One that takes what is there fills at once: if it has not, the next event may be lost already. And
        # a second event of an order that rests unchanged tells of a change that ccxt has no word for.
        return order.is_confirmed and order.kind != "market" and told != before and _rests(told, order)
    if told.status == "closed":
        return order.status is OrderStatus.FILLED
    return told.status in ("canceled", "expired", "rejected") and order.status in FINAL


def orders_by_venue_id(orders: Iterable[Order]) -> Mapping[str, Order]:
    """Our orders under the ids by which streams tell of them."""
    return {order.venue_order_id: order for order in orders if order.venue_order_id is not None}


def _rests(told: Told, order: Order) -> bool:
    return told.trigger_price is None or told.trigger_price == order.trigger_price


def _read(one: Mapping[str, Any]) -> Told:
    symbol = str(one["symbol"]) if one["symbol"] else None
    if symbol is None:
        raise KeyError("symbol")
    trigger = one.get("triggerPrice") or one.get("stopPrice")
    if "order" in one:
        return Told(symbol, str(one["order"]), trade_id=str(one["id"]))
    filled = one.get("filled")
    if filled is None:
        # Binance says nothing of what a conditional order filled: while it is new, nothing did. Where nobody
        # can know, it is told as no order of ours ever is.
        filled = 0 if trigger and (one.get("info") or {}).get("X") == "NEW" else -1
    return Told(
        symbol,
        str(one["id"]),
        str(one.get("status")),
        money(filled),
        money(trigger) if trigger else None,
    )
