"""What an account has at its venue, held against the record: what vanished there, and what rests no more.

Fills are heard as they come. This looks at what no fill of ours tells: positions that the venue or a person
closed, stops and entries that were cancelled by hand. It looks when the stream rings about an account, and at
set times, since a stream may be silent.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from contextlib import nullcontext
from datetime import datetime
from decimal import Decimal

import structlog
from ccxt.base.errors import ExchangeError

from shared.errors import OrderDenied
from shared.money import ZERO, add, money, subtract, text
from workers.trading.book import Book
from workers.trading.decisions.closes import (
    Shortage,
    VenueClose,
    explain,
    share_closes,
    shortages,
    strangers,
)
from workers.trading.decisions.outcome import describe
from workers.trading.decisions.reconciliation import VenueTrade
from workers.trading.decisions.rules import Rules
from workers.trading.hearing import Hearing
from workers.trading.ledger import Facts
from workers.trading.orders import Leg, Order, Position, PositionSide, entry_side
from workers.trading.policy import Policy
from workers.trading.rhythm import Rhythm
from workers.trading.venues.stream import NOTHING
from workers.trading.venues.venue import Venue

log = structlog.get_logger(__name__)

Key = tuple[frozenset[str], PositionSide]


class Comparison:
    """Of one account. What `look` answers has to be recorded before `looked` is called."""

    def __init__(self, venue: Venue, book: Book, policy: Policy, hearing: Hearing) -> None:
        self._venue = venue
        self._book = book
        self._policy = policy
        self._hearing = hearing
        self._looked_at: datetime | None = None
        # Of looking at everything, not only at what rang.
        self._rhythm = Rhythm()
        self._under_way: tuple[datetime, bool] | None = None
        # When the venue last held all that the record says, by symbol: what closed it came later.
        self._whole_at: dict[str, datetime] = {}
        # How often in a row, and when last, no trade explained what is missing.
        self._unexplained: dict[Key, tuple[int, datetime]] = {}

    def is_due(self, now: datetime) -> bool:
        """Whether to look now; without a network wait."""
        if self._venue.is_authoritative:
            return False
        if self._looked_at is None or self._is_all_due(now) or self._open_questions(now):
            return bool(self._symbols())
        rang = bool(self._hearing.rung) and now >= self._looked_at + self._policy.look_spacing
        return rang and bool(self._symbols())

    async def look(self, now: datetime) -> Facts:
        """Ask for holdings and open orders, and compare. Raises what ccxt raises."""
        news, questions = self._hearing.rung, self._open_questions(now)
        is_urgent = bool(news or questions)
        # What rang comes before what is only due.
        is_late = self._rhythm.is_late(now, self._policy.look_every)
        whole = self._is_all_due(now) and (is_late or not is_urgent)
        self._under_way = (now, whole)
        every = self._symbols()
        self._forget(every)
        about = news.about
        due = every if whole or about is None else every & (about | questions)
        facts = Facts()
        with nullcontext() if is_urgent else self._rhythm.turn(now, self._policy.look_every):
            missing = await self._compare_holdings(due, now, facts)
            # Of what is missing without a reason, the protection is as it was: it may be nothing but late.
            await self._compare_orders(due - missing - self._hearing.listed, now, facts)
        return facts

    def looked(self) -> None:
        """What `look` found is in the record."""
        if self._under_way is None:
            return
        self._looked_at, whole = self._under_way
        self._under_way = None
        if whole:
            self._rhythm.asked(self._looked_at)
        self._hearing.rung = NOTHING
        self._hearing.listed.clear()

    def _is_all_due(self, now: datetime) -> bool:
        return self._rhythm.is_due(now, self._policy.look_every)

    def _open_questions(self, now: datetime) -> frozenset[str]:
        """Symbols of which something is missing, and that are looked at again before the next time is due."""
        due = [
            key[0]
            for key, (times, at) in self._unexplained.items()
            if times < self._policy.probes and now >= at + self._policy.probe_spacing
        ]
        return frozenset().union(*due)

    def _symbols(self) -> set[str]:
        resting = {order.symbol for order in self._book.live_orders() if order.managed_by == "venue"}
        return resting | {position.symbol for position in self._positions()}

    def _positions(self) -> list[Position]:
        positions = (trade.position for trade in self._book)
        return [one for one in positions if one is not None and one.is_open and one.amount >= one.lot]

    def _forget(self, symbols: Collection[str]) -> None:
        """What is not traded any more is not kept in mind."""
        self._whole_at = {symbol: at for symbol, at in self._whole_at.items() if symbol in symbols}
        self._unexplained = {key: one for key, one in self._unexplained.items() if key[0] & set(symbols)}

    async def _compare_holdings(self, due: set[str], now: datetime, facts: Facts) -> set[str]:
        """Explain what the venue does not hold. Answers the symbols of which it stays unexplained."""
        positions = [one for one in self._positions() if one.symbol in due]
        rules: dict[str, Rules] = {}
        for symbol in sorted({one.symbol for one in positions}):
            try:
                rules[symbol] = await self._venue.rules(symbol)
            except (ExchangeError, OrderDenied) as error:
                # A symbol that the venue took off its list must not keep the others from being compared.
                log.error("symbol_unheard", symbol=symbol, error=describe(error))  # noqa: TRY400
        if not rules:
            return set()
        # All positions that draw on one balance belong together, whichever of them rang.
        spot = {one.base for one in rules.values() if one.spot}
        for one in self._positions():
            if one.symbol not in rules and one.symbol.split("/")[0] in spot and ":" not in one.symbol:
                rules[one.symbol] = await self._venue.rules(one.symbol)
        # Before the trades: what is missing now, they tell.
        holdings = await self._venue.holdings(sorted(rules))
        ours = [one for one in self._positions() if one.symbol in rules]
        lacking: set[str] = set()
        found = shortages(ours, holdings.balances, holdings.positions, rules, hedged=not self._venue.nets)
        for shortage in found:
            if not await self._explain(shortage, ours, now, facts):
                lacking |= shortage.symbols
        missing = {(one.symbols, one.side) for one in found}
        self._unexplained = {key: one for key, one in self._unexplained.items() if key in missing}
        for symbol in rules.keys() - {symbol for one in found for symbol in one.symbols}:
            self._whole_at[symbol] = now
        return lacking

    async def _explain(
        self, shortage: Shortage, ours: Iterable[Position], now: datetime, facts: Facts
    ) -> bool:
        """Find the trades behind a shortage; False while they are not all known."""
        ours = [one for one in ours if one.symbol in shortage.symbols and one.side == shortage.side]
        orders = [order for order in self._book.orders.values() if order.symbol in shortage.symbols]
        trades: list[VenueTrade] = []
        for symbol in sorted(shortage.symbols):
            trades += await self._trades(symbol, ours, now)
        resting = [one for one in orders if one.is_confirmed and one.managed_by == "venue"]
        own = await self._hearing.compare([], resting, now, trades)
        facts.fills += own.fills
        facts.outcomes += own.outcomes
        exits = {one.client_order_id for one in orders if one.leg is not Leg.ENTRY and _closes(one, shortage)}
        heard = add(*(money(fill["amount"]) for fill in own.fills if fill["client_order_id"] in exits))
        left = max(subtract(shortage.amount, heard), ZERO)
        if left < min(one.lot for one in ours):
            return True
        if own.short or any(one.is_doubtful and one.client_order_id in exits for one in orders):
            # One of ours may be behind it, and its fills are not told yet.
            self._unexplained.setdefault((shortage.symbols, shortage.side), (0, now))
            return False
        known = {number for ids in self._book.recorded.values() for number in ids}
        known |= {fill["venue_trade_id"] for fill in own.fills}
        opened: dict[tuple[str, PositionSide], datetime] = {}
        for one in ours:
            key = (one.symbol, one.side)
            opened[key] = min(one.opened_at, opened.get(key, one.opened_at))
        wanted = Shortage(shortage.symbols, shortage.side, left, shortage.whole)
        behind, left = explain(wanted, strangers(trades, known, opened))
        reasons = {one.venue_order_id: await self._venue.is_liquidation(one) for one in behind}
        closes = [VenueClose(one, liquidated=reasons[one.venue_order_id]) for one in behind]
        facts.venue_closes += share_closes(closes, ours)
        if left < min(one.lot for one in ours):
            self._unexplained.pop((shortage.symbols, shortage.side), None)
            return True
        self._give_up(shortage, left, ours, now, facts)
        return False

    async def _trades(self, symbol: str, ours: Iterable[Position], now: datetime) -> list[VenueTrade]:
        opened = min((one.opened_at for one in ours if one.symbol == symbol), default=now)
        since = max(self._whole_at.get(symbol, opened), opened) - self._policy.overlap
        found = await self._venue.trades(symbol, since)
        for kind in self._venue.capabilities.close_kinds:
            found += await self._venue.trades(symbol, since, kind)
        return found

    def _give_up(
        self, shortage: Shortage, left: Decimal, ours: Iterable[Position], now: datetime, facts: Facts
    ) -> None:
        """After some looks, spaced, a position of which nothing is there is left: as reduce-only, so that an
        answer that was wrong does no harm, and a refusal writes it off."""
        key = (shortage.symbols, shortage.side)
        times, at = self._unexplained.get(key, (0, now - self._policy.probe_spacing))
        if now >= at + self._policy.probe_spacing:
            times, at = times + 1, now
        self._unexplained[key] = (times, at)
        symbols = sorted(shortage.symbols)
        # A venue tells holdings before it tells the trades behind them: an alarm is what stays so.
        tell = log.error if times >= self._policy.probes else log.warning
        tell("holdings_differ", symbols=symbols, side=shortage.side, missing=text(left), looks=times)
        if times < self._policy.probes or not shortage.whole:
            return
        facts.exits += [
            {
                "position_id": str(one.id),
                "reason": "venue_closed",
                "message": "the venue holds nothing of it, and no trade tells why",
            }
            for one in ours
            if one.exit_reason is None
        ]

    async def _compare_orders(self, symbols: set[str], now: datetime, facts: Facts) -> None:
        found = await self._hearing.relist(symbols, now)
        told = {fill["venue_trade_id"] for fill in facts.fills}
        facts.fills += [fill for fill in found.fills if fill["venue_trade_id"] not in told]
        facts.outcomes += found.outcomes


def _closes(order: Order, shortage: Shortage) -> bool:
    return order.side != entry_side(shortage.side)
