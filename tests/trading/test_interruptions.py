"""What is no death: a database that does not answer, a lost lease, a clean stop, a venue that is away."""

from __future__ import annotations

from datetime import timedelta

import pytest
from ccxt.base.errors import AuthenticationError, ExchangeNotAvailable

from shared.clock import MarketClock
from shared.errors import NotSent, OutcomeUnknown, Unavailable
from tests.trading.world import Sql, SqlCall, World, open_world
from workers.trading.role import TradingRole

WAY = ["100", "101", "105", "105"]


class Flaky:
    """A database whose n-th call gets no answer, done or not."""

    def __init__(self, call: SqlCall, at: int | None, done: bool) -> None:
        self.call = call
        self.at = at
        self.done = done
        self.count = 0

    async def __call__(self, name: str, params: dict[str, object], /) -> object:
        number, self.count = self.count, self.count + 1
        if number != self.at:
            return await self.call(name, params)
        if not self.done:
            raise NotSent(f"{name}: the database cannot be reached")
        await self.call(name, params)
        raise OutcomeUnknown(f"{name}: no answer came back")


async def persist(world: World, bridge: TradingRole) -> None:
    """Steps as the machine takes them: one that the database did not answer is taken again."""
    for _ in range(3):
        try:
            await world.settle(bridge)
        except Unavailable:
            continue
        return


@pytest.mark.parametrize("attached", [True, False], ids=["attached", "separate"])
@pytest.mark.parametrize("done", [True, False], ids=["done", "not done"])
async def test_a_call_without_an_answer_is_told_again(sql: Sql, attached: bool, done: bool) -> None:
    number, last = 0, 1
    while number < last:
        async with open_world(sql) as world:
            await world.use_exchange(attached=attached)
            call = Flaky(world.call, None, done)
            bridge = await world.start(call=call)
            signal = await world.make_ready()
            call.count, call.at = 0, number
            for price in WAY:
                await persist(world, bridge)
                assert await world.unprotected() == []
                world.candle(price)
            await persist(world, bridge)
            closed = await world.signal(signal)
            assert (closed["status"], closed["outcome_code"]) == ("closed", "take_profit"), f"call {number}"
            entries = [attempt for leg, attempt in await world.orders(signal) if leg == "entry"]
            assert entries == [1]
            await world.check_record()
            await world.check_against_venue()
            last = max(last, call.count - 2)
        number += 1
    assert last >= 4


async def test_a_replay_that_starts_again_records_what_its_last_run_missed_at_the_same_market_time(
    world: World,
) -> None:
    await world.settle(await world.start())
    signal = await world.make_ready()
    await world.settle(await world.start())
    world.candle("100")
    filled_at = world.clock.now()
    # The bridge is killed before it hears of the fill; the candles begin once more.
    world.clock = world.exchange.paper_clock = MarketClock(filled_at - timedelta(minutes=5))
    again = await world.start()
    for _ in range(5):
        assert await world.settle(again) == 0
        assert (await world.orders(signal))["entry", 1]["status"] == "open"
        world.clock.advance(world.clock.now() + timedelta(minutes=1))
    await world.settle(again)
    assert (await world.signal(signal))["position_opened_at"] == filled_at
    assert {row["status"] for row in (await world.orders(signal)).values()} == {"filled", "open"}
    assert await world.unprotected() == []


async def test_a_stopped_bridge_gives_back_what_it_held(world: World) -> None:
    bridge = await world.start()
    signal = await world.make_ready()
    await world.settle(bridge)
    await bridge.stop()
    account = (await world.fetch("select * from public.exchange_accounts where id = %s", world.account))[0]
    assert account["lease_machine"] is None
    assert (await world.orders(signal))["entry", 1]["status"] == "open"


async def test_a_restarted_bridge_goes_on_where_the_stopped_one_was(world: World) -> None:
    first = await world.start()
    signal = await world.make_ready()
    await world.settle(first)
    world.candle("100")
    await world.settle(first)
    # It is away while the take profit fills.
    world.candle("105")
    second = await world.start()
    await world.settle(second)
    closed = await world.signal(signal)
    assert (closed["status"], closed["outcome_code"]) == ("closed", "take_profit")
    await world.check_record()
    await world.check_against_venue()


async def test_a_bridge_whose_account_was_taken_over_trades_it_no_more(world: World) -> None:
    old = await world.start()
    new = await world.start()
    signal = await world.make_ready()
    assert await world.settle(old) == 0
    assert old.counts["accounts_lost"] == 1
    assert await world.orders(signal) == {}
    assert world.exchange.paper_engine.orders == {}
    world.wakes.wake("trading")
    await world.sql.execute("update public.signal_queue set leased_until = null, leased_by = null")
    await world.settle(new)
    assert (await world.orders(signal))["entry", 1]["status"] == "open"


async def test_the_accounts_of_a_machine_that_died_are_taken_over(world: World) -> None:
    dead = await world.start()
    signal = await world.make_ready()
    await world.settle(dead)
    world.candle("100")
    await world.settle(dead)
    machine = f"heir-{world.user.hex[:8]}"
    await world.sql.execute("insert into public.cloud_machines (machine_id) values (%s)", (machine,))
    heir = await world.start(call=SqlCall(world.sql, machine))
    world.wall += 60
    assert await world.settle(heir) == 0
    await world.sql.execute(
        "update public.exchange_accounts set leased_until = now() - interval '1 second' where id = %s",
        (world.account,),
    )
    world.candle("105")
    world.wall += 60
    await world.settle(heir)
    assert (await world.signal(signal))["outcome_code"] == "take_profit"
    await world.check_against_venue()


async def test_another_machine_cannot_have_an_account_that_is_held(world: World) -> None:
    await world.start()
    other = SqlCall(world.sql, "test-other")
    assert (
        await other("claim_accounts", {"max_rows": 10, "lease_seconds": 60, "accounts": [world.account]})
        == []
    )


async def test_nothing_is_ordered_before_the_venue_was_compared(world: World) -> None:
    def away(method: str, moment: str, client_id: str) -> None:
        raise ExchangeNotAvailable("the venue is away")

    world.exchange.paper_fault = away
    bridge = await world.start()
    signal = await world.make_ready()
    await world.settle(bridge)
    assert bridge.counts["venue_errors"] == 1
    assert await world.orders(signal) == {}
    assert (await world.signal(signal))["status"] == "ready"
    world.exchange.paper_fault = None
    world.still()
    world.wakes.wake("trading")
    await world.settle(bridge)
    assert (await world.orders(signal))["entry", 1]["status"] == "open"


async def test_a_venue_that_refuses_our_keys_is_not_traded_and_keeps_nobody_else_from_it(
    world: World,
) -> None:
    def locked(method: str, moment: str, client_id: str) -> None:
        raise AuthenticationError("invalid key")

    world.exchange.paper_fault = locked
    bridge = await world.start()
    signal = await world.make_ready()
    await world.settle(bridge)
    assert (await world.signal(signal))["status"] == "ready"
    assert bridge.counts["venue_errors"] == 1
