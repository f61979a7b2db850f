"""Several accounts on one bridge: each trades on its own, whatever the venue of another one does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from psycopg.rows import dict_row
from structlog.testing import capture_logs

from shared.clock import MarketClock, WallClock
from shared.errors import Refused
from tests.stacks import Stack
from tests.trading.world import Connection, Sql, SqlCall, World
from tests.waiting import until
from workers.trading.ledger import Account
from workers.trading.policy import Policy
from workers.trading.role import TradingRole


class Stuck:
    """A paper exchange that can be made to answer nothing any more."""

    def __init__(self, exchange: Any) -> None:
        self._exchange = exchange
        self.goes_on = asyncio.Event()
        self.goes_on.set()

    def __getattr__(self, name: str) -> Any:
        attribute = getattr(self._exchange, name)
        if name not in ("create_order", "fetch_my_trades", "fetch_open_orders", "fetch_balance"):
            return attribute

        async def waits(*args: Any, **named: Any) -> Any:
            await self.goes_on.wait()
            return await attribute(*args, **named)

        return waits


class OwnCall:
    """The bridge's own connection to the database, one call at a time."""

    def __init__(self, connection: Sql, machine: str) -> None:
        self._call = SqlCall(connection, machine)
        self._one = asyncio.Lock()
        # The account whose record the database does not take or give.
        self.refuses: UUID | None = None

    async def __call__(self, name: str, params: Mapping[str, Any], /) -> Any:
        if name == "list_trading" and params["account_id"] == str(self.refuses):
            raise Refused("a number is out of range", code="22003")
        async with self._one:
            return await self._call(name, params)


class Pair:
    """A live bridge with two accounts: one whose venue answers, and one whose venue can be stopped."""

    def __init__(self, world: World, connection: Sql) -> None:
        self.world = world
        self.accounts = {"sound": world.account, "stuck": uuid4()}
        self.traders = {"sound": world.trader, "stuck": uuid4()}
        self.exchanges: dict[UUID, Any] = {
            world.account: world.exchange,
            self.accounts["stuck"]: Stuck(world.open_exchange()),
        }
        self.venue = self.exchanges[self.accounts["stuck"]]
        self.call = OwnCall(connection, world.machine)
        policy = Policy(turn_seconds=0.05, hangs_after=0.5, stop_seconds=0.0, reopen_after=timedelta(0))
        self.role = TradingRole(
            Connection(self.call),
            WallClock(),
            world.market,
            world.wakes,
            exchanges=self._open,
            policy=policy,
            only=list(self.accounts.values()),
        )

    async def _open(self, account: Account) -> Any:
        return self.exchanges[account.id]

    async def set_up(self) -> None:
        await self.world.sql.execute(
            "insert into public.exchange_accounts (id, user_id, name, venue, market, permissions)"
            " values (%s, %s, 'Stuck', 'paper', 'usdm', 'trade')",
            (self.accounts["stuck"], self.world.user),
        )
        await self.world.add_trader(
            self.traders["stuck"], default_exchange_account_id=self.accounts["stuck"], name="Stuck"
        )

    async def fire(self, name: str, symbol: str = "BTCUSDT") -> UUID:
        return await self.world.make_ready(symbol, trader=self.traders[name], minutes=120)

    async def enter(self, signal: UUID) -> None:
        """Step until this signal is in position: its order is sent, a candle fills it, its stop is placed."""

        async def entered() -> bool:
            # As the live loop does now and then: what was given back is claimed again.
            self.world.wakes.wake("trading")
            await self.role.step()
            entry = (await self.world.orders(signal)).get(("entry", 1))
            if entry is not None and entry["status"] == "open":
                self.world.still()
            return bool((await self.world.signal(signal))["status"] == "in_position")

        await until(entered)


@pytest.fixture
async def pair(stack: Stack, world: World) -> AsyncIterator[Pair]:
    # The market's time is in the past of the bridge, which is live: its turns are taken side by side.
    world.clock = MarketClock(datetime.now(UTC).replace(second=0, microsecond=0) - timedelta(minutes=30))
    await world.use_exchange()
    connecting = psycopg.AsyncConnection.connect(stack.db_url, autocommit=True, row_factory=dict_row)
    async with await connecting as connection:
        made = Pair(world, connection)
        await made.set_up()
        try:
            yield made
        finally:
            made.venue.goes_on.set()
            await made.role.stop()


