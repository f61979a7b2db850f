"""Whether a ready signal is traded now, and by which orders: checks, sizing and protection in one decision.

A pure function of the claimed signal, its trader, the account and the market. What it refuses carries the
outcome code that the signal ends with.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Literal, cast
from uuid import UUID

from shared.errors import OrderDenied
from shared.money import ONE, ZERO, divide, money, multiply, text
from shared.work import Work
from workers.trading.decisions.protection import (
    HUNDRED,
    DistanceType,
    beyond,
    reached,
    stop_price,
    target_price,
)
from workers.trading.decisions.risk import drifted, most_drift
from workers.trading.decisions.rules import Rules
from workers.trading.decisions.sizing import Sizing, SizingType, size
from workers.trading.ledger import Account
from workers.trading.orders import Kind, Leg, PositionSide, entry_side
from workers.trading.venues.capabilities import Capabilities

# An entry whose plan says nothing of time is not waited for longer than this.
LONGEST_WAIT = timedelta(hours=1)
# How a plan names its entry, and the order that this is; a post-only one is a limit that never takes.
_KINDS: Mapping[str, Kind] = {"limit": "limit", "post_only": "limit", "stop": "stop"}


@dataclass(frozen=True, slots=True)
class Plan:
    """What the analysis planned, in exact numbers."""

    side: PositionSide
    entry: Decimal
    kind: Kind
    stop_loss: Decimal | None
    take_profit: Decimal | None
    valid_until: datetime
    post_only: bool = False


@dataclass(frozen=True, slots=True)
class Conditions:
    """What the decision depends on beside the signal: all as it is now."""

    account: Account
    rules: Rules
    capabilities: Capabilities
    price: Decimal | None
    equity: Decimal
    busy: int
    now: datetime


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a signal is not traded. `order` is the entry that our checks denied, if it got that far."""

    code: str
    message: str
    order: dict[str, Any] | None = None


def decide_entry(work: Work, it: Conditions) -> list[dict[str, Any]] | Refusal:
    """The intents for a ready signal, or why not: its entry, and the protection that is sent with it."""
    try:
        plan = read_plan(work, it.now)
        price = _check(work, plan, it)
        if plan.kind == "stop" and reached(plan.side, price, plan.entry):
            # The level was passed before the order could wait for it, and not by more than may be.
            plan = replace(plan, kind="market")
        entry = price if plan.kind == "market" else plan.entry
        stop, target = protect_entry(work, plan, entry, it.rules)
        amount = it.rules.round_amount(_size(work.trader, entry, stop, it))
    except OrderDenied as denied:
        return Refusal(denied.code, str(denied))
    order = _entry(work, plan, it.rules, amount, entry, stop, target)
    try:
        it.rules.check(amount, entry, last=None if plan.kind == "market" else price)
    except OrderDenied as denied:
        # An amount of zero is no order that could be shown.
        return Refusal(denied.code, str(denied), order if amount > ZERO else None)
    legs = _attached(order, work.signal_id) if it.capabilities.attached else []
    return [order, *legs]


def read_plan(work: Work, now: datetime) -> Plan:
    """The plan of an approved signal. Raises OrderDenied when it cannot be read."""
    raw: Mapping[str, Any] = work.signal.get("analysis_trade_plan") or {}
    try:
        until = raw.get("valid_until")
        return Plan(
            side="short" if (raw.get("side") or work.signal["side"]) == "short" else "long",
            entry=money(raw["entry"]),
            kind=_KINDS.get(str(raw.get("entry_type")), "market"),
            stop_loss=_optional(raw.get("stop_loss")),
            take_profit=_optional(raw.get("take_profit")),
            valid_until=datetime.fromisoformat(until) if until else now + LONGEST_WAIT,
            post_only=raw.get("entry_type") == "post_only",
        )
    except (KeyError, TypeError, ValueError) as error:
        raise OrderDenied(f"the plan of the signal cannot be read: {error}", code="order_denied") from error


def protect_entry(work: Work, plan: Plan, entry: Decimal, rules: Rules) -> tuple[Decimal, Decimal | None]:
    """Stop loss and take profit at the venue's ticks: the plan's, else those of the trader's settings.

    Raises OrderDenied when there is no stop loss, or one of them lies on the wrong side of the entry.
    """
    stop = plan.stop_loss or _distance(work, "stop_loss", plan.side, entry)
    target = plan.take_profit or _distance(work, "take_profit", plan.side, entry)
    if stop is None or stop <= ZERO:
        raise OrderDenied(
            "neither the plan nor the trader's settings give a stop loss: nothing is traded without one",
            code="order_denied",
        )
    stop = rules.round_price(stop)
    target = None if target is None or target <= ZERO else rules.round_price(target)
    if beyond(plan.side, entry, stop):
        raise OrderDenied(
            f"the stop loss {text(stop)} is not on the losing side of the entry {text(entry)}",
            code="setup_invalidated",
        )
    if target is not None and reached(plan.side, entry, target):
        raise OrderDenied(
            f"the take profit {text(target)} is not on the winning side of the entry {text(entry)}",
            code="setup_invalidated",
        )
    return stop, target


