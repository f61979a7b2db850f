"""What a desk tells the record: each thing in one transaction, with what the record answers taken over into
the book, the journal and the figures."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

import structlog
from ccxt.base.errors import BaseError

from shared.clock import Clock
from workers.trading.book import Book, Trade
from workers.trading.emergency import facts_of
from workers.trading.fees import Fees
from workers.trading.figures import Figures
from workers.trading.hearing import Hearing
from workers.trading.keeper import Keeper
from workers.trading.ledger import Account, Facts, Ledger, State
from workers.trading.orders import Leg, order_from_intent
from workers.trading.oversight import Oversight
from workers.trading.permit import Permit
from workers.trading.policy import Policy
from workers.trading.sending import Results
from workers.trading.story import tell, tell_wanted
from workers.trading.tending import Tending
from workers.trading.venues.venue import Venue

log = structlog.get_logger(__name__)

NOTHING: Mapping[UUID, tuple[UUID, str]] = {}
# Refusals of an entry that the signal ends with; the other codes say that there is nothing to do.
ENDINGS = frozenset(
    {"position_limit", "notional_limit", "symbol_limit", "daily_loss_limit", "drawdown_limit"}
    | {"order_rate_limit", "trader_paused", "account_inactive"}
)


class Recording:
    """Of one account. `figures` are what all desks of a machine count into."""

    def __init__(
        self,
        account: Account,
        venue: Venue,
        ledger: Ledger,
        clock: Clock,
        policy: Policy,
        counts: Counter[str],
        monotonic: Callable[[], float],
        *,
        book: Book,
        keeper: Keeper,
        hearing: Hearing,
        oversight: Oversight,
        fees: Fees,
        permit: Permit,
        tending: Tending,
    ) -> None:
        self._account = account
        self._venue = venue
        self._ledger = ledger
        self._clock = clock
        self._policy = policy
        self._counts = counts
        self._monotonic = monotonic
        self._book = book
        self._keeper = keeper
        self._hearing = hearing
        self._oversight = oversight
        self._fees = fees
        self._permit = permit
        self._tending = tending
        self.figures = Figures()

    async def settle(self, results: Results) -> int:
        """Record what commands came to, and what the venue says of orders that they left in doubt.

        What protects or closes and missed the venue's rules is decided again by the rules of now.
        """
        learning = self._venue.doubt_rules(self._clock.now()) if results.misfits else None
        try:
            return await self._take_in(results)
        finally:
            if learning is not None and any(order.leg is not Leg.ENTRY for order in results.misfits):
                await asyncio.wait({learning}, timeout=self._policy.rules_seconds)

    async def _take_in(self, results: Results) -> int:
        for order in results.ask:
            self._hearing.doubt(order, self._clock.now())
        for order in results.unsent:
            self._hearing.put_off(order, self._clock.now())
        try:
            asked = [order for order in results.ask if order.is_confirmed]
            found = await self._hearing.compare(results.seen, asked, self._clock.now())
        except BaseError:
            # What the commands came to is known: it is recorded, whatever else could not be learned.
            if results.outcomes:
                await self.record(Facts(outcomes=results.outcomes))
            raise
        facts = Facts(fills=found.fills, outcomes=[*results.outcomes, *found.outcomes])
        if facts:
            await self.record(facts)
        return len(facts.fills) + len(facts.outcomes)

    async def record(self, facts: Facts, entering: Mapping[UUID, tuple[UUID, str]] = NOTHING) -> None:
        """Tell facts. The entries of `entering` (by signal: trader, symbol) are written to this machine's
        disk meanwhile; that they were wanted is said by whoever sends them, after that."""
        now = self._clock.now()
        symbols = self._book.symbols() if facts.fills or facts.venue_closes else {}
        await self._fees.value(facts, symbols, now)
        asked_at = self._monotonic()
        state = await self._tell(facts, entering, now)
        refused = {int(one["index"]) for one in state.refused if one["kind"] == "fill"}
        # A fill that was refused stays unknown: its order cannot end before somebody made it fit.
        taken = [fill for index, fill in enumerate(facts.fills) if index not in refused]
        self._book.note_fills(taken)
        self._fees.recorded(taken, symbols)
        self._oversight.recorded(facts)
        self.figures.note(self._account.venue, self._book, taken, state)
        if not entering:
            tell_wanted(self._account.id, facts)
        tell(self._account.id, self._book, facts, taken, state)
        self.take_over(state, asked_at)
        self._keeper.note({one for one in entering if self._book.get(one) is None})
        self._count(facts)
        denials: list[dict[str, Any]] = []
        for refusal in state.refused:
            item = getattr(facts, f"{refusal['kind']}s")[int(refusal["index"])]
            log.warning("refused", account_id=str(self._account.id), item=item, **refusal)
            self._counts["refused"] += 1
            if refusal["kind"] == "intent" and refusal["code"] in ENDINGS:
                denials.append(
                    {"signal_id": item["signal_id"], "code": refusal["code"], "message": refusal["message"]}
                )
        if denials:
            await self.record(Facts(denials=denials))

    async def _tell(self, facts: Facts, entering: Mapping[UUID, tuple[UUID, str]], at: datetime) -> State:
        foreseen = (
            {signal: Trade(signal) for signal in entering} if self._tending.watched_since is not None else {}
        )
        for intent in facts.intents:
            signal = UUID(intent["signal_id"])
            if signal in foreseen:
                order = order_from_intent(intent, *entering[signal], at)
                foreseen[signal].orders[order.client_order_id] = order
        if not foreseen:
            return await self._ledger.record(self._account, facts, at)
        writing = asyncio.create_task(self._keeper.foresee(list(foreseen.values())))
        try:
            return await self._ledger.record(self._account, facts, at)
        finally:
            # Whatever came of it: what is written next comes after it.
            await writing

    def take_over(self, state: State, asked_at: float = float("-inf")) -> None:
        """Keep in mind what the database answered."""
        changed = self._book.update(state)
        self._tending.hear_change(changed)
        if self._tending.watched_since is not None:
            # Before anything of it is sent.
            self._keeper.note(changed)
        self._permit.take_over(state, asked_at)

    async def tell_journal(self) -> None:
        """Tell the database what was closed without it, and begin the journal anew."""
        closed = list(self._keeper.read().closed.values())
        if closed:
            log.warning("journal_told", account_id=str(self._account.id), exits=len(closed))
            await self.record(facts_of(closed, self._book))
        self._keeper.begin(closed)

    def _count(self, facts: Facts) -> None:
        self._counts["fills"] += len(facts.fills)
        self._counts["orders"] += sum(1 for intent in facts.intents if "code" not in intent)
        for outcome in facts.outcomes:
            self._counts[f"orders_{outcome['outcome']}"] += 1
