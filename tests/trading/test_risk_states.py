"""Limits and states as the bridge meets them: refused in the database, checked again before each sending."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from decimal import Decimal
from typing import Any, cast
from uuid import UUID

import psycopg
import pytest
from psycopg.rows import dict_row

from tests.stacks import Stack
from tests.trading.kills import Killed
from tests.trading.world import SqlCall, World
from workers.trading.decisions.losses import losses_of
from workers.trading.decisions.margin import VenuePosition
from workers.trading.orders import PositionSide


async def limit(world: World, *, trader: bool = False, **limits: Any) -> None:
    """Set limits as the operator."""
    whose = {"account": None if trader else world.account, "trader": world.trader if trader else None}
    await world.sql.execute(
        "select public.set_risk_limits(%(limits)s, %(account)s, %(trader)s)",
        {"limits": json.dumps(limits), **whose},
    )


async def set_status(world: World, status: str, why: str = "because") -> None:
    await world.sql.execute("select public.set_account_status(%s, %s, %s)", (world.account, status, why))


async def end_of(world: World, signal: UUID) -> tuple[str, str | None]:
    row = await world.signal(signal)
    return row["status"], row["outcome_code"]


async def account_status(world: World) -> str:
    rows = await world.fetch("select status from public.exchange_accounts where id = %s", world.account)
    return str(rows[0]["status"])


async def test_a_limit_ends_a_signal_with_its_code(world: World) -> None:
    await limit(world, max_notional="1500")
    bridge = await world.start()
    signals = sorted([await world.make_ready(), await world.make_ready("ETHUSDT")])
    await world.settle(bridge)
    assert [await end_of(world, one) for one in signals] == [("ready", None), ("expired", "notional_limit")]
    assert bridge.counts["refused"] == 1
    await world.check_record()


async def test_losses_reduce_and_halt_an_account_until_a_person_lifts_it(world: World) -> None:
    """Two stops of 20 each: the first takes the account to reducing, the second would halt it."""
    await limit(world, max_daily_loss="35", reduce_at_percent=50)
    bridge = await world.start()
    first, second = await world.make_ready(), await world.make_ready("ETHUSDT")
    await world.settle(bridge)
    world.still()
    await world.settle(bridge)
    flat = ("100", "100", "100", "100")
    world.candles({"BTCUSDT": ("100", "100", "97", "97"), "ETHUSDT": flat, "SOLUSDT": flat})
    await world.settle(bridge)
    assert await account_status(world) == "reducing"
    late = await world.make_ready("SOLUSDT")
    await world.settle(bridge)
    assert await end_of(world, late) == ("expired", "account_inactive")
    assert (await world.position(second))["status"] == "open"
    world.candles({"BTCUSDT": ("97", "97", "97", "97"), "ETHUSDT": ("100", "100", "97", "97")})
    await world.settle(bridge)
    assert await account_status(world) == "halted"
    assert {await end_of(world, one) for one in (first, second)} == {("closed", "stop_loss")}
    await set_status(world, "active", "I know why")
    world.wall += 30
    world.candles({"BTCUSDT": flat, "ETHUSDT": flat, "SOLUSDT": flat})
    again = await world.make_ready()
    await world.settle(bridge)
    assert await end_of(world, again) == ("ready", None)
    await world.check_record()


async def test_an_intent_that_waited_is_denied_when_it_is_too_old(world: World) -> None:
    """The bridge dies between the commit and the sending, and comes back after the plan's time."""
    signal = await world.make_ready(minutes=3)
    await die_before_sending(world)
    for _ in range(4):
        world.still()
    await world.settle(await world.start())
    assert await end_of(world, signal) == ("expired", "signal_stale")
    order = (await world.orders(signal))["entry", 1]
    assert (order["status"], order["code"]) == ("denied", "signal_stale")
    assert not world.exchange.paper_engine.orders


