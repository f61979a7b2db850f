"""One stage for every wire: the paper exchange, and each venue whose wire the fake venue speaks."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from scripts.fake_venue.venue import VENUES, FakeVenue
from tests.conformance.stage import WIRES, Stage, open_stage
from tests.trading.conftest import sql
from tests.trading.world import Sql

__all__ = ["sql"]
SPOKEN = [
    wire
    for wire, (venue, _) in WIRES.items()
    if venue == "paper" or VENUES[venue][0] in FakeVenue().exchanges
]


@pytest.fixture(params=SPOKEN)
async def stage(request: pytest.FixtureRequest, sql: Sql) -> AsyncIterator[Stage]:
    async with open_stage(sql, request.param) as made:
        yield made
