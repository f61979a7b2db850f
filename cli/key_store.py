"""The operator's hand on sealed keys: what the commands of keys read from the project's database, and change.

Everything runs as the database's owner, each change in a transaction of its own; no interface exposes it.
"""

from __future__ import annotations

import getpass
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import psycopg
from psycopg.types.json import Jsonb

from cli.project import Database, database
from cli.queries import query
from shared.errors import InputError, NotFound, Refused
from shared.settings import Settings
from shared.vault import Sealed


@dataclass(frozen=True, slots=True)
class SealedAccount:
    """An account with its sealed keys, or None without."""

    id: UUID
    user_id: UUID
    name: str
    venue: str
    market: str
    sandbox: bool
    permissions: str
    status: str
    key_info: Mapping[str, Any]
    lease_machine: str | None
    sealed: Sealed | None


class KeyStore:
    """See `open_key_store`."""

    def __init__(self, connection: Database) -> None:
        self._connection = connection

    async def owner(self, user: str) -> UUID:
        """The id of the user with this email or id."""
        rows = await self._ask("user_find", {"user": user})
        if not rows:
            raise NotFound(f"there is no user {user}: see `sigtrail users list`")
        return UUID(str(rows[0]["id"]))

    async def refuse_known(self, user_id: UUID, name: str) -> None:
        """Raise InputError when the user has an account of this name."""
        if await self.named(user_id, name) is not None:
            raise InputError(f"there is an account {name} already: `accounts rotate` renews its keys")

    async def named(self, user_id: UUID, name: str) -> UUID | None:
        """The id of the user's account of this name, None without one."""
        rows = await self._ask("account_named", {"user_id": user_id, "name": name})
        return UUID(str(rows[0]["id"])) if rows else None

    async def find(self, account: str) -> SealedAccount:
        """The account with this id, or the only one with this name."""
        rows = await self._ask("account_find", {"account": account})
        if not rows:
            raise NotFound(f"there is no account {account}: see `sigtrail accounts list`")
        if len(rows) > 1:
            raise InputError(f"several accounts are named {account}: give its id from `accounts list`")
        return _account(rows[0])

    async def sealed(self) -> list[SealedAccount]:
        """All accounts that have keys, by id."""
        return [_account(row) for row in await self._ask("accounts_sealed", {})]

    async def versions(self) -> dict[int, int]:
        """How many accounts are sealed with each version of the master key."""
        rows = await self._ask("account_versions", {})
        return {int(row["key_version"]): int(row["accounts"]) for row in rows}

    async def add(self, row: Mapping[str, Any], sealed: Sealed) -> dict[str, Any]:
        """A new account with its keys."""
        values = {**row, "settings": Jsonb(row["settings"]), "key_info": Jsonb(row["key_info"])}
        return (await self._ask("account_add", {**values, **_columns(sealed)}))[0]

    async def rotate(self, account: UUID, sealed: Sealed, permissions: str, info: Mapping[str, Any]) -> None:
        """Another key that the venue gave for the same account."""
        values = {"id": account, "permissions": permissions, "key_info": Jsonb(dict(info))}
        await self._ask("account_rotate", {**values, **_columns(sealed)})

    async def reseal(self, account: UUID, before: Sealed, after: Sealed) -> bool:
        """The same key under a newer master key; False when somebody stored another one meanwhile."""
        values = {"id": account, "sealed": before.ciphertext, **_columns(after)}
        return bool((await self._ask("account_reseal", values))[0]["resealed"])

    async def note_verified(self, account: UUID, info: Mapping[str, Any], may_trade: bool) -> str:
        """What the venue said of the key now; answers the account's status after it."""
        values = {"id": account, "key_info": Jsonb(dict(info)), "may_trade": may_trade}
        return str((await self._ask("account_verified", values))[0]["status"])

    async def revoke(self, account: UUID, leave: bool) -> None:
        """Throw the ciphertext away; `leave` open positions to the venue."""
        await self._ask("account_revoke", {"id": account, "leave": leave})

    async def events(self, account: UUID) -> list[dict[str, Any]]:
        """The trail of the account, oldest first."""
        return await self._ask("account_events", {"id": account})

    async def _ask(self, name: str, values: Mapping[str, Any]) -> list[dict[str, Any]]:
        try:
            return await (await self._connection.execute(query(name), values)).fetchall()
        except psycopg.OperationalError:
            raise
        except psycopg.errors.UniqueViolation:
            raise InputError("the user has an account of this name already") from None
        except psycopg.Error as error:
            # The message alone: the details of an error may show a whole row.
            hint = f" ({error.diag.message_hint})" if error.diag.message_hint else ""
            message = f"{error.diag.message_primary or type(error).__name__}{hint}"
            raise Refused(message, code=error.sqlstate) from None


@asynccontextmanager
async def open_key_store(settings: Settings, reason: str | None = None) -> AsyncIterator[KeyStore]:
    """The keys of this project. What is changed is in the trail under the operator's own name."""
    async with database(settings) as connection:
        acts = {"actor": f"operator {operator_name()}", "reason": reason or ""}
        await connection.execute(query("operator_acts"), acts)
        yield KeyStore(connection)


def operator_name() -> str:
    """Who types, as the trail names them: `mia@laptop`."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        # A container may have no name for its user.
        user = "somebody"
    return f"{user}@{socket.gethostname()}"


def _columns(sealed: Sealed) -> dict[str, Any]:
    return {"ciphertext": sealed.ciphertext, "salt": sealed.salt, "key_version": sealed.key_version}


def _account(row: Mapping[str, Any]) -> SealedAccount:
    sealed = None
    if row["ciphertext"] is not None:
        sealed = Sealed(bytes(row["ciphertext"]), bytes(row["salt"]), int(row["key_version"]))
    return SealedAccount(
        id=row["id"],
        user_id=row["user_id"],
        name=row["name"],
        venue=row["venue"],
        market=row["market"],
        sandbox=row["sandbox"],
        permissions=row["permissions"],
        status=row["status"],
        key_info=row["key_info"],
        lease_machine=row["lease_machine"],
        sealed=sealed,
    )
