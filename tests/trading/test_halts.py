"""A halt that a person sets while orders are on their way stops those that have not left."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import psycopg

from tests.stacks import Stack
from tests.trading.world import World
from workers.trading.policy import Policy


class Slow:
    """A paper exchange on which something happens after each order that it took."""

    def __init__(self, exchange: Any, after: Any) -> None:
        self._exchange = exchange
        self._after = after
        self.entries = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._exchange, name)

    async def create_order(self, *args: Any, **named: Any) -> Any:
        """Takes the order first."""
        answer = await self._exchange.create_order(*args, **named)
        self.entries += 1
        await self._after()
        return answer


async def enter_two(world: World, seconds: float, status: str) -> tuple[Slow, list[tuple[str, str | None]]]:
    """Two entries intended together; the first one takes so long, and the account is set meanwhile."""

    async def halt() -> None:
        await world.sql.execute(
            "select public.set_account_status(%s, %s, 'I want out')", (world.account, status)
        )
        world.wall += seconds

    exchange = Slow(world.exchange, halt)
    bridge = await world.start(exchange=exchange)
    signals = sorted([await world.make_ready(), await world.make_ready("ETHUSDT")])
    await bridge.step()
    entries = [(await world.orders(one))["entry", 1] for one in signals]
    return exchange, [(entry["status"], entry["code"]) for entry in entries]


async def test_a_halt_stops_an_entry_that_was_intended_and_has_not_left(world: World) -> None:
    exchange, entries = await enter_two(world, Policy().terms_seconds + 0.1, "halted")
    assert exchange.entries == 1
    assert entries[1] == ("denied", "account_inactive")


async def test_an_account_that_is_only_to_reduce_opens_nothing_more_either(world: World) -> None:
    exchange, entries = await enter_two(world, Policy().terms_seconds + 0.1, "reducing")
    assert exchange.entries == 1
    assert entries[1] == ("denied", "account_inactive")


async def test_nobody_is_asked_again_within_the_bound(world: World) -> None:
    """What is promised is the bound: no call to the database stands before an order that follows at once."""
    exchange, _ = await enter_two(world, Policy().terms_seconds, "halted")
    assert exchange.entries == 2


async def test_a_renewal_in_the_middle_of_a_turn_is_heard_at_once(world: World) -> None:
    """What renewals tell holds for what leaves next, without another question and without another step."""
    asked: list[str] = []

    async def halt_and_renew() -> None:
        await world.sql.execute("select public.set_account_status(%s, 'halted', 'out')", (world.account,))
        asked.append("renewed")
        await bridge._leases.renew()

    exchange = Slow(world.exchange, halt_and_renew)
    bridge = await world.start(exchange=exchange)
    for symbol in ("BTCUSDT", "ETHUSDT"):
        await world.make_ready(symbol)
    await bridge.step()
    assert (exchange.entries, asked) == (1, ["renewed"])


async def test_an_entry_waits_while_nobody_can_say_what_the_account_allows(
    world: World, stack: Stack
) -> None:
    """Somebody changes the account at this moment, so that the renewal passes it over: the halt of before is
    not heard yet, and nothing is opened on what was known earlier."""
    connecting = psycopg.AsyncConnection.connect(stack.db_url)
    async with await connecting as other:

        async def halt_and_hold() -> None:
            if exchange.entries > 1:
                return
            await world.sql.execute("select public.set_account_status(%s, 'halted', 'out')", (world.account,))
            await other.execute(
                "select from public.exchange_accounts where id = %s for no key update", (world.account,)
            )
            world.wall += Policy().terms_seconds + 0.1

        async def call(name: str, params: Mapping[str, Any], /) -> Any:
            if name == "record_trading":
                # What it waits for comes to an end.
                await other.rollback()
            return await world.call(name, params)

        exchange = Slow(world.exchange, halt_and_hold)
        bridge = await world.start(call=call, exchange=exchange)
        signals = sorted([await world.make_ready(), await world.make_ready("ETHUSDT")])
        await bridge.step()
        assert exchange.entries == 1
        assert (await world.orders(signals[1]))["entry", 1]["status"] == "intended"
        await bridge.step()
        entry = (await world.orders(signals[1]))["entry", 1]
        assert (entry["status"], entry["code"]) == ("denied", "account_inactive")
        assert exchange.entries == 1