async def test_an_intent_that_waited_is_denied_when_the_price_is_elsewhere(world: World) -> None:
    signal = await world.make_ready()
    await die_before_sending(world)
    world.candle("102")
    await world.settle(await world.start())
    assert await end_of(world, signal) == ("expired", "price_drifted")
    assert (await world.orders(signal))["entry", 1]["status"] == "denied"
    assert {o["status"] for o in (await world.orders(signal)).values()} == {"denied", "canceled"}
    assert not world.exchange.paper_engine.orders


async def test_an_intent_that_waited_is_denied_when_the_account_was_halted(world: World) -> None:
    signal = await world.make_ready()
    await die_before_sending(world)
    await set_status(world, "halted")
    await world.settle(await world.start())
    assert await end_of(world, signal) == ("expired", "account_inactive")
    assert not world.exchange.paper_engine.orders


async def test_an_intent_that_waited_is_denied_when_a_limit_was_set(world: World) -> None:
    signal = await world.make_ready()
    await die_before_sending(world)
    await limit(world, trader=True, max_notional="900")
    await world.settle(await world.start())
    assert await end_of(world, signal) == ("expired", "notional_limit")
    assert not world.exchange.paper_engine.orders


async def test_an_intent_that_waited_is_denied_when_the_day_was_lost_meanwhile(world: World) -> None:
    """The trader's other position fell: no limit of the account's own, so the database halts nothing."""
    await limit(world, trader=True, max_daily_loss="30")
    bridge = await world.start()
    await world.hold(bridge, stop="90", target="120")
    await bridge.stop()
    world.still()
    waiting = await world.make_ready("ETHUSDT")
    await die_before_sending(world)
    world.candle("96.5")
    assert (await account_status(world)) == "active"
    await world.settle(await world.start())
    assert await end_of(world, waiting) == ("expired", "daily_loss_limit")
    assert (await world.orders(waiting))["entry", 1]["status"] == "denied"
    await world.check_record()


@pytest.mark.parametrize("of_trader", [False, True])
async def test_what_waited_leaves_no_faster_than_orders_a_minute_allow(world: World, of_trader: bool) -> None:
    signals = sorted([await world.make_ready(), await world.make_ready("ETHUSDT")])
    await die_before_sending(world)
    await limit(world, trader=of_trader, max_orders_per_minute=1)
    bridge = await world.start()
    await world.settle(bridge)
    ends = sorted([await end_of(world, one) for one in signals])
    assert ends == [("expired", "order_rate_limit"), ("ready", None)]
    assert bridge.counts["order_rate_limit"] == 1
    assert len(world.exchange.paper_engine.orders) == 1 + len(
        [one for one in world.exchange.paper_engine.orders.values() if one.request.trigger is not None]
    )


async def test_what_the_bridge_knows_of_losses_is_what_the_database_says(world: World) -> None:
    await limit(world, max_daily_loss="500", max_drawdown="600")
    await limit(world, trader=True, max_daily_loss="400")
    bridge = await world.start()
    await world.hold(bridge)
    world.candle("100", "100", "97", "97")
    await world.settle(bridge)
    desk = bridge._desks[world.account]
    leased = {"accounts": [desk.account.reference], "lease_seconds": 60}
    desk.set_terms((await world.call("renew_accounts", leased))["renewed"][0])
    terms, now = desk._permit.terms, world.clock.now()
    assert terms is not None
    for subject, limits in ((world.account, terms.account), (world.trader, terms.traders[world.trader])):
        [known] = await world.fetch("select * from private.losses_of(%s, %s)", subject, now)
        lost = losses_of(limits.measure, Decimal(0), now)
        assert (lost.daily, lost.drawdown) == (known["daily_loss"], known["drawdown"])
        assert lost.daily > 20


