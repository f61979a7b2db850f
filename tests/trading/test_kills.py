"""The kill matrix: the bridge dies at every await of a trade, and a restart finds everything as it should be.

No order twice, no fill lost, no position unprotected, and the same profit as if nothing had happened.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pytest
from ccxt.base.errors import RequestTimeout

from tests.trading.kills import Axe, AxedCall, AxedExchange, Killed, Moment
from tests.trading.world import Sql, World, open_world
from workers.trading.orders import Leg, client_order_id
from workers.trading.role import TradingRole

# What the market does, candle by candle: the entry fills, the price idles, and an exit is reached.
WAYS = {
    "take_profit": ["100", "101", "105", "105", "105"],
    "stop_loss": ["100", "99", "97", "97", "97"],
}


@dataclass
class Outcome:
    """What came of a run that was killed at one await."""

    calls: list[str]
    killed: bool
    doubled: list[str]


async def trade(
    world: World, axe: Axe, way: list[str], check: Callable[[World, UUID], Any] | None = None
) -> tuple[UUID, Outcome]:
    """One trade from signal to profit. When the axe falls, a new bridge takes over at the same moment."""
    exchange = AxedExchange(world.exchange, axe)
    bridge = world.bridge(AxedCall(world.call, axe), exchange)
    killed = False

    async def alive(work: Callable[[TradingRole], Any]) -> None:
        nonlocal bridge, killed
        try:
            await work(bridge)
        except Killed:
            killed = True
            # The memory of the dead process is gone; its wakes are too.
            world.wakes.take("trading")
            axe.at = None
            bridge = world.bridge(AxedCall(world.call, axe), exchange)
            await bridge.start()
            await world.settle(bridge)
        # Restarted or not: at rest, nothing is unprotected.
        assert await world.unprotected() == []

    await alive(lambda role: role.start())
    signal = await world.make_ready()
    await alive(world.settle)
    for price in way:
        world.candle(price)
        await alive(world.settle)
    return signal, Outcome(list(axe.calls), killed, exchange.doubled)


async def check_end(world: World, signal: UUID, outcome: str) -> None:
    closed = await world.signal(signal)
    assert (closed["status"], closed["outcome_code"]) == ("closed", outcome)
    assert closed["total_pnl"] == world.venue_profit()
    orders = await world.orders(signal)
    assert [attempt for leg, attempt in orders if leg == "entry"] == [1]
    assert {order["status"] for order in orders.values()} <= {"filled", "canceled"}
    entry = client_order_id(signal, Leg.ENTRY, 1)
    engine = world.exchange.paper_engine
    assert [o.request.client_id for o in engine.orders.values() if not o.request.reduce_only] == [entry]
    assert engine.open_orders() == []
    assert all(not position.amount for position in engine.ledger.positions.values())
    await world.check_record()
    await world.check_against_venue()


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("attached", [True, False], ids=["attached", "separate"])
@pytest.mark.parametrize("way", ["take_profit", "stop_loss"])
async def test_a_bridge_that_dies_at_any_await_doubles_and_loses_nothing(
    sql: Sql, moment: Moment, attached: bool, way: str
) -> None:
    number, last = 0, 1
    while number < last:
        async with open_world(sql) as world:
            await world.use_exchange(attached=attached)
            axe = Axe(number, moment)
            try:
                signal, outcome = await trade(world, axe, WAYS[way])
                assert outcome.killed
                assert outcome.doubled == []
                await check_end(world, signal, way)
            except AssertionError as error:
                raise AssertionError(
                    f"killed {moment} call {number} ({axe.calls[number]}): {error}"
                ) from error
            # How many awaits there are is known from the first run: a killed one has more.
            if number == 0:
                last = await count_calls(sql, attached, WAYS[way])
        number += 1
    assert last >= 15


async def count_calls(sql: Sql, attached: bool, way: list[str]) -> int:
    async with open_world(sql) as world:
        await world.use_exchange(attached=attached)
        axe = Axe()
        signal, outcome = await trade(world, axe, way)
        await check_end(world, signal, "take_profit" if way is WAYS["take_profit"] else "stop_loss")
        return len(outcome.calls)


@pytest.mark.parametrize("taken", [True, False], ids=["taken", "lost"])
@pytest.mark.parametrize("leg", [Leg.ENTRY, Leg.STOP_LOSS])
async def test_a_timeout_and_then_death_double_and_lose_nothing(sql: Sql, leg: Leg, taken: bool) -> None:
    """The venue answers the order of one leg with a timeout, and the bridge dies at any await after that."""
    number, last = 0, None
    while last is None or number < last:
        async with open_world(sql) as world:
            fault = Timeout(leg, "after" if taken else "before")
            await world.use_exchange(attached=False, fault=fault)
            fault.world = world
            axe = Axe(None if last is None else number, "after")
            try:
                signal, outcome = await trade(world, axe, WAYS["take_profit"])
                assert fault.struck
                assert outcome.doubled == []
                await check_end(world, signal, "take_profit")
            except AssertionError as error:
                where = axe.calls[number] if number < len(axe.calls) else "nothing"
                raise AssertionError(f"killed after call {number} ({where}): {error}") from error
            if last is None:
                last = len(outcome.calls)
                continue
        number += 1


class Timeout:
    """A venue that answers the first order of one leg with a timeout, before or after it took it."""

    def __init__(self, leg: Leg, moment: str) -> None:
        self.leg = leg
        self.moment = moment
        self.world: World | None = None
        self.struck = False

    def __call__(self, method: str, moment: str, client_id: str) -> None:
        if self.struck or method != "create_order" or moment != self.moment or self.world is None:
            return
        if client_id in {client_order_id(signal, self.leg, 1) for signal in self.world.signals}:
            self.struck = True
            raise RequestTimeout("paper answered nothing in 10 s")
