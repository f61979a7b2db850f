"""Leases are renewed in good time; one that was lost ends at once, whatever the role is doing."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from itertools import pairwise
from typing import Any, cast
from uuid import UUID, uuid4

import pytest

from shared.errors import NotAllowed, NotSent, Refused
from tests.trading.made import account
from tests.waiting import until
from workers.trading.lease import MARGIN_SECONDS
from workers.trading.leases import RENEWALS, Leases
from workers.trading.ledger import Account, Ledger, Renewal


class Books:
    """The database's side: who holds what."""

    def __init__(self, *accounts: Account) -> None:
        self.accounts = {one.id: one for one in accounts}
        self.lost: set[UUID] = set()
        self.free: tuple[UUID, ...] = ()
        self.away = 0
        self.error: Exception = NotSent("the database is away")
        self.renewed = 0
        self.released: list[UUID] = []
        # What happens while a renewal is under way.
        self.meanwhile: Any = None

    async def claim_accounts(
        self, *, most: int, lease_seconds: int, only: Iterable[UUID] | None = None
    ) -> list[Account]:
        """Everything, or what is asked for."""
        wanted = None if only is None else set(only)
        return [one for one in self.accounts.values() if wanted is None or one.id in wanted][:most]

    async def renew_accounts(self, accounts: Iterable[Account], lease_seconds: int) -> Renewal:
        """Everything that is not lost."""
        self.renewed += 1
        if self.away > 0:
            self.away -= 1
            raise self.error
        held = {one.id for one in accounts}
        if self.meanwhile is not None:
            await self.meanwhile()
        return Renewal({one: {} for one in held - self.lost}, frozenset(held & self.lost), self.free)

    async def release_accounts(self, accounts: Iterable[Account]) -> None:
        """Given back."""
        self.released += [one.id for one in accounts]


class Scene:
    """Leases of ten seconds on a clock that the test moves."""

    def __init__(self, *accounts: Account, seconds: int = 10) -> None:
        self.at = 100.0
        self.books = Books(*accounts)
        self.woken = 0
        self.leases = Leases(cast(Ledger, self.books), seconds, lambda: self.at, self.wake)

    def wake(self) -> None:
        """The role has something to do."""
        self.woken += 1


async def test_a_claim_holds_and_a_renewal_extends_it() -> None:
    one = account()
    scene = Scene(one)
    await scene.leases.claim(10, None)
    lease = scene.leases.lease_of(one)
    assert lease.holds
    assert await scene.leases.news() == [], "just claimed: nothing is due"
    scene.at += 10 / RENEWALS
    (renewal,) = await scene.leases.news()
    assert set(renewal.terms) == {one.id}
    scene.at += 10 - MARGIN_SECONDS - 0.1
    assert lease.holds
    scene.at += 0.2
    assert not lease.holds


async def test_what_was_lost_ends_at_once_and_the_role_is_woken() -> None:
    one, other = account(), account()
    scene = Scene(one, other)
    await scene.leases.claim(10, None)
    scene.books.lost = {one.id}
    await scene.leases.renew()
    assert not scene.leases.lease_of(one).holds
    assert scene.leases.lease_of(other).holds
    assert scene.woken == 1
    (renewal,) = await scene.leases.news()
    assert renewal.lost == {one.id}


async def test_an_account_that_was_claimed_anew_meanwhile_is_not_lost() -> None:
    one = account()
    scene = Scene(one)
    await scene.leases.claim(10, None)
    again = account(fence=2, id=one.id)
    before = scene.leases.lease_of(one)

    async def claim_again() -> None:
        scene.books.accounts = {one.id: again}
        await scene.leases.claim(10, [one.id])

    scene.books.lost = {one.id}
    scene.books.meanwhile = claim_again
    await scene.leases.renew()
    assert not before.holds, "nothing leaves under the old fence"
    assert scene.leases.lease_of(again).holds
    assert not scene.leases.lease_of(one).holds
    (renewal,) = await scene.leases.news()
    assert renewal.lost == frozenset()


async def test_terms_of_an_earlier_claim_are_not_told() -> None:
    one = account()
    scene = Scene(one)
    await scene.leases.claim(10, None)

    async def claim_again() -> None:
        scene.books.accounts = {one.id: account(fence=2, id=one.id)}
        await scene.leases.claim(10, [one.id])

    scene.books.meanwhile = claim_again
    await scene.leases.renew()
    (renewal,) = await scene.leases.news()
    assert renewal.terms == {}


