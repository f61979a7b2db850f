"""Which exchange an account trades on: keys open only with the master key and only for their account."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from shared.clock import Clock, MarketClock, WallClock
from shared.errors import ConfigurationError, OrderDenied
from shared.market import Market
from shared.vault import VaultError, new_master_key
from tests.trading.made import account, sealed
from workers.trading.ledger import Account
from workers.trading.paper import PaperExchange
from workers.trading.venues.exchanges import Exchanges, venue_of

START = datetime(2025, 5, 5, tzinfo=UTC)
KEYS = {"apiKey": "the-key", "secret": "the-secret"}


@asynccontextmanager
async def made(
    one: Account, folder: Path | None = None, master_key: str | None = None, clock: Clock | None = None
) -> AsyncIterator[Any]:
    exchange = await Exchanges(clock or WallClock(), Market("usdm"), folder, master_key)(one)
    try:
        yield exchange
    finally:
        await exchange.close()


async def test_a_paper_account_has_its_own_money_and_keeps_it(tmp_path: Path) -> None:
    one = account("paper", settings={"starting": {"USDT": "500"}})
    async with made(one, tmp_path) as exchange:
        assert isinstance(exchange, PaperExchange)
        assert (await exchange.fetch_balance())["USDT"]["total"] == 500
    async with made(replace(one, settings={"starting": {"USDT": "7"}}), tmp_path) as exchange:
        assert (await exchange.fetch_balance())["USDT"]["total"] == 500


async def test_the_same_account_in_an_emptied_database_starts_anew(tmp_path: Path) -> None:
    one = account("paper", settings={"starting": {"USDT": "500"}})
    async with made(one, tmp_path):
        pass
    again = replace(one, opened_at=START.replace(hour=1), settings={"starting": {"USDT": "7"}})
    async with made(again, tmp_path) as exchange:
        assert (await exchange.fetch_balance())["USDT"]["total"] == 7


async def test_a_real_venue_gets_the_keys_of_its_account_and_never_retries() -> None:
    master = new_master_key()
    async with made(sealed(account("binanceusdm"), master, KEYS), master_key=master) as exchange:
        assert (exchange.id, exchange.apiKey, exchange.secret) == ("binanceusdm", "the-key", "the-secret")
        assert exchange.options["defaultType"] == "swap"
        # As ccxt itself asks before it sends.
        assert exchange.handle_option("order", "maxRetriesOnFailure", 3) == 0
        assert venue_of(exchange, "usdm").capabilities.resting_legs


async def test_an_account_without_keys_or_without_a_master_key_says_what_to_do() -> None:
    one = account("binanceusdm")
    with pytest.raises(ConfigurationError, match="set SIGTRAIL_MASTER_KEY"):
        await Exchanges(WallClock(), Market("usdm"))(one)
    with pytest.raises(ConfigurationError, match="has no keys"):
        await Exchanges(WallClock(), Market("usdm"), None, new_master_key())(one)


async def test_keys_of_another_account_or_master_key_do_not_open() -> None:
    master = new_master_key()
    one = sealed(account("binanceusdm"), master, KEYS)
    with pytest.raises(VaultError, match="do not open"):
        await Exchanges(WallClock(), Market("usdm"), None, new_master_key())(one)
    moved = replace(account("binanceusdm"), sealed=one.sealed)
    with pytest.raises(VaultError, match="do not open"):
        await Exchanges(WallClock(), Market("usdm"), None, master)(moved)


async def test_a_venue_that_ccxt_does_not_know_is_refused_by_name() -> None:
    master = new_master_key()
    with pytest.raises(OrderDenied, match="ccxt knows no venue 'nowhere'"):
        await Exchanges(WallClock(), Market("usdm"), None, master)(sealed(account("nowhere"), master, KEYS))


async def test_a_sandbox_that_a_venue_does_not_have_is_refused() -> None:
    master = new_master_key()
    one = sealed(account("kraken", sandbox=True), master, KEYS)
    with pytest.raises(ConfigurationError, match="kraken has none"):
        await Exchanges(WallClock(), Market("usdm"), None, master)(one)


async def test_a_replay_orders_nothing_at_a_real_venue() -> None:
    master = new_master_key()
    with pytest.raises(ConfigurationError, match="paper and to fake venues only"):
        async with made(sealed(account("bybit"), master, KEYS), master_key=master, clock=MarketClock(START)):
            pass


async def test_the_keys_of_a_fake_venue_never_reach_a_real_one() -> None:
    master = new_master_key()
    one = sealed(account("binanceusdm", settings={"fake": True}), master, KEYS)
    with pytest.raises(ConfigurationError, match="up --venue` starts it"):
        async with made(one, master_key=master):
            pass
