"""A market that is halted refuses every exit; once it opens, what was to be left is left."""

from __future__ import annotations

from ccxt.base.errors import MarketClosed

from tests.trading.world import World
from workers.trading.decisions.protection import Patience


async def test_a_position_is_left_once_the_market_opens_again(world: World) -> None:
    # The bridge is not started anew, nor does a price ask for anything.
    await world.use_exchange(attached=False)
    bridge = await world.start()
    signal = await world.make_ready()
    await world.settle(bridge)
    world.still()
    await world.settle(bridge)

    def halted(method: str, moment: str, _client_id: str) -> None:
        if (method, moment) == ("create_order", "before"):
            raise MarketClosed("trading is halted")

    world.exchange.paper_fault = halted
    await world.sql.execute(
        "select public.close_position(id, 'out') from public.positions where signal_id = %s", (signal,)
    )
    world.wall += 30
    await world.settle(bridge)
    orders = await world.orders(signal)
    exits = {attempt: row["status"] for (leg, attempt), row in orders.items() if leg == "exit"}
    assert exits == dict.fromkeys(range(1, Patience().exits + 1), "rejected")

    world.exchange.paper_fault = None
    await world.settle(bridge)
    assert ("exit", 6) not in await world.orders(signal), "not at once"
    world.still()
    await world.settle(bridge)
    assert (await world.orders(signal))["exit", 6]["status"] == "open"
    world.still()
    await world.settle(bridge)
    assert (await world.signal(signal))["outcome_code"] == "manual_close"
    await world.check_record()
    await world.check_against_venue()
