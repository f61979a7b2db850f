"""The same trades come to the same ends on every wire."""

from __future__ import annotations

import pytest

from tests.conformance.stage import Stage
from workers.trading.orders import Leg, client_order_id


async def check_record(stage: Stage) -> None:
    await stage.check_record()
    await stage.check_against_venue()
    assert await stage.unprotected() == []


async def test_a_market_entry_is_protected_and_its_target_ends_it(stage: Stage) -> None:
    bridge = await stage.start()
    signal = await stage.enter(bridge)
    orders = await stage.orders(signal)
    assert orders["entry", 1]["status"] == "filled"
    assert orders["stop_loss", 1]["status"] == "open"
    assert orders["stop_loss", 1]["amount"] == (await stage.position(signal))["amount"]
    await stage.play(bridge, "105", "105", "105")
    assert await stage.summary(signal) == {"status": "closed", "code": "take_profit", "resting": []}
    await check_record(stage)


async def test_a_stop_that_is_hit_ends_the_position(stage: Stage) -> None:
    bridge = await stage.start()
    signal = await stage.enter(bridge)
    await stage.play(bridge, "97", "97", "97")
    assert await stage.summary(signal) == {"status": "closed", "code": "stop_loss", "resting": []}
    await check_record(stage)


async def test_a_limit_entry_waits_for_its_price(stage: Stage) -> None:
    bridge = await stage.start()
    signal = await stage.make_ready(entry="99", stop="97", target="103", kind="limit")
    await stage.settle(bridge)
    await stage.play(bridge, "100", "99.5")
    assert (await stage.orders(signal))["entry", 1]["status"] == "open"
    assert stage.resting() == [client_order_id(signal, Leg.ENTRY, 1)]
    await stage.play(bridge, "98.5", "98.5")
    assert (await stage.signal(signal))["status"] == "in_position"
    await stage.play(bridge, "104", "104", "104")
    assert await stage.summary(signal) == {"status": "closed", "code": "take_profit", "resting": []}
    await check_record(stage)


async def test_a_limit_entry_that_never_fills_is_taken_back(stage: Stage) -> None:
    bridge = await stage.start()
    signal = await stage.make_ready(entry="99", stop="97", target="103", kind="limit", minutes=3)
    await stage.settle(bridge)
    await stage.play(bridge, "100", "100", "100", "100")
    assert await stage.summary(signal) == {"status": "expired", "code": "entry_unfilled", "resting": []}
    await check_record(stage)


async def test_an_entry_that_fills_while_it_is_cancelled_is_protected(stage: Stage) -> None:
    bridge = await stage.start()
    signal = await stage.make_ready(entry="99", stop="97", target="103", kind="limit", minutes=3)
    await stage.settle(bridge)
    await stage.play(bridge, "100", "100")
    stage.fill_before_cancel("98.5")
    await stage.play(bridge, "100", "100", "100")
    assert (await stage.signal(signal))["status"] == "in_position"
    await stage.play(bridge, "104", "104", "104")
    assert await stage.summary(signal) == {"status": "closed", "code": "take_profit", "resting": []}
    await check_record(stage)


@pytest.mark.parametrize("leg", [Leg.ENTRY, Leg.STOP_LOSS])
@pytest.mark.parametrize("taken", [True, False], ids=["taken", "lost"])
async def test_an_order_without_an_answer_is_there_exactly_once(stage: Stage, leg: Leg, taken: bool) -> None:
    bridge = await stage.start()
    signal = await stage.make_ready()
    stage.no_answer(signal, leg, taken=taken)
    await stage.settle(bridge)
    for _ in range(2):
        for _ in range(4):
            stage.clock.advance_ms(stage.clock.millis() + 5_000)
            await stage.settle(bridge)
        await stage.play(bridge, "100")
    assert (await stage.signal(signal))["status"] == "in_position"
    sent = stage.sent()
    assert sent.count(client_order_id(signal, leg, 1)) == 1
    assert len(sent) == len(set(sent))
    await stage.play(bridge, "97", "97", "97")
    assert await stage.summary(signal) == {"status": "closed", "code": "stop_loss", "resting": []}
    await check_record(stage)


async def test_what_happened_while_the_bridge_was_away_is_found(stage: Stage) -> None:
    bridge = await stage.start()
    signal = await stage.enter(bridge)
    held = stage.resting()
    if stage.fake is not None:
        await bridge.stop()
        stage.bridges.remove(bridge)
    stage.candle("97")
    stage.candle("97")
    again = await stage.start()
    await stage.play(again, "97", "97", "97")
    assert len(held) == (2 if stage.row.resting_legs or stage.row.oco else 1)
    assert await stage.summary(signal) == {"status": "closed", "code": "stop_loss", "resting": []}
    await check_record(stage)


async def test_open_orders_survive_a_restart(stage: Stage) -> None:
    bridge = await stage.start()
    signal = await stage.enter(bridge)
    held, sent = stage.resting(), stage.sent()
    if stage.fake is not None:
        await bridge.stop()
        stage.bridges.remove(bridge)
    again = await stage.start()
    await stage.play(again, "101", "100", "101")
    assert (stage.resting(), stage.sent()) == (held, sent)
    await stage.play(again, "105", "105", "105")
    assert await stage.summary(signal) == {"status": "closed", "code": "take_profit", "resting": []}
    await check_record(stage)


async def test_orders_of_others_are_never_touched(stage: Stage) -> None:
    stage.place_foreign()
    bridge = await stage.start()
    signal = await stage.enter(bridge)
    assert "by-hand-1" in stage.resting()
    await stage.play(bridge, "105", "105", "105")
    summary = await stage.summary(signal)
    assert summary == {"status": "closed", "code": "take_profit", "resting": ["by-hand-1"]}
    await check_record(stage)
    rows = await stage.fetch("select 1 from public.orders where client_order_id = 'by-hand-1'")
    assert rows == []