async def test_prices_are_told_while_the_owner_looks(world: World) -> None:
    bridge = await world.start()
    signal = await world.hold(bridge)
    desk = bridge._desks[world.account]
    leased = {"accounts": [desk.account.reference], "lease_seconds": 60}

    async def marked(close: str) -> Decimal | None:
        desk.set_terms((await world.call("renew_accounts", leased))["renewed"][0])
        world.candle(close, close, close, close)
        await world.settle(bridge)
        row = await world.position(signal)
        assert (row["marked_at"] is None) == (row["mark_price"] is None)
        return cast(Decimal | None, row["mark_price"])

    assert await marked("100.5") is None
    await world.fetch(
        "insert into public.signal_watchers values (%s, 'infinity') returning user_id", world.user
    )
    assert await marked("100.75") == Decimal("100.75")


async def test_where_the_venue_would_liquidate_is_told_once(world: World) -> None:
    bridge = await world.start()
    signal = await world.hold(bridge)
    watch = bridge._desks[world.account]._watch

    async def said(liquidation: str | None, side: PositionSide = "long") -> Decimal | None:
        at = None if liquidation is None else Decimal(liquidation)
        one = VenuePosition("BTC/USDT:USDT", side, Decimal(10), Decimal(100), at, Decimal(0))
        await watch.hear_margin([one], Decimal(10_000))
        return cast(Decimal | None, (await world.position(signal))["liquidation_price"])

    assert await said("140", "short") is None
    assert await said("40") == Decimal(40)
    facts = await watch._oversight.judge_margin(
        [VenuePosition("BTC/USDT:USDT", "long", Decimal(10), Decimal(100), Decimal(40), Decimal(0))],
        Decimal(10_000),
    )
    assert facts.marks == []
    assert await said(None) is None


async def test_terms_that_were_overtaken_change_nothing(world: World) -> None:
    """A renewal runs beside the steps: what it read before a halt comes after what told of the halt."""
    bridge = await world.start()
    desk = bridge._desks[world.account]
    held = {"accounts": [desk.account.reference], "lease_seconds": 60}
    before = (await world.call("renew_accounts", held))["renewed"][0]
    await set_status(world, "halted")
    after = (await world.call("renew_accounts", held))["renewed"][0]
    desk.set_terms(after)
    desk.set_terms(before)
    assert desk.account.status == "halted"


async def test_a_close_that_a_person_asked_for_is_not_forgotten_over_an_earlier_answer(world: World) -> None:
    bridge = await world.start()
    signal = await world.hold(bridge)
    desk = bridge._desks[world.account]
    held = {"accounts": [desk.account.reference], "lease_seconds": 60}
    before = (await world.call("renew_accounts", held))["renewed"][0]
    await world.sql.execute(
        "select public.close_position(id, 'enough') from public.positions where signal_id = %s", (signal,)
    )
    after = (await world.call("renew_accounts", held))["renewed"][0]
    assert desk.set_terms(after)
    desk.set_terms(before)
    await desk.step()
    assert (await world.orders(signal))["exit", 1]["status"] == "open"


async def test_a_race_does_not_get_past_a_limit(world: World, stack: Stack) -> None:
    """Four transactions at once, each with an entry of its own: two positions are allowed, and two get in."""
    await limit(world, max_positions=2)
    symbols = ("BTCUSDT", "ETHUSDT", "SOLUSDT")
    signals = [await world.make_ready(symbol) for symbol in symbols]
    world.still()
    signals.append(await world.make_ready())
    leased = await world.call(
        "claim_accounts", {"max_rows": 1, "lease_seconds": 60, "accounts": [str(world.account)]}
    )
    connections = [
        await psycopg.AsyncConnection.connect(stack.db_url, autocommit=True, row_factory=dict_row)
        for _ in signals
    ]

    async def intend(connection: Any, signal: UUID) -> str:
        entry = {"signal_id": str(signal), "leg": "entry", "attempt": 1, "side": "buy", "kind": "market"}
        entry |= {"amount": "1", "lot": "0.001", "stop_loss": "98", "planned_price": "100"}
        told = {"account_id": str(world.account), "fence": leased[0]["fence"], "facts": {"intents": [entry]}}
        told["at"] = world.clock.now().isoformat()
        answer = await SqlCall(connection, world.machine)("record_trading", told)
        return str(answer["refused"][0]["code"] if answer["refused"] else answer["orders"][0]["status"])

    ends = await asyncio.gather(*(intend(c, s) for c, s in zip(connections, signals, strict=True)))
    for connection in connections:
        await connection.close()
    assert sorted(ends) == ["intended", "intended", "position_limit", "position_limit"]


