"""The records that the bridge decides about: orders, positions, and the ids that derive from a signal.

An order's client id is computed, never drawn: whoever restarts finds the same order again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, Literal
from uuid import UUID

from shared.money import money, multiply, subtract

Side = Literal["buy", "sell"]
PositionSide = Literal["long", "short"]
# `stop` and `take_profit` rest until their trigger price is touched and fill at the market then.
Kind = Literal["market", "limit", "stop", "take_profit"]
ManagedBy = Literal["venue", "bridge"]


class Leg(StrEnum):
    """What an order is for in the life of a position."""

    ENTRY = "entry"
    STOP_LOSS = "stop_loss"
    TAKE_PROFIT = "take_profit"
    EXIT = "exit"


class OrderStatus(StrEnum):
    """Where an order is. `unresolved` means that nobody knows yet whether the venue has it."""

    INTENDED = "intended"
    SUBMITTED = "submitted"
    OPEN = "open"
    PARTIALLY_FILLED = "partially_filled"
    FILLED = "filled"
    CANCELED = "canceled"
    REJECTED = "rejected"
    DENIED = "denied"
    UNRESOLVED = "unresolved"


FINAL = frozenset({OrderStatus.FILLED, OrderStatus.CANCELED, OrderStatus.REJECTED, OrderStatus.DENIED})
# The venue answered for these: they are certainly in its book.
CONFIRMED = frozenset({OrderStatus.OPEN, OrderStatus.PARTIALLY_FILLED})
# Committed here, but nobody knows whether the venue has them.
DOUBTFUL = frozenset({OrderStatus.INTENDED, OrderStatus.SUBMITTED, OrderStatus.UNRESOLVED})


def client_order_id(signal_id: UUID, leg: Leg, attempt: int) -> str:
    """The id under which the venue knows an order: 32 lower-case hex digits, which the major venues take."""
    if attempt < 1:
        raise ValueError(f"attempts count from 1, not {attempt}")
    return hashlib.sha256(f"{signal_id}|{leg.value}|{attempt}".encode()).hexdigest()[:32]


@dataclass(frozen=True, slots=True)
class Order:
    """One order as the database knows it. Amounts in base currency, prices in quote currency."""

    client_order_id: str
    signal_id: UUID
    trader_id: UUID
    leg: Leg
    attempt: int
    symbol: str  # ccxt's unified name
    side: Side
    kind: Kind
    amount: Decimal
    status: OrderStatus
    venue_symbol: str = ""  # the venue's own name, as candles carry it
    price: Decimal | None = None
    trigger_price: Decimal | None = None
    # What whoever decided counted on; slippage and drift are measured against it.
    planned_price: Decimal | None = None
    reduce_only: bool = False
    # Refused rather than filled at once: it only ever adds to the book.
    post_only: bool = False
    managed_by: ManagedBy = "venue"
    # Placed by the venue itself when its entry fills; never sent alone.
    attached: bool = False
    # The venue's own, such as a liquidation: no order that we sent.
    by_venue: bool = False
    filled: Decimal = Decimal(0)
    venue_order_id: str | None = None
    expires_at: datetime | None = None
    sent_at: datetime | None = None
    code: str | None = None

    @property
    def notional(self) -> Decimal:
        """What is left of it is worth, at the price that it was planned for."""
        price = self.planned_price or self.price or self.trigger_price
        return Decimal(0) if price is None else multiply(self.remaining, price)

    @property
    def remaining(self) -> Decimal:
        return subtract(self.amount, self.filled)

    @property
    def is_live(self) -> bool:
        """Whether it may still fill, as far as anybody knows."""
        return self.status not in FINAL

    @property
    def is_confirmed(self) -> bool:
        return self.status in CONFIRMED

    @property
    def is_doubtful(self) -> bool:
        return self.status in DOUBTFUL


@dataclass(frozen=True, slots=True)
class Position:
    """What one signal holds. `amount` is what is held now, `lot` the least that can be traded."""

    id: UUID
    signal_id: UUID
    trader_id: UUID
    venue_symbol: str  # the venue's own name, as candles carry it
    symbol: str  # ccxt's unified name
    side: PositionSide
    amount: Decimal
    lot: Decimal
    entry_average: Decimal
    opened_at: datetime
    stop_loss: Decimal
    take_profit: Decimal | None = None
    # How far a trailing stop stays behind the price, in percent of it.
    trailing_percent: Decimal | None = None
    # Why it is being flattened, an outcome code; None while it is left to its protection.
    exit_reason: str | None = None
    # When its trader wants it closed at the latest.
    closes_at: datetime | None = None
    is_open: bool = True
    # Won and lost so far, fees taken off, in quote currency.
    realized: Decimal = Decimal(0)

    @property
    def exit_side(self) -> Side:
        return "sell" if self.side == "long" else "buy"


def entry_side(side: PositionSide) -> Side:
    """The order side that opens a position."""
    return "buy" if side == "long" else "sell"


def order_from_json(row: Mapping[str, Any]) -> Order:
    """An order as the database's functions answer it."""
    return Order(
        client_order_id=str(row["client_order_id"]),
        signal_id=UUID(row["signal_id"]),
        trader_id=UUID(row["trader_id"]),
        leg=Leg(row["leg"]),
        attempt=int(row["attempt"]),
        symbol=str(row["normalised_symbol"]),
        venue_symbol=str(row["symbol"]),
        side="buy" if row["side"] == "buy" else "sell",
        kind=row["kind"],
        amount=money(row["amount"]),
        status=OrderStatus(row["status"]),
        price=_decimal(row["price"]),
        trigger_price=_decimal(row["trigger_price"]),
        planned_price=_decimal(row["planned_price"]),
        post_only=bool(row["post_only"]),
        reduce_only=bool(row["reduce_only"]),
        managed_by=row["managed_by"],
        attached=bool(row["attached"]),
        by_venue=bool(row["by_venue"]),
        filled=money(row["filled"]),
        venue_order_id=row["venue_order_id"],
        expires_at=_moment(row["expires_at"]),
        sent_at=_moment(row["sent_at"]) or _moment(row["intended_at"]),
        code=row["code"],
    )


