"""Accounts of one venue wait for one list of markets, and none takes it from the others."""

from __future__ import annotations

import asyncio
from typing import Any

import ccxt.async_support as async_ccxt
import pytest

from tests.waiting import until
from workers.trading.venues.capabilities import capabilities_of
from workers.trading.venues.venue import Venue


async def test_an_account_that_gives_up_while_markets_are_learned_leaves_them_to_the_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    data, answers = async_ccxt.binance({"enableRateLimit": False}), asyncio.Event()
    asked: list[str] = []

    async def learn(*_: Any, **__: Any) -> dict[str, Any]:
        asked.append("markets")
        await answers.wait()
        data.markets = {}
        return {}

    monkeypatch.setattr(data, "load_markets_helper", learn)
    exchanges = [async_ccxt.binance({"enableRateLimit": False}) for _ in range(2)]
    for one in exchanges:
        monkeypatch.setattr(one, "set_markets_from_exchange", lambda _data: None)
    venues = [Venue(one, capabilities_of(one, "spot"), data=data) for one in exchanges]
    gives_up, waits = (asyncio.create_task(venue.open()) for venue in venues)
    await until(lambda: bool(asked))
    gives_up.cancel()
    await asyncio.wait([gives_up])
    answers.set()
    await asyncio.wait([waits])
    assert not waits.cancelled()
    assert asked == ["markets"]
    for one in (*exchanges, data):
        await one.close()
