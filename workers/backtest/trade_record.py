"""The record of one paper account in memory: its orders, its positions, and what its fills came to.

In the database this is `record_trading` and what follows from it; functions carry the same names here, so
that the two can be read side by side. What a paper account never has (incomes, liquidations, journals) is
refused. Limits that an owner set are not known to a backtest; the caps that nobody can lift hold.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import count
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

from shared.errors import Refused
from shared.lifecycle import ENDINGS, OutcomeCode, SignalStatus
from shared.money import ZERO, add, money, multiply, subtract
from workers.backtest.rows import Execution, OrderRow, PositionRow, quotient, worse
from workers.backtest.signal_record import SignalRecord
from workers.trading.orders import Leg, OrderStatus, client_order_id

MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)
# In the order in which they are worked off.
KNOWN = ("fills", "outcomes", "stops", "exits", "write_offs", "external_orders", "intents", "denials")
# What no owner can lift: private.hard_caps.
MOST_POSITIONS = 1000
MOST_NOTIONAL = Decimal(1_000_000_000)
MOST_ORDERS_A_MINUTE = 600
CONFIRMED = frozenset({OrderStatus.OPEN, OrderStatus.PARTIALLY_FILLED})
SOUND = CONFIRMED | {OrderStatus.SUBMITTED}
# The order of the legs of fills at one moment.
LEGS = tuple(Leg)

Refusals = list[dict[str, Any]]


class TradeRecord:
    """Of the account on which every trader of `signals` trades. `positions` are all that there ever were, in
    the order in which they opened; `changes` grows with everything that changes what is held."""

    def __init__(self, signals: SignalRecord) -> None:
        self._signals = signals
        self._orders: dict[str, OrderRow] = {}
        self._of_signal: dict[UUID, list[OrderRow]] = {}
        # Orders that may fill yet; and the entries among them, by trader and signal.
        self._live: dict[str, OrderRow] = {}
        self._entering: dict[UUID, dict[UUID, OrderRow]] = {}
        self._open: dict[UUID, dict[UUID, PositionRow]] = {}
        self._by_signal: dict[UUID, PositionRow] = {}
        self._by_id: dict[UUID, PositionRow] = {}
        self._known_trades: set[tuple[str, str]] = set()
        self._intended: deque[datetime] = deque()
        self._fill_numbers = count(1)
        self._numbers = count(1)
        self.positions: list[PositionRow] = []
        self.changes = 0

    @property
    def orders(self) -> Iterable[OrderRow]:
        """All orders that there ever were."""
        return self._orders.values()

    def rests(self, now: datetime) -> bool:
        """Whether nothing of what is held can ask for anything before a price or the venue does: all orders
        are confirmed, every position has its stop, none of them trails or is on its way out, and no deadline
        has come."""
        for order in self._live.values():
            ends = order.item.get("expires_at") if order.leg is Leg.ENTRY else None
            if order.status not in CONFIRMED or order.item.get("managed_by") == "bridge":
                return False
            if ends is not None and datetime.fromisoformat(ends) <= now:
                return False
        for held in self._open.values():
            for position in held.values():
                if position.exit_reason is not None or position.trailing_percent is not None:
                    return False
                if position.closes_at is not None and position.closes_at <= now:
                    return False
                orders = self._of_signal[position.signal_id]
                stops = (one for one in orders if one.leg is Leg.STOP_LOSS and one.is_live)
                if add(*(subtract(one.amount, one.filled) for one in stops)) < position.amount:
                    return False
        return True

    def list_trading(self) -> dict[str, Any]:
        """What a bridge starts from: a backtest begins with nothing."""
        terms = {**self._terms(), "account": None, "traders": {}}
        return {"orders": [], "positions": [], "trade_ids": {}, "open_fees": [], "terms": terms}

    def record(self, facts: Mapping[str, Any], at: datetime) -> dict[str, Any]:
        """Take facts in, as `Facts.to_json` gives them; answers what `record_trading` does."""
        unknown = [name for name in facts if name not in KNOWN]
        if unknown:
            raise Refused(f"a paper account tells no {', '.join(unknown)}")
        told = self._told_signals(facts)
        refused: Refusals = []
        if facts.get("fills"):
            refused += self._record_fills(facts["fills"])
            self._enter_positions(told, at)
        refused += self._record_outcomes(facts.get("outcomes", ()), at)
        self._record_stops(facts.get("stops", ()))
        self._record_exits(facts.get("exits", ()), facts.get("write_offs", ()))
        refused += self._record_intents(facts.get("intents", ()), at)
        refused += self._record_denials(facts.get("denials", ()), at)
        self._settle(told, at)
        terms = self._terms()
        if facts.get("intents"):
            terms |= {"account": None, "traders": {}}
        orders = [one for signal in told for one in self._of_signal.get(signal, ())]
        orders.sort(key=lambda one: (one.signal_id, LEGS.index(one.leg), one.attempt))
        return {
            "orders": [one.to_json() for one in orders],
            "positions": [self._by_signal[one].to_json() for one in told if one in self._by_signal],
            "refused": refused,
            "terms": terms,
        }

    def _terms(self) -> dict[str, Any]:
        return {"status": "active", "permissions": "trade", "number": next(self._numbers)}

    def _told_signals(self, facts: Mapping[str, Any]) -> list[UUID]:
        found = {UUID(one["signal_id"]) for name in ("intents", "denials") for one in facts.get(name, ())}
        for name in ("fills", "outcomes"):
            orders = (self._orders.get(one["client_order_id"]) for one in facts.get(name, ()))
            found |= {one.signal_id for one in orders if one is not None}
        for name in ("stops", "exits", "write_offs"):
            positions = (self._by_id.get(UUID(one["position_id"])) for one in facts.get(name, ()))
            found |= {one.signal_id for one in positions if one is not None}
        return sorted(found)

    # Fills

    def _record_fills(self, fills: Iterable[Mapping[str, Any]]) -> Refusals:
        refused: Refusals = []
        for index, fill in enumerate(fills):
            order = self._orders.get(fill["client_order_id"])
            if order is None:
                refused.append(_refusal("fill", index, "unknown_order", "no order has this client order id"))
                continue
            trade = (order.normalised_symbol, str(fill["venue_trade_id"]))
            if trade in self._known_trades:
                continue
            self._known_trades.add(trade)
            self._take_fill(order, fill)
        return refused

    def _take_fill(self, order: OrderRow, fill: Mapping[str, Any]) -> None:
        executed_at = datetime.fromisoformat(fill["executed_at"])
        position = self._by_signal.get(order.signal_id) or self._open_position(order, executed_at)
        price, amount, fee = money(fill["price"]), money(fill["amount"]), money(fill.get("fee_cost") or 0)
        base, quote = order.normalised_symbol.split(":")[0].split("/")
        currency = fill.get("fee_currency") or quote
        if fee and currency not in (base, quote):
            raise Refused(f"a paper account pays no fees in {currency}")
        of_base = currency == base and base != quote
        cost = multiply(price, amount)
        buys = order.side == "buy"
        planned = order.planned_price or order.trigger_price or order.price
        execution = Execution(
            leg=order.leg,
            side=order.side,
            price=price,
            amount=amount,
            base=subtract(amount if buys else amount.copy_negate(), fee if of_base else ZERO),
            quote=subtract(cost.copy_negate() if buys else cost, ZERO if of_base else fee),
            fee=multiply(fee, price) if of_base else fee,
            executed_at=executed_at,
            number=next(self._fill_numbers),
            slippage=worse(order.side, price, planned, amount),
        )
        position.take(execution)
        self.changes += 1
        order.fills.append(execution)
        order.filled = add(order.filled, amount)
        order.fees = add(order.fees, execution.fee)
        costs = add(*(multiply(one.price, one.amount) for one in order.fills))
        order.average = quotient(costs, order.filled)
        # An attached order grows with its entry: a fill may tell before the order does.
        order.amount = max(order.amount, order.filled)
        order.venue_order_id = order.venue_order_id or fill.get("venue_order_id")
        if order.filled >= order.amount:
            self._set_status(order, OrderStatus.FILLED)
        elif order.status is OrderStatus.REJECTED:
            self._set_status(order, OrderStatus.CANCELED)
        elif order.is_live:
            self._set_status(order, OrderStatus.PARTIALLY_FILLED)

    def _open_position(self, order: OrderRow, executed_at: datetime) -> PositionRow:
        if order.leg is not Leg.ENTRY:
            raise Refused(f"order {order.client_order_id} filled before its entry did")
        item = order.item
        stop, lasts = money(item["stop_loss"]), item.get("holding_seconds")
        position = PositionRow(
            id=uuid5(NAMESPACE_URL, f"position|{order.signal_id}"),
            signal_id=order.signal_id,
            trader_id=order.trader_id,
            symbol=order.symbol,
            normalised_symbol=order.normalised_symbol,
            side="long" if order.side == "buy" else "short",
            lot=money(item["lot"]),
            stop_loss=stop,
            initial_stop_loss=stop,
            take_profit=_decimal(item.get("take_profit")),
            trailing_percent=_decimal(item.get("trailing_percent")),
            opened_at=executed_at,
            closes_at=None if lasts is None else executed_at + timedelta(seconds=int(lasts)),
        )
        self._by_signal[order.signal_id] = self._by_id[position.id] = position
        self._open.setdefault(order.trader_id, {})[order.signal_id] = position
        self.positions.append(position)
        return position

    def _enter_positions(self, told: Iterable[UUID], at: datetime) -> None:
        for signal in told:
            live = self._signals.live.get(signal)
            if live is not None and live.status is SignalStatus.READY and signal in self._by_signal:
                self._signals.move(signal, SignalStatus.IN_POSITION, at)

    # Outcomes and decisions

    def _record_outcomes(self, outcomes: Iterable[Mapping[str, Any]], at: datetime) -> Refusals:
        refused: Refusals = []
        last = {one["client_order_id"]: (index, one) for index, one in enumerate(outcomes)}
        for name, (index, told) in last.items():
            order = self._orders.get(name)
            if order is None:
                refused.append(
                    _refusal("outcome", index, "unknown_order", "no order has this client order id")
                )
                continue
            status = _status_after(order, str(told["outcome"]))
            if not order.is_live:
                continue
            if order.attached and (amount := _decimal(told.get("amount"))):
                order.amount = max(amount, order.filled)
            if order.trigger_price is not None and (trigger := _decimal(told.get("trigger_price"))):
                order.trigger_price = trigger
            order.venue_order_id = order.venue_order_id or told.get("venue_order_id")
            if status in SOUND:
                order.code = order.message = None
            else:
                order.code = told.get("code") or order.code or _usual_code(status)
                order.message = told.get("message") or order.message
            if status is not OrderStatus.DENIED:
                order.sent_at = order.sent_at or at
            self._set_status(order, OrderStatus.FILLED if order.amount == order.filled else status)
        return refused

    def _record_stops(self, stops: Iterable[Mapping[str, Any]]) -> None:
        for told in stops:
            position, stop = self._by_id[UUID(told["position_id"])], money(told["stop_loss"])
            # Never away from the price.
            nearer = stop > position.stop_loss if position.side == "long" else stop < position.stop_loss
            if position.is_open and stop > 0 and nearer:
                position.stop_loss = stop

    def _record_exits(
        self, exits: Iterable[Mapping[str, Any]], write_offs: Iterable[Mapping[str, Any]]
    ) -> None:
        for told in exits:
            position, lot = self._by_id[UUID(told["position_id"])], _decimal(told.get("lot"))
            larger = lot is not None and lot > position.lot
            if not position.is_open or (position.exit_reason is not None and not larger):
                continue
            if (lot is not None and not position.exit_amount) or position.exit_reason is None:
                position.exit_reason = told["reason"]
            position.lot = max(position.lot, lot or ZERO)
        for told in write_offs:
            position = self._by_id[UUID(told["position_id"])]
            if position.is_open:
                position.exit_reason = told.get("reason") or "venue_closed"
                position.written_off = position.amount
                self.changes += 1

    # Intents

    def _record_intents(self, intents: Iterable[Mapping[str, Any]], at: datetime) -> Refusals:
        refused: Refusals = []
        wanted: dict[UUID, list[tuple[int, str, Mapping[str, Any]]]] = {}
        for index, item in enumerate(intents):
            signal = UUID(item["signal_id"])
            name = client_order_id(signal, Leg(item["leg"]), int(item["attempt"]))
            if name not in self._orders:
                wanted.setdefault(signal, []).append((index, name, item))
        for signal, items in sorted(wanted.items()):
            row = self._signals.live.get(signal)
            if row is None:
                refused.append(_refusal("intent", items[0][0], "unknown_signal", f"signal {signal} is over"))
                continue
            entries = [one for _, _, one in items if one["leg"] == Leg.ENTRY.value and not one.get("code")]
            if entries:
                worth = add(*(_notional(one) for one in entries))
                why = self._entry_refusal(row.id, row.trader_id, row.status) or self._cap_refusal(worth, at)
                if why is not None:
                    refused.append(_refusal("intent", items[0][0], *why))
                    continue
            for _, name, item in items:
                self._intend(name, item, row.trader_id, row.row, at)
            if entries:
                ends = [one["expires_at"] for _, _, one in items if one.get("expires_at")]
                latest = max((datetime.fromisoformat(one) for one in ends), default=at)
                self._signals.hold_until(signal, max(at, latest) + DAY)
        return refused

    def _intend(
        self, name: str, item: Mapping[str, Any], trader: UUID, signal: Mapping[str, Any], at: datetime
    ) -> None:
        code = item.get("code")
        order = OrderRow(
            client_order_id=name,
            signal_id=UUID(signal["id"]),
            trader_id=trader,
            leg=Leg(item["leg"]),
            attempt=int(item["attempt"]),
            symbol=signal["symbol"],
            normalised_symbol=signal["normalised_symbol"],
            item=item,
            amount=money(item["amount"]),
            status=OrderStatus.INTENDED if code is None else OrderStatus.DENIED,
            intended_at=at,
            price=_decimal(item.get("price")),
            trigger_price=_decimal(item.get("trigger_price")),
            planned_price=_decimal(item.get("planned_price")),
            attached=bool(item.get("attached")),
            code=code,
            message=item.get("message"),
        )
        self._orders[name] = order
        self._of_signal.setdefault(order.signal_id, []).append(order)
        if order.is_live:
            self._live[name] = order
        if code is None and not order.attached:
            self._intended.append(at)
        if order.leg is Leg.ENTRY and order.is_live:
            self._entering.setdefault(trader, {})[order.signal_id] = order

    def _entry_refusal(self, signal: UUID, trader: UUID, status: SignalStatus) -> tuple[str, str] | None:
        if status is not SignalStatus.READY:
            return "not_ready", f"signal {signal} is {status}, an entry is for a ready one"
        most = int(self._signals.traders[trader]["max_concurrent_positions"])
        held = len(self._open.get(trader, {}).keys() | self._entering.get(trader, {}).keys())
        if held >= most:
            return "position_limit", f"trader {trader} has {held} of {most} positions"
        return None

    def _cap_refusal(self, worth: Decimal, at: datetime) -> tuple[str, str] | None:
        opened = [one for held in self._open.values() for one in held.values()]
        entering = [one for waiting in self._entering.values() for one in waiting.values()]
        held = len({one.signal_id for one in opened} | {one.signal_id for one in entering})
        if held >= MOST_POSITIONS:
            return "position_limit", f"the account has {held} of {MOST_POSITIONS} positions"
        notional = add(
            worth,
            *(
                multiply(abs(subtract(one.amount, one.written_off)), one.entry_average or ZERO)
                for one in opened
            ),
            *(multiply(subtract(one.amount, one.filled), _price_of(one.item)) for one in entering),
        )
        if notional > MOST_NOTIONAL:
            return "notional_limit", f"the account would hold {notional} of {MOST_NOTIONAL}"
        while self._intended and self._intended[0] <= at - MINUTE:
            self._intended.popleft()
        if len(self._intended) >= MOST_ORDERS_A_MINUTE:
            recent = len(self._intended)
            return (
                "order_rate_limit",
                f"the account gave {recent} of {MOST_ORDERS_A_MINUTE} orders in a minute",
            )
        return None

    def _record_denials(self, denials: Iterable[Mapping[str, Any]], at: datetime) -> Refusals:
        refused: Refusals = []
        for index, told in sorted(enumerate(denials), key=lambda one: UUID(one[1]["signal_id"])):
            signal, code = UUID(told["signal_id"]), told["code"]
            row = self._signals.live.get(signal)
            if not _expires(code):
                refused.append(_refusal("denial", index, "bad_outcome", f"{code} is no reason to expire"))
            elif row is not None and row.status is SignalStatus.READY and not self._is_ordered(signal):
                self._signals.move(signal, SignalStatus.EXPIRED, at, code)
            else:
                refused.append(_refusal("denial", index, "not_ready", f"signal {signal} is not ready"))
        return refused

    # What follows

    def _settle(self, told: Iterable[UUID], at: datetime) -> None:
        """End the signals that are over: nothing rests any more, and they were not entered or are flat."""
        for signal in told:
            orders = self._of_signal.get(signal, [])
            entries = [one for one in orders if one.leg is Leg.ENTRY]
            if not any(one.filled > 0 or one.is_live for one in entries):
                for one in orders:
                    if one.attached and one.is_live and one.status not in CONFIRMED:
                        one.code = "entry_unfilled"
                        self._set_status(one, OrderStatus.CANCELED)
            live = self._signals.live.get(signal)
            if live is None or self._is_ordered(signal):
                continue
            if live.status is SignalStatus.READY and entries:
                entry = max(entries, key=lambda one: one.attempt)
                self._signals.move(signal, SignalStatus.EXPIRED, at, _entry_outcome(entry))
            position = self._by_signal.get(signal)
            if position is not None and position.is_open and position.is_flat:
                self._close(position, at)

    def _close(self, position: PositionRow, at: datetime) -> None:
        position.exit_reason = _exit_outcome(position)
        ends = [one.executed_at for one in position.fills if one.leg is not Leg.ENTRY]
        position.closed_at = max(ends, default=at)
        del self._open[position.trader_id][position.signal_id]
        self.changes += 1
        self._signals.move(position.signal_id, SignalStatus.CLOSED, at, position.exit_reason)

    def _is_ordered(self, signal: UUID) -> bool:
        return any(one.is_live for one in self._of_signal.get(signal, ()))

    def _set_status(self, order: OrderRow, status: OrderStatus) -> None:
        order.status = status
        if not order.is_live:
            self._live.pop(order.client_order_id, None)
            self._entering.get(order.trader_id, {}).pop(order.signal_id, None)


def _refusal(kind: str, index: int, code: str, message: str) -> dict[str, Any]:
    return {"kind": kind, "index": index, "code": code, "message": message}


def _decimal(value: Any) -> Decimal | None:
    return None if value is None else money(value)


def _price_of(item: Mapping[str, Any]) -> Decimal:
    """The price that an entry was planned at, or the nearest that is known."""
    names = ("planned_price", "price", "trigger_price", "stop_loss")
    return next((money(item[name]) for name in names if item.get(name) is not None), ZERO)


def _notional(item: Mapping[str, Any]) -> Decimal:
    return multiply(money(item["amount"]), _price_of(item))


def _status_after(order: OrderRow, outcome: str) -> OrderStatus:
    """What an outcome makes of an order: private.status_after."""
    before = order.status
    match outcome:
        case "confirmed":
            return OrderStatus.PARTIALLY_FILLED if order.filled > 0 else OrderStatus.OPEN
        case "submitted":
            return OrderStatus.SUBMITTED if before is OrderStatus.INTENDED else before
        case "unresolved":
            doubtful = before in (OrderStatus.INTENDED, OrderStatus.SUBMITTED)
            return OrderStatus.UNRESOLVED if doubtful else before
        case "rejected":
            return OrderStatus.CANCELED if order.filled > 0 else OrderStatus.REJECTED
        case "denied":
            return OrderStatus.DENIED if order.venue_order_id is None and order.filled == 0 else before
        case "canceled":
            return OrderStatus.CANCELED
    raise Refused(f"{outcome} is no outcome of an order")


def _usual_code(status: OrderStatus) -> str | None:
    usual = {OrderStatus.REJECTED: "order_rejected", OrderStatus.DENIED: "order_denied"}
    return usual.get(status)


def _expires(code: str | None) -> bool:
    return code in set(OutcomeCode) and ENDINGS[OutcomeCode(str(code))] is SignalStatus.EXPIRED


def _entry_outcome(entry: OrderRow) -> str:
    """Why a ready signal ended without a position."""
    if entry.status is OrderStatus.CANCELED:
        return "entry_unfilled"
    if _expires(entry.code):
        return str(entry.code)
    return "order_denied" if entry.status is OrderStatus.DENIED else "order_rejected"


def _exit_outcome(position: PositionRow) -> str:
    """What a closed position ended by: private.exit_outcome."""
    exits = [one for one in position.fills if one.leg is not Leg.ENTRY]
    if exits and position.written_off == 0:
        last = max(exits, key=lambda one: (one.executed_at, one.number))
        if last.leg is Leg.TAKE_PROFIT:
            return "take_profit"
        if last.leg is Leg.STOP_LOSS:
            return "trailing_stop" if position.stop_loss != position.initial_stop_loss else "stop_loss"
    return position.exit_reason or ("dust" if position.written_off == 0 else "venue_closed")
