"""The desk of one exchange account: hears what happened, records it, decides, and gives orders.

    venue ─▶ hearing ─▶ facts ─▶ record ─▶ book ─▶ guard ─▶ intents ─▶ record ─▶ send ─▶ outcomes ─▶ record

Every arrow into the record is one transaction, and everything between two of them can be done again: a
crash at any point leaves an intent whose order is asked for by its client order id.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import structlog
from ccxt.base.errors import BaseError

from shared.clock import Clock, MarketClock
from shared.errors import OrderDenied
from shared.market import Market
from shared.work import Work
from workers.trading.book import Book
from workers.trading.comparison import Comparison
from workers.trading.decisions.absence import part_absent
from workers.trading.decisions.entries import Conditions, Refusal, decide_entry
from workers.trading.decisions.outcome import describe
from workers.trading.fees import Fees
from workers.trading.figures import Figures
from workers.trading.hearing import Hearing
from workers.trading.journal import Journal
from workers.trading.keeper import Keeper
from workers.trading.lease import awake_seconds
from workers.trading.ledger import Account, Facts, Ledger
from workers.trading.metrics import DeskState
from workers.trading.orders import Leg, Order, OrderStatus, order_from_intent
from workers.trading.oversight import Oversight
from workers.trading.permit import Permit
from workers.trading.policy import Policy
from workers.trading.reckoning import Reckoning
from workers.trading.recording import Recording
from workers.trading.sending import Results, cancel, move, send
from workers.trading.story import tell_wanted
from workers.trading.tending import Tending, id_of
from workers.trading.traffic.traffic import PUT_OFF, Withheld, asking
from workers.trading.venues.gate import Held
from workers.trading.venues.venue import Venue
from workers.trading.watch import Watch

log = structlog.get_logger(__name__)

# A step that has not come to rest after so many rounds goes on with the next step.
ROUNDS = 8


class Desk:
    """Trades one account, from its lease to its release. Opens nothing new before it has reconciled."""

    def __init__(
        self,
        account: Account,
        venue: Venue,
        ledger: Ledger,
        clock: Clock,
        market: Market,
        policy: Policy,
        counts: Counter[str],
        journal: Journal | None = None,
        ask_terms: Callable[[], Awaitable[None]] | None = None,
        monotonic: Callable[[], float] = awake_seconds,
    ) -> None:
        self.account = account
        self._monotonic = monotonic
        self._venue = venue
        self._ledger = ledger
        self._clock = clock
        self._market = market
        self._policy = policy
        self._counts = counts
        self._book = Book()
        self._keeper = Keeper(account, journal, self._book, counts, monotonic)
        self._hearing = Hearing(venue, self._book, policy)
        self._comparison = Comparison(venue, self._book, policy, self._hearing)
        self._oversight = Oversight(account, venue, self._book)
        self._watch = Watch(account, venue, self._book, self._oversight, policy, self._hear_of_account)
        self._reckoning = Reckoning(account, venue, ledger, self._book, policy, self._watch.hear_incomes)
        self._permit = Permit(
            account, venue, self._book, self._keeper, market, clock, policy, counts, ask_terms, monotonic
        )
        self._fees = Fees(venue, policy)
        self._tending = Tending(account, venue, self._book, market, policy, counts)
        self._recording = Recording(
            account,
            venue,
            ledger,
            clock,
            policy,
            counts,
            monotonic,
            book=self._book,
            keeper=self._keeper,
            hearing=self._hearing,
            oversight=self._oversight,
            fees=self._fees,
            permit=self._permit,
            tending=self._tending,
        )
        self._resumes_at: datetime | None = None
        # A person wants something closed: the record is read again.
        self._is_stale = False

    @property
    def figures(self) -> Figures:
        """What it counts for people."""
        return self._recording.figures

    @figures.setter
    def figures(self, shared: Figures) -> None:
        self._recording.figures = shared

    @property
    def is_blocked(self) -> bool:
        """Whether nothing new is entered: an order is in doubt until it is known what became of it, or what
        is held could not be found again without the database."""
        return self.journal_error is not None or bool(self._book.unresolved())

    @property
    def journal_error(self) -> str | None:
        """Why what is held cannot be written to this machine's disk, if so."""
        return self._keeper.error

    @property
    def key_error(self) -> str | None:
        """What the venue said when it refused the account's key, while it does."""
        return self._venue.key_error

    @property
    def is_open(self) -> bool:
        """Whether the record and the venue were compared: before that, nothing new is ordered."""
        return self._tending.watched_since is not None

    @property
    def has_news(self) -> bool:
        """Whether a step would find something at the venue."""
        return self._hearing.has_news(self._clock.now())

    @property
    def state(self) -> DeskState:
        """What its metrics need."""
        return DeskState.of(self.account.venue, self._book, self._venue.stream, self.is_open, self.is_blocked)

    async def open(self) -> None:
        """Reconcile with the venue. Raises what ccxt raises when it cannot be reached; then try again."""
        self._keeper.hold()
        await self._venue.open()
        asked_at = self._monotonic()
        state = await self._ledger.list_trading(self.account)
        self._recording.take_over(state, asked_at)
        self._fees.begin(state.open_fees)
        now = self._clock.now()
        # Until then prices and deadlines are the past's: a replay that is taken up again begins with candles
        # that were seen before. On the wall's clock nothing is ever put off.
        is_replay = isinstance(self._clock, MarketClock)
        self._resumes_at = self._book.latest(state.last_execution_at) if is_replay else None
        self._hearing.begin(state.last_execution_at, now)
        await self._listen()
        # What a person closed comes first: without it, it would pass for a close of the venue's own.
        await self._recording.tell_journal()
        await self._compare()
        self._tending.watched_since = now
        log.info("account_opened", account_id=str(self.account.id), trades=len(self._book))

    async def close(self) -> None:
        """Close the venue. Orders and positions stay as they are: the venue guards them."""
        await self._venue.close()

    def note_left(self) -> None:
        """The account was given back or lost: from here on another machine may hold it."""
        self._keeper.leave(self._clock.now())

    def set_terms(self, row: Mapping[str, Any], asked_at: float = float("-inf")) -> bool:
        """What the account's owner set meanwhile: its status, its settings; heard in the middle of a turn as
        well. `asked_at` is the moment of the question. Answers whether a turn would find something to do."""
        before = self.account.status
        if not self._permit.hear(row, asked_at):
            # Overtaken: what a later answer said of closing holds as well.
            return False
        closing = {UUID(signal) for signal in row.get("closing", ())}
        self._is_stale = any(
            trade.position is not None and trade.position.exit_reason is None and trade.signal_id in closing
            for trade in self._book
        )
        return self.account.status != before or self._is_stale

    def hear_price(self, venue_symbol: str) -> bool:
        """A candle of this symbol closed. Answers whether its price asks for something at once."""
        return self._tending.hear_price(venue_symbol)

    async def step(self) -> int:
        """Hear, record, decide and order until nothing is left to do now. Answers how much was done."""
        if self._resumes_at is not None and self._clock.now() < self._resumes_at:
            self._tending.forget_prices(self._tending.prices_heard)
            return 0
        self._resumes_at = None
        done = 0
        if self._is_stale:
            asked_at = self._monotonic()
            self._is_stale = False
            self._recording.take_over(await self._ledger.list_trading(self.account), asked_at)
            done += 1
        self._keeper.mend()
        # What a person closed comes first: without it, it would be closed again.
        told = await self._try(self._hear_journal)
        if told is None:
            return done
        # A question that fails keeps no stop from being watched: orders may work while questions do not.
        for part in (self._hear_news, self._resolve, self._tend, self._look_over, self._watch_account):
            done += await self._try(part) or 0
        return done

    async def _try(self, part: Callable[[], Awaitable[int]]) -> int | None:
        """Do one part of a step; None when the venue failed it.

        Every answer to an order or a cancel is judged where it is sent; what fails here was a question, and
        it is asked again with the next step.
        """
        try:
            return await part()
        except (BaseError, OrderDenied) as error:
            if isinstance(error, Withheld) and error.code == PUT_OFF:
                return None
            self._counts["venue_errors"] += 1
            log.warning("venue_failed", account_id=str(self.account.id), error=describe(error))
            return None

    async def _hear_journal(self) -> int:
        if self._keeper.was_added_to:
            await self._listen()
            await self._recording.tell_journal()
        return 0

    async def _hear_news(self) -> int:
        return await self._listen() if self._hearing.has_news(self._clock.now()) else 0

    async def enter(self, works: Iterable[Work]) -> int:
        """Decide about claimed ready signals, in order of id: entries are intended, recorded and sent."""
        facts = Facts()
        equity: dict[str, Decimal] = {}
        started: Counter[UUID] = Counter()
        asked: list[UUID] = []
        # Whose they are, and of what.
        entering: dict[UUID, tuple[UUID, str]] = {}
        for work in sorted(works, key=lambda one: one.signal_id):
            if self._book.get(work.signal_id) is not None:
                self._counts["claimed_again"] += 1
                continue
            trader = UUID(str(work.signal["trader_id"]))
            decision = await self._decide_entry(work, self._book.busy(trader) + started[trader], equity)
            if isinstance(decision, Refusal):
                self._deny(facts, work, decision)
                continue
            started[trader] += 1
            asked.append(work.signal_id)
            facts.intents += decision
            entering[work.signal_id] = trader, str(work.signal["normalised_symbol"])
        if not facts:
            return 0
        results = Results()
        held = self._hold(facts, entering)
        try:
            await self._recording.record(facts, entering)
            fresh = [entry for signal in asked if (entry := self._entry_of(signal)) is not None]
            try:
                await send(self._venue, self._book, fresh, results, self._permit.refusal, held)
            finally:
                # A line of the log may wait for the disk: nothing to be sent waits for it.
                tell_wanted(self.account.id, facts)
        finally:
            if held is not None:
                await held.drop()
        await self._recording.settle(results)
        return len(asked) + len(facts.denials)

    def _hold(self, facts: Facts, entering: Mapping[UUID, tuple[UUID, str]]) -> Held | None:
        """Make the request of the first entry ready while its intent is recorded; nothing of it leaves."""
        if not self.is_open or self.is_blocked:
            return None
        now = self._clock.now()
        orders = [
            order_from_intent(intent, *entering[UUID(intent["signal_id"])], now)
            for intent in facts.intents
            if "code" not in intent
        ]
        first = next((one for one in orders if not one.attached), None)
        if first is None or first.managed_by == "bridge":
            return None
        legs = [one for one in orders if one.attached and one.signal_id == first.signal_id]
        return self._venue.hold(first, legs)

    async def _watch_account(self) -> int:
        """Ask, now and then, what is about the account as a whole."""
        self._venue.refresh(self._clock.now())
        told, status = Facts(fills=await self._fees.look(self._clock.now())), self.account.status
        told.marks = self._oversight.mark(self._market, self._permit.terms, self._policy, self._clock.now())
        if told:
            await self._recording.record(told)
            if status != self.account.status:
                return 1
        if self._reckoning.is_due(self._clock.now()):
            # What funding changed is explained by the record.
            self._watch.hurry()
        done = await self._watch.look(self._clock.now())
        return done + await self._reckoning.look(self._clock.now())

    async def _hear_of_account(self, facts: Facts) -> int:
        if not facts:
            return 0
        await self._recording.record(facts)
        intended = [self._book.find(id_of(intent)) for intent in facts.intents]
        fresh = [one for one in intended if one is not None and one.status is OrderStatus.INTENDED]
        results = Results()
        await send(self._venue, self._book, fresh, results, self._permit.refusal)
        await self._recording.settle(results)
        return 1 + await self._tend()

    # Hearing

    async def _listen(self) -> int:
        found = await self._hearing.listen(self._clock.now())
        others = self._oversight.hear_orders(self._hearing.swept)
        self._hearing.swept.clear()
        if found or others:
            await self._recording.record(
                Facts(fills=found.fills, outcomes=found.outcomes, external_orders=others.external_orders)
            )
        self._hearing.heard()
        return len(found.fills) + len(found.outcomes)

    async def _look_over(self) -> int:
        return await self._tend() if await self._compare() else 0

    async def _compare(self) -> bool:
        """Hold what the venue has against the record, when that is due; whether anything was recorded."""
        now = self._clock.now()
        if not self._comparison.is_due(now):
            return False
        facts = await self._comparison.look(now)
        if (facts.venue_closes or facts.exits) and self._keeper.was_added_to:
            # Somebody closed it by the journal while the venue was asked: that is told as theirs.
            await self._hear_journal()
            facts = await self._comparison.look(now)
        facts.external_orders = self._oversight.hear_orders(self._hearing.swept).external_orders
        self._hearing.swept.clear()
        if facts:
            await self._recording.record(facts)
        self._comparison.looked()
        return bool(facts)

    async def _resolve(self) -> int:
        """Ask for orders that may or may not exist; send again what is proven absent and still wanted."""
        found, absent = await self._hearing.probe(self._clock.now())
        results = Results(outcomes=list(found.outcomes))
        # Without a price nobody can say whether an entry is still what was planned: it waits for one.
        absent = [
            o for o in absent if o.leg is not Leg.ENTRY or self._market.price(o.venue_symbol) is not None
        ]
        pairs = self._venue.capabilities.oco is not None
        wanted, over = part_absent(absent, self._book.position_of, pairs=pairs)
        results.outcomes += over
        await send(self._venue, self._book, wanted, results, self._permit.refusal)
        if found.fills:
            await self._recording.record(Facts(fills=found.fills))
        await self._recording.settle(results)
        return len(found.fills) + len(results.outcomes)

    # Entering

    async def _decide_entry(
        self, work: Work, busy: int, equity: dict[str, Decimal]
    ) -> list[dict[str, Any]] | Refusal:
        try:
            rules = await self._venue.rules(str(work.signal["normalised_symbol"]))
        except OrderDenied as denied:
            return Refusal(denied.code, str(denied))
        if rules.quote not in equity:
            with asking("order"):
                equity[rules.quote] = await self._venue.equity(rules.quote)
        return decide_entry(
            work,
            Conditions(
                account=self.account,
                rules=rules,
                capabilities=self._venue.capabilities,
                price=self._market.price(str(work.signal["symbol"])),
                equity=equity[rules.quote],
                busy=busy,
                now=self._clock.now(),
            ),
        )

    def _deny(self, facts: Facts, work: Work, refusal: Refusal) -> None:
        self._counts[refusal.code] += 1
        why = {"signal_id": str(work.signal_id), "code": refusal.code, "message": refusal.message}
        if refusal.order is None:
            facts.denials.append(why)
        else:
            facts.intents.append({**refusal.order, **why})

    def _entry_of(self, signal_id: UUID) -> Order | None:
        trade = self._book.get(signal_id)
        entry = trade.entry if trade is not None else None
        return entry if entry is not None and entry.status is OrderStatus.INTENDED else None

    # Tending

    async def _tend(self) -> int:
        """Bring every position closer to protected or closed, until nothing changes."""
        done = 0
        tried: set[str] = set()
        prices = self._tending.prices_heard
        for _ in range(ROUNDS):
            found = await self._tending.look(self._clock.now(), tried)
            if not found:
                break
            if found.facts:
                await self._recording.record(found.facts)
                done += 1
            results = Results()
            intended = [self._book.find(id_of(intent)) for intent in found.facts.intents]
            fresh = [one for one in intended if one is not None and one.status is OrderStatus.INTENDED]
            await send(self._venue, self._book, fresh, results, self._permit.refusal)
            await move(self._venue, found.moves, results)
            await cancel(self._venue, self._book, found.cancels, results)
            self._tending.hear_stiff(results.stiff)
            done += await self._recording.settle(results)
        # What was heard meanwhile is for the next look.
        self._tending.forget_prices(prices)
        return done
