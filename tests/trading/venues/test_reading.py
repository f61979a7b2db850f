"""A venue's markets are read again now and then, once for all of its accounts, and none is lost."""

from __future__ import annotations

import asyncio
import random
from datetime import timedelta
from decimal import Decimal
from typing import Any

import ccxt.async_support as async_ccxt
import pytest
from ccxt.base.errors import RequestTimeout

from shared.errors import OrderDenied
from tests.trading.made import NOW
from tests.waiting import until
from workers.trading.venues.capabilities import capabilities_of
from workers.trading.venues.reading import AGAIN, EVERY, SPACING, SPREAD, Reading
from workers.trading.venues.venue import Venue

SOON, LATE = EVERY * (1 - SPREAD), EVERY * (1 + SPREAD)


class List:
    """What is read: counts how often, and fails as long as it is told to."""

    def __init__(self) -> None:
        self.read, self.failing = 0, False

    async def __call__(self) -> None:
        self.read += 1
        if self.failing:
            raise RequestTimeout("no answer")


async def rest(reading: Reading) -> None:
    await until(lambda: reading._task is None)


async def test_it_is_read_about_every_hour_whoever_asks() -> None:
    reading, markets = Reading(random.Random(7)), List()
    for moment in (NOW, NOW + SOON - timedelta(seconds=1)):
        reading.look(markets, moment)
    assert reading._task is None
    for _ in range(100):
        reading.look(markets, NOW + LATE)
    await rest(reading)
    reading.look(markets, NOW + LATE + SOON - timedelta(seconds=1))
    assert reading._task is None
    assert markets.read == 1


async def test_a_failure_is_tried_again_before_the_next_hour() -> None:
    reading, markets = Reading(), List()
    reading.look(markets, NOW)
    markets.failing = True
    reading.look(markets, NOW + LATE)
    await rest(reading)
    reading.look(markets, NOW + LATE + AGAIN - timedelta(seconds=1))
    assert reading._task is None
    markets.failing = False
    reading.look(markets, NOW + LATE + AGAIN)
    await rest(reading)
    assert markets.read == 2


async def test_refusals_at_one_time_are_one_reading() -> None:
    reading, markets = Reading(), List()
    first = reading.hurry(markets, NOW)
    assert first is not None
    assert reading.hurry(markets, NOW) is first
    await rest(reading)
    assert reading.hurry(markets, NOW + SPACING / 2) is None
    assert reading.hurry(markets, NOW + SPACING) is not None
    await rest(reading)
    assert markets.read == 2


def market(name: str, tick: str, *, active: bool = True) -> dict[str, Any]:
    return {
        "id": f"{name}USDT",
        "symbol": f"{name}/USDT",
        "base": name,
        "quote": "USDT",
        "spot": True,
        "active": active,
        "precision": {"price": float(tick), "amount": 0.001},
        "limits": {},
        "info": {},
    }


async def test_all_accounts_go_by_what_one_of_them_had_read(monkeypatch: pytest.MonkeyPatch) -> None:
    data, reading = async_ccxt.binance({"enableRateLimit": False}), Reading()
    told = [market("BTC", "0.1"), market("ETH", "0.1"), market("SOL", "0.1")]

    async def learn(*_: Any, **__: Any) -> Any:
        return data.set_markets(told)

    monkeypatch.setattr(data, "load_markets_helper", learn)
    exchanges = [async_ccxt.binance({"enableRateLimit": False}) for _ in range(2)]
    venues = [Venue(one, capabilities_of(one, "spot"), data=data, reading=reading) for one in exchanges]
    for venue in venues:
        await venue.open()
        for name in ("BTC", "ETH", "SOL"):
            assert (await venue.rules(f"{name}/USDT")).price_tick == Decimal("0.1")
    told[:] = [market("BTC", "0.5"), market("ETH", "0.1", active=False)]
    reading_now = venues[0].doubt_rules(NOW)
    assert reading_now is not None
    await asyncio.wait({reading_now})
    for venue in venues:
        assert (await venue.rules("BTC/USDT")).price_tick == Decimal("0.5")
        # What is held of these is still heard of and cancelled; nothing is entered.
        for symbol in ("ETH/USDT", "SOL/USDT"):
            rules = await venue.rules(symbol)
            with pytest.raises(OrderDenied, match="not traded now"):
                rules.check(Decimal(1), Decimal(100))
            assert venue.exchange.market(symbol)["id"] == f"{symbol[:3]}USDT"
    told.append(market("SOL", "0.2"))
    again = venues[1].doubt_rules(NOW + SPACING)
    assert again is not None
    await asyncio.wait({again})
    back = await venues[0].rules("SOL/USDT")
    assert (back.traded, back.price_tick) == (True, Decimal("0.2"))
    for one in (*exchanges, data):
        await one.close()
