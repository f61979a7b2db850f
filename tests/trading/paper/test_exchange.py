"""The paper exchange through ccxt's words, over restarts, and with faults."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from ccxt.base.errors import InsufficientFunds, InvalidOrder, NotSupported, OrderNotFound, RequestTimeout

from shared.candles import Candle
from shared.clock import MarketClock
from shared.errors import ConfigurationError
from shared.market import Market
from workers.trading.paper import PaperExchange
from workers.trading.paper.exchange import KEPT_MS

START = datetime(2025, 5, 5, tzinfo=UTC)
BTC = "BTC/USDT:USDT"


class Venue:
    """A paper exchange, its market and its clock, moved by hand."""

    def __init__(self, store: Path, **config: Any) -> None:
        self.clock = MarketClock(START)
        self.market = Market("usdm")
        self.exchange = PaperExchange(
            {
                "clock": self.clock,
                "market": self.market,
                "store": store,
                **config,
            }
        )

    def tick(self, o: float, h: float, low: float, c: float, volume: float = 100.0) -> None:
        opened = self.clock.millis()
        self.clock.advance(self.clock.now() + timedelta(minutes=1))
        self.market.publish(Candle("BTCUSDT", "1m", opened, self.clock.millis(), o, h, low, c, volume))


@pytest.fixture
async def venue(tmp_path: Path) -> AsyncIterator[Venue]:
    made = Venue(tmp_path / "account.db")
    made.tick(100000.0, 100100.0, 99900.0, 100000.0)
    yield made
    await made.exchange.close()


async def test_a_trade_from_entry_to_take_profit_in_ccxts_words(venue: Venue) -> None:
    exchange = venue.exchange
    guards = {
        "stopLoss": {"triggerPrice": 99000.0, "clientOrderId": "sl"},
        "takeProfit": {"triggerPrice": 101000.0},
    }
    order = await exchange.create_order(
        BTC, "market", "buy", 0.01, None, {"clientOrderId": "entry", **guards}
    )
    assert (order["status"], order["clientOrderId"], order["filled"]) == ("open", "entry", 0.0)
    venue.tick(100000.0, 100100.0, 99900.0, 100050.0)
    order = await exchange.fetch_order(None, BTC, {"clientOrderId": "entry"})
    assert (order["status"], order["average"]) == ("closed", 100010.0)
    assert [o["stopLossPrice"] for o in await exchange.fetch_open_orders(BTC)] == [99000.0, None]
    assert [p["contracts"] for p in await exchange.fetch_positions()] == [0.01]
    venue.tick(100050.0, 101100.0, 100000.0, 101000.0)
    trades = await exchange.fetch_my_trades(BTC)
    assert [t["side"] for t in trades] == ["buy", "sell"]
    assert await exchange.fetch_open_orders(BTC) == []
    exact = [
        (Decimal(t["info"]["price"]), Decimal(t["info"]["amount"]), Decimal(t["info"]["fee"])) for t in trades
    ]
    (bought, amount, fee), (sold, _, closing_fee) = exact
    expected = Decimal(10000) + (sold - bought) * amount - fee - closing_fee
    assert venue.exchange.paper_engine.ledger.balances["USDT"] == expected
    assert (await exchange.fetch_balance())["USDT"]["total"] == pytest.approx(float(expected))


async def test_an_account_outlives_its_process(tmp_path: Path) -> None:
    path = tmp_path / "account.db"
    before = Venue(path)
    before.tick(100000.0, 100100.0, 99900.0, 100000.0)
    guards = {"stopLoss": {"triggerPrice": 99000.0, "clientOrderId": "sl"}}
    await before.exchange.create_order(BTC, "market", "buy", 0.01, None, {"clientOrderId": "entry", **guards})
    before.tick(100000.0, 100100.0, 99900.0, 100050.0)
    kept = await before.exchange.fetch_balance()
    await before.exchange.close()

    after = Venue(path)
    assert (await after.exchange.fetch_balance())["USDT"] == kept["USDT"]
    assert [o["clientOrderId"] for o in await after.exchange.fetch_open_orders()] == ["sl"]
    # The same candles again: what they did once, they do not do twice.
    after.tick(100000.0, 100100.0, 98000.0, 100000.0)
    after.tick(100000.0, 100100.0, 98000.0, 100050.0)
    assert len(await after.exchange.fetch_my_trades()) == 1
    after.tick(100000.0, 100100.0, 98000.0, 98500.0)
    assert len(await after.exchange.fetch_my_trades()) == 2
    assert await after.exchange.fetch_positions() == []
    await after.exchange.close()


async def test_two_machines_cannot_open_one_account(venue: Venue, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="in use by another machine"):
        Venue(tmp_path / "account.db")


async def test_refusals_are_ccxts_exceptions(venue: Venue) -> None:
    exchange = venue.exchange
    with pytest.raises(InsufficientFunds, match="free are"):
        await exchange.create_order(BTC, "market", "buy", 5.0)
    with pytest.raises(InvalidOrder, match=r"no positive multiple of 0\.001"):
        await exchange.create_order(BTC, "market", "buy", 0.0105)
    with pytest.raises(OrderNotFound, match="nope"):
        await exchange.fetch_order(None, BTC, {"clientOrderId": "nope"})
    with pytest.raises(NotSupported, match="trailingPercent"):
        await exchange.create_order(BTC, "market", "buy", 0.01, None, {"trailingPercent": 1})


async def test_a_venue_may_refuse_attached_protection(tmp_path: Path) -> None:
    venue = Venue(tmp_path / "bare.db", attached=False)
    venue.tick(100000.0, 100100.0, 99900.0, 100000.0)
    with pytest.raises(NotSupported, match="attached"):
        await venue.exchange.create_order(
            BTC, "market", "buy", 0.01, None, {"stopLoss": {"triggerPrice": 1.0}}
        )
    await venue.exchange.close()


@pytest.mark.parametrize(("moment", "exists"), [("before", False), ("after", True)])
async def test_a_timeout_leaves_the_order_taken_or_not(tmp_path: Path, moment: str, exists: bool) -> None:
    def strike(method: str, when: str, client_id: str) -> None:
        if (method, when) == ("create_order", moment):
            raise RequestTimeout("paper did not answer in time")

    venue = Venue(tmp_path / "faulty.db", fault=strike)
    venue.tick(100000.0, 100100.0, 99900.0, 100000.0)
    with pytest.raises(RequestTimeout):
        await venue.exchange.create_order(BTC, "market", "buy", 0.01, None, {"clientOrderId": "e"})
    known = [o["clientOrderId"] for o in await venue.exchange.fetch_open_orders()]
    assert known == (["e"] if exists else [])
    await venue.exchange.close()


async def test_activity_grows_only_when_something_changed(venue: Venue) -> None:
    seen = venue.exchange.paper_activity
    venue.tick(100000.0, 100100.0, 99900.0, 100000.0)
    assert venue.exchange.paper_activity == seen
    await venue.exchange.create_order(BTC, "market", "buy", 0.01)
    assert venue.exchange.paper_activity == seen + 1
    venue.tick(100000.0, 100100.0, 99900.0, 100000.0)
    assert venue.exchange.paper_activity == seen + 2


async def test_what_ended_days_ago_is_forgotten_here_and_in_the_file(tmp_path: Path) -> None:
    store = tmp_path / "account.db"
    venue = Venue(store)
    venue.tick(100000.0, 100100.0, 99900.0, 100000.0)
    for number in range(2):
        side = "sell" if number else "buy"
        await venue.exchange.create_order(BTC, "market", side, 0.01, None, {"clientOrderId": f"c{number}"})
        venue.tick(100000.0, 100100.0, 99900.0, 100000.0)
    await venue.exchange.close()

    again = Venue(store)
    again.clock.advance(venue.clock.now() + timedelta(days=30))
    again.tick(100000.0, 100100.0, 99900.0, 100000.0)
    assert (await again.exchange.fetch_order(None, BTC, {"clientOrderId": "c0"}))["status"] == "closed", (
        "a machine that was away for long can still ask"
    )
    again.clock.advance(again.clock.now() + timedelta(milliseconds=KEPT_MS))
    again.tick(100000.0, 100100.0, 99900.0, 100000.0)
    with pytest.raises(OrderNotFound):
        await again.exchange.fetch_order(None, BTC, {"clientOrderId": "c0"})
    assert [trade["id"] for trade in await again.exchange.fetch_my_trades(BTC)] == ["2"]
    await again.exchange.close()

    last = Venue(store)
    assert list(last.exchange.paper_engine.by_client_id) == ["c1"]
    last.clock.advance(again.clock.now())
    await last.exchange.create_order(BTC, "market", "buy", 0.01, None, {"clientOrderId": "c2"})
    last.tick(100000.0, 100100.0, 99900.0, 100000.0)
    asked = await last.exchange.fetch_my_trades(BTC, None, None, {"fromId": 3})
    assert [trade["id"] for trade in asked] == ["3"]
    await last.exchange.close()
