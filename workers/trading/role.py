"""The trading role: holds exchange accounts, claims ready signals, lets each account's desk trade them."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Protocol
from uuid import UUID

import structlog
from ccxt.base.errors import BaseError

from shared import work
from shared.candles import Candle
from shared.clock import Clock, MarketClock
from shared.errors import OrderDenied, Refused, SigtrailError, Unavailable
from shared.market import Market
from shared.role import Call
from shared.settings import Settings
from shared.wakes import Wakes
from shared.work import Work
from workers.trading.decisions.outcome import describe
from workers.trading.desk import Desk
from workers.trading.journal import Journal
from workers.trading.lease import awake_seconds, require_lease
from workers.trading.leases import Leases
from workers.trading.ledger import Account, Ledger
from workers.trading.policy import Policy
from workers.trading.traffic.gates import Gates
from workers.trading.venues.catalogue import Catalogue
from workers.trading.venues.exchanges import Exchanges, OpenExchange, venue_of
from workers.trading.venues.sessions import session_factory_of

log = structlog.get_logger(__name__)

# The SQLSTATE of "another process holds this account now".
LEASE_LOST = "55000"
# An account without keys gets them from a person: looked at again after this.
UNUSABLE_SECONDS = 600.0
# A wake may mean that a person wants something closed: the terms are asked for at most so often.
WAKE_SECONDS = 1.0


class HasCall(Protocol):
    """A connection to the database."""

    @property
    def call(self) -> Call: ...


class TradingRole:
    """Turns ready signals into orders, positions and profit and loss.

    `counts` holds what was done so far: claimed, orders, fills, flattened, refused, venue_errors, and how
    many signals were not traded, by outcome code. `only` are the accounts that this machine may trade;
    without it, all that nobody else holds. `journal` is the folder that keeps what is held while the
    database is gone, `limits` that of the counts that all processes of the machine share; `activity`
    is a number that changes with every change at the venues, where somebody knows it; `monotonic` is what
    leases run on.
    """

    name = "trading"

    def __init__(
        self,
        connection: HasCall,
        clock: Clock,
        market: Market,
        wakes: Wakes,
        *,
        settings: Settings | None = None,
        state: Path | None = None,
        exchanges: OpenExchange | None = None,
        policy: Policy | None = None,
        only: Collection[UUID] | None = None,
        journal: Path | None = None,
        limits: Path | None = None,
        activity: Callable[[], int] | None = None,
        monotonic: Callable[[], float] = awake_seconds,
    ) -> None:
        self._call = connection.call
        self._ledger = Ledger(connection.call)
        self._clock = clock
        self._market = market
        self._wakes = wakes
        self._policy = policy or Policy()
        self._only = None if only is None else frozenset(only)
        self._journal = journal
        self._activity = activity
        self._monotonic = monotonic
        master_key = settings.sigtrail_master_key if settings is not None else None
        sessions = session_factory_of(settings)
        self._exchanges = exchanges or Exchanges(
            clock, market, state, master_key.get_secret_value() if master_key is not None else None, sessions
        )
        self._catalogue = (
            self._exchanges.catalogue if isinstance(self._exchanges, Exchanges) else Catalogue(sessions)
        )
        self._desks: dict[UUID, Desk] = {}
        self._reopen_at: dict[UUID, datetime] = {}
        # Accounts whose exchange could not be made, and when to look at them again.
        self._unusable: dict[UUID, float] = {}
        # A replay has its accounts to itself, and its steps may take long.
        self._seconds = self._policy.lease_seconds
        if isinstance(clock, MarketClock):
            self._seconds = max(self._seconds, self._policy.replay_lease_seconds)
        self._leases = Leases(self._ledger, self._seconds, monotonic, lambda: wakes.nudge(self.name))
        self.gates = Gates(limits)
        # Claimed and not decided about yet: kept over a failure, or they would wait for their leases.
        self._claimed: dict[UUID, Work] = {}
        # The highest fence of a claim: a claim whose answer was lost is given again.
        self._fence = 0
        # When a claim that came too early is due.
        self._early_until: datetime | None = None
        self._unsubscribe: Callable[[], None] | None = None
        self.counts: Counter[str] = Counter()

    async def start(self) -> None:
        """Take the accounts that are free and compare each with its venue, before anything new is ordered."""
        if not isinstance(self._clock, MarketClock):
            # Before the claim: opening many accounts takes longer than a lease.
            self._leases.keep()
        await self._claim_accounts(self._only)
        self._unsubscribe = self._market.subscribe(self._hear)
        self._wakes.wake(self.name)

    async def step(self) -> int:
        """Hear what happened at the venues, look after every position, then trade what became ready."""
        await self._keep_accounts()
        done = 0
        for desk in list(self._desks.values()):
            if not desk.is_open:
                await self._open(desk)
            if desk.is_open:
                done += await self._guarded(desk, desk.step()) or 0
        if self._wakes.take(self.name) or self._is_early_due():
            await self._claim()
        return done + await self._enter()

    async def stop(self) -> None:
        """Close the venues and give accounts and signals back. Orders and positions stay, protected."""
        if self._unsubscribe is not None:
            self._unsubscribe()
            self._unsubscribe = None
        await self._leases.stop()
        claimed, self._claimed = list(self._claimed.values()), {}
        desks, self._desks = list(self._desks.values()), {}
        for desk in desks:
            await desk.leave()
        await self._catalogue.close()
        self.gates.close()
        if claimed:
            await work.release(self._call, "trading", [w.reference() for w in claimed], self._clock.now())
        if desks:
            await self._leases.release(desk.account for desk in desks)

    def _hear(self, candle: Candle) -> None:
        # The paper exchanges subscribed earlier: what this candle filled has happened by now.
        news = False
        for desk in self._desks.values():
            desk.hear_price(candle.symbol)
            news = news or desk.has_news
        if news:
            self._wakes.nudge(self.name)

    # Accounts

    async def _claim_accounts(self, only: Iterable[UUID] | None) -> None:
        for account in await self._leases.claim(self._policy.accounts, only):
            known = self._desks.pop(account.id, None)
            if known is not None:
                await known.close()
            await self._seat(account)

    async def _seat(self, account: Account) -> None:
        try:
            exchange = await self._exchanges(account)
        except SigtrailError as error:
            # One account that cannot be opened does not keep the others from trading.
            log.error("account_unusable", account_id=str(account.id), error=str(error))  # noqa: TRY400
            self.counts["accounts_unusable"] += 1
            self._unusable[account.id] = self._monotonic() + UNUSABLE_SECONDS
            await self._leases.release([account])
            return
        lease = self._leases.lease_of(account)
        way = self.gates.way(account.venue, str(account.id), lease)
        require_lease(exchange, lease)
        if way.is_counted:
            # ccxt's own limiter is one queue an account, in which an order waits behind questions, and which
            # begins a pause anew after each rest.
            exchange.enableRateLimit = False
        desk = Desk(
            account,
            venue_of(
                exchange,
                account.market,
                self._catalogue,
                way,
                lambda: self._wakes.nudge(self.name),
                self._clock,
                self._activity,
            ),
            self._ledger,
            self._clock,
            self._market,
            self._policy,
            self.counts,
            journal=None if self._journal is None else Journal(self._journal / f"{account.id}.jsonl"),
        )
        self._desks[account.id] = desk
        await self._open(desk)

    async def _open(self, desk: Desk) -> None:
        """Reconcile a desk, now and then, until it succeeds: until then its account is not traded."""
        now = self._clock.now()
        if self._reopen_at.get(desk.account.id, now) > now:
            return
        try:
            await desk.open()
        except (BaseError, OrderDenied) as error:
            log.warning("reconciliation_failed", account_id=str(desk.account.id), error=describe(error))
            self.counts["venue_errors"] += 1
            self._reopen_at[desk.account.id] = now + self._policy.reopen_after
        except Refused as error:
            if error.code != LEASE_LOST:
                raise
            await self._leave(desk.account.id)
        else:
            self._reopen_at.pop(desk.account.id, None)

    async def _keep_accounts(self) -> None:
        if self._wakes.pending(self.name):
            self._leases.hurry(WAKE_SECONDS)
        free: set[UUID] = set()
        for renewal in await self._leases.news():
            for account_id, row in renewal.terms.items():
                desk = self._desks.get(account_id)
                if desk is not None:
                    desk.set_terms(row)
            for account_id in renewal.lost:
                await self._leave(account_id)
            free |= {one for one in renewal.free if self._may_trade(one)}
        # What was claimed and never seated, because the database went away in between, is ours and untended.
        free |= {one for one in self._leases.held if self._may_trade(one)}
        # The accounts of a machine that died may have positions that nobody looks after.
        free -= self._desks.keys()
        if free:
            await self._claim_accounts(sorted(free))

    def _may_trade(self, account_id: UUID) -> bool:
        ours = self._only is None or account_id in self._only
        return ours and self._unusable.get(account_id, 0.0) <= self._monotonic()

    async def _leave(self, account_id: UUID) -> None:
        log.error("account_lost", account_id=str(account_id))
        self.counts["accounts_lost"] += 1
        self._leases.forget(account_id)
        desk = self._desks.pop(account_id, None)
        if desk is not None:
            await desk.leave()

    async def _guarded(self, desk: Desk, doing: Any) -> int | None:
        """Await what a desk does; leave the account when somebody else holds it now.

        None: it failed, which is told, and keeps no other account from being traded.
        """
        try:
            done: int = await doing
        except (Refused, OrderDenied) as error:
            if error.code == LEASE_LOST:
                await self._leave(desk.account.id)
                return 0
            log.error(  # noqa: TRY400
                "desk_failed", account_id=str(desk.account.id), code=error.code, error=str(error)
            )
            self.counts["desks_failed"] += 1
            return None
        return done

    # Signals

    async def _claim(self) -> None:
        try:
            while True:
                batch = await work.claim(
                    self._call,
                    "trading",
                    self._clock.now(),
                    most=self._policy.claims,
                    after_fence=self._fence,
                )
                self._fence = max([self._fence, *(one.fence for one in batch)])
                self.counts["claimed"] += len(batch)
                self._claimed |= {one.signal_id: one for one in await self._give_back_early(batch)}
                if len(batch) < self._policy.claims:
                    return
        except Unavailable:
            self._wakes.wake(self.name)
            raise

    async def _give_back_early(self, batch: list[Work]) -> list[Work]:
        """Release what becomes ready only later; answers the rest.

        A replay that is taken up again is given the claims of its own future.
        """
        kept, now = [], self._clock.now()
        for one in batch:
            ready = datetime.fromisoformat(one.signal["ready_at"])
            if ready <= now:
                kept.append(one)
                continue
            await work.release(self._call, "trading", [one.reference()], ready)
            self._early_until = ready if self._early_until is None else min(self._early_until, ready)
        return kept

    def _is_early_due(self) -> bool:
        if self._early_until is None or self._clock.now() < self._early_until:
            return False
        self._early_until = None
        return True

    async def _enter(self) -> int:
        done = 0
        by_account: dict[UUID | None, list[Work]] = defaultdict(list)
        for signal_id in sorted(self._claimed):
            one = self._claimed[signal_id]
            account = one.trader.get("default_exchange_account_id")
            by_account[UUID(account) if account else None].append(one)
        # All at once: opening one takes a while, and nobody looks after the others' positions until then.
        missing = {one for one in by_account if one is not None and one not in self._desks}
        if wanted := sorted(one for one in missing if self._may_trade(one)):
            await self._claim_accounts(wanted)
        for account_id, batch in by_account.items():
            if account_id is None:
                done += await self._expire(batch)
                continue
            done += await self._trade(account_id, batch)
        return done

    async def _trade(self, account_id: UUID, batch: list[Work]) -> int:
        desk = self._desks.get(account_id)
        if desk is None or not desk.is_open or desk.is_blocked:
            # Another machine's, its venue is away, or an order of it is in doubt: these wait.
            if desk is not None and desk.is_blocked:
                log.error("account_blocked", account_id=str(account_id), waiting=len(batch))
                self.counts["entries_blocked"] += len(batch)
            later = self._clock.now() + self._policy.reopen_after
            await work.release(self._call, "trading", [one.reference() for one in batch], later)
            self._forget(batch)
            return 0
        try:
            done = await self._guarded(desk, desk.enter(batch))
            if done is None:
                later = self._clock.now() + self._policy.reopen_after
                await work.release(self._call, "trading", [one.reference() for one in batch], later)
                done = 0
        except BaseError as error:
            # Nothing was intended: the venue did not answer what the size depends on.
            log.warning("entries_wait", account_id=str(account_id), error=describe(error))
            self.counts["venue_errors"] += 1
            later = self._clock.now() + timedelta(seconds=1)
            await work.release(self._call, "trading", [one.reference() for one in batch], later)
            done = 0
        self._forget(batch)
        return done

    async def _expire(self, batch: list[Work]) -> int:
        message = "the trader has no exchange account"
        items = [{**one.reference(), "outcome_code": "no_account", "message": message} for one in batch]
        answer = await self._call("expire_signals", {"items": items, "at": self._clock.now().isoformat()})
        self.counts["no_account"] += int(answer["done"])
        self._forget(batch)
        return len(batch)

    def _forget(self, batch: list[Work]) -> None:
        for one in batch:
            with suppress(KeyError):
                del self._claimed[one.signal_id]
