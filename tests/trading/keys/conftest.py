"""What the tests of keys share: a venue that knows keys, and an operator at the command line."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.stacks import Stack
from tests.trading.key_venue import KeyVenue, open_key_venue
from tests.trading.keys.typist import Operator
from tests.trading.world import Sql


@pytest.fixture
async def venue(tmp_path: Path) -> AsyncIterator[KeyVenue]:
    async with open_key_venue(tmp_path) as opened:
        yield opened


@pytest.fixture
async def operator(stack: Stack, sql: Sql, venue: KeyVenue, tmp_path: Path) -> AsyncIterator[Operator]:
    made = Operator(stack, sql, venue, tmp_path)
    await sql.execute(
        "insert into auth.users (id, email) values (%s, %s)", (made.user, f"{made.user}@keys.test")
    )
    yield made
    # What this one sealed, no other test can open.
    await sql.execute("delete from public.exchange_accounts where user_id = %s", (made.user,))
