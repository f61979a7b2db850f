"""The trading role: holds exchange accounts, claims ready signals, lets each account's desk trade them."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from contextlib import AsyncExitStack
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, Protocol
from uuid import UUID

import structlog
from ccxt.base.errors import BaseError

from shared.candles import Candle
from shared.clock import Clock, MarketClock
from shared.errors import OrderDenied, Refused, SigtrailError, Unavailable
from shared.market import Market
from shared.metrics import Metric
from shared.role import Call
from shared.settings import Settings
from shared.venue_sessions import session_factory_of
from shared.wakes import Wakes
from shared.work import Work
from workers.trading.claims import Claims
from workers.trading.closings import Closings
from workers.trading.decisions.outcome import describe
from workers.trading.desk import Desk
from workers.trading.figures import Figures
from workers.trading.journal import Journal
from workers.trading.lease import awake_seconds, require_lease
from workers.trading.leases import Leases
from workers.trading.ledger import Account, Facts, Ledger, Renewal
from workers.trading.metrics import measure
from workers.trading.paper import PaperExchange
from workers.trading.policy import Policy
from workers.trading.traffic.gates import Gates
from workers.trading.turns import Turn, Turns, whole
from workers.trading.venues.catalogue import Catalogue
from workers.trading.venues.exchanges import Exchanges, OpenExchange, venue_of

log = structlog.get_logger(__name__)

# The SQLSTATE of "another process holds this account now".
LEASE_LOST = "55000"
# An account without keys gets them from a person: looked at again after this.
UNUSABLE_SECONDS = 600.0
# An account that could not be opened so often in a row is told of: a venue may be away for a moment.
KEEPS_FAILING = 3
# What a heartbeat tells of accounts in trouble.
MOST_TROUBLES, MOST_LETTERS = 20, 200
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
        # How often in a row an account could not be reconciled at its start, and why not the last time.
        self._failed: dict[UUID, tuple[int, str]] = {}
        # Accounts whose exchange could not be made, and when to look at them again.
        # Until when these are left to others, and why.
        self._unusable: dict[UUID, tuple[float, str]] = {}
        # A replay has its accounts to itself, and its steps may take long.
        self._seconds = self._policy.lease_seconds
        if isinstance(clock, MarketClock):
            self._seconds = max(self._seconds, self._policy.replay_lease_seconds)
        self._leases = Leases(
            self._ledger, self._seconds, monotonic, lambda: wakes.nudge(self.name), self._hear_terms
        )
        self._asking = asyncio.Lock()
        self.gates = Gates(limits)
        self._figures = Figures()
        self._unsubscribe: Callable[[], None] | None = None
        self.counts: Counter[str] = Counter()
        self._claims = Claims(connection.call, clock, self._policy.claims, self.counts)
        # A replay is the same on every machine: there desks take their turns one by one, each whole.
        patience = None if isinstance(clock, MarketClock) else self._policy.turn_seconds
        self._turns = Turns(
            self._policy.turns,
            patience,
            lambda: wakes.nudge(self.name),
            monotonic,
            group_of=self._venue_of,
        )
        self._closings = Closings()
        # Desks whose lease a turn found lost.
        self._lost: list[Desk] = []

    async def start(self) -> None:
        """Take the accounts that are free and compare each with its venue, before anything new is ordered."""
        if not isinstance(self._clock, MarketClock):
            # Before the claim: opening many accounts takes longer than a lease.
            self._leases.keep()
        await self._claim_accounts(self._only)
        self._unsubscribe = self._market.subscribe(self._hear)
        self._wakes.wake(self.name)

    async def step(self) -> int:
        """Hear what happened at the venues, look after every position, then trade what became ready.

        A desk that takes long holds nobody up: it goes on by itself, and has no other turn until it ended.
        """
        await self._keep_accounts()
        done = await self._take(
            {account_id: partial(self._tend, desk) for account_id, desk in self._desks.items()}
        )
        if self._wakes.take(self.name) or self._claims.is_early_due():
            try:
                await self._claims.claim()
            except Unavailable:
                self._wakes.wake(self.name)
                raise
        done += await self._enter()
        self._turns.tell(self._policy.hangs_after)
        return done

    async def stop(self) -> None:
        """Close the venues and give accounts and signals back. Orders and positions stay, protected."""
        if self._unsubscribe is not None:
            self._unsubscribe()
            self._unsubscribe = None
        await self._turns.stop(self._policy.stop_seconds)
        await self._leases.stop()
        desks, self._desks = list(self._desks.values()), {}
        # Every part of the end is run, even when one of them raises; what is pushed last comes first.
        async with AsyncExitStack() as end:
            end.push_async_callback(self._give_back, desks)
            end.push_async_callback(self._claims.give_all_back)
            end.callback(self.gates.close)
            end.push_async_callback(self._catalogue.close)
            end.push_async_callback(self._closings.give_up)
            end.push_async_callback(self._closings.close, desks, self._policy.stop_seconds)

    async def _give_back(self, desks: list[Desk]) -> None:
        await self._leases.release([desk.account for desk in desks])
        # Not while the database is away: these accounts are still ours then, as far as anybody can know, and
        # an emergency close goes by what the journals say.
        for desk in desks:
            desk.note_left()

    def troubles(self) -> dict[str, Any]:
        """What a person should look at, by account: desks that hang, journals that cannot be written, keys
        that the venue refuses, accounts whose start-up keeps failing, and those that cannot be opened at all;
        `do` is what may help. The first of them: a heartbeat has little room."""
        found: dict[str, Any] = {
            str(account_id): {"hangs_for_seconds": round(seconds)}
            for account_id, seconds in self._turns.slow(self._policy.hangs_after).items()
        }
        for account_id, desk in self._desks.items():
            if desk.journal_error is not None:
                found.setdefault(str(account_id), {})["journal"] = desk.journal_error[:MOST_LETTERS]
            times, why = self._failed.get(account_id, (0, ""))
            what, told = ("key", desk.key_error) if desk.key_error is not None else ("unopened", why)
            if desk.key_error is not None or times >= KEEPS_FAILING:
                found.setdefault(str(account_id), {})[what] = (told or "")[:MOST_LETTERS]
                found[str(account_id)]["do"] = f"sigtrail accounts verify {account_id}"
        for account_id, (until, why) in self._unusable.items():
            # Afterwards it is tried again, here or elsewhere, and told anew.
            if self._monotonic() < until:
                found[str(account_id)] = {
                    "unusable": why[:MOST_LETTERS],
                    "do": f"sigtrail accounts verify {account_id}",
                }
        return dict(list(found.items())[:MOST_TROUBLES])

    def measure(self) -> Iterable[Metric]:
        """What the role tells Prometheus."""
        desks = [desk.state for desk in self._desks.values()]
        gates = self.gates
        told = (gates.visible(), gates.use(), gates.refusals())
        return measure(self.counts, self._figures, desks, self._market, *told)

    def _hear(self, candle: Candle) -> None:
        # The paper exchanges subscribed earlier: what this candle filled has happened by now.
        news = False
        for desk in self._desks.values():
            asks = desk.hear_price(candle.symbol)
            # What the bridge watches itself is left at this price, not at that of the next poll.
            news = news or asks or desk.has_news
        if news:
            self._wakes.nudge(self.name)

    # Accounts

    async def _claim_accounts(self, only: Iterable[UUID] | None) -> None:
        seated: dict[UUID, Turn] = {}
        for account in await self._leases.claim(self._policy.accounts, only):
            await self._unseat(account.id)
            desk = await self._seat(account)
            # Making an exchange takes long without any wait: meanwhile the leases of others are renewed.
            await asyncio.sleep(0)
            if desk is not None:
                seated[account.id] = whole(partial(self._open, desk))
        await self._take(seated)

    async def _seat(self, account: Account) -> Desk | None:
        try:
            exchange = await self._exchanges(account)
        except SigtrailError as error:
            # One account that cannot be opened does not keep the others from trading.
            await self._give_up(account, str(error))
            return None
        self._unusable.pop(account.id, None)
        self._wait_for_market(account, exchange)
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
            ask_terms=self._ask_terms,
            monotonic=self._monotonic,
        )
        desk.figures = self._figures
        self._desks[account.id] = desk
        return desk

    async def _give_up(self, account: Account, why: str) -> None:
        """Leave an account that cannot be opened to others for a while. Its trail says why, once."""
        log.error("account_unusable", account_id=str(account.id), error=why)
        self.counts["accounts_unusable"] += 1
        if self._unusable.get(account.id, (0.0, ""))[1] != why:
            notice = {"event_type": "account_unusable", "why": why, "event_data": {}}
            await self._ledger.record(account, Facts(notices=[notice]), self._clock.now())
        self._unusable[account.id] = self._monotonic() + UNUSABLE_SECONDS, why
        await self._leases.release([account])

    def _wait_for_market(self, account: Account, exchange: Any) -> None:
        """Leave a paper account alone until a replay that starts again has come to where it was left.

        What would be recorded of it earlier would have happened before its own past.
        """
        if not (isinstance(self._clock, MarketClock) and isinstance(exchange, PaperExchange)):
            return
        until = exchange.paper_until()
        if until > self._clock.now():
            log.warning("account_waits", account_id=str(account.id), until=until.isoformat())
            self._reopen_at[account.id] = until

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
            self._reopen_later(desk, now, error)
        except Refused as error:
            if error.code == LEASE_LOST:
                self._lost.append(desk)
                return
            # What the database does not take from one account keeps no other from being traded.
            self._tell_failed(desk, error)
            self._reopen_later(desk, now, error)
        else:
            self._reopen_at.pop(desk.account.id, None)
            self._failed.pop(desk.account.id, None)

    def _reopen_later(self, desk: Desk, now: datetime, error: Exception) -> None:
        self._reopen_at[desk.account.id] = now + self._policy.reopen_after
        times, _ = self._failed.get(desk.account.id, (0, ""))
        self._failed[desk.account.id] = times + 1, describe(error)

    async def _keep_accounts(self) -> None:
        if self._wakes.pending(self.name):
            self._leases.hurry(WAKE_SECONDS)
        free: set[UUID] = set()
        for renewal in await self._leases.news():
            for account_id in renewal.lost:
                await self._leave(account_id)
            free |= {one for one in renewal.free if self._may_trade(one)}
        # What was claimed and never seated, because the database went away in between, is ours and untended.
        free |= {one for one in self._leases.held if self._may_trade(one)}
        # The accounts of a machine that died may have positions that nobody looks after.
        free -= self._desks.keys()
        if free:
            await self._claim_accounts(sorted(free))

    def _hear_terms(self, renewal: Renewal, asked_at: float) -> None:
        """In the middle of turns as well: a halt stops what has not left yet."""
        for account_id, row in renewal.terms.items():
            desk = self._desks.get(account_id)
            if desk is not None and desk.set_terms(row, asked_at):
                self._wakes.nudge(self.name)

    async def _ask_terms(self) -> None:
        """Learn what the owners of all accounts allow now; desks that ask together are answered together."""
        wanted = self._monotonic()
        async with self._asking:
            if self._leases.asked_at < wanted:
                await self._leases.renew()

    def _may_trade(self, account_id: UUID) -> bool:
        ours = self._only is None or account_id in self._only
        return ours and self._unusable.get(account_id, (0.0, ""))[0] <= self._monotonic()

    async def _leave(self, account_id: UUID) -> None:
        log.error("account_lost", account_id=str(account_id))
        self.counts["accounts_lost"] += 1
        self._leases.forget(account_id)
        await self._unseat(account_id)

    async def _unseat(self, account_id: UUID) -> None:
        desk = self._desks.pop(account_id, None)
        self._failed.pop(account_id, None)
        if desk is not None:
            # Nothing of it may leave any more: what it had under way is the next holder's to find out about.
            await self._turns.drop(account_id)
            desk.note_left()
            await self._closings.close([desk], self._policy.turn_seconds)

    # Turns

    async def _take(self, turns: Mapping[UUID, Turn]) -> int:
        try:
            return await self._turns.take(turns)
        finally:
            while self._lost:
                desk = self._lost.pop()
                # One that was seated anew meanwhile has a lease of its own.
                if self._desks.get(desk.account.id) is desk:
                    await self._leave(desk.account.id)

    def _venue_of(self, account_id: UUID) -> str:
        desk = self._desks.get(account_id)
        return "" if desk is None else desk.account.venue

    async def _tend(self, desk: Desk) -> int:
        if not desk.is_open:
            await self._open(desk)
        return await self._guarded(desk, desk.step()) or 0 if desk.is_open else 0

    async def _guarded(self, desk: Desk, doing: Awaitable[int]) -> int | None:
        """Await what a desk does; its account is left when somebody else holds it now.

        None: it failed, which is told, and keeps no other account from being traded.
        """
        try:
            return await doing
        except (Refused, OrderDenied) as error:
            if error.code == LEASE_LOST:
                self._lost.append(desk)
                return 0
            self._tell_failed(desk, error)
            return None

    def _tell_failed(self, desk: Desk, error: Refused | OrderDenied) -> None:
        log.error("desk_failed", account_id=str(desk.account.id), code=error.code, error=str(error))
        self.counts["desks_failed"] += 1

    # Signals

    async def _enter(self) -> int:
        done = 0
        by_account = self._claims.by_account()
        # All at once: opening one takes a while, and nobody looks after the others' positions until then.
        missing = {one for one in by_account if one is not None and one not in self._desks}
        if wanted := sorted(one for one in missing if self._may_trade(one)):
            await self._claim_accounts(wanted)
        turns: dict[UUID, Turn] = {}
        hanging = self._turns.slow(self._policy.hangs_after)
        for account_id, batch in by_account.items():
            if account_id is None:
                done += await self._claims.expire(batch, "no_account", "the trader has no exchange account")
            elif account_id in hanging:
                await self._claims.give_back(batch, self._clock.now() + self._policy.reopen_after)
            else:
                turns[account_id] = partial(self._trade, account_id, batch)
        return done + await self._take(turns)

    async def _trade(self, account_id: UUID, batch: list[Work]) -> int:
        desk = self._desks.get(account_id)
        later = self._clock.now() + self._policy.reopen_after
        if desk is None or not desk.is_open or desk.is_blocked:
            # Another machine's, its venue is away, or an order of it is in doubt: these wait.
            if desk is not None and desk.is_blocked:
                log.error("account_blocked", account_id=str(account_id), waiting=len(batch))
                self.counts["entries_blocked"] += len(batch)
            await self._claims.give_back(batch, later)
            return 0
        try:
            done = await self._guarded(desk, desk.enter(batch))
        except BaseError as error:
            # Nothing was intended: the venue did not answer what the size depends on.
            log.warning("entries_wait", account_id=str(account_id), error=describe(error))
            self.counts["venue_errors"] += 1
            await self._claims.give_back(batch, self._clock.now() + timedelta(seconds=1))
            return 0
        if done is None:
            await self._claims.give_back(batch, later)
            return 0
        self._claims.forget(batch)
        return done
