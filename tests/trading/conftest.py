"""What the tests of trading share: a database of the project, and worlds in it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.stacks import Stack
from tests.trading.world import World, open_world


@pytest.fixture
async def world(stack: Stack) -> AsyncIterator[World]:
    """A user with a paper account and a trader of its own, a market, a clock, and no bridge yet."""
    async with open_world(stack.db_url) as made:
        yield made