def _check(work: Work, plan: Plan, it: Conditions) -> Decimal:
    trader = work.trader
    if it.account.status != "active" or it.account.permissions != "trade":
        raise OrderDenied(
            f"the account is {it.account.status} and may {it.account.permissions}", code="account_inactive"
        )
    if trader.get("status") != "active":
        raise OrderDenied(f"the trader is {trader.get('status')}", code="trader_paused")
    if trader.get("market") != it.account.market:
        raise OrderDenied(
            f"the trader trades {trader.get('market')}, its account {it.account.market}",
            code="symbol_not_tradable",
        )
    if plan.side == "short" and it.rules.spot:
        raise OrderDenied("nothing can be sold short on spot", code="symbol_not_tradable")
    if it.now >= plan.valid_until:
        raise OrderDenied(f"the plan was valid until {plan.valid_until.isoformat()}", code="signal_stale")
    if it.price is None:
        raise OrderDenied(f"there is no price of {it.rules.symbol}", code="symbol_not_tradable")
    refusal = drifted(plan.side, plan.kind, plan.entry, it.price, most_drift(it.account.settings))
    if refusal is not None:
        raise refusal
    # ccxt would send something else, and say nothing.
    if plan.kind == "stop" and it.capabilities.stop_entry is None:
        raise OrderDenied("no stop that opens was verified at this venue", code="entry_unsupported")
    if plan.post_only and not it.capabilities.post_only:
        raise OrderDenied("the venue knows no post-only order", code="entry_unsupported")
    if plan.post_only and reached(plan.side, plan.entry, it.price):
        raise OrderDenied(
            f"at {text(plan.entry)} the entry would be filled at once, the price is {text(it.price)}",
            code="post_only_crossed",
        )
    most = int(trader.get("max_concurrent_positions") or 1)
    if it.busy >= most:
        raise OrderDenied(f"the trader has {it.busy} of {most} positions", code="position_limit")
    return it.price


def _size(trader: Mapping[str, Any], entry: Decimal, stop: Decimal, it: Conditions) -> Decimal:
    kind, value = trader.get("position_size_type"), trader.get("position_size_value")
    if kind is None or value is None:
        raise OrderDenied("the trader has no position size", code="size_invalid")
    try:
        sizing = Sizing(cast(SizingType, kind), money(value))
        leverage = money(it.account.settings.get("leverage") or ONE)
    except ValueError as error:
        raise OrderDenied(f"the trader's or account's settings: {error}", code="size_invalid") from error
    return size(sizing, entry=entry, stop=stop, equity=it.equity, leverage=leverage)


def _entry(
    work: Work,
    plan: Plan,
    rules: Rules,
    amount: Decimal,
    entry: Decimal,
    stop: Decimal,
    target: Decimal | None,
) -> dict[str, Any]:
    order: dict[str, Any] = {
        "signal_id": str(work.signal_id),
        "leg": Leg.ENTRY.value,
        "attempt": 1,
        "side": entry_side(plan.side),
        "kind": plan.kind,
        "amount": text(amount),
        "planned_price": text(plan.entry),
        "lot": text(rules.lot),
        "stop_loss": text(stop),
        "expires_at": plan.valid_until.isoformat(),
    }
    if plan.kind == "limit":
        order["price"] = text(rules.round_price(entry))
    if plan.kind == "stop":
        order["trigger_price"] = text(rules.round_price(entry))
    if plan.post_only:
        order["post_only"] = True
    holding = work.trader.get("max_holding_seconds")
    if holding is not None:
        order["holding_seconds"] = int(holding)
    if target is not None:
        order["take_profit"] = text(target)
    trailing = trailing_percent(work, entry)
    if trailing is not None:
        order["trailing_percent"] = text(trailing)
    return order


def _attached(entry: Mapping[str, Any], signal_id: UUID) -> list[dict[str, Any]]:
    legs = [
        (Leg.STOP_LOSS, "stop", entry["stop_loss"]),
        (Leg.TAKE_PROFIT, "take_profit", entry.get("take_profit")),
    ]
    return [
        {
            "signal_id": str(signal_id),
            "leg": leg.value,
            "attempt": 1,
            "side": "sell" if entry["side"] == "buy" else "buy",
            "kind": kind,
            "amount": entry["amount"],
            "trigger_price": trigger,
            "reduce_only": True,
            "attached": True,
        }
        for leg, kind, trigger in legs
        if trigger is not None
    ]


def trailing_percent(work: Work, entry: Decimal) -> Decimal | None:
    """How far the trailing stop stays behind the price, in percent; an ATR is turned into percent."""
    kind, value = work.trader.get("trailing_stop_type"), work.trader.get("trailing_stop_value")
    if kind is None or value is None:
        return None
    distance = money(value)
    if kind == "atr":
        atr = find_atr(work)
        if atr is None:
            return None
        distance = divide(multiply(multiply(atr, distance), HUNDRED), entry)
    rounded = distance.quantize(Decimal("0.0001"))
    return rounded if ZERO < rounded < HUNDRED else None


def find_atr(work: Work) -> Decimal | None:
    """The ATR that the analysis measured, if it did."""
    result = work.signal.get("analysis_result") or {}
    value = result.get("atr") if isinstance(result, Mapping) else None
    return None if value is None else money(value)


def _distance(
    work: Work, leg: Literal["stop_loss", "take_profit"], side: PositionSide, entry: Decimal
) -> Decimal | None:
    kind, value = work.trader.get(f"{leg}_type"), work.trader.get(f"{leg}_value")
    if kind is None or value is None:
        return None
    place = stop_price if leg == "stop_loss" else target_price
    return place(side, entry, cast(DistanceType, kind), money(value), find_atr(work))


def _optional(value: Any) -> Decimal | None:
    return None if value is None else money(value)
