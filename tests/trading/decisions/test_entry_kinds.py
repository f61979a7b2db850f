"""Ways in beside the market: a stop that waits for a break-out, a limit that never takes, and their ends."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from tests.trading.world import World


async def test_a_stop_entry_waits_for_its_level_and_is_protected_then(world: World) -> None:
    bridge = await world.start()
    signal = await world.make_ready(kind="stop", entry="101", stop="99", target="105")
    await world.settle(bridge)
    entry = (await world.orders(signal))["entry", 1]
    assert (entry["kind"], entry["trigger_price"], entry["status"]) == ("stop", 101, "open")
    world.candle("100", "100.9", "100", "100.5")
    await world.settle(bridge)
    assert (await world.signal(signal))["status"] == "ready"
    world.candle("100.5", "101.5", "100.5", "101.2")
    await world.settle(bridge)
    world.candle("101.2")
    await world.settle(bridge)
    position = await world.position(signal)
    assert (position["stop_loss"], position["take_profit"]) == (99, 105)
    # A stop takes what is offered, a tick above its level here.
    assert 101 <= position["entry_average"] < Decimal("101.2")
    assert position["entry_slippage"] == (position["entry_average"] - 101) * position["entry_amount"]
    assert await world.unprotected() == []
    world.candle("101.2", "105.5", "101", "105.2")
    await world.settle(bridge)
    assert (await world.signal(signal))["outcome_code"] == "take_profit"
    await world.check_record()
    await world.check_against_venue()


async def test_a_stop_entry_that_is_never_reached_ends_with_its_time(world: World) -> None:
    bridge = await world.start()
    signal = await world.make_ready(kind="stop", entry="101", stop="99", target="105", minutes=2)
    for _ in range(3):
        await world.settle(bridge)
        world.still()
    await world.settle(bridge)
    assert (await world.signal(signal))["outcome_code"] == "entry_unfilled"
    assert not world.exchange.paper_engine.open_orders()


async def test_a_stop_entry_whose_level_was_just_passed_enters_at_the_market(world: World) -> None:
    bridge = await world.start()
    signal = await world.make_ready(kind="stop", entry="99.5", stop="98", target="104")
    await world.settle(bridge)
    world.still()
    await world.settle(bridge)
    entry = (await world.orders(signal))["entry", 1]
    assert (entry["kind"], entry["trigger_price"], entry["planned_price"]) == (
        "market",
        None,
        entry["planned_price"],
    )
    position = await world.position(signal)
    assert (
        position["entry_slippage"]
        == (position["entry_average"] - entry["planned_price"]) * position["entry_amount"]
    )
    assert position["entry_slippage"] > 0


async def test_a_stop_entry_whose_level_is_far_behind_is_not_entered(world: World) -> None:
    bridge = await world.start()
    signal = await world.make_ready(kind="stop", entry="97", stop="95", target="104")
    await world.settle(bridge)
    assert (await world.signal(signal))["outcome_code"] == "price_drifted"


async def test_a_post_only_entry_waits_in_the_book(world: World) -> None:
    bridge = await world.start()
    signal = await world.make_ready(kind="post_only", entry="99", stop="97", target="103")
    await world.settle(bridge)
    entry = (await world.orders(signal))["entry", 1]
    assert (entry["kind"], entry["post_only"], entry["price"], entry["status"]) == ("limit", True, 99, "open")
    [resting] = [o for o in world.exchange.paper_engine.open_orders() if o.request.post_only]
    assert resting.request.price == 99
    world.candle("100", "100", "98.5", "99.5")
    await world.settle(bridge)
    world.candle("99.5")
    await world.settle(bridge)
    assert (await world.signal(signal))["status"] == "in_position"
    assert await world.unprotected() == []


async def test_a_post_only_entry_that_would_take_is_refused_before_it_is_sent(world: World) -> None:
    bridge = await world.start()
    signal = await world.make_ready(kind="post_only", entry="100.5", stop="98", target="104")
    await world.settle(bridge)
    assert (await world.signal(signal))["outcome_code"] == "post_only_crossed"
    assert not world.exchange.paper_engine.orders


@pytest.mark.parametrize("kind", ["stop", "post_only"])
async def test_a_kind_of_entry_that_a_venue_does_not_know_ends_before_anything_is_sent(
    world: World, kind: str
) -> None:
    bridge = await world.start()
    venue = bridge._desks[world.account]._venue
    venue.capabilities = replace(venue.capabilities, stop_entry=None, post_only=False)
    entry = {"stop": "101", "post_only": "99"}[kind]
    signal = await world.make_ready(kind=kind, entry=entry, stop="97", target="105")
    await world.settle(bridge)
    ended = await world.signal(signal)
    assert (ended["status"], ended["outcome_code"]) == ("expired", "entry_unsupported")
    assert not world.exchange.paper_engine.orders
