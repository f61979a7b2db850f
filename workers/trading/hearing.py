"""What happened at the venue: fills, orders that ended, orders that nobody knew of whether they exist.

Streams lose messages, so this asks, and asks again with an overlap; what it hears twice changes nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import datetime
from typing import Any
from uuid import UUID

import structlog
from ccxt.base.errors import ExchangeError, OperationFailed

from shared.errors import OrderDenied
from shared.money import ZERO, add, money
from workers.trading.book import Book
from workers.trading.orders import Order
from workers.trading.outcome import describe
from workers.trading.policy import Policy
from workers.trading.reconciliation import Findings, VenueOrder, VenueTrade, reconcile
from workers.trading.venue import Venue

log = structlog.get_logger(__name__)


class Hearing:
    """Listens to one account's venue. What it found has to be recorded before `heard` is called."""

    def __init__(self, venue: Venue, book: Book, policy: Policy) -> None:
        self._venue = venue
        self._book = book
        self._policy = policy
        self._cursor: int | None = None
        self._since: datetime | None = None
        self._activity: int | None = None
        self._swept_activity: int | None = None
        self._asked_at: datetime | None = None
        self._swept_at: datetime | None = None
        self._next: tuple[int | None, datetime] | None = None
        self._newest: int | None = None
        # Symbols whose trades could not be read: the time to read from does not move on.
        self._deaf: set[str] = set()
        self._ask_at: dict[str, datetime] = {}
        self._absent: Counter[str] = Counter()

    def begin(self, since: datetime | None, now: datetime) -> None:
        """Listen from a time on; the first look is a sweep."""
        starts = [order.sent_at for order in self._book.live_orders() if order.sent_at is not None]
        earliest = min([*starts, since or now, now])
        self._since = earliest - self._policy.overlap
        self._asked_at = self._swept_at = None

    def has_news(self, now: datetime) -> bool:
        """Whether the venue has to be asked now; without a network wait."""
        if self._asked_at is None:
            return True
        activity = self._venue.activity
        if activity is not None:
            unswept = activity != self._swept_activity and self._is_sweep_due(now)
            return activity != self._activity or unswept
        # A venue that cannot be looked at for free is asked as long as something of ours is there.
        return now >= self._asked_at + self._policy.poll_every and bool(self._book.live_orders())

    async def listen(self, now: datetime) -> Findings:
        """Ask the venue for what is new, and compare. Raises what ccxt raises."""
        activity = self._venue.activity
        sweep = self._is_sweep_due(now)
        orders = self._book.orders
        live = [order for order in self._book.live_orders() if order.managed_by == "venue"]
        symbols = {order.symbol for order in live}
        trades = await self._new_trades(symbols)
        seen: list[VenueOrder] = []
        if sweep:
            for symbol in sorted(symbols):
                seen += await self._open_orders(symbol)
        first = reconcile(orders, seen, trades, self._book.recorded)
        seen += await self._ask(self._unheard(live, first, seen, sweep=sweep))
        found = await self._complete(reconcile(orders, seen, trades, self._book.recorded), seen, trades)
        self._next = (activity, now)
        return found

    async def compare(self, seen: list[VenueOrder], ask: Iterable[Order]) -> Findings:
        """Compare what a command answered, and ask about these orders."""
        seen = [*seen, *await self._ask(ask)]
        return await self._complete(reconcile(self._book.orders, seen, (), self._book.recorded), seen, [])

    def heard(self) -> None:
        """What `listen` found is in the record: go on from there."""
        if self._next is None:
            return
        self._activity, now = self._next
        self._next = None
        self._cursor = self._newest
        if self._is_sweep_due(now):
            self._swept_at, self._swept_activity = now, self._activity
        self._asked_at = now
        if not self._deaf:
            self._since = now - self._policy.overlap

    def doubt(self, order: Order, now: datetime) -> None:
        """Nobody knows whether this order exists: ask for it, beginning one spacing from now."""
        wait = 0 if self._venue.is_authoritative else 1
        self._ask_at[order.client_order_id] = now + wait * self._policy.probe_spacing

    async def probe(self, now: datetime) -> tuple[Findings, list[Order]]:
        """Ask for doubtful orders that are due. Answers what is known of those that exist, and those that are
        proven absent."""
        seen: list[VenueOrder] = []
        absent: list[Order] = []
        for order in self._doubtful():
            if self._ask_at.get(order.client_order_id, now) > now:
                continue
            self._ask_at[order.client_order_id] = now + self._policy.probe_spacing
            try:
                found = await self._find(order)
            except OperationFailed as error:
                log.warning("probe_failed", client_order_id=order.client_order_id, error=describe(error))
                continue
            if found is not None:
                self._absent.pop(order.client_order_id, None)
                seen.append(found)
            elif self._is_proven_absent(order):
                absent.append(order)
        found_all = reconcile(self._book.orders, seen, (), self._book.recorded)
        return await self._complete(found_all, seen, []), absent

    def _is_sweep_due(self, now: datetime) -> bool:
        return self._swept_at is None or now >= self._swept_at + self._policy.sweep_every

    def _doubtful(self) -> list[Order]:
        """In order of signal and leg: an entry before the legs that were sent with it."""
        waiting: list[Order] = []
        for trade in self._book:
            entry = trade.entry
            entered = entry is not None and entry.filled > ZERO
            for order in sorted(trade.orders.values(), key=lambda one: (one.attached, one.client_order_id)):
                # An attached leg does not exist before its entry fills.
                if order.is_doubtful and order.managed_by == "venue" and (entered or not order.attached):
                    waiting.append(order)
        return waiting

    async def _new_trades(self, symbols: set[str]) -> list[VenueTrade]:
        self._deaf.clear()
        if self._venue.counts_trades:
            trades, self._newest = await self._venue.trades_after(self._cursor)
            return trades
        trades = []
        for symbol in sorted(symbols):
            try:
                trades += await self._venue.trades(symbol, self._since)
            except (ExchangeError, OrderDenied) as error:
                log.error("symbol_unheard", symbol=symbol, error=describe(error))  # noqa: TRY400
                self._deaf.add(symbol)
        return trades

    async def _open_orders(self, symbol: str) -> list[VenueOrder]:
        try:
            return await self._venue.open_orders(symbol)
        except (ExchangeError, OrderDenied) as error:
            # A symbol that the venue took off its list must not keep the others from being heard.
            log.error("symbol_unheard", symbol=symbol, error=describe(error))  # noqa: TRY400
            return []

    async def _find(self, order: Order) -> VenueOrder | None:
        found = await self._venue.find(order)
        if found is not None:
            return found
        # Some venues answer "not found" for an order that is only not indexed yet, and list it as open.
        listed = await self._venue.open_orders(order.symbol)
        return next((one for one in listed if one.client_order_id == order.client_order_id), None)

    def _is_proven_absent(self, order: Order) -> bool:
        self._absent[order.client_order_id] += 1
        needed = 1 if self._venue.is_authoritative else self._policy.probes
        if self._absent[order.client_order_id] < needed:
            return False
        del self._absent[order.client_order_id]
        self._ask_at.pop(order.client_order_id, None)
        return True

    def _unheard(
        self, live: list[Order], first: Findings, seen: list[VenueOrder], *, sweep: bool
    ) -> list[Order]:
        """Orders that have to be asked for one by one: of signals that traded, or that were not listed."""
        fresh: dict[str, Any] = {}
        for fill in first.fills:
            known = fresh.get(fill["client_order_id"], ZERO)
            fresh[fill["client_order_id"]] = add(known, money(fill["amount"]))
        orders = self._book.orders
        traded: set[UUID] = {orders[client_id].signal_id for client_id in fresh}
        listed = {answer.client_order_id for answer in seen} | {answer.venue_order_id for answer in seen}
        unheard: list[Order] = []
        for order in live:
            if order.client_order_id in listed or order.venue_order_id in listed:
                continue
            whole = add(order.filled, fresh.get(order.client_order_id, ZERO)) == order.amount
            gone = sweep and order.is_confirmed
            moved = order.signal_id in traded and (order.is_confirmed or order.attached)
            if (gone or moved) and not whole:
                unheard.append(order)
        return unheard

    async def _ask(self, orders: Iterable[Order]) -> list[VenueOrder]:
        answers: list[VenueOrder] = []
        for order in orders:
            answer = await self._venue.find(order)
            if answer is not None:
                answers.append(answer)
            elif order.is_confirmed and self._is_proven_absent(order):
                # It was there, the venue has forgotten it, and its fills were asked for: it is over.
                gone = order.venue_order_id or order.client_order_id
                answers.append(
                    VenueOrder(gone, order.client_order_id, "canceled", order.amount, order.filled)
                )
        return answers

    async def _complete(self, found: Findings, seen: list[VenueOrder], trades: list[VenueTrade]) -> Findings:
        """Fetch the fills that answers speak of and nobody told yet."""
        if not found.short:
            return found
        orders = self._book.orders
        missing = [orders[client_id] for client_id in found.short]
        starts = [order.sent_at for order in missing if order.sent_at is not None]
        since = min(starts) - self._policy.overlap if starts else None
        more: list[VenueTrade] = []
        for symbol in sorted({order.symbol for order in missing}):
            more += await self._venue.trades(symbol, since)
        return reconcile(orders, seen, [*trades, *more], self._book.recorded)
