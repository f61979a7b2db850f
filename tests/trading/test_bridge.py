"""The way of a ready signal: entry, protection, exit, profit and loss."""

from tests.trading.world import World, plain


async def test_a_ready_signal_becomes_a_closed_position_with_its_profit(world: World) -> None:
    bridge = world.bridge()
    await bridge.start()
    signal = await world.make_ready()
    await world.settle(bridge)

    orders = await world.orders(signal)
    assert {leg: o["status"] for (leg, _), o in orders.items()} == {
        "entry": "open",
        "stop_loss": "submitted",
        "take_profit": "submitted",
    }
    world.candle("100", "101", "99", "100")
    await world.settle(bridge)
    assert (await world.signal(signal))["status"] == "in_position"
    assert await world.unprotected() == []
    orders = await world.orders(signal)
    assert orders["entry", 1]["status"] == "filled"
    assert orders["stop_loss", 1]["status"] == orders["take_profit", 1]["status"] == "open"

    world.candle("101", "105", "100", "104")
    await world.settle(bridge)
    closed = await world.signal(signal)
    assert (closed["status"], closed["outcome_code"]) == ("closed", "take_profit")
    position = await world.position(signal)
    assert position["status"] == "closed"
    assert position["fees"] > 0
    assert position["realized_pnl"] == world.venue_profit() == closed["total_pnl"]
    assert plain(position["amount"]) == "0"
    orders = await world.orders(signal)
    assert orders["take_profit", 1]["status"] == "filled"
    assert orders["stop_loss", 1]["status"] == "canceled"
    assert not closed["has_active_orders"]
    assert not closed["has_open_position"]
    assert closed["total_orders_count"] == 3
    await world.check_record()
    await world.check_against_venue()
