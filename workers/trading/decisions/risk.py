"""Whether an order may still be sent, at the moment of sending: pure functions of what is known then.

The database judged the intent in its transaction. Between that and the sending lies time: a restart, a
database that was away, a venue that was asked three times. So the account's state, the limits as last known,
the signal's age and the price are looked at once more. Only what opens is ever refused.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from shared.errors import OrderDenied
from shared.money import ZERO, add, divide, money, multiply, subtract, text
from workers.trading.decisions.losses import Measure, losses_of, measure_of, standing_loss
from workers.trading.orders import Kind, Leg, Order, OrderStatus, Position, PositionSide

HUNDRED = Decimal(100)
MAX_DRIFT_PERCENT = Decimal(1)
MINUTE = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of an account or a trader, in quote currency; None is no limit."""

    max_positions: int | None = None
    max_notional: Decimal | None = None
    max_symbol_notional: Decimal | None = None
    max_daily_loss: Decimal | None = None
    max_drawdown: Decimal | None = None
    max_orders_per_minute: int | None = None
    # What was won and lost against those of losses.
    measure: Measure | None = None

    @property
    def losses(self) -> bool:
        """Whether losses are limited. The database judges them, too, by the prices that it is told."""
        return self.max_daily_loss is not None or self.max_drawdown is not None


@dataclass(frozen=True, slots=True)
class Terms:
    """What owner and schema allow now, as last known."""

    status: str
    permissions: str
    account: Limits = field(default_factory=Limits)
    traders: Mapping[UUID, Limits] = field(default_factory=dict)
    max_drift_percent: Decimal = MAX_DRIFT_PERCENT
    # The database's number of the answer that these are from: a higher one was read later.
    number: int = 0
    # Whether the owner looks at what happens.
    watched: bool = False

    @property
    def limits_losses(self) -> bool:
        """Whether what open positions stand to lose can halt anything."""
        return self.account.losses or any(one.losses for one in self.traders.values())


@dataclass(frozen=True, slots=True)
class Holding:
    """What one signal holds and has under way, as notional value in quote currency."""

    signal_id: UUID
    trader_id: UUID
    symbol: str
    notional: Decimal
    side: PositionSide | None = None
    # Its entry has left, or may have: it is not only intended.
    is_sent: bool = False
    # What its position stands to lose at the last price, below zero to win.
    loss: Decimal = ZERO


@dataclass(frozen=True, slots=True)
class Sent:
    """An order that left, of whichever leg."""

    trader_id: UUID
    at: datetime


def refuse(
    order: Order,
    terms: Terms,
    held: Iterable[Holding],
    price: Decimal | None,
    now: datetime,
    *,
    sent: Iterable[Sent] = (),
    nets: bool = False,
) -> OrderDenied | None:
    """Why this order must not be sent now, with its reason code; None when it may.

    `held` is everything of the account beside this order's signal, `price` the last one of its symbol, `sent`
    what left within the last minute.
    `nets`: the venue holds one position a symbol, and an entry against it would close another signal's.
    """
    if order.leg is not Leg.ENTRY:
        return None
    if terms.status != "active" or terms.permissions != "trade":
        return OrderDenied(
            f"the account is {terms.status} and may {terms.permissions}", code="account_inactive"
        )
    if order.expires_at is not None and now >= order.expires_at:
        return OrderDenied(f"the plan was valid until {order.expires_at.isoformat()}", code="signal_stale")
    if price is None:
        return OrderDenied(f"there is no price of {order.symbol}", code="symbol_not_tradable")
    if order.planned_price is not None:
        side: PositionSide = "long" if order.side == "buy" else "short"
        refusal = drifted(side, order.kind, order.planned_price, price, terms.max_drift_percent)
        if refusal is not None:
            return refusal
    held = list(held)
    if nets and (refusal := _opposed(order, held)) is not None:
        return refusal
    sent = [one for one in sent if now - MINUTE < one.at <= now]
    refusal = _passed("account", terms.account, held, len(sent), order, now)
    trader = terms.traders.get(order.trader_id)
    if refusal is not None or trader is None:
        return refusal
    own = [one for one in held if one.trader_id == order.trader_id]
    orders = sum(one.trader_id == order.trader_id for one in sent)
    return _passed("trader", trader, own, orders, order, now)


def drifted(
    side: PositionSide, kind: Kind, planned: Decimal, price: Decimal, most_percent: Decimal
) -> OrderDenied | None:
    """The refusal of an entry whose price has moved too far from its plan, `price_drifted`.

    An order that waits at its price is stale only when the price has gone far through it: a limit from above
    (of a long), a stop from below.
    """
    through = subtract(planned, price) if side == "long" else subtract(price, planned)
    moved = {"limit": through, "stop": -through}.get(kind, abs(through))
    percent = divide(multiply(moved, HUNDRED), planned) if planned > ZERO else ZERO
    if percent <= most_percent:
        return None
    return OrderDenied(
        f"the price {text(price)} is over {text(most_percent)} % away from the planned entry {text(planned)}",
        code="price_drifted",
    )


