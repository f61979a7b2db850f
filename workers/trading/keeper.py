"""Keeps a desk's journal, whatever the disk does: a full one must not keep anything from being protected or
closed. What could not be written is told, and written whole once the disk takes it again."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable
from datetime import datetime
from uuid import UUID

import structlog

from workers.trading.book import Book, Trade
from workers.trading.journal import Closed, Contents, Journal, JournalUnwritable
from workers.trading.ledger import Account
from workers.trading.orders import Leg, Order

log = structlog.get_logger(__name__)

# How often a journal that could not be written is tried again.
AGAIN_SECONDS = 5.0


class Keeper:
    """Of one account. Without a journal it keeps nothing, and nothing is ever wrong."""

    def __init__(
        self,
        account: Account,
        journal: Journal | None,
        book: Book,
        counts: Counter[str],
        monotonic: Callable[[], float],
    ) -> None:
        self._account = account
        self._journal = journal
        self._book = book
        self._counts = counts
        self._monotonic = monotonic
        self._again_at = 0.0
        # Why it could not be written the last time, if so: then nothing new may be opened.
        self.error: str | None = None

    @property
    def was_added_to(self) -> bool:
        """Whether somebody closed something without the database."""
        return self._journal is not None and self._journal.was_added_to

    def may_send(self, order: Order) -> bool:
        """Whether nobody else closes this account by its journal. What protects or closes is noted there, so
        that whoever begins to do that finds it; what the disk does not take leaves all the same."""
        if self._journal is None:
            return True
        if order.leg is not Leg.ENTRY and self.error is None:
            try:
                return self._journal.send(order)
            except JournalUnwritable as error:
                self._miss(error)
        return not self._journal.was_added_to

    def read(self) -> Contents:
        """What it says; nothing when it cannot be read."""
        if self._journal is None:
            return Contents()
        try:
            return self._journal.read()
        except JournalUnwritable as error:
            self._miss(error)
            return Contents()

    def hold(self) -> None:
        """The account is this machine's now."""
        if self._journal is not None:
            try:
                self._journal.hold(self._account)
            except JournalUnwritable as error:
                self._miss(error)

    def leave(self, at: datetime) -> None:
        """The account is given back, or lost."""
        if self._journal is not None:
            try:
                self._journal.leave(self._account.fence, at)
            except JournalUnwritable as error:
                log.error("journal_not_left", account_id=str(self._account.id), error=str(error))  # noqa: TRY400

    def begin(self, told: Iterable[Closed] = ()) -> None:
        """Write the whole of what the account holds; the exits that were told are left out."""
        if self._journal is None:
            return
        try:
            self._journal.begin(self._account, self._book, told=told)
        except JournalUnwritable as error:
            self._miss(error)
            return
        if self.error is not None:
            log.warning("journal_written_again", account_id=str(self._account.id))
            self.error = None

    def note(self, changed: set[UUID]) -> None:
        """Write what these signals are now, before anything of them is sent."""
        if self._journal is None or self.error is not None:
            return
        known = {signal: self._book.get(signal) for signal in sorted(changed)}
        over = [signal for signal, trade in known.items() if trade is None]
        try:
            self._journal.note([trade for trade in known.values() if trade is not None], over)
        except JournalUnwritable as error:
            self._miss(error)
            return
        if self._journal.is_long:
            self.begin()

    async def foresee(self, trades: list[Trade]) -> None:
        """Write what these will be once the database has taken what is intended, before it answers."""
        if self._journal is None or self.error is not None:
            return
        # What goes out to the database at this moment goes first.
        await asyncio.sleep(0)
        try:
            sync = self._journal.foresee(trades)
            await asyncio.to_thread(sync)
        except JournalUnwritable as error:
            self._miss(error)

    def mend(self) -> None:
        """Try again, now and then, what the disk did not take."""
        if self.error is not None and self._monotonic() >= self._again_at:
            self.begin()

    def _miss(self, error: JournalUnwritable) -> None:
        if self.error is None:
            log.error("journal_unwritten", account_id=str(self._account.id), error=str(error))
            self._counts["journals_unwritten"] += 1
        self.error = str(error)
        self._again_at = self._monotonic() + AGAIN_SECONDS
