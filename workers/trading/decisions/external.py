"""What of the venue's answers is not ours: orders of others, incomes, closes by the venue itself. Pure.

Ownership is decided by client order id, or by a venue id that we recorded, as in reconciliation. What belongs
to others is told to the record and never touched.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal

from shared.money import ZERO, divide, multiply, subtract, text
from workers.trading.decisions.reconciliation import VenueOrder, VenueTrade
from workers.trading.orders import Order, Position

IncomeKind = Literal["funding", "insurance", "rebate", "other"]


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


@dataclass(frozen=True, slots=True)
class VenueClose:
    """A trade by which the venue itself closed what an account held: a liquidation, or another of its own."""

    trade: VenueTrade
    liquidated: bool


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


def share_close(close: VenueClose, positions: Iterable[Position]) -> list[dict[str, Any]]:
    """The facts of a close by the venue, on our positions of that symbol and side, in order of signal.

    A venue that nets closes one position where we have several signals': each is closed whole before the
    next one is touched, and the fee goes along by size.
    """
    trade = close.trade
    side = "long" if trade.side == "sell" else "short"
    held = sorted(
        (
            p
            for p in positions
            if p.is_open and p.symbol == trade.symbol and p.side == side and p.amount > ZERO
        ),
        key=lambda one: one.signal_id,
    )
    left = amount = min(trade.amount, sum((one.amount for one in held), ZERO))
    fee_left = trade.fee_cost
    facts: list[dict[str, Any]] = []
    for number, position in enumerate(held, start=1):
        part = min(left, position.amount)
        if part <= ZERO:
            break
        left = subtract(left, part)
        # To a dozen digits: what is left of the fee goes with the last part.
        share = divide(multiply(trade.fee_cost, part), amount).quantize(Decimal("1e-12"))
        fee = fee_left if left == ZERO else share
        fee_left = subtract(fee_left, fee)
        whole = number == 1 and left == ZERO
        fill: dict[str, Any] = {
            "venue_trade_id": trade.venue_trade_id if whole else f"{trade.venue_trade_id}/{number}",
            "price": text(trade.price),
            "amount": text(part),
            "fee_cost": text(fee),
            "fee_currency": trade.fee_currency,
            "executed_at": trade.executed_at.isoformat(),
        }
        if trade.fee_rate is not None:
            fill["fee_rate"] = text(trade.fee_rate)
        facts.append(
            {
                "position_id": str(position.id),
                "venue_order_id": trade.venue_order_id,
                "reason": "liquidated" if close.liquidated else "venue_closed",
                "fill": fill,
            }
        )
    return facts
