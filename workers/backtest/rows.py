"""What a backtest keeps of orders and positions: the columns that decisions and reports read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import ROUND_HALF_UP, Context, Decimal
from typing import Any
from uuid import UUID

from shared.money import ZERO, add, multiply, subtract, text
from workers.trading.orders import FINAL, Leg, OrderStatus

# PostgreSQL rounds half away from zero, and the record keeps twelve places of a quotient.
_PLACES = Decimal("1e-12")
_QUOTIENT = Context(prec=80, rounding=ROUND_HALF_UP)


def quotient(left: Decimal, right: Decimal) -> Decimal:
    """left / right to twelve places, as the record rounds it."""
    return _QUOTIENT.divide(left, right).quantize(_PLACES, context=_QUOTIENT)


@dataclass(slots=True)
class OrderRow:
    """One order. `item` is the intent that it came from, ready for JSON."""

    client_order_id: str
    signal_id: UUID
    trader_id: UUID
    leg: Leg
    attempt: int
    symbol: str
    normalised_symbol: str
    item: Mapping[str, Any]
    amount: Decimal
    status: OrderStatus
    intended_at: datetime
    price: Decimal | None = None
    trigger_price: Decimal | None = None
    planned_price: Decimal | None = None
    attached: bool = False
    venue_order_id: str | None = None
    filled: Decimal = ZERO
    fees: Decimal = ZERO
    average: Decimal | None = None
    code: str | None = None
    message: str | None = None
    sent_at: datetime | None = None
    fills: list[Execution] = field(default_factory=list)

    @property
    def is_live(self) -> bool:
        """Whether it may fill yet."""
        return self.status not in FINAL

    @property
    def side(self) -> str:
        return str(self.item["side"])

    def to_json(self) -> dict[str, Any]:
        """As `private.order_json` answers it."""
        return {
            "client_order_id": self.client_order_id,
            "venue_order_id": self.venue_order_id,
            "signal_id": str(self.signal_id),
            "trader_id": str(self.trader_id),
            "leg": self.leg.value,
            "attempt": self.attempt,
            "status": self.status.value,
            "symbol": self.symbol,
            "normalised_symbol": self.normalised_symbol,
            "side": self.side,
            "kind": self.item["kind"],
            "managed_by": self.item.get("managed_by") or "venue",
            "reduce_only": bool(self.item.get("reduce_only")),
            "attached": self.attached,
            "by_venue": False,
            "post_only": bool(self.item.get("post_only")),
            "amount": text(self.amount),
            "price": _text(self.price),
            "trigger_price": _text(self.trigger_price),
            "planned_price": _text(self.planned_price),
            "filled": text(self.filled),
            "average": _text(self.average),
            "fees": text(self.fees),
            "code": self.code,
            "message": self.message,
            "expires_at": self.item.get("expires_at"),
            "intended_at": self.intended_at.isoformat(),
            "sent_at": None if self.sent_at is None else self.sent_at.isoformat(),
        }


@dataclass(frozen=True, slots=True)
class Execution:
    """One fill, and what it did to the account in base and in quote currency."""

    leg: Leg
    side: str
    price: Decimal
    amount: Decimal
    base: Decimal
    quote: Decimal
    fee: Decimal
    executed_at: datetime
    number: int
    # What it cost against what was planned, None where nothing was.
    slippage: Decimal | None


@dataclass(slots=True)
class PositionRow:
    """One position; everything about its fills is derived from `fills`, as in the record."""

    id: UUID
    signal_id: UUID
    trader_id: UUID
    symbol: str
    normalised_symbol: str
    side: str
    lot: Decimal
    stop_loss: Decimal
    initial_stop_loss: Decimal
    take_profit: Decimal | None
    trailing_percent: Decimal | None
    opened_at: datetime
    closes_at: datetime | None = None
    closed_at: datetime | None = None
    exit_reason: str | None = None
    written_off: Decimal = ZERO
    amount: Decimal = ZERO
    entry_amount: Decimal = ZERO
    entry_cost: Decimal = ZERO
    exit_amount: Decimal = ZERO
    exit_cost: Decimal = ZERO
    fees: Decimal = ZERO
    slippage: Decimal = ZERO
    # What its fills paid in and out so far, in quote currency: its profit once it is closed.
    quote: Decimal = ZERO
    fills: list[Execution] = field(default_factory=list)

    @property
    def is_open(self) -> bool:
        return self.closed_at is None

    @property
    def entry_average(self) -> Decimal | None:
        return quotient(self.entry_cost, self.entry_amount) if self.entry_amount else None

    @property
    def exit_average(self) -> Decimal | None:
        return quotient(self.exit_cost, self.exit_amount) if self.exit_amount else None

    @property
    def base(self) -> Decimal:
        """What is held in base currency, below zero for a short."""
        return self.amount if self.side == "long" else self.amount.copy_negate()

    @property
    def realized_pnl(self) -> Decimal:
        """What was won and paid so far: of an open one, what it still holds is valued at what it cost."""
        if not self.is_open or not self.entry_amount:
            return self.quote
        return add(self.quote, quotient(multiply(self.entry_cost, self.base), self.entry_amount))

    def take(self, fill: Execution) -> None:
        """Count one more fill."""
        self.fills.append(fill)
        change = fill.base if self.side == "long" else fill.base.copy_negate()
        self.amount = add(self.amount, change)
        self.quote = add(self.quote, fill.quote)
        self.fees = add(self.fees, fill.fee)
        cost = multiply(fill.price, fill.amount)
        if fill.leg is Leg.ENTRY:
            self.entry_amount, self.entry_cost = (
                add(self.entry_amount, fill.amount),
                add(self.entry_cost, cost),
            )
        else:
            self.exit_amount, self.exit_cost = add(self.exit_amount, fill.amount), add(self.exit_cost, cost)
        if fill.slippage is not None:
            self.slippage = add(self.slippage, fill.slippage)

    @property
    def is_flat(self) -> bool:
        """Whether less is left than the venue trades."""
        return abs(subtract(self.amount, self.written_off)) < self.lot

    def to_json(self) -> dict[str, Any]:
        """As `private.position_json` answers it, as far as a bridge reads it."""
        return {
            "id": str(self.id),
            "signal_id": str(self.signal_id),
            "trader_id": str(self.trader_id),
            "symbol": self.symbol,
            "normalised_symbol": self.normalised_symbol,
            "side": self.side,
            "status": "open" if self.is_open else "closed",
            "amount": text(self.amount),
            "lot": text(self.lot),
            "entry_average": _text(self.entry_average),
            "exit_average": _text(self.exit_average),
            "stop_loss": text(self.stop_loss),
            "take_profit": _text(self.take_profit),
            "trailing_percent": _text(self.trailing_percent),
            "exit_reason": self.exit_reason,
            "fees": text(self.fees),
            "realized_pnl": text(self.realized_pnl),
            "written_off": text(self.written_off),
            "closes_at": None if self.closes_at is None else self.closes_at.isoformat(),
            "opened_at": self.opened_at.isoformat(),
            "closed_at": None if self.closed_at is None else self.closed_at.isoformat(),
        }


def worse(side: str, price: Decimal, planned: Decimal | None, amount: Decimal) -> Decimal | None:
    """What a fill at this price cost more than the one that was planned, in quote currency."""
    if planned is None:
        return None
    difference = subtract(price, planned) if side == "buy" else subtract(planned, price)
    return multiply(difference, amount)


def _text(value: Decimal | None) -> str | None:
    return None if value is None else text(value)
