"""The watch over one account's futures: how far they are from liquidation, and what was paid as funding."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from datetime import datetime
from decimal import Decimal

from shared.errors import Unavailable
from workers.trading.book import Book
from workers.trading.decisions.external import VenueIncome
from workers.trading.decisions.margin import VenuePosition
from workers.trading.ledger import Account, Facts
from workers.trading.oversight import Oversight
from workers.trading.policy import Policy
from workers.trading.rhythm import Rhythm
from workers.trading.venues.venue import Venue


class Watch:
    """Asks now and then. What is heard goes to `hear`, which records it, does what it asks for, and answers
    how much was done."""

    def __init__(
        self,
        account: Account,
        venue: Venue,
        book: Book,
        oversight: Oversight,
        policy: Policy,
        hear: Callable[[Facts], Awaitable[int]],
    ) -> None:
        self._venue = venue
        self._book = book
        self._oversight = oversight
        self._policy = policy
        self._hear = hear
        # The paper exchange liquidates nobody, and knows no funding.
        self._is_needed = account.market == "usdm" and not venue.is_authoritative
        self._margin, self._funding = Rhythm(), Rhythm()
        # From when on funding is asked for, by symbol.
        self._funded: dict[str, datetime] = {}

    async def look(self, now: datetime) -> int:
        """Ask what is due. Answers how much was done."""
        if not self._is_needed:
            return 0
        done, held = 0, set[str]()
        for trade in self._book:
            position = trade.position
            if position is not None and position.is_open:
                held.add(position.symbol)
                self._funded.setdefault(position.symbol, position.opened_at)
        if held and self._margin.is_due(now, self._policy.margin_every):
            with self._margin.turn(now, self._policy.margin_every):
                self._margin.asked(now)
                standing = await self._venue.standing(sorted(held))
            done += await self.hear_margin(*standing)
        if self._funded and self._funding.is_due(now, self._policy.funding_every):
            with self._funding.turn(now, self._policy.funding_every):
                self._funding.asked(now)
                paid = await self._venue.funding(self._funded)
            try:
                done += await self.hear_incomes(paid)
            except Unavailable:
                # As soon as the database is back, and not in a quarter of an hour.
                self.hurry()
                raise
            # What was closed since is asked for once more: it may have paid on its last day.
            self._funded = dict.fromkeys(held, now - self._policy.overlap)
        return done

    def hurry(self) -> None:
        """Funding is asked for with the next look."""
        self._funding.forget()

    async def hear_margin(self, positions: Iterable[VenuePosition], margin_balance: Decimal) -> int:
        """What the venue says of positions and margin: too near to liquidation is warned of, and reduced."""
        return await self._hear(await self._oversight.judge_margin(positions, margin_balance))

    async def hear_incomes(self, incomes: Iterable[VenueIncome]) -> int:
        """Funding and whatever else changed the balance without a trade."""
        return await self._hear(self._oversight.hear_incomes(incomes))
