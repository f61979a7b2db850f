"""Somebody who types `sigtrail accounts …`, and what comes of it."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from shared.settings import CHECKOUT
from shared.vault import new_master_key
from tests.stacks import Stack
from tests.trading.key_venue import Key, KeyVenue
from tests.trading.world import Sql


@dataclass(slots=True)
class Said:
    """What a command came to."""

    status: int
    out: str
    errors: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@dataclass(slots=True)
class Operator:
    """Somebody at the command line, with a user to make accounts for."""

    stack: Stack
    sql: Sql
    venue: KeyVenue
    folder: Path
    user: UUID = field(default_factory=uuid4)
    master_key: str = field(default_factory=new_master_key)

    @property
    def environment(self) -> dict[str, str]:
        return {
            **{k: v for k, v in os.environ.items() if not k.startswith(("SUPABASE", "SIGTRAIL"))},
            "SUPABASE_URL": self.stack.url,
            "SUPABASE_DB_URL": self.stack.db_url,
            "SUPABASE_PUBLISHABLE_KEY": self.stack.publishable_key,
            "SUPABASE_SECRET_KEY": self.stack.secret_key,
            "SUPABASE_JWT_SECRET": self.stack.jwt_secret,
            "SIGTRAIL_MASTER_KEY": self.master_key,
            "SIGTRAIL_STATE": str(self.folder / "state"),
            **self.venue.environment,
        }

    async def type(self, *arguments: str, given: str = "", **environment: str) -> Said:
        """Run `sigtrail accounts …` as a process of its own."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "cli.main", "accounts", *arguments),
            cwd=CHECKOUT,
            env=self.environment | environment,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, errors = await process.communicate(given.encode())
        assert process.returncode is not None
        return Said(process.returncode, out.decode(), errors.decode())

    def make_key(self, **more: Any) -> Key:
        """A key that the venue knows, and no other test."""
        return self.venue.add(Key(secrets.token_hex(32), secrets.token_hex(32), **more))

    def write(self, key: Key, mode: int = 0o600) -> str:
        """The key in a file."""
        path = self.folder / f"keys-{key.key[:6]}"
        path.write_text(f"apiKey={key.key}\nsecret={key.secret}\n")
        path.chmod(mode)
        return str(path)

    async def add(self, key: Key, name: str, *more: str, **environment: str) -> Said:
        """Store a key as an account of the user."""
        venue = ("--venue", "bybit", "--live", "--from", self.write(key), "--json")
        return await self.type("add", "--user", str(self.user), "--name", name, *venue, *more, **environment)

    async def account(self, account: str) -> dict[str, Any]:
        """The row of an account."""
        rows = await self.fetch("select * from public.exchange_accounts where id = %s", account)
        return rows[0]

    async def accounts(self) -> list[dict[str, Any]]:
        """All accounts of the user."""
        return await self.fetch("select * from public.exchange_accounts where user_id = %s", self.user)

    async def trail(self, account: str) -> list[str]:
        """The types of the account's events."""
        query = "select event_type from public.account_events where account_id = %s order by id"
        return [row["event_type"] for row in await self.fetch(query, account)]

    async def fetch(self, query: str, *values: Any) -> list[dict[str, Any]]:
        """Rows, as postgres."""
        return list(await (await self.sql.execute(query, values)).fetchall())
