"""Why a ready signal was not traded: each reason has its code, and the trail says it in a sentence."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import pytest

from tests.trading.world import World


async def end_of(world: World, signal: UUID) -> tuple[str, str | None]:
    row = await world.signal(signal)
    return row["status"], row["outcome_code"]


async def message_of(world: World, signal: UUID) -> str:
    rows = await world.fetch(
        """
        select event_data ->> 'message' as m from public.signal_events
        where signal_id = %s order by number desc limit 1
        """,
        signal,
    )
    return str(rows[0]["m"])


@pytest.mark.parametrize(
    ("trader", "plan", "code", "says"),
    [
        ({"position_size_value": "5"}, {}, "below_min_notional", "under the venue's least"),
        ({"position_size_value": "0.01"}, {}, "below_min_amount", "no multiple of 0.001"),
        ({"position_size_value": "10001"}, {}, "insufficient_balance", "exceeds the account's equity 10000"),
        ({"position_size_value": None}, {}, "size_invalid", "no position size"),
        ({}, {"entry": "110", "stop": "98"}, "price_drifted", "over 1 % away from the planned entry 110"),
        ({}, {"stop": "101"}, "setup_invalidated", "the stop loss 101 is not on the losing side"),
        ({}, {"target": "99"}, "setup_invalidated", "the take profit 99 is not on the winning side"),
        (
            {"stop_loss_type": None, "stop_loss_value": None},
            {"stop": None},
            "order_denied",
            "nothing is traded without one",
        ),
        ({}, {"minutes": 0}, "signal_stale", "the plan was valid until"),
        ({"status": "paused"}, {}, "trader_paused", "the trader is paused"),
        ({"default_exchange_account_id": None}, {}, "no_account", "has no exchange account"),
        ({"market": "spot"}, {}, "symbol_not_tradable", "its account usdm"),
    ],
)
async def test_a_signal_that_is_not_traded_says_why(
    world: World, trader: dict[str, Any], plan: dict[str, Any], code: str, says: str
) -> None:
    bridge = await world.start()
    signal = await world.make_ready(**plan)
    if trader:
        await world.set_trader(**trader)
    await world.settle(bridge)
    assert await end_of(world, signal) == ("expired", code)
    assert says in await message_of(world, signal)
    assert not world.exchange.paper_engine.orders
    await world.check_record()


async def test_a_denied_order_is_kept_with_its_reason(world: World) -> None:
    bridge = await world.start()
    await world.set_trader(position_size_value="4.9")
    signal = await world.make_ready(symbol="SOLUSDT")
    await world.settle(bridge)
    order = (await world.orders(signal))["entry", 1]
    assert (order["status"], order["code"]) == ("denied", "below_min_notional")
    assert order["message"] == "the order is worth 4 USDT, under the venue's least for SOL/USDT:USDT, 5 USDT"
    assert await world.events(signal) == [
        "signal_created",
        "analysis_started",
        "analysis_completed",
        "monitoring_action",
        "order_created",
        "order_denied",
        "signal_expired",
    ]


async def test_a_trader_holds_no_more_positions_than_it_may(world: World) -> None:
    await world.set_trader(max_concurrent_positions=2)
    bridge = await world.start()
    signals = [await world.make_ready(symbol) for symbol in ("BTCUSDT", "ETHUSDT", "SOLUSDT")]
    await world.settle(bridge)
    ends = {await end_of(world, signal) for signal in signals}
    assert ends == {("ready", None), ("expired", "position_limit")}
    first = min(signals)
    assert await end_of(world, first) == ("ready", None)
    # The database holds the limit too, for whoever would not.
    refused = await world.fetch(
        "select * from private.entry_refusal("
        " (select a from public.exchange_accounts a where id = %s),"
        " (select s from public.signals s where id = %s), (select t from public.traders t where id = %s))",
        world.account,
        first,
        world.trader,
    )
    assert refused[0]["code"] == "position_limit"


async def test_a_closed_position_makes_room_for_the_next(world: World) -> None:
    await world.set_trader(max_concurrent_positions=1)
    bridge = await world.start()
    first = await world.make_ready()
    await world.settle(bridge)
    world.candle("100")
    await world.settle(bridge)
    world.candle("105")
    await world.settle(bridge)
    world.candle("100")
    second = await world.make_ready()
    await world.settle(bridge)
    assert await end_of(world, first) == ("closed", "take_profit")
    assert await end_of(world, second) == ("ready", None)
    assert len(world.exchange.paper_engine.open_orders()) == 1


async def test_what_the_venue_refuses_ends_with_its_reason(world: World) -> None:
    """A thousand a position is asked of an account that has less free than that at the venue."""
    await world.use_exchange(starting={"USDT": "1500"}, leverage="1")
    bridge = await world.start()
    signals = [await world.make_ready(symbol) for symbol in ("BTCUSDT", "ETHUSDT")]
    await world.settle(bridge)
    ends = [await end_of(world, signal) for signal in sorted(signals)]
    assert ends == [("ready", None), ("expired", "insufficient_balance")]
    order = (await world.orders(max(signals)))["entry", 1]
    assert order["status"] == "rejected"
    assert "InsufficientFunds" in order["message"]
    assert {o["status"] for o in (await world.orders(max(signals))).values()} == {"rejected", "canceled"}
    await world.check_record()


async def test_an_account_of_another_market_is_nobodys_business(world: World) -> None:
    """A trader cannot be put on a stranger's account: the database refuses it."""
    stranger = uuid4()
    await world.sql.execute(
        "insert into auth.users (id, email) values (%s, %s)", (stranger, f"{stranger}@trading.test")
    )
    foreign = uuid4()
    await world.sql.execute(
        "insert into public.exchange_accounts (id, user_id, name, venue, market)"
        " values (%s, %s, 'X', 'paper', 'usdm')",
        (foreign, stranger),
    )
    with pytest.raises(Exception, match="a trader's account belongs to its owner"):
        await world.set_trader(default_exchange_account_id=foreign)
