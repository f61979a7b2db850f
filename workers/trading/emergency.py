"""Closing everything that a journal names, straight at the venue: for when the database is gone.

What rests is cancelled, what is held is closed by reduce-only market orders under the ids that the bridge
would have used next. Each is in the journal before it is sent: the database hears of it when it is back, and
an emergency close that was itself cut off can be given again.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from ccxt.base.errors import BaseError

from shared.errors import OrderDenied
from shared.money import ZERO, add, subtract, text
from workers.trading.book import Book
from workers.trading.decisions.outcome import describe, judge
from workers.trading.journal import Closed, Contents, HeldTrade, Journal
from workers.trading.ledger import Facts
from workers.trading.orders import Leg, Order, OrderStatus, PositionSide, client_order_id
from workers.trading.venues.venue import Venue


@dataclass(slots=True)
class Report:
    """What became of one account: exits by outcome, orders cancelled, and what could not be done."""

    account_id: UUID
    closed: list[Closed] = field(default_factory=list)
    cancelled: int = 0
    problems: list[str] = field(default_factory=list)
    damaged: int = 0

    @property
    def is_done(self) -> bool:
        """Whether nothing is left open as far as the venue said."""
        return not self.problems and all(one.outcome == "confirmed" for one in self.closed)


def facts_of(closed: Iterable[Closed], book: Book) -> Facts:
    """What the database has to hear of exits that were sent without it, once their positions are known."""
    facts = Facts()
    for one in closed:
        trade = book.get(one.signal_id)
        data = {"client_order_id": one.client_order_id, "amount": text(one.amount), "outcome": one.outcome}
        facts.notices.append(
            {
                "event_type": "journal_told",
                "why": f"closed without the database: {one.why}"[:500],
                "event_data": {**data, "signal_id": str(one.signal_id)},
                "occurred_at": one.at.isoformat(),
            }
        )
        position = trade.position if trade is not None else None
        if position is None or not position.is_open:
            continue
        facts.exits.append({"position_id": str(position.id), "reason": "emergency_close", "message": one.why})
        # One that the venue refused is no order: the bridge gives the next under the same id.
        if one.outcome != "rejected":
            facts.intents.append(
                {
                    "signal_id": str(one.signal_id),
                    "leg": Leg.EXIT.value,
                    "attempt": one.attempt,
                    "side": one.side,
                    "kind": "market",
                    "amount": text(one.amount),
                    "reduce_only": True,
                }
            )
    return facts


def plan_exits(
    trades: Iterable[HeldTrade], held: Callable[[str, PositionSide], Decimal]
) -> list[tuple[HeldTrade, Decimal]]:
    """How much of each trade is closed: what it holds, never more in all than the venue says is held.

    `held` answers the venue's amount of a symbol and side. What somebody else holds there is left alone.
    """
    left: dict[tuple[str, PositionSide], Decimal] = {}
    plan: list[tuple[HeldTrade, Decimal]] = []
    for trade in sorted(trades, key=lambda one: one.signal_id):
        key = (trade.symbol, trade.side)
        available = left.setdefault(key, held(*key))
        amount = min(max(trade.amount, ZERO), available)
        if amount > ZERO:
            left[key] = subtract(available, amount)
            plan.append((trade, amount))
    return plan


async def close_account(
    journal: Journal, contents: Contents, venue: Venue, why: str, now: Callable[[], datetime]
) -> Report:
    """Cancel and close everything of one account. Goes on after a failure, and reports it."""
    assert contents.account is not None  # noqa: S101 - the caller opened the venue with it
    report = Report(contents.account.id, damaged=contents.damaged)
    await venue.open()
    trades = [await _cancel_orders(trade, venue, report) for trade in contents.trades.values()]
    trades = [await _settle_earlier(trade, contents, journal, venue, report) for trade in trades]
    held: dict[tuple[str, PositionSide], Decimal] = defaultdict(Decimal)
    for trade in trades:
        try:
            held[trade.symbol, trade.side] = await venue.held(trade.symbol, trade.side)
        except (BaseError, OrderDenied) as error:
            report.problems.append(f"{trade.symbol}: what is held is not known ({describe(error)})")
    for trade, amount in plan_exits(trades, lambda symbol, side: held[symbol, side]):
        await _close(trade, amount, journal, venue, why, now(), report)
    return report


async def _cancel_orders(trade: HeldTrade, venue: Venue, report: Report) -> HeldTrade:
    """The trade as it is once nothing of it rests: with what its orders filled before they were cancelled."""
    amount, left = trade.amount, []
    for order in trade.orders:
        if order.managed_by == "bridge":
            continue
        try:
            found = await venue.find(order)
            if found is not None and found.status == "open":
                await venue.cancel(replace(order, venue_order_id=found.venue_order_id))
                report.cancelled += 1
                found = await venue.find(order) or found
        except (BaseError, OrderDenied) as error:
            report.problems.append(f"order {order.client_order_id}: {describe(error)}")
            continue
        if found is None:
            continue
        more = max(subtract(found.filled, order.filled), ZERO)
        if order.leg is Leg.ENTRY:
            amount = add(amount, more)
        elif order.leg is Leg.EXIT and found.status == "open":
            left.append(order)
        else:
            amount = subtract(amount, more)
    return replace(trade, amount=max(amount, ZERO), orders=tuple(left))


async def _settle_earlier(
    trade: HeldTrade, contents: Contents, journal: Journal, venue: Venue, report: Report
) -> HeldTrade:
    """Take into account what an earlier emergency close did: its exits are asked for, and never doubled."""
    mine = [one for one in contents.closed.values() if one.signal_id == trade.signal_id]
    for one in sorted(mine, key=lambda one: one.attempt):
        trade = replace(trade, next_exit=max(trade.next_exit, one.attempt + 1))
        if one.outcome == "rejected":
            continue
        try:
            found = await venue.find(_exit(trade, one.attempt, one.amount))
        except (BaseError, OrderDenied) as error:
            report.problems.append(f"exit {one.client_order_id}: {describe(error)}")
            # It may be there: nothing more is sent for this trade before somebody knows.
            return replace(trade, amount=ZERO)
        if found is not None:
            trade = replace(trade, amount=max(subtract(trade.amount, found.filled), ZERO))
            if one.outcome is None or one.outcome == "unresolved":
                journal.note_closed(replace(one, outcome="confirmed"))
    return trade


async def _close(
    trade: HeldTrade,
    amount: Decimal,
    journal: Journal,
    venue: Venue,
    why: str,
    at: datetime,
    report: Report,
) -> None:
    try:
        rules = await venue.rules(trade.symbol)
    except (BaseError, OrderDenied) as error:
        report.problems.append(f"{trade.symbol}: {describe(error)}")
        return
    closable = rules.closable(amount)
    if closable <= ZERO:
        return
    order = _exit(trade, trade.next_exit, closable)
    closed = Closed(
        signal_id=trade.signal_id,
        position_id=trade.position_id,
        client_order_id=order.client_order_id,
        attempt=order.attempt,
        side=order.side,
        amount=closable,
        why=why,
        at=at,
    )
    journal.note_closed(closed)
    try:
        await venue.place(order, [])
    except OrderDenied as denied:
        outcome, problem = "rejected", str(denied)
    except BaseError as error:
        verdict = judge(error)
        outcome, problem = verdict.outcome.value, verdict.message
    else:
        outcome, problem = "confirmed", ""
    closed = replace(closed, outcome=outcome)
    journal.note_closed(closed)
    report.closed.append(closed)
    if problem:
        report.problems.append(f"{trade.symbol} is {outcome}: {problem}")


def _exit(trade: HeldTrade, attempt: int, amount: Decimal) -> Order:
    return Order(
        client_order_id=client_order_id(trade.signal_id, Leg.EXIT, attempt),
        signal_id=trade.signal_id,
        trader_id=trade.trader_id,
        leg=Leg.EXIT,
        attempt=attempt,
        symbol=trade.symbol,
        side="sell" if trade.side == "long" else "buy",
        kind="market",
        amount=amount,
        status=OrderStatus.INTENDED,
        reduce_only=True,
    )
