"""What the venue says of the account as a whole: nearness to liquidation, incomes, closes of its own, others.

It turns what was heard into facts, and remembers what was told, so that nothing is told twice in a row.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from shared.money import text
from workers.trading.book import Book
from workers.trading.decisions.closes import VenueClose, share_closes
from workers.trading.decisions.external import VenueIncome, external_orders, income_facts
from workers.trading.decisions.margin import Severity, VenuePosition, levels_of, reduce, watch
from workers.trading.decisions.reconciliation import VenueOrder
from workers.trading.ledger import Account, Facts
from workers.trading.orders import Leg, Position, PositionSide
from workers.trading.venues.venue import Venue


class Oversight:
    """Of one account. What it answers has to be recorded; telling it again would change nothing."""

    def __init__(self, account: Account, venue: Venue, book: Book) -> None:
        self._account = account
        self._venue = venue
        self._book = book
        self._alarmed: dict[tuple[str, PositionSide], Severity] = {}
        self._external: dict[tuple[str, str], tuple[str, Decimal]] = {}
        self._incomes: set[tuple[str, str]] = set()

    async def judge_margin(self, positions: Iterable[VenuePosition], margin_balance: Decimal) -> Facts:
        """Warnings of what is too near to liquidation, and what is reduced or closed because of it."""
        alarms = watch(positions, margin_balance, levels_of(self._account.settings))
        facts = Facts()
        for alarm in alarms:
            if self._alarmed.get((alarm.symbol, alarm.side)) != alarm.severity:
                data = {"symbol": alarm.symbol, "side": alarm.side, "severity": alarm.severity}
                facts.notices.append(_notice("margin_warning", alarm.why, data))
        self._alarmed = {(one.symbol, one.side): one.severity for one in alarms}
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
        facts = Facts(incomes=income_facts(incomes, self._incomes))
        self._incomes |= {(one["kind"], one["venue_income_id"]) for one in facts.incomes}
        return facts

    def hear_closes(self, closes: Iterable[VenueClose]) -> Facts:
        """What the venue closed with orders of its own."""
        return Facts(venue_closes=share_closes(closes, self._open_positions()))

    def hear_orders(self, seen: Iterable[VenueOrder]) -> Facts:
        """Orders of others that rest on this account."""
        named = self._venue.capabilities.client_ids.seen
        found = external_orders(self._book.orders, seen, self._external, named)
        self._external |= {
            (one["symbol"], one["venue_order_id"]): (one["status"], Decimal(one["filled"])) for one in found
        }
        return Facts(external_orders=found)

    def _open_positions(self) -> Iterable[Position]:
        return (t.position for t in self._book if t.position is not None and t.position.is_open)

    def _is_leaving(self, position: Position) -> bool:
        """Whether an order already takes some of it out."""
        trade = self._book.get(position.signal_id)
        orders = () if trade is None else trade.orders.values()
        return any(order.leg is Leg.EXIT and order.is_live for order in orders)


def _notice(kind: str, why: str, data: dict[str, Any]) -> dict[str, Any]:
    return {"event_type": kind, "why": why, "event_data": data}
