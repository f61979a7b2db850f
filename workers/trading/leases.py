"""The leases of all accounts of one process, renewed in good time whatever the steps of the role are at.

What a renewal told waits for the next step, except for one thing: a lease that was lost ends at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import replace
from uuid import UUID

import structlog

from shared.errors import DatabaseError, Unavailable
from workers.trading.lease import Lease
from workers.trading.ledger import Account, Ledger, Renewal

log = structlog.get_logger(__name__)

# So many renewals fit into a lease: some that fail do not lose it, and accounts of a machine that died are
# found soon after their leases ended.
RENEWALS = 6


class Leases:
    """Claims, renews and releases. `now` is the leases' clock in seconds; see `lease`. `hear` is told of each
    renewal as it comes, with the moment of the question: what a person set holds at once."""

    def __init__(
        self,
        ledger: Ledger,
        seconds: int,
        now: Callable[[], float],
        wake: Callable[[], None] | None = None,
        hear: Callable[[Renewal, float], None] | None = None,
    ) -> None:
        self._ledger = ledger
        self._seconds = seconds
        self._now = now
        self._wake = wake or (lambda: None)
        self._hear = hear or (lambda _renewal, _asked_at: None)
        self._held: dict[UUID, tuple[Account, Lease]] = {}
        self._told: list[Renewal] = []
        self._renew_at = self._renewed_at = float("-inf")
        # When the last renewal that was answered was asked for.
        self.asked_at = float("-inf")
        self._keeping: asyncio.Task[None] | None = None
        # Tests let time pass here, and for nothing else that runs in their loop.
        self._sleep: Callable[[float], Awaitable[None]] = asyncio.sleep

    @property
    def held(self) -> frozenset[UUID]:
        """The accounts that are renewed: whoever holds one has to tend it."""
        return frozenset(self._held)

    def lease_of(self, account: Account) -> Lease:
        """The lease under which this account may be traded."""
        held = self._held.get(account.id)
        return held[1] if held is not None and held[0].fence == account.fence else Lease(self._now)

    async def claim(self, most: int, only: Iterable[UUID] | None) -> list[Account]:
        """Take accounts that can be had."""
        asked_at = self._now()
        taken = await self._ledger.claim_accounts(most=most, lease_seconds=self._seconds, only=only)
        for account in taken:
            # A lease of before has an old fence: nothing may leave under it any more.
            self.forget(account.id)
            lease = Lease(self._now)
            lease.extend(asked_at, self._seconds)
            self._held[account.id] = (account, lease)
        if self._renewed_at == float("-inf"):
            self._note_renewal()
        return taken

    async def release(self, accounts: Iterable[Account]) -> None:
        """Give accounts back; nothing leaves for them from here on."""
        given = list(accounts)
        for account in given:
            self.forget(account.id)
        if given:
            await self._ledger.release_accounts(given)

    def forget(self, account_id: UUID) -> None:
        """The account is not ours any more."""
        held = self._held.pop(account_id, None)
        if held is not None:
            held[1].end()

    def hurry(self, seconds: float) -> None:
        """Somebody may have changed something: renew no later than so long after the last time."""
        self._renew_at = min(self._renew_at, self._renewed_at + seconds)

    async def news(self) -> list[Renewal]:
        """What renewals told since the last question; renews first when it is due."""
        if self._now() >= self._renew_at:
            await self.renew()
        told, self._told = self._told, []
        return told

    async def renew(self) -> None:
        """Renew everything that is held."""
        held = dict(self._held)
        asked_at = self._now()
        renewal = await self._ledger.renew_accounts([account for account, _ in held.values()], self._seconds)
        self._note_renewal()
        self.asked_at = asked_at
        for account_id in renewal.terms:
            held[account_id][1].extend(asked_at, self._seconds)
        # An account that was claimed anew in the meantime was renewed with its old fence: that one is lost,
        # and what was told of it is older than the claim.
        same = {one for one in held if self._held.get(one) is held[one]}
        lost = renewal.lost & same
        for account_id in lost:
            held[account_id][1].end()
        terms = {one: row for one, row in renewal.terms.items() if one in same}
        self._told.append(replace(renewal, terms=terms, lost=frozenset(lost)))
        self._hear(self._told[-1], asked_at)
        if lost or renewal.free:
            self._wake()

    def keep(self) -> None:
        """Renew beside the steps from now on, until `stop`."""
        if self._keeping is None:
            self._keeping = asyncio.create_task(self._keep(), name="leases")

    async def stop(self) -> None:
        """Renew no more by itself."""
        keeping, self._keeping = self._keeping, None
        if keeping is not None:
            keeping.cancel()
            await asyncio.wait([keeping])
            if not keeping.cancelled() and (error := keeping.exception()) is not None:
                # Whoever stops still has venues to close.
                log.error("leases_not_kept", error=repr(error))

    def _note_renewal(self) -> None:
        self._renewed_at = self._now()
        self._renew_at = self._renewed_at + self._seconds / RENEWALS

    async def _keep(self) -> None:
        pause = self._seconds / RENEWALS
        while True:
            # After one that failed, twice as often.
            await self._sleep(max(self._renew_at - self._now(), pause / 2))
            # A step may just have done it.
            if self._now() < self._renew_at:
                continue
            try:
                await self.renew()
            except (Unavailable, DatabaseError) as error:
                # Nothing leaves once the leases may be over; the steps wait for the database by themselves.
                log.warning("leases_not_renewed", error=str(error))
