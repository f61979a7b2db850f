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
from workers.trading.traffic.traffic import FreeTraffic, Turn
from workers.trading.venues.exchanges import venue_of
from workers.trading.venues.standing import read_standing
from workers.trading.venues.venue import Venue

KEY, SECRET = "key-of-the-test", "secret-of-the-test"
SYMBOL, OTHER = "BTC/USDT:USDT", "ETH/USDT:USDT"
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
        found = await edge.funding({SYMBOL: began - timedelta(minutes=1)})
    assert len({one.venue_income_id for one in found}) == 250


@pytest.mark.parametrize("name", ["binanceusdm", "bybit"])
async def test_funding_is_read_once_and_with_its_sign(fake: FakeVenue, name: str) -> None:
    async with open_edge(fake, name) as edge:
        fake.fund(SYMBOL, "0.0001")
        found = await edge.funding({SYMBOL: datetime.now(UTC) - LONG_AGO})
        again = await edge.funding({SYMBOL: datetime.now(UTC) - LONG_AGO})
    assert [(one.kind, one.symbol, one.amount, one.currency) for one in found] == [
        ("funding", SYMBOL, Decimal("-0.1"), "USDT")
    ]
    assert [one.venue_income_id for one in again] == [one.venue_income_id for one in found]


class Noted(FreeTraffic):
    """Notes what is asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    @asynccontextmanager
    async def turn(self, kind: Turn, name: str) -> AsyncIterator[None]:
        """Nothing holds a request back."""
        self.asked.append(name)
        yield


@pytest.mark.parametrize("name", ["binanceusdm", "bybit"])
async def test_what_all_symbols_have_is_told_for_one_question(fake: FakeVenue, name: str) -> None:
    fake.move(OTHER, "2000")
    async with open_edge(fake, name) as edge:
        await edge.exchange.create_order(OTHER, "market", "buy", 0.5)
        for symbol in (SYMBOL, OTHER):
            fake.fund(symbol, "0.0001")
        edge._wire.traffic = noted = Noted()
        before, later = (datetime.now(UTC) + LONG_AGO * sign for sign in (-1, 1))
        paid = await edge.funding({SYMBOL: before, OTHER: before})
        assert {one.symbol: one.amount for one in paid} == {SYMBOL: Decimal("-0.1"), OTHER: Decimal("-0.1")}
        # Each from its own time on.
        assert {one.symbol for one in await edge.funding({SYMBOL: before, OTHER: later})} == {SYMBOL}
        held = (await edge.holdings([SYMBOL, OTHER])).positions
        assert held == {(SYMBOL, "long"): Decimal("0.02"), (OTHER, "long"): Decimal("0.5")}
        assert [one.symbol for one in (await edge.standing([SYMBOL, OTHER]))[0]] == [SYMBOL, OTHER]
    questions = ["fetch_funding_history"] * 2 + ["fetch_positions"] * 2 + ["fetch_balance"]
    assert noted.asked == questions


async def test_open_orders_of_all_symbols_are_read_to_the_last_page(fake: FakeVenue) -> None:
    """Bybit tells fifty at once: one that was left out would pass for one that is over."""
    fake.move(OTHER, "2000")
    async with open_edge(fake, "bybit") as edge:
        for number in range(60):
            await edge.exchange.create_order(SYMBOL, "limit", "buy", 0.001, 40_000 + number)
        await edge.exchange.create_order(OTHER, "limit", "buy", 0.1, 1_500)
        found = await edge.open_orders_of([SYMBOL, OTHER, "SOL/USDT:USDT"])
        assert {symbol: len({one.venue_order_id for one in listed}) for symbol, listed in found.items()} == {
            SYMBOL: 60,
            OTHER: 1,
            "SOL/USDT:USDT": 0,
        }
        assert found[OTHER] == await edge.open_orders(OTHER)


async def test_fills_of_all_symbols_are_read_to_the_last_page(fake: FakeVenue) -> None:
    since = datetime.now(UTC) - LONG_AGO
    fake.move(OTHER, "2000")
    async with open_edge(fake, "bybit") as edge:
        for _ in range(110):
            await edge.exchange.create_order(OTHER, "market", "buy", 0.01)
        fills = await edge.trades_of([SYMBOL, OTHER], since)
        assert [one.symbol for one in fills] == [SYMBOL] + [OTHER] * 110
        assert len({one.venue_trade_id for one in fills}) == 111
        assert await edge.trades_of([SYMBOL], since) == fills[:1] == await edge.trades(SYMBOL, since)


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
