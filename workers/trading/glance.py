"""A glance at what an account holds, where one question tells it all: which symbols are not as recorded.

Asking for the fills of every symbol costs a venue's address its whole budget where many are held. A fill that
nobody told of changes what is held, so only what differs is asked for. Fills that cancel each other out to
the last digit leave holdings as they were, and are found by their orders, which rest no more.
"""

from __future__ import annotations

from collections.abc import Collection
from decimal import Decimal

from shared.money import ZERO, add, subtract
from workers.trading.book import Book
from workers.trading.policy import Policy
from workers.trading.venues.assets import Holdings
from workers.trading.venues.venue import Venue


class Glance:
    """Of one account. What `differing` answered has to be recorded before `heard` is called."""

    def __init__(self, venue: Venue, book: Book, policy: Policy) -> None:
        self._venue = venue
        self._book = book
        self._policy = policy
        # How far the venue's holdings are from ours, as nobody could explain: a person's own.
        self._apart: dict[str, Decimal] = {}
        # The same since the last looks, and how many told so.
        self._doubts: dict[str, tuple[Decimal, int]] = {}
        self._seen: dict[str, Decimal] | None = None

    async def differing(self, symbols: Collection[str]) -> set[str]:
        """Of these symbols those whose fills have to be asked for: what is held differs from what it was, or
        an order should have filled. Raises what ccxt raises."""
        if not symbols:
            return set()
        holdings = await self._venue.holdings(sorted(symbols))
        self._seen = {key: self._measure(key, holdings) for key in map(_key, symbols)}
        orders = self._book.live_orders()
        wanting = {order.symbol for order in orders if order.is_confirmed and order.kind == "market"}
        return {
            symbol
            for symbol in symbols
            if symbol in wanting or self._seen[_key(symbol)] != self._apart.get(_key(symbol), ZERO)
        }

    def heard(self) -> None:
        """What was asked for is in the record. What differs all the same, look after look, is not ours."""
        for key, apart in (self._seen or {}).items():
            was, times = self._doubts.pop(key, (apart, 0))
            if apart == self._apart.get(key, ZERO):
                continue
            times = times + 1 if apart == was else 1
            if times >= self._policy.probes:
                self._apart[key] = apart
            else:
                self._doubts[key] = apart, times
        self._seen = None

    def _measure(self, key: str, holdings: Holdings) -> Decimal:
        """How much more the venue holds than the record says, shorts below zero."""
        positions = [trade.position for trade in self._book if trade.position is not None]
        ours = [
            one.amount if one.side == "long" else -one.amount
            for one in positions
            if one.is_open and _key(one.symbol) == key
        ]
        theirs = [
            amount if side == "long" else -amount
            for (symbol, side), amount in holdings.positions.items()
            if symbol == key
        ]
        return subtract(add(holdings.balances.get(key, ZERO), *theirs), add(*ours))


def _key(symbol: str) -> str:
    """What holdings are counted by: a contract's symbol, or the coin that is bought with spot."""
    return symbol if ":" in symbol else symbol.split("/")[0]
