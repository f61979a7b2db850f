"""A price that asks for something makes the bridge take a step at once: no poll is waited for."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.trading.made import RULES, order, position
from tests.trading.world import World
from workers.trading.decisions.protection import asks, trail
from workers.trading.orders import Leg


async def hold_on_spot(world: World) -> Any:
    """A position whose stop rests, and whose take profit at 104 the bridge watches; nothing is due."""
    await world.use_spot()
    bridge = await world.start()
    signal = await world.make_ready()
    await world.settle(bridge)
    world.candle("100")
    await world.settle(bridge)
    assert (await world.orders(signal))["take_profit", 1]["managed_by"] == "bridge"
    await world.wakes.wait("trading", 0)
    return bridge


@pytest.mark.parametrize(("price", "stirs"), [("104", True), ("103.9", False)])
async def test_a_price_at_the_target_that_the_bridge_watches_stirs_it(
    world: World, price: str, stirs: bool
) -> None:
    await hold_on_spot(world)
    world.candle(price)
    assert await world.wakes.wait("trading", 0) is stirs


async def test_the_price_of_another_symbol_stirs_nobody(world: World) -> None:
    await hold_on_spot(world)
    world.candle("1000", symbol="ETHUSDT")
    assert not await world.wakes.wait("trading", 0)


@given(
    side=st.sampled_from(["long", "short"]),
    price=st.integers(1, 4000),
    stop=st.integers(1, 4000),
    percent=st.integers(1, 99),
)
def test_no_trailing_stop_waits_for_a_poll_by_more_than_a_tick(
    side: str, price: int, stop: int, percent: int
) -> None:
    """What asks for a step and what is then done agree but for the rounding to the venue's tick."""
    at = Decimal(price) / 10
    held = position(
        side=side, stop_loss=Decimal(stop) / 10, take_profit=None, trailing_percent=Decimal(percent)
    )
    moves = trail(held, at, RULES)
    if moves is not None and abs(moves - held.stop_loss) > abs(at - moves) / 10 + 2 * RULES.price_tick:
        assert asks(held, [], at)


@pytest.mark.parametrize(("side", "level"), [("long", "98"), ("short", "102")])
def test_a_stop_that_the_price_reached_asks_whoever_manages_it(side: str, level: str) -> None:
    held = position(side=side, stop_loss=Decimal(level), take_profit=None)
    for managed_by in ("venue", "bridge"):
        stop = order(Leg.STOP_LOSS, managed_by=managed_by)
        assert asks(held, [stop], Decimal(level))
        assert not asks(held, [stop], Decimal(100))
