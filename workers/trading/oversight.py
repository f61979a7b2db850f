"""What the venue says of the account as a whole: nearness to liquidation, incomes, closes of its own, others.

It turns what was heard into facts, and remembers what was recorded: that is not told again, and what the
database did not take is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from shared.market import Market
from shared.money import ZERO, text
from workers.trading.book import Book
from workers.trading.decisions.external import VenueIncome, external_orders, income_facts
from workers.trading.decisions.margin import Severity, VenuePosition, levels_of, reduce, watch
from workers.trading.decisions.reconciliation import VenueOrder
from workers.trading.decisions.risk import Terms
from workers.trading.ledger import Account, Facts
from workers.trading.orders import Leg, Position, PositionSide
from workers.trading.policy import Policy
from workers.trading.venues.venue import Venue

# Incomes are asked for with an overlap of minutes; after a restart the database knows them all.
REMEMBERED = timedelta(days=1)


class Oversight:
    """Of one account. What it answers has to be recorded, and `recorded` be told so; telling it again would
    change nothing."""

    def __init__(self, account: Account, venue: Venue, book: Book) -> None:
        self._account = account
        self._venue = venue
        self._book = book
        self._alarmed: dict[tuple[str, PositionSide], Severity] = {}
        self._external: dict[tuple[str, str], tuple[str, Decimal]] = {}
        self._incomes: dict[tuple[str, str], datetime] = {}
        self._marks: dict[str, tuple[str, frozenset[UUID]]] = {}
        self._marks_told = self._marks
        self._marked_at: datetime | None = None
        # What the venue said of each side last, and of which positions.
        self._standing: dict[tuple[str, PositionSide], tuple[str, str, frozenset[UUID]]] = {}

    async def judge_margin(self, positions: Iterable[VenuePosition], margin_balance: Decimal) -> Facts:
        """Warnings of what is too near to liquidation, and what is reduced or closed because of it."""
        positions = list(positions)
        alarms = watch(positions, margin_balance, levels_of(self._account.settings))
        facts = Facts(marks=self._standing_marks(positions))
        for alarm in alarms:
            if self._alarmed.get((alarm.symbol, alarm.side)) != alarm.severity:
                data = {"symbol": alarm.symbol, "side": alarm.side, "severity": alarm.severity}
                facts.notices.append(_notice("margin_warning", alarm.why, data))
        standing = {(one.symbol, one.side) for one in alarms}
        self._alarmed = {key: severity for key, severity in self._alarmed.items() if key in standing}
        ours = [position for position in self._open_positions() if not self._is_leaving(position)]
        rules = {one.symbol: await self._venue.rules(one.symbol) for one in ours}
        for cut in reduce(alarms, ours, rules):
            position = cut.position
            amount = text(rules[position.symbol].closable(cut.amount))
            data = {"position_id": str(position.id), "symbol": position.symbol, "amount": amount}
            facts.notices.append(_notice("margin_reduction", cut.why, data))
            if cut.whole:
                facts.exits.append(
                    {"position_id": str(position.id), "reason": "margin_reduced", "message": cut.why}
                )
                continue
            trade = self._book.get(position.signal_id)
            facts.intents.append(
                {
                    "signal_id": str(position.signal_id),
                    "leg": Leg.EXIT.value,
                    "attempt": 1 if trade is None else trade.next_attempt(Leg.EXIT),
                    "side": position.exit_side,
                    "kind": "market",
                    "amount": amount,
                    "reduce_only": True,
                }
            )
        return facts

    def hear_incomes(self, incomes: Iterable[VenueIncome]) -> Facts:
        """Funding and whatever else changed the balance without a trade."""
        return Facts(incomes=income_facts(incomes, self._incomes))

    def mark(
        self, market: Market, terms: Terms | None, policy: Policy, now: datetime
    ) -> list[dict[str, Any]]:
        """The last prices of what is held, where losses are limited or the owner looks, and it is time to."""
        if terms is None or not (terms.limits_losses or terms.watched):
            return []
        # Where losses are limited nobody who looks changes when they are judged.
        every = policy.mark_every if terms.limits_losses else policy.mark_watched_every
        if self._marked_at is not None and now < self._marked_at + every:
            return []
        self._marked_at = now
        told: dict[str, tuple[str, frozenset[UUID]]] = {}
        for symbol in sorted({one.symbol for one in self._open_positions()}):
            held = [one for one in self._open_positions() if one.symbol == symbol]
            price = market.price(held[0].venue_symbol)
            if price is not None:
                told[symbol] = (text(price), frozenset(one.id for one in held))
        changed = [symbol for symbol, mark in told.items() if self._marks.get(symbol) != mark]
        self._marks_told = told
        return [{"symbol": symbol, "price": told[symbol][0]} for symbol in changed]

    def _standing_marks(self, positions: Iterable[VenuePosition]) -> list[dict[str, Any]]:
        """What changed of prices and of where the venue would liquidate what is held, by side."""
        marks: list[dict[str, Any]] = []
        for one in positions:
            held = self._held(one.symbol, one.side)
            if not held or one.mark_price <= ZERO:
                continue
            liquidation = one.liquidation_price
            mark = {
                "symbol": one.symbol,
                "side": one.side,
                "price": text(one.mark_price),
                "liquidation_price": "" if liquidation is None else text(liquidation),
            }
            known = (mark["price"], mark["liquidation_price"], held)
            if self._standing.get((one.symbol, one.side)) != known:
                marks.append(mark)
        return marks

    def hear_orders(self, seen: Mapping[str, Iterable[VenueOrder]]) -> Facts:
        """Orders of others that rest on this account, by symbol: all of those symbols."""
        named = self._venue.capabilities.client_ids.seen
        orders = [one for found in seen.values() for one in found]
        found = external_orders(self._book.orders, orders, self._external, named)
        # What rests no more is not kept in mind, nor what rests in symbols that are not traded any more.
        resting = {(one.symbol, one.venue_order_id) for one in orders}
        traded = {order.symbol for order in self._book.live_orders()}
        self._external = {
            key: one
            for key, one in self._external.items()
            if key in resting or (key[0] not in seen and key[0] in traded)
        }
        return Facts(external_orders=found)

    def recorded(self, facts: Facts) -> None:
        """These facts are in the record: they are not told again."""
        self._external |= {
            (one["symbol"], one["venue_order_id"]): (one["status"], Decimal(one["filled"]))
            for one in facts.external_orders
        }
        for notice in facts.notices:
            if notice["event_type"] == "margin_warning":
                of = notice["event_data"]
                self._alarmed[of["symbol"], of["side"]] = of["severity"]
        if any("side" not in one for one in facts.marks):
            self._marks = self._marks_told
        for one in facts.marks:
            if "side" in one:
                of = (one["symbol"], one["side"])
                self._standing[of] = (one["price"], one["liquidation_price"], self._held(*of))
        if facts.incomes:
            self._incomes |= {
                (one["kind"], one["venue_income_id"]): datetime.fromisoformat(one["occurred_at"])
                for one in facts.incomes
            }
            # What is older is not asked for again.
            since = max(self._incomes.values()) - REMEMBERED
            self._incomes = {key: at for key, at in self._incomes.items() if at >= since}

    def _held(self, symbol: str, side: PositionSide) -> frozenset[UUID]:
        return frozenset(
            one.id for one in self._open_positions() if one.symbol == symbol and one.side == side
        )

    def _open_positions(self) -> Iterable[Position]:
        return (t.position for t in self._book if t.position is not None and t.position.is_open)

    def _is_leaving(self, position: Position) -> bool:
        """Whether an order already takes some of it out."""
        trade = self._book.get(position.signal_id)
        orders = () if trade is None else trade.orders.values()
        return any(order.leg is Leg.EXIT and order.is_live for order in orders)


def _notice(kind: str, why: str, data: dict[str, Any]) -> dict[str, Any]:
    return {"event_type": kind, "why": why, "event_data": data}
