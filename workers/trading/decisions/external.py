"""What of the venue's answers is not ours: orders of others, and incomes. Pure.

Ownership is decided by client order id, or by a venue id that we recorded, as in reconciliation. What belongs
to others is told to the record and never touched.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal

from shared.money import multiply, text
from workers.trading.decisions.reconciliation import VenueOrder
from workers.trading.orders import Order

IncomeKind = Literal["funding", "insurance", "rebate", "transfer", "other"]


@dataclass(frozen=True, slots=True)
class VenueIncome:
    """A change of the balance that no trade made. `rate` is the currency's price in quote currency."""

    venue_income_id: str
    kind: IncomeKind
    symbol: str | None
    amount: Decimal
    currency: str
    occurred_at: datetime
    rate: Decimal = Decimal(1)


def external_orders(
    orders: Mapping[str, Order],
    seen: Iterable[VenueOrder],
    told: Mapping[tuple[str, str], tuple[str, Decimal]],
    named: Callable[[str], str] = str,
) -> list[dict[str, Any]]:
    """Orders that are not ours and of which the record does not know the latest.

    `told` is status and filled amount as told last, by symbol and venue order id; `named` how the venue
    answers an id of ours.
    """
    ours = {order.venue_order_id for order in orders.values() if order.venue_order_id is not None}
    names = {*orders, *(named(one) for one in orders)}
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for answer in seen:
        key = (answer.symbol, answer.venue_order_id)
        if answer.client_order_id in names or answer.venue_order_id in ours:
            continue
        if told.get(key) == (answer.status, answer.filled):
            continue
        found[key] = {
            "venue_order_id": answer.venue_order_id,
            "client_order_id": answer.client_order_id,
            "symbol": answer.symbol,
            "side": answer.side,
            "amount": text(answer.amount),
            "filled": text(answer.filled),
            "status": answer.status,
        }
    return [found[key] for key in sorted(found)]


def income_facts(incomes: Iterable[VenueIncome], known: Collection[tuple[str, str]]) -> list[dict[str, Any]]:
    """Incomes that are not in the record yet, each once; `known` are kind and id of those that are."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for one in incomes:
        key = (one.kind, one.venue_income_id)
        if key in known:
            continue
        found[key] = {
            "venue_income_id": one.venue_income_id,
            "kind": one.kind,
            "symbol": one.symbol,
            "amount": text(one.amount),
            "currency": one.currency,
            "amount_quote": text(multiply(one.amount, one.rate)),
            "occurred_at": one.occurred_at.isoformat(),
        }
    return list(found.values())
