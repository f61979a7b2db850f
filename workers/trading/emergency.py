"""Closing everything that a journal names, straight at the venue: for when the database is gone.

What rests is cancelled, what is held is closed by reduce-only market orders under the ids that the bridge
would have used next. Each is in the journal before it is sent: the database hears of it when it is back, and
an emergency close that was itself cut off can be given again.

The outcome policy holds here too. An order in doubt is looked for several times, apart from each other; one
that is proven absent is sent again under its own id, and while nobody knows, no other takes its place.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Collection, Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from typing import TypeVar
from uuid import UUID

from ccxt.base.errors import BaseError

from shared.errors import OrderDenied
from shared.money import ZERO, add, subtract, text
from workers.trading.book import Book
from workers.trading.decisions.outcome import Outcome, describe, judge
from workers.trading.decisions.reconciliation import VenueOrder
from workers.trading.journal import Closed, Contents, HeldTrade, Journal, JournalUnwritable
from workers.trading.ledger import Facts
from workers.trading.orders import Leg, Order, OrderStatus, PositionSide, client_order_id
from workers.trading.policy import Policy
from workers.trading.venues.lookup import find_anywhere
from workers.trading.venues.venue import Venue

Answer = TypeVar("Answer")

# How often an exit that is proven absent is sent again within one command.
SENDINGS = 3
# How often what its bridge was at work on meanwhile is looked at anew.
ROUNDS = 3
# Looks that failed or found the order still open are repeated so often beyond what a proof takes.
MORE_LOOKS = 2


@dataclass(slots=True)
class Report:
    """What became of one account: exits by outcome, orders cancelled, and what could not be done."""

    account_id: UUID | None
    closed: list[Closed] = field(default_factory=list)
    cancelled: int = 0
    problems: list[str] = field(default_factory=list)
    damaged: int = 0

    @property
    def is_done(self) -> bool:
        """Whether nothing is left open as far as the venue said."""
        return not self.problems and all(one.outcome == "confirmed" for one in self.closed)


@dataclass(slots=True)
class Search:
    """One order that may be at the venue. `found` is what the venue said last; without it and not `absent`,
    nobody knows."""

    order: Order
    found: VenueOrder | None = None
    absent: bool = False
    missed: int = 0
    trouble: str = "the venue does not know it now"

    @property
    def is_over(self) -> bool:
        """Whether it is certain that nothing more happens to the order."""
        return self.absent or (self.found is not None and self.found.status != "open")


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
    journal: Journal,
    contents: Contents,
    venue: Venue,
    why: str,
    now: Callable[[], datetime],
    rest: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> Report:
    """Cancel and close everything of one account. Goes on after a failure, and reports it. `rest` waits
    between two looks at the venue."""
    return await _Emergency(journal, contents, venue, why, now, rest).close()


class _Emergency:
    """One account's; see `close_account`."""

    def __init__(
        self,
        journal: Journal,
        contents: Contents,
        venue: Venue,
        why: str,
        now: Callable[[], datetime],
        rest: Callable[[float], Awaitable[None]],
    ) -> None:
        assert contents.account is not None  # noqa: S101 - the caller opened the venue with it
        self._journal = journal
        self._contents = contents
        self._venue = venue
        self._why = why
        self._now = now
        self._rest = rest
        self._policy = Policy()
        self._report = Report(contents.account.id, damaged=contents.damaged)
        # Signals that somebody else wrote of while they were looked at, and the problem that it is.
        self._overtaken: dict[UUID, str] = {}

    async def close(self) -> Report:
        """Orders first: what they filled meanwhile is what there is to close."""
        await self._patiently(self._venue.open)
        await self._close_all(list(self._contents.trades.values()))
        for _ in range(ROUNDS - 1):
            if not self._overtaken:
                break
            # What the bridge noted since then counts, and what it sent is looked for.
            self._contents = self._journal.read()
            known, self._overtaken = self._overtaken, {}
            self._report.problems = [one for one in self._report.problems if one not in known.values()]
            left = [self._contents.trades[signal] for signal in known if signal in self._contents.trades]
            await self._close_all(left)
        return self._report

    async def _close_all(self, trades: Collection[HeldTrade]) -> None:
        searches = {
            order.client_order_id: Search(order)
            for trade in trades
            for order in (*self._exits_before(trade), *trade.orders)
            if order.managed_by == "venue"
        }
        await self._settle(searches.values(), cancels=True)
        counted = [self._count(trade, searches) for trade in trades]
        held: dict[tuple[str, PositionSide], Decimal] = defaultdict(Decimal)
        for symbol, side in sorted({(one.symbol, one.side) for one in counted if one.amount > ZERO}):
            try:
                held[symbol, side] = await self._patiently(self._venue.held, symbol, side)
            except (BaseError, OrderDenied) as error:
                self._report.problems.append(f"{symbol}: what is held is not known ({describe(error)})")
        for trade, amount in plan_exits(counted, lambda symbol, side: held[symbol, side]):
            await self._close(trade, amount)

    def _exits_before(self, trade: HeldTrade) -> list[Order]:
        """Exits of an earlier emergency close, as orders. Those that the venue refused are none."""
        earlier = [one for one in self._contents.closed.values() if one.signal_id == trade.signal_id]
        return [
            replace(_exit(trade, one.attempt, one.amount), sent_at=one.at)
            for one in earlier
            if one.outcome != "rejected"
        ]

    async def _settle(self, searches: Iterable[Search], *, cancels: bool) -> None:
        """Look for orders until each is over, or certainly absent; `cancels` ends those that are open. What
        is still not known after the last look stays so."""
        left = [one for one in searches if not one.is_over]
        looks = (1 if self._venue.is_authoritative else self._policy.probes) + MORE_LOOKS
        for look in range(looks):
            for one in left:
                await self._look(one, cancels=cancels)
            left = [one for one in left if not one.is_over and (cancels or one.found is None)]
            if not left:
                return
            if look + 1 < looks:
                await self._rest(self._policy.probe_spacing.total_seconds())

    async def _look(self, search: Search, *, cancels: bool) -> None:
        order = search.order
        try:
            search.found = await self._find(order)
            if cancels and search.found is not None and search.found.status == "open":
                search.trouble = "it is still open"
                await self._venue.cancel(replace(order, venue_order_id=search.found.venue_order_id))
                self._report.cancelled += 1
                search.found = await self._find(order) or search.found
        except (BaseError, OrderDenied) as error:
            # Cancelling again is harmless, and so is asking.
            search.trouble = describe(error)
            return
        if search.found is None:
            search.missed += 1
            search.absent = self._venue.is_authoritative or search.missed >= self._policy.probes

    async def _find(self, order: Order) -> VenueOrder | None:
        return await find_anywhere(self._venue, order, self._policy.overlap)

    def _count(self, trade: HeldTrade, searches: dict[str, Search]) -> HeldTrade:
        """The trade as it is now: with what its orders filled, and the number of its next exit. Nothing is
        left to close where an order that may close it, too, is still in doubt."""
        amount, attempt, blocked = trade.amount, trade.next_exit, False
        mine = [one for one in searches.values() if one.order.signal_id == trade.signal_id]
        for one in sorted(mine, key=lambda one: one.order.attempt):
            order, told = one.order, self._contents.closed.get(one.order.client_order_id)
            if not one.is_over:
                self._report.problems.append(
                    f"order {order.client_order_id} ({order.leg.value} of {order.symbol}): {one.trouble}"
                )
                # An entry adds to what is held. Beside a stop that may work an exit sells twice, but where
                # both only reduce.
                blocked |= order.leg is Leg.EXIT or (
                    order.leg is not Leg.ENTRY and not self._venue.capabilities.reduce_only
                )
            if order.leg is Leg.EXIT:
                attempt = self._next_exit(one, attempt)
            if one.found is not None:
                more = max(subtract(one.found.filled, order.filled), ZERO)
                amount = add(amount, more) if order.leg is Leg.ENTRY else subtract(amount, more)
                if told is not None and told.outcome != "confirmed":
                    self._note(replace(told, outcome="confirmed"))
            elif told is not None and told.outcome == "confirmed":
                # It was there, and is in no listing any more.
                amount = subtract(amount, told.amount)
        return replace(trade, amount=ZERO if blocked else max(amount, ZERO), next_exit=attempt, orders=())

    def _next_exit(self, search: Search, known: int) -> int:
        """An exit that never came to be gives its number, and with it its id, to the next one."""
        told = self._contents.closed.get(search.order.client_order_id)
        taken = search.found is not None or (told is not None and told.outcome == "confirmed")
        if not taken and search.absent:
            return search.order.attempt
        return max(known, search.order.attempt + 1)

    async def _close(self, trade: HeldTrade, amount: Decimal) -> None:
        try:
            rules = await self._patiently(self._venue.rules, trade.symbol)
        except (BaseError, OrderDenied) as error:
            self._report.problems.append(f"{trade.symbol}: {describe(error)}")
            return
        closable = rules.closable(amount)
        if closable <= ZERO:
            return
        order = _exit(trade, self._number_of(trade), closable)
        closed = Closed(
            signal_id=trade.signal_id,
            position_id=trade.position_id,
            client_order_id=order.client_order_id,
            attempt=order.attempt,
            side=order.side,
            amount=closable,
            why=self._why,
            at=self._now(),
        )
        # Before it is sent, or it is not sent.
        if not self._claim(closed):
            return
        outcome, problem = await self._send(replace(order, sent_at=closed.at), closed)
        closed = replace(closed, outcome=outcome.value)
        self._note(closed)
        self._report.closed.append(closed)
        if problem:
            self._report.problems.append(f"{trade.symbol} is {outcome.value}: {problem}")

    def _number_of(self, trade: HeldTrade) -> int:
        """The number of its next exit: one that the venue refused keeps its own."""
        refused = {
            one.attempt
            for one in self._contents.closed.values()
            if one.signal_id == trade.signal_id and one.outcome == "rejected"
        }
        number = trade.next_exit
        while number in refused:
            number += 1
        return number

    async def _send(self, order: Order, closed: Closed) -> tuple[Outcome, str]:
        """Send an exit, again under the same id only when it is proven absent, and nobody else may be sending
        it. Answers what is known of it in the end."""
        problem = ""
        for number in range(SENDINGS):
            if number > 0 and not self._claim(replace(closed, at=self._now())):
                break
            try:
                await self._venue.place(order, [])
            except OrderDenied as denied:
                return Outcome.REJECTED, str(denied)
            except BaseError as error:
                verdict = judge(error)
                if verdict.outcome is not Outcome.UNRESOLVED:
                    return verdict.outcome, verdict.message
                problem = verdict.message
            else:
                return Outcome.CONFIRMED, ""
            search = Search(order)
            await self._settle([search], cancels=False)
            if search.found is not None:
                return Outcome.CONFIRMED, ""
            if not search.absent:
                break
        return Outcome.UNRESOLVED, problem

    def _claim(self, closed: Closed) -> bool:
        """Note that an exit leaves now. A bridge that is alive, or another emergency close, may be sending
        the same one: a venue of spot would take both."""
        try:
            if self._journal.claim(closed, self._contents):
                return True
            problem = (
                f"exit {closed.client_order_id}: somebody else is at work on it: stop the bridge, then give"
                " the same command again"
            )
            self._overtaken[closed.signal_id] = problem
        except JournalUnwritable as error:
            problem = f"exit {closed.client_order_id}: {error}"
        self._report.problems.append(problem)
        return False

    def _note(self, closed: Closed) -> None:
        try:
            self._journal.note_closed(closed)
        except JournalUnwritable as error:
            self._report.problems.append(f"exit {closed.client_order_id}: {error}")

    async def _patiently(self, ask: Callable[..., Awaitable[Answer]], *about: str) -> Answer:
        """Ask a question several times before its failure is one."""
        for _ in range(MORE_LOOKS):
            try:
                return await ask(*about)
            except OrderDenied:
                raise
            except BaseError:
                await self._rest(self._policy.probe_spacing.total_seconds())
        return await ask(*about)


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