async def test_an_account_whose_venue_does_not_answer_delays_no_other(pair: Pair) -> None:
    await pair.role.start()
    pair.venue.goes_on.clear()
    stuck, sound = await pair.fire("stuck"), await pair.fire("sound")
    with capture_logs() as logs:
        await pair.enter(sound)
        again = await pair.fire("sound", "ETHUSDT")
        await pair.enter(again)
        await until(lambda: _hangs(pair))
        # Told of by the step that found it, or by the next one.
        await pair.role.step()
    assert (await pair.world.signal(stuck))["status"] == "ready"
    hanging = [one["account_id"] for one in logs if one["event"] == "desk_hangs"]
    assert hanging.count(str(pair.accounts["stuck"])) == 1

    pair.venue.goes_on.set()
    await pair.enter(stuck)
    assert await pair.world.unprotected() == []
    await until(lambda: not pair.role.troubles())
    orders = await pair.world.orders(stuck)
    assert sorted(orders) == [("entry", 1), ("stop_loss", 1), ("take_profit", 1)]


async def test_a_venue_that_is_stuck_at_the_start_keeps_no_account_from_opening(pair: Pair) -> None:
    pair.venue.goes_on.clear()
    await pair.role.start()
    sound = await pair.fire("sound")
    await pair.enter(sound)
    pair.venue.goes_on.set()
    stuck = await pair.fire("stuck")
    await pair.enter(stuck)


async def test_an_account_that_the_database_refuses_to_open_keeps_no_other_from_trading(pair: Pair) -> None:
    pair.call.refuses = pair.accounts["stuck"]
    await pair.role.start()
    sound = await pair.fire("sound")
    await pair.enter(sound)
    assert pair.role.counts["desks_failed"] >= 1
    # It is opened as soon as the database takes it.
    pair.call.refuses = None
    await pair.enter(await pair.fire("stuck"))


async def test_an_account_that_is_lost_in_the_middle_of_a_turn_is_left_at_once(pair: Pair) -> None:
    await pair.role.start()
    pair.venue.goes_on.clear()
    signal = await pair.fire("stuck")
    await until(lambda: _hangs(pair))
    await pair.world.sql.execute(
        "update public.exchange_accounts set lease_fence = lease_fence + 1, lease_machine = 'other',"
        " leased_until = now() + interval '1 hour' where id = %s",
        (pair.accounts["stuck"],),
    )
    # The renewal of the next seconds finds it, whatever the turn is waiting for.
    await until(lambda: _loses(pair), timeout=60)
    assert pair.role.troubles() == {}
    assert await pair.world.orders(signal) == {}


async def test_a_venue_that_cannot_be_closed_keeps_no_account_from_being_given_back(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    await pair.role.start()

    async def close() -> None:
        raise RuntimeError("the socket is gone")

    monkeypatch.setattr(pair.venue, "close", close, raising=False)
    with pytest.raises(RuntimeError, match="the socket is gone"):
        await pair.role.stop()
    held = await pair.world.fetch(
        "select id from public.exchange_accounts where user_id = %s and lease_machine is not null",
        pair.world.user,
    )
    assert held == []


async def _hangs(pair: Pair) -> bool:
    await pair.role.step()
    return str(pair.accounts["stuck"]) in pair.role.troubles()


async def _loses(pair: Pair) -> bool:
    await pair.role.step()
    return pair.role.counts["accounts_lost"] == 1


def test_what_a_bridge_counts_paces_its_requests(tmp_path: Path) -> None:
    """ccxt's own pacing stands back where the machine's count holds."""
    from workers.trading.lease import Lease
    from workers.trading.traffic.gates import Gates

    assert Gates(tmp_path).way("bybit", "one", Lease()).is_counted
    assert not Gates(tmp_path).way("paper", "one", Lease()).is_counted
    assert not Gates().way("bybit", "one", Lease()).is_counted