async def test_a_renewal_that_was_overtaken_by_a_claim_revives_no_old_lease() -> None:
    """It was granted before the claim, and its answer comes after: the old desk may still be under way."""
    one = account()
    scene = Scene(one)
    await scene.leases.claim(10, None)
    before = scene.leases.lease_of(one)

    async def claim_again() -> None:
        scene.books.accounts = {one.id: account(fence=2, id=one.id)}
        await scene.leases.claim(10, [one.id])

    scene.books.meanwhile = claim_again
    await scene.leases.renew()
    assert not before.holds


async def test_a_renewal_that_was_overtaken_by_a_release_revives_no_lease() -> None:
    one = account()
    scene = Scene(one)
    await scene.leases.claim(10, None)
    lease = scene.leases.lease_of(one)
    scene.books.meanwhile = lambda: scene.leases.release([one])
    await scene.leases.renew()
    assert not lease.holds


async def test_a_released_account_sends_nothing() -> None:
    one = account()
    scene = Scene(one)
    await scene.leases.claim(10, None)
    lease = scene.leases.lease_of(one)
    await scene.leases.release([one])
    assert not lease.holds
    assert scene.books.released == [one.id]


async def test_a_renewal_may_be_hurried() -> None:
    scene = Scene(account())
    await scene.leases.claim(10, None)
    scene.at += 1.0
    assert await scene.leases.news() == []
    scene.leases.hurry(1.0)
    assert len(await scene.leases.news()) == 1


async def test_free_accounts_are_told() -> None:
    scene = Scene()
    scene.books.free = (uuid4(),)
    (renewal,) = await scene.leases.news()
    assert renewal.free == scene.books.free
    assert scene.woken == 1


@pytest.mark.parametrize("error", [NotSent("away"), Refused("locked"), NotAllowed("an old token")])
async def test_leases_are_kept_beside_the_steps_also_while_the_database_stumbles(
    error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = account()
    scene = Scene(one)
    await scene.leases.claim(10, None)
    scene.books.away, scene.books.error = 2, error

    async def pass_time(seconds: float) -> None:
        scene.at += seconds
        await asyncio.sleep(0)

    monkeypatch.setattr(scene.leases, "_sleep", pass_time)
    scene.leases.keep()
    await until(lambda: scene.books.renewed >= 5, every=0)
    await scene.leases.stop()
    assert scene.leases.lease_of(one).holds
    assert len(await scene.leases.news()) >= 3


async def test_the_keeper_renews_in_good_time_whoever_renewed_before(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A step that renewed in between never makes the next renewal later than one share of the lease."""
    scene = Scene(account())
    await scene.leases.claim(10, None)
    renewed = [scene.at]
    renew = scene.books.renew_accounts

    async def note(accounts: Iterable[Account], lease_seconds: int) -> Renewal:
        renewed.append(scene.at)
        return await renew(accounts, lease_seconds)

    monkeypatch.setattr(scene.books, "renew_accounts", note)

    async def pass_time(seconds: float) -> None:
        if len(renewed) == 2:
            # A step comes in the middle of the pause.
            scene.at += seconds * 0.6
            scene.leases.hurry(0)
            await scene.leases.news()
            scene.at += seconds * 0.4
        else:
            scene.at += seconds
        await asyncio.sleep(0)

    monkeypatch.setattr(scene.leases, "_sleep", pass_time)
    scene.leases.keep()
    await until(lambda: len(renewed) >= 8, every=0)
    await scene.leases.stop()
    pauses = [after - before for before, after in pairwise(renewed)]
    assert max(pauses) <= 10 / RENEWALS + 1e-6


async def test_a_keeper_that_died_keeps_nobody_from_stopping(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = Scene(account())
    await scene.leases.claim(10, None)
    scene.books.away, scene.books.error = 1, KeyError("ours")

    async def pass_time(seconds: float) -> None:
        scene.at += seconds

    monkeypatch.setattr(scene.leases, "_sleep", pass_time)
    scene.leases.keep()
    keeping = scene.leases._keeping
    assert keeping is not None
    await asyncio.wait([keeping])
    await scene.leases.stop()
    assert scene.books.renewed == 1
