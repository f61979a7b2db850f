"""How an account stands, over a venue's own wire: what it holds, how far from liquidation, what it paid."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import ccxt.pro
import pytest

from scripts.fake_venue import FakeVenue
from shared.clock import MarketClock
from tests.trading.made import RULES
from workers.trading.venues.exchanges import venue_of
from workers.trading.venues.standing import read_standing
from workers.trading.venues.venue import Venue

KEY, SECRET, SYMBOL = "key-of-the-test", "secret-of-the-test", "BTC/USDT:USDT"
LONG_AGO = timedelta(days=1)


@pytest.fixture
async def fake() -> AsyncIterator[FakeVenue]:
    async with FakeVenue() as one:
        one.move(SYMBOL, "50000")
        yield one


@asynccontextmanager
async def open_edge(fake: FakeVenue, name: str) -> AsyncIterator[Venue]:
    """The bridge's edge to an account that just bought a fiftieth of a coin."""
    fake.open_account(name, KEY, SECRET, {"USDT": "10000"})
    async with fake.session_factory()() as session:
        config = {"apiKey": KEY, "secret": SECRET, "session": session, "enableRateLimit": False}
        exchange = getattr(ccxt.pro, name)({**config, "options": {"defaultType": "swap"}})
        exchange.timeout_on_exit = 0
        edge = venue_of(exchange, "usdm")
        try:
            await edge.open()
            await exchange.create_order(SYMBOL, "market", "buy", 0.02)
            yield edge
        finally:
            await edge.close()


@pytest.mark.parametrize("name", ["binanceusdm", "bybit"])
async def test_positions_and_margin_are_read(fake: FakeVenue, name: str) -> None:
    async with open_edge(fake, name) as edge:
        fake.move(SYMBOL, "49000")
        [one], balance = await edge.standing([SYMBOL])
    assert (one.symbol, one.side, one.amount, one.mark_price) == (
        SYMBOL,
        "long",
        Decimal("0.02"),
        Decimal(49000),
    )
    assert one.liquidation_price is None or one.liquidation_price < 49000
    assert Decimal(9900) < balance <= Decimal(10000)


@pytest.mark.parametrize("name", ["binanceusdm", "bybit"])
async def test_more_payments_than_a_page_holds_are_all_read(fake: FakeVenue, name: str) -> None:
    """Each counts as won or lost: none may be left out, however long nobody looked."""
    began = datetime.now(UTC) - LONG_AGO
    fake.clock = clock = MarketClock(began)
    async with open_edge(fake, name) as edge:
        fewer = replace(edge.capabilities.fundings, page=min(edge.capabilities.fundings.page, 100))
        edge.capabilities = replace(edge.capabilities, fundings=fewer)
        for number in range(250):
            clock.advance_ms(clock.millis() + 60_000 * (number % 3))
            fake.fund(SYMBOL, "0.0001")
        found = await edge.funding(SYMBOL, began - timedelta(minutes=1))
    assert len({one.venue_income_id for one in found}) == 250


@pytest.mark.parametrize("name", ["binanceusdm", "bybit"])
async def test_funding_is_read_once_and_with_its_sign(fake: FakeVenue, name: str) -> None:
    async with open_edge(fake, name) as edge:
        fake.fund(SYMBOL, "0.0001")
        found = await edge.funding(SYMBOL, datetime.now(UTC) - LONG_AGO)
        again = await edge.funding(SYMBOL, datetime.now(UTC) - LONG_AGO)
    assert [(one.kind, one.symbol, one.amount, one.currency) for one in found] == [
        ("funding", SYMBOL, Decimal("-0.1"), "USDT")
    ]
    assert [one.venue_income_id for one in again] == [one.venue_income_id for one in found]


@pytest.mark.parametrize(
    ("fields", "liquidation", "side"),
    [
        ({"liquidationPrice": 45000.5}, Decimal("45000.5"), "long"),
        ({"liquidationPrice": 0}, None, "long"),
        ({"liquidationPrice": None, "side": "short"}, None, "short"),
    ],
)
def test_what_cannot_be_liquidated_has_no_price_for_it(
    fields: dict[str, Any], liquidation: Decimal | None, side: str
) -> None:
    answer = {"contracts": 2, "markPrice": 50000, "side": "long", "maintenanceMargin": 3.5, **fields}
    one = read_standing(answer, RULES)
    assert one is not None
    assert (one.liquidation_price, one.side, one.maintenance_margin) == (liquidation, side, Decimal("3.5"))


@pytest.mark.parametrize("fields", [{"contracts": 0}, {"markPrice": None}])
def test_what_holds_nothing_stands_nowhere(fields: dict[str, Any]) -> None:
    assert read_standing({"contracts": 2, "markPrice": 50000, "side": "long", **fields}, RULES) is None