async def test_a_position_closes_when_its_time_is_over(world: World) -> None:
    await world.set_trader(max_holding_seconds=120)
    bridge = await world.start()
    signal = await world.make_ready()
    await world.settle(bridge)
    for _ in range(2):
        world.still()
        await world.settle(bridge)
    position = await world.position(signal)
    assert position["status"] == "open"
    assert position["closes_at"] - position["opened_at"] == timedelta(minutes=2)
    for _ in range(2):
        world.still()
        await world.settle(bridge)
    assert await end_of(world, signal) == ("closed", "time_exit")
    await world.check_record()
    await world.check_against_venue()


async def test_a_person_closes_one_position(world: World) -> None:
    bridge = await world.start()
    signals = [await world.make_ready(), await world.make_ready("ETHUSDT")]
    await world.settle(bridge)
    world.still()
    await world.settle(bridge)
    chosen = await world.position(signals[0])
    await world.sql.execute("select public.close_position(%s, 'not this one')", (chosen["id"],))
    world.wall += 30
    await world.settle(bridge)
    world.still()
    await world.settle(bridge)
    assert await end_of(world, signals[0]) == ("closed", "manual_close")
    assert (await world.position(signals[1]))["status"] == "open"
    await world.check_record()
    await world.check_against_venue()


async def test_slippage_is_recorded_against_the_plan(world: World) -> None:
    await world.use_exchange(slippage="0.001")
    bridge = await world.start()
    signal = await world.make_ready(entry="99.5")
    await world.settle(bridge)
    world.still()
    await world.settle(bridge)
    world.candle("97", "97", "97", "97")
    await world.settle(bridge)
    position = await world.position(signal)
    assert position["entry_slippage"] == 10 * (Decimal("100.1") - Decimal("99.5"))
    # The candle opened beyond the stop of 98, and the venue fills a tenth of a percent worse.
    assert position["exit_slippage"] == 10 * (98 - position["exit_average"])
    assert position["exit_average"] < 97
    assert (position["close_state"], position["exit_reason"]) == ("flat", "stop_loss")


async def die_before_sending(world: World) -> None:
    """A bridge that is gone once its intents are committed."""
    place = world.exchange.create_order

    async def killed(*_args: Any, **_params: Any) -> Any:
        raise Killed

    world.exchange.create_order = killed
    bridge = await world.start()
    try:
        await world.settle(bridge)
    except Killed:
        pass
    else:
        raise AssertionError("nothing was to be sent")
    world.exchange.create_order = place


async def test_what_open_positions_stand_to_lose_counts_against_the_limit(world: World) -> None:
    """A loss that nobody has taken yet is one: the account is halted and flattened before the day is lost."""
    await limit(world, max_daily_loss="15")
    bridge = await world.start()
    signal = await world.make_ready(stop="90", target="120")
    await world.settle(bridge)
    world.candle("100")
    await world.settle(bridge)
    assert (await world.signal(signal))["status"] == "in_position"
    # Ten coins: a loss of five is far from it, one of twenty beyond it.
    world.candle("99.5")
    await world.settle(bridge)
    assert await account_status(world) == "active"
    for _ in range(2):
        world.candle("98")
        await world.settle(bridge)
    assert await account_status(world) == "halted"
    world.candle("98")
    await world.settle(bridge)
    assert (await world.signal(signal))["status"] == "closed"
    await world.check_record()