def order_from_intent(intent: Mapping[str, Any], trader_id: UUID, symbol: str, at: datetime) -> Order:
    """The order that the database will make of an intent at this time, as far as a bridge acts on it."""
    signal_id, leg, attempt = UUID(intent["signal_id"]), Leg(intent["leg"]), int(intent["attempt"])
    return Order(
        client_order_id=client_order_id(signal_id, leg, attempt),
        signal_id=signal_id,
        trader_id=trader_id,
        leg=leg,
        attempt=attempt,
        symbol=symbol,
        side=intent["side"],
        kind=intent["kind"],
        amount=money(intent["amount"]),
        status=OrderStatus.INTENDED,
        price=_decimal(intent.get("price")),
        trigger_price=_decimal(intent.get("trigger_price")),
        reduce_only=bool(intent.get("reduce_only", False)),
        managed_by=intent.get("managed_by", "venue"),
        attached=bool(intent.get("attached", False)),
        post_only=bool(intent.get("post_only", False)),
        sent_at=at,
    )


def position_from_json(row: Mapping[str, Any]) -> Position:
    """A position as the database's functions answer it."""
    opened_at = _moment(row["opened_at"])
    if opened_at is None:
        raise ValueError(f"position {row['id']} has no opened_at")
    return Position(
        id=UUID(row["id"]),
        signal_id=UUID(row["signal_id"]),
        trader_id=UUID(row["trader_id"]),
        venue_symbol=str(row["symbol"]),
        symbol=str(row["normalised_symbol"]),
        side="long" if row["side"] == "long" else "short",
        amount=subtract(money(row["amount"]), money(row["written_off"])),
        lot=money(row["lot"]),
        entry_average=money(row["entry_average"]),
        opened_at=opened_at,
        stop_loss=money(row["stop_loss"]),
        take_profit=_decimal(row["take_profit"]),
        trailing_percent=_decimal(row["trailing_percent"]),
        exit_reason=row["exit_reason"],
        closes_at=_moment(row["closes_at"]),
        is_open=row["status"] == "open",
        realized=money(row.get("realized_pnl", 0)),
    )


def _decimal(value: str | None) -> Decimal | None:
    return None if value is None else money(value)


def _moment(value: str | None) -> datetime | None:
    return None if value is None else datetime.fromisoformat(value)
