"""Whatever is wrong with sealed keys: no exchange is made, no request leaves, and the error says what."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from shared.clock import WallClock
from shared.errors import ConfigurationError, SigtrailError
from shared.market import Market
from shared.vault import Sealed, Vault, VaultError, new_master_key
from shared.venue_sessions import session_factory
from shared.wakes import Wakes
from tests.trading.key_venue import KeyVenue
from tests.trading.world import Connection, Sql, SqlCall
from workers.trading.ledger import Ledger
from workers.trading.policy import Policy
from workers.trading.role import TradingRole
from workers.trading.venues.exchanges import Exchanges

KEYS = {"apiKey": "the-api-key-of-somebody", "secret": "the-secret-of-somebody-0123456789"}


class Safe:
    """Two users with an account each, sealed under one master key, and a bridge of its own role."""

    def __init__(self, sql: Sql, venue: KeyVenue) -> None:
        self.sql = sql
        self.venue = venue
        self.master_key = new_master_key()
        self.vault = Vault.from_text(self.master_key)
        self.users = [uuid4(), uuid4()]
        self.accounts = [uuid4(), uuid4()]
        self.call = SqlCall(sql, f"bridge-{uuid4().hex[:8]}")

    async def set_up(self) -> None:
        """Make the rows."""
        for user, account in zip(self.users, self.accounts, strict=True):
            await self.sql.execute(
                "insert into auth.users (id, email) values (%s, %s)", (user, f"{user}@safe.test")
            )
            sealed = self.vault.seal(user, account, KEYS)
            await self.sql.execute(
                """
                insert into public.exchange_accounts
                  (id, user_id, name, venue, market, sandbox, permissions, ciphertext, salt, key_version)
                values (%s, %s, 'Real', 'bybit', 'usdm', false, 'trade', %s, %s, %s)
                """,
                (account, user, sealed.ciphertext, sealed.salt, sealed.key_version),
            )

    async def change(self, assignment: str, *values: Any, account: int = 0) -> None:
        """Tamper with a row, as somebody who owns the database."""
        await self.sql.execute(
            f"update public.exchange_accounts set {assignment} where id = %s",
            (*values, self.accounts[account]),
        )

    async def open(self, master_key: str | None = None, account: int = 0) -> Any:
        """What the bridge does with the account when it got its lease."""
        ledger = Ledger(self.call)
        (claimed,) = await ledger.claim_accounts(most=1, lease_seconds=60, only=[self.accounts[account]])
        sessions = session_factory(self.venue.place, self.venue.authority)
        exchanges = Exchanges(WallClock(), Market("usdm"), None, master_key or self.master_key, sessions)
        return await exchanges(claimed)

    async def refusal(self, master_key: str | None = None, account: int = 0) -> str:
        """The error of a bridge that cannot open the account. Never shows a key."""
        with pytest.raises(SigtrailError) as caught:
            await self.open(master_key, account)
        assert isinstance(caught.value, VaultError | ConfigurationError)
        assert self.venue.requests == []
        for hidden in (*KEYS.values(), self.master_key):
            assert hidden not in str(caught.value)
        return str(caught.value)


@pytest.fixture
async def safe(sql: Sql, venue: KeyVenue) -> AsyncIterator[Safe]:
    made = Safe(sql, venue)
    await made.set_up()
    yield made
    await sql.execute("delete from public.exchange_accounts where user_id = any (%s)", (made.users,))


async def test_what_nobody_touched_opens(safe: Safe) -> None:
    exchange = await safe.open()
    async with exchange.session:
        assert (exchange.apiKey, exchange.secret) == (KEYS["apiKey"], KEYS["secret"])
        await exchange.close()


@pytest.mark.parametrize(
    "tampering",
    [
        "ciphertext = set_byte(ciphertext, 0, get_byte(ciphertext, 0) # 1)",
        "ciphertext = set_byte(ciphertext, 20, get_byte(ciphertext, 20) # 128)",
        "ciphertext = substr(ciphertext, 1, length(ciphertext) - 1)",
        "ciphertext = ciphertext || '\\x00'",
        "ciphertext = ''",
        "salt = set_byte(salt, 3, get_byte(salt, 3) # 1)",
    ],
)
async def test_a_changed_byte_does_not_open(safe: Safe, tampering: str) -> None:
    await safe.change(tampering)
    assert "do not open" in await safe.refusal()


async def test_a_ciphertext_moved_to_another_account_does_not_open(safe: Safe) -> None:
    columns = "ciphertext, salt, key_version"
    await safe.change(
        f"({columns}) = (select {columns} from public.exchange_accounts where id = %s)", safe.accounts[1]
    )
    assert "another account or user" in await safe.refusal()


async def test_an_account_moved_to_another_user_does_not_open(safe: Safe) -> None:
    await safe.change("name = 'Moved', user_id = %s", safe.users[1])
    assert "another account or user" in await safe.refusal()


async def test_keys_of_a_version_that_is_not_held_do_not_open(safe: Safe) -> None:
    only_new = f"2:{new_master_key()}"
    assert "key version 1, which SIGTRAIL_MASTER_KEY does not hold" in await safe.refusal(only_new)


async def test_a_row_that_claims_another_version_does_not_open(safe: Safe) -> None:
    both = f"1:{safe.master_key},2:{safe.master_key}"
    await safe.change("key_version = 2")
    assert "do not open" in await safe.refusal(both)


async def test_a_wrong_master_key_opens_nothing(safe: Safe) -> None:
    assert "another master key" in await safe.refusal(new_master_key())


async def test_an_account_without_keys_is_not_traded(safe: Safe) -> None:
    await safe.change("ciphertext = null, salt = null, key_version = null")
    assert "has no keys" in await safe.refusal()


async def test_one_broken_account_keeps_no_other_from_trading_and_is_given_back(
    safe: Safe, tmp_path: Path
) -> None:
    await safe.change("ciphertext = set_byte(ciphertext, 20, get_byte(ciphertext, 20) # 1)")
    seen: list[UUID] = []
    sessions = session_factory(safe.venue.place, safe.venue.authority)
    inner = Exchanges(WallClock(), Market("usdm"), None, safe.master_key, sessions)

    async def exchanges(account: Any) -> Any:
        exchange = await inner(account)
        seen.append(account.id)
        return exchange

    role = TradingRole(
        Connection(safe.call),
        WallClock(),
        Market("usdm"),
        Wakes(),
        exchanges=exchanges,
        policy=Policy(),
        only=safe.accounts,
        limits=tmp_path,
    )
    await role.start()
    try:
        assert role.counts["accounts_unusable"] == 1
        assert seen == [safe.accounts[1]]
        rows = await (
            await safe.sql.execute(
                "select id from public.exchange_accounts where lease_machine is null and id = any (%s)",
                (safe.accounts,),
            )
        ).fetchall()
        assert [row["id"] for row in rows] == [safe.accounts[0]]
    finally:
        await role.stop()
        await inner.catalogue.close()


async def test_sealed_keys_travel_only_as_ciphertext(safe: Safe) -> None:
    """What the database hands to the bridge is what the vault sealed, and nothing that opens without it."""
    (row,) = await safe.call(
        "claim_accounts", {"max_rows": 1, "lease_seconds": 60, "accounts": [safe.accounts[0]]}
    )
    sealed = Sealed(
        base64.b64decode(row["ciphertext"]), base64.b64decode(row["salt"]), int(row["key_version"])
    )
    assert safe.vault.open(safe.users[0], safe.accounts[0], sealed) == KEYS
    assert not [one for one in KEYS.values() if one in str(row)]
