"""What happened at the venue: fills, orders that ended, orders that nobody knew of whether they exist.

Streams lose messages, so this asks, and asks again with an overlap; what it hears twice changes nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable
from contextlib import nullcontext
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import structlog
from ccxt.base.errors import ExchangeError, OperationFailed

from shared.errors import OrderDenied
from shared.money import ZERO, add, money
from workers.trading.book import Book
from workers.trading.decisions.outcome import describe
from workers.trading.decisions.reconciliation import Findings, VenueOrder, VenueTrade, reconcile
from workers.trading.glance import Glance
from workers.trading.orders import Order
from workers.trading.policy import Policy
from workers.trading.rhythm import Rhythm
from workers.trading.venues.lookup import find_anywhere
from workers.trading.venues.stream import NOTHING, News
from workers.trading.venues.told import Told, is_known, orders_by_venue_id
from workers.trading.venues.venue import Venue
from workers.trading.venues.wording import is_conditional

log = structlog.get_logger(__name__)

# After so many times our stops say nothing of a fill, it is somebody else's.
_ASKED_ABOUT = 5


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
        self._rhythm = Rhythm()
        self._glance = Glance(venue, book, policy)
        self._swept_at: datetime | None = None
        self._next: tuple[int | None, datetime] | None = None
        self._newest: int | None = None
        # Symbols whose trades could not be read: the time to read from does not move on.
        self._deaf: set[str] = set()
        # When the account is asked once more after a connect.
        self._settle_at: datetime | None = None
        # Orders under which fills came that nobody knows, and how often our stops were asked about them.
        self._strange: Counter[str] = Counter()
        # What rang, and nobody has compared holdings and open orders for.
        self.rung: News = NOTHING
        # What was told of orders that rest, by the venue's id, and was found to be known.
        self._told: dict[str, Told] = {}
        # Symbols whose open orders were listed since anything of them rang, for whoever compares next.
        self.listed: set[str] = set()
        # Every order that the last sweep was answered, also those of others, by symbol.
        self.swept: dict[str, list[VenueOrder]] = {}
        # Of orders that are live, by client order id: when to ask for those in doubt; those of which we know
        # ourselves that the last try never left; how often in a row one was not there, and when last.
        self._ask_at: dict[str, datetime] = {}
        self._unsent: set[str] = set()
        self._absent: dict[str, tuple[int, datetime]] = {}

    def begin(self, since: datetime | None, now: datetime) -> None:
        """Listen from a time on; the first look is a sweep."""
        starts = [order.sent_at for order in self._book.live_orders() if order.sent_at is not None]
        earliest = min([*starts, since or now, now])
        self._since = earliest - self._policy.overlap
        self._rhythm.forget()
        self._swept_at = None

    def has_news(self, now: datetime) -> bool:
        """Whether the venue has to be asked now; without a network wait."""
        if self._rhythm.asked_at is None:
            return True
        activity = self._venue.activity
        if activity is not None:
            unswept = activity != self._swept_activity and self._is_sweep_due(now)
            return activity != self._activity or unswept
        stream = self._venue.stream
        if stream is not None and stream.has_rung:
            return True
        # A venue that cannot be looked at for free is asked as long as something of ours is there.
        return self._is_poll_due(now) and bool(self._book.live_orders())

    async def listen(self, now: datetime) -> Findings:
        """Ask the venue for what is new, and compare. Raises what ccxt raises."""
        activity, stream = self._venue.activity, self._venue.stream
        # Taken before asking: what rings meanwhile rings again.
        news = NOTHING if stream is None else self._sift(stream.take())
        self.rung = self.rung | news
        self.listed = set() if news.about is None else self.listed - news.about
        if news.catch_up:
            self._settle_at = now + self._policy.settle
        sweep = news.catch_up or self._is_sweep_due(now)
        orders = self._book.orders
        live = [order for order in self._book.live_orders() if order.managed_by == "venue"]
        symbols = {order.symbol for order in live}
        # What rang comes before what is only due.
        polled = sweep or (self._is_poll_due(now) and (not news or self._rhythm.is_late(now, self._every)))
        is_routine = polled and not news and self._stream_rings
        with self._rhythm.turn(now, self._every) if is_routine else nullcontext():
            trades = await self._new_trades(await self._doubted(symbols, news, now, polled=polled))
        seen: list[VenueOrder] = []
        if sweep:
            seen += await self._sweep(symbols)
            if news.catch_up or self._rhythm.asked_at is None:
                self.listed |= symbols & self.swept.keys()
        first = reconcile(orders, seen, trades, self._book.recorded)
        seen += await self._ask(self._unheard(live, first, seen, sweep=sweep), now)
        seen += await self._ask(self._suspects(live, trades, seen), now)
        found = await self._complete(reconcile(orders, seen, trades, self._book.recorded), seen, trades)
        if stream is not None and stream.is_healthy and not news and self._is_late(found, now):
            stream.distrust("polling found fills of which it told nothing")
        self._next = (activity, now) if polled or activity is not None else None
        return found

    async def compare(
        self, seen: list[VenueOrder], ask: Iterable[Order], now: datetime, trades: Iterable[VenueTrade] = ()
    ) -> Findings:
        """Compare what a command answered, and ask about these orders."""
        seen, trades = [*seen, *await self._ask(ask, now)], list(trades)
        found = reconcile(self._book.orders, seen, trades, self._book.recorded)
        return await self._complete(found, seen, trades)

    async def relist(self, symbols: Iterable[str], now: datetime) -> Findings:
        """Read the open orders of these symbols, and ask about those of ours that are not among them."""
        symbols = set(symbols)
        seen = await self._sweep(symbols)
        live = [
            order
            for order in self._book.live_orders()
            if order.managed_by == "venue" and order.symbol in symbols
        ]
        first = reconcile(self._book.orders, seen, (), self._book.recorded)
        return await self.compare(seen, self._unheard(live, first, seen, sweep=True), now)

    def heard(self) -> None:
        """What `listen` found is in the record: go on from there."""
        if self._venue.stream is not None:
            self._venue.stream.done()
            # What is in the record by now leaves nothing to compare.
            self.rung = self._sift(self.rung)
        if self._next is None:
            return
        self._activity, now = self._next
        self._next = None
        self._cursor = self._newest
        if self._is_sweep_due(now):
            self._swept_at, self._swept_activity = now, self._activity
        self._rhythm.asked(now)
        if not self._deaf:
            # Where the venue does not tell its fills, what differs may well be ours.
            self._glance.heard()
            self._since = now - self._policy.overlap

    def doubt(self, order: Order, now: datetime) -> None:
        """Nobody knows whether this order exists: ask for it, beginning one spacing from now."""
        wait = 0 if self._venue.is_authoritative else 1
        self._ask_at[order.client_order_id] = now + wait * self._policy.probe_spacing

    def put_off(self, order: Order, now: datetime) -> None:
        """This order was not sent: it is absent for certain, and may be sent with the next look."""
        self._unsent.add(order.client_order_id)
        self._ask_at[order.client_order_id] = now

    async def probe(self, now: datetime) -> tuple[Findings, list[Order]]:
        """Ask for doubtful orders that are due. Answers what is known of those that exist, and those that are
        proven absent."""
        self._forget()
        seen = await self._ask(self._missed(now), now)
        absent: list[Order] = []
        for order in self._doubtful():
            if self._ask_at.get(order.client_order_id, now) > now:
                continue
            self._ask_at[order.client_order_id] = now + self._policy.probe_spacing
            if order.managed_by == "bridge":
                # No venue ever hears of it: what was lost is only that it is watched.
                absent.append(order)
                continue
            if order.client_order_id in self._unsent:
                self._unsent.discard(order.client_order_id)
                absent.append(order)
                continue
            try:
                found = await self._find(order)
            except (OperationFailed, ExchangeError, OrderDenied) as error:
                log.warning("probe_failed", client_order_id=order.client_order_id, error=describe(error))
                continue
            if found is not None:
                self._absent.pop(order.client_order_id, None)
                seen.append(found)
            elif self._is_proven_absent(order, now):
                absent.append(order)
        found_all = reconcile(self._book.orders, seen, (), self._book.recorded)
        return await self._complete(found_all, seen, []), absent

    def _is_sweep_due(self, now: datetime) -> bool:
        return self._swept_at is None or now >= self._swept_at + self._policy.sweep_every

    def _is_poll_due(self, now: datetime) -> bool:
        asked_at = self._rhythm.asked_at
        if asked_at is None or (self._settle_at is not None and asked_at < self._settle_at <= now):
            return True
        return self._rhythm.is_due(now, self._every)

    @property
    def _stream_rings(self) -> bool:
        return self._venue.stream is not None and self._venue.stream.is_healthy

    @property
    def _every(self) -> timedelta:
        return self._policy.poll_streaming if self._stream_rings else self._policy.poll_every

    def _sift(self, news: News) -> News:
        """What of the news is not in the record."""
        if not news.told or self._venue.capabilities.contracts:
            return news
        orders = orders_by_venue_id(self._book.orders.values())
        left: list[Told] = []
        for told in news.told:
            order = orders.get(told.venue_order_id)
            recorded = () if order is None else self._book.recorded.get(order.client_order_id, ())
            if not is_known(told, order, recorded, self._told.get(told.venue_order_id)):
                left.append(told)
            elif told.status == "open":
                self._told[told.venue_order_id] = told
        self._told = {name: told for name, told in self._told.items() if name in orders}
        return replace(news, told=tuple(left))

    async def _doubted(self, symbols: set[str], news: News, now: datetime, *, polled: bool) -> set[str]:
        """Of these symbols those whose fills have to be asked for."""
        rung = symbols if news.about is None else symbols & news.about
        if not polled and news.about is not None:
            return rung
        is_first = self._rhythm.asked_at is None
        if (self._is_sweep_due(now) and not is_first) or not self._venue.capabilities.glances:
            return symbols
        return await self._glance.differing(symbols) | (set() if news.about is None else rung)

    def _is_late(self, found: Findings, now: datetime) -> bool:
        """Whether some of these fills should have been told of by now."""
        told_by = now - self._policy.settle
        return any(datetime.fromisoformat(fill["executed_at"]) < told_by for fill in found.fills)

    def _suspects(self, live: list[Order], trades: list[VenueTrade], seen: list[VenueOrder]) -> list[Order]:
        """Conditional orders that may be behind fills of orders that nobody knows.

        A stop that triggered goes on under another id, which only the stop itself names.
        """
        if not self._venue.capabilities.triggers_anew:
            return []
        orders = self._book.orders
        known = {order.venue_order_id for order in orders.values()}
        known |= {answer.fills_as for answer in seen} | {answer.venue_order_id for answer in seen}
        strange = {
            trade.venue_order_id: trade.symbol
            for trade in trades
            if trade.client_order_id not in orders
            and trade.venue_order_id not in known
            and self._strange[trade.venue_order_id] < _ASKED_ABOUT
        }
        # Those that no answer tells of any more are not told again: each goes on from a later time.
        told_of = {trade.venue_order_id for trade in trades}
        self._strange = Counter({name: n for name, n in self._strange.items() if name in told_of})
        self._strange.update(strange.keys())
        symbols = set(strange.values())
        told = {answer.client_order_id for answer in seen if answer.fills_as is not None}
        return [
            order
            for order in live
            if order.symbol in symbols
            and order.is_confirmed
            and is_conditional(order)
            and order.client_order_id not in told
        ]

    def _doubtful(self) -> list[Order]:
        """In order of signal and leg: an entry before the legs that were sent with it."""
        waiting: list[Order] = []
        for trade in self._book:
            entry = trade.entry
            entered = entry is not None and entry.filled > ZERO
            for order in sorted(trade.orders.values(), key=lambda one: (one.attached, one.client_order_id)):
                # An attached leg does not exist before its entry fills.
                if order.is_doubtful and (entered or not order.attached):
                    waiting.append(order)
        return waiting

    async def _new_trades(self, symbols: set[str]) -> list[VenueTrade]:
        self._deaf.clear()
        if self._venue.counts_trades:
            trades, self._newest = await self._venue.trades_after(self._cursor)
            return trades
        if self._venue.capabilities.fills.of_all and len(symbols) > 1:
            return await self._venue.trades_of(symbols, self._since)
        trades = []
        for symbol in sorted(symbols):
            try:
                trades += await self._venue.trades(symbol, self._since)
            except (ExchangeError, OrderDenied) as error:
                log.error("symbol_unheard", symbol=symbol, error=describe(error))  # noqa: TRY400
                self._deaf.add(symbol)
        return trades

    async def _sweep(self, symbols: Collection[str]) -> list[VenueOrder]:
        """Read the open orders of these symbols."""
        seen: list[VenueOrder] = []
        if self._venue.capabilities.by_coin and len(symbols) > 1:
            found = await self._venue.open_orders_of(symbols)
            self.swept |= found
            return [one for orders in found.values() for one in orders]
        for symbol in sorted(symbols):
            try:
                self.swept[symbol] = await self._venue.open_orders(symbol)
            except (ExchangeError, OrderDenied) as error:
                # A symbol that the venue took off its list must not keep the others from being heard.
                log.error("symbol_unheard", symbol=symbol, error=describe(error))  # noqa: TRY400
            else:
                seen += self.swept[symbol]
        return seen

    async def _find(self, order: Order) -> VenueOrder | None:
        return await find_anywhere(self._venue, order, self._policy.overlap)

    def _is_proven_absent(self, order: Order, now: datetime) -> bool:
        """Count that an order was not there. Only answers far enough apart prove something: one that was just
        taken may be in no listing yet."""
        times, at = self._absent.get(order.client_order_id, (0, now - self._policy.probe_spacing))
        if now >= at + self._policy.probe_spacing:
            times, at = times + 1, now
        self._absent[order.client_order_id] = (times, at)
        if times < (1 if self._venue.is_authoritative else self._policy.probes):
            return False
        del self._absent[order.client_order_id]
        self._ask_at.pop(order.client_order_id, None)
        return True

    def _missed(self, now: datetime) -> list[Order]:
        """Orders that the venue had confirmed and did not find, when it is time to ask again."""
        spacing = self._policy.probe_spacing
        due = [name for name, (_, at) in self._absent.items() if now >= at + spacing]
        orders = [self._book.find(name) for name in due]
        return [order for order in orders if order is not None and order.is_confirmed]

    def _forget(self) -> None:
        """What is over is not kept in mind."""
        if not (self._ask_at or self._absent or self._unsent):
            return
        live = {order.client_order_id for order in self._book.live_orders()}
        self._unsent &= live
        self._ask_at = {name: at for name, at in self._ask_at.items() if name in live}
        self._absent = {name: one for name, one in self._absent.items() if name in live}

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

    async def _ask(self, orders: Iterable[Order], now: datetime) -> list[VenueOrder]:
        answers: list[VenueOrder] = []
        for order in orders:
            try:
                answer = await self._venue.find(order)
            except (ExchangeError, OrderDenied) as error:
                log.error(  # noqa: TRY400
                    "order_unheard", client_order_id=order.client_order_id, error=describe(error)
                )
                continue
            if answer is not None:
                self._absent.pop(order.client_order_id, None)
                answers.append(answer)
            elif order.is_confirmed and self._is_proven_absent(order, now):
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
            try:
                more += await self._venue.trades(symbol, since)
            except (ExchangeError, OrderDenied) as error:
                log.error("symbol_unheard", symbol=symbol, error=describe(error))  # noqa: TRY400
        return reconcile(orders, seen, [*trades, *more], self._book.recorded)
