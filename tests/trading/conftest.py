"""What the tests of trading share: a connection to the project's database, and worlds in it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import psycopg
import pytest
from psycopg.rows import dict_row

from tests.stacks import Stack
from tests.trading.world import Sql, World, open_world


@pytest.fixture(scope="session")
async def sql(stack: Stack) -> AsyncIterator[Sql]:
    """One connection for all worlds, as postgres: what a session has planned once, it need not plan again."""
    connection = await psycopg.AsyncConnection.connect(stack.db_url, autocommit=True, row_factory=dict_row)
    async with connection:
        yield connection


@pytest.fixture
async def world(sql: Sql) -> AsyncIterator[World]:
    """A user with a paper account and a trader of its own, a market, a clock, and no bridge yet."""
    async with open_world(sql) as made:
        yield made