def most_drift(settings: Mapping[str, Any]) -> Decimal:
    """How far the price may be from the plan, in percent, by the account's settings."""
    value = settings.get("max_drift_percent")
    return MAX_DRIFT_PERCENT if value is None else money(value)


def holding_of(
    signal_id: UUID,
    trader_id: UUID,
    symbol: str,
    position: Position | None,
    orders: Iterable[Order],
    price: Decimal | None = None,
) -> Holding:
    """What a signal holds and has under way: its position at cost, and what is left of its entries."""
    orders = list(orders)
    under_way = [order.notional for order in orders if order.leg is Leg.ENTRY and order.is_live]
    side: PositionSide | None = None
    is_sent, loss = False, ZERO
    for order in orders:
        if order.leg is Leg.ENTRY and order.is_live:
            side = "long" if order.side == "buy" else "short"
            is_sent = order.status is not OrderStatus.INTENDED
    if position is not None and position.is_open:
        under_way.append(multiply(abs(position.amount), position.entry_average))
        side, is_sent, loss = position.side, True, standing_loss(position, price)
    return Holding(signal_id, trader_id, symbol, add(*under_way), side, is_sent, loss)


def terms_of(answer: Mapping[str, Any], settings: Mapping[str, Any], known: Terms | None = None) -> Terms:
    """The terms in an answer of the database; what it does not name stays as it was known.

    Answers of calls that ran side by side come in any order: an older one changes nothing.
    """
    number = int(answer.get("number", 0))
    if known is not None and number < known.number:
        return known
    account, traders = answer.get("account"), answer.get("traders")
    kept = known.traders if known is not None else {}
    if "traders" in answer:
        limits = _limits(account)
        kept = {**kept, **{UUID(one): _limits(row) for one, row in (traders or {}).items()}}
    else:
        limits = known.account if known is not None else Limits()
    return Terms(
        status=str(answer["status"]),
        permissions=str(answer["permissions"]),
        account=limits,
        traders=kept,
        max_drift_percent=most_drift(settings),
        number=number,
        watched=bool(answer.get("watched", known is not None and known.watched)),
    )


def _opposed(order: Order, held: Iterable[Holding]) -> OrderDenied | None:
    side: PositionSide = "long" if order.side == "buy" else "short"
    others = (one for one in held if one.symbol == order.symbol and one.side not in (None, side))
    # Of two that are intended at once the first one goes.
    if not any(one.is_sent or one.signal_id < order.signal_id for one in others):
        return None
    return OrderDenied(
        f"the account is in one-way mode and holds the other side of {order.symbol}: a {side} would close it"
        " (the venue's hedge mode lets both be)",
        code="symbol_limit",
    )


def _passed(
    noun: str, limits: Limits, held: list[Holding], sent: int, order: Order, now: datetime
) -> OrderDenied | None:
    if limits.max_positions is not None and len(held) >= limits.max_positions:
        return OrderDenied(
            f"the {noun} has {len(held)} of {limits.max_positions} positions", code="position_limit"
        )
    lost = losses_of(limits.measure, add(*(one.loss for one in held)), now)
    if limits.max_daily_loss is not None and lost.daily >= limits.max_daily_loss:
        return OrderDenied(
            f"the {noun} lost {text(lost.daily)} of {text(limits.max_daily_loss)} today",
            code="daily_loss_limit",
        )
    if limits.max_drawdown is not None and lost.drawdown >= limits.max_drawdown:
        return OrderDenied(
            f"the {noun} is {text(lost.drawdown)} of {text(limits.max_drawdown)} below its best",
            code="drawdown_limit",
        )
    total = add(order.notional, *(one.notional for one in held))
    if limits.max_notional is not None and total > limits.max_notional:
        return OrderDenied(
            f"the {noun} would hold {text(total)} of {text(limits.max_notional)}", code="notional_limit"
        )
    of_symbol = add(order.notional, *(one.notional for one in held if one.symbol == order.symbol))
    if limits.max_symbol_notional is not None and of_symbol > limits.max_symbol_notional:
        return OrderDenied(
            f"the {noun} would hold {text(of_symbol)} of {text(limits.max_symbol_notional)} "
            f"in {order.symbol}",
            code="symbol_limit",
        )
    if limits.max_orders_per_minute is not None and sent >= limits.max_orders_per_minute:
        return OrderDenied(
            f"the {noun} gave {sent} of {limits.max_orders_per_minute} orders in a minute",
            code="order_rate_limit",
        )
    return None


def _limits(row: Mapping[str, Any] | None) -> Limits:
    row = row or {}

    def amount(name: str) -> Decimal | None:
        return None if row.get(name) is None else money(row[name])

    return Limits(
        max_positions=row.get("max_positions"),
        max_notional=amount("max_notional"),
        max_symbol_notional=amount("max_symbol_notional"),
        max_daily_loss=amount("max_daily_loss"),
        max_drawdown=amount("max_drawdown"),
        max_orders_per_minute=row.get("max_orders_per_minute"),
        measure=measure_of(row.get("measure")),
    )
