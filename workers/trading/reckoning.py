"""The reckoning of one account: what is in its wallet at the venue, told to the database, which holds it
against the record."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from datetime import datetime

from shared.money import text
from workers.trading.book import Book
from workers.trading.decisions.external import VenueIncome
from workers.trading.ledger import Account, Ledger
from workers.trading.policy import Policy
from workers.trading.rhythm import Rhythm
from workers.trading.venues.venue import Venue


class Reckoning:
    """Told now and then. `hear` has transfers recorded first: they explain what they changed."""

    def __init__(
        self,
        account: Account,
        venue: Venue,
        ledger: Ledger,
        book: Book,
        policy: Policy,
        hear: Callable[[Iterable[VenueIncome]], Awaitable[int]],
    ) -> None:
        self._account = account
        self._venue = venue
        self._ledger = ledger
        self._book = book
        self._policy = policy
        self._hear = hear
        # The paper exchange's ledger is the record's own arithmetic.
        self._is_told = venue.capabilities.wallet is not None and not venue.is_authoritative
        self._rhythm = Rhythm()
        self._since: datetime | None = None

    def is_due(self, now: datetime) -> bool:
        """Whether the next look asks; the first one does after a while, when what was missed is recorded."""
        if self._rhythm.asked_at is None:
            self._rhythm.asked(now)
        return self._is_told and self._rhythm.is_due(now, self._policy.reckon_every)

    async def look(self, now: datetime) -> int:
        """Ask and tell if that is due. Answers how much was done."""
        if not self.is_due(now):
            return 0
        since = self._since or now - self._policy.transfers_since
        # On spot what is held is in the wallet itself.
        held = {one.position.symbol for one in self._book if one.position is not None}
        with self._rhythm.turn(now, self._policy.reckon_every):
            self._rhythm.asked(now)
            moved = await self._venue.transfers(since)
            found = await self._venue.wallet(sorted(held) if self._account.market == "usdm" else [])
        done = await self._hear(moved)
        self._since = now - self._policy.overlap
        told = [
            {"currency": one.currency, "amount": text(one.amount), "rounding": text(one.rounding)}
            for one in found
        ]
        if not await self._ledger.tell_wallet(self._account, told, now):
            self._rhythm.asked(now + self._policy.reckon_again - self._policy.reckon_every)
        return done
