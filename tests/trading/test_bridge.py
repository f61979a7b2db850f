"""The way of a ready signal: entry, protection, exit, profit and loss."""

from decimal import Decimal

import pytest

from tests.trading.world import World, plain


async def test_a_ready_signal_becomes_a_closed_position_with_its_profit(world: World) -> None:
    bridge = await world.start()
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


async def test_the_trail_of_a_trade_tells_everything_in_order(world: World) -> None:
    bridge = await world.start()
    signal = await world.make_ready()
    await world.settle(bridge)
    world.candle("100", "101", "99", "100")
    await world.settle(bridge)
    world.candle("100", "100", "97", "97")
    await world.settle(bridge)
    assert await world.events(signal) == [
        "signal_created",
        "analysis_started",
        "analysis_completed",
        "monitoring_action",
        "order_created",
        "order_created",
        "order_created",
        "order_filled",
        "position_opened",
        "protection_confirmed",
        "stop_loss_triggered",
        "order_filled",
        "order_canceled",
        "position_closed",
    ]


async def test_a_short_position_ends_at_its_stop(world: World) -> None:
    bridge = await world.start()
    signal = await world.make_ready(side="short", stop="102", target="96")
    await world.settle(bridge)
    world.candle("100", "100", "99", "100")
    await world.settle(bridge)
    world.candle("100", "103", "100", "103")
    await world.settle(bridge)
    closed = await world.signal(signal)
    assert (closed["status"], closed["outcome_code"]) == ("closed", "stop_loss")
    assert closed["total_pnl"] == world.venue_profit() < 0
    await world.check_record()
    await world.check_against_venue()


async def test_a_whole_trade_takes_six_calls(world: World) -> None:
    bridge = await world.start()
    await world.settle(bridge)
    world.call.names.clear()
    await world.make_ready()
    await world.settle(bridge)
    world.candle("100", "101", "99", "100")
    await world.settle(bridge)
    world.candle("100", "105", "100", "105")
    await world.settle(bridge)
    assert world.call.names == ["claim_work", *["record_trading"] * 4]


async def test_steps_in_which_nothing_happens_ask_the_database_nothing(world: World) -> None:
    bridge = await world.start()
    await world.make_ready()
    await world.settle(bridge)
    world.candle("100", "101", "99", "100")
    await world.settle(bridge)
    world.call.names.clear()
    for _ in range(20):
        world.still()
        assert await bridge.step() == 0
    assert world.call.names == []


async def test_two_signals_of_one_moment_share_their_calls(world: World) -> None:
    bridge = await world.start()
    await world.settle(bridge)
    world.call.names.clear()
    signals = [await world.make_ready(symbol) for symbol in ("BTCUSDT", "ETHUSDT", "SOLUSDT")]
    await world.settle(bridge)
    assert world.call.names == ["claim_work", "record_trading", "record_trading"]
    world.still()
    await world.settle(bridge)
    assert {(await world.signal(signal))["status"] for signal in signals} == {"in_position"}
    assert len(world.call.names) == 4


class TestWhereTheBridgeManagesProtection:
    """The venue refuses attached orders: stop and take profit are sent after the fill."""

    async def test_the_stop_comes_first_and_the_sibling_is_cancelled(self, world: World) -> None:
        await world.use_exchange(attached=False)
        bridge = await world.start()
        signal = await world.make_ready()
        await world.settle(bridge)
        world.candle("100", "101", "99", "100")
        await world.settle(bridge)
        assert await world.unprotected() == []
        sent = [order.request.trigger for order in world.exchange.paper_engine.orders.values()]
        assert sent == [None, "stop", "take_profit"]

        world.candle("100", "104", "100", "104")
        await world.settle(bridge)
        closed = await world.signal(signal)
        assert (closed["status"], closed["outcome_code"]) == ("closed", "take_profit")
        assert (await world.orders(signal))["stop_loss", 1]["status"] == "canceled"
        assert world.exchange.paper_engine.open_orders() == []
        await world.check_record()
        await world.check_against_venue()

    async def test_a_price_beyond_the_stop_before_it_rests_ends_at_the_market(self, world: World) -> None:
        await world.use_exchange(attached=False)
        bridge = await world.start()
        signal = await world.make_ready()
        await world.settle(bridge)
        world.candle("100", "100", "97", "97")
        await world.settle(bridge)
        assert "stop_loss" not in {leg for leg, _ in await world.orders(signal)}
        world.candle("97", "97", "96", "96")
        await world.settle(bridge)
        closed = await world.signal(signal)
        assert (closed["status"], closed["outcome_code"]) == ("closed", "stop_loss")
        await world.check_record()


class TestPartialFills:
    async def test_protection_follows_what_was_filled(self, world: World) -> None:
        # A tenth of each candle's volume of 40 is ours to take: 4 of 10 a candle.
        await world.use_exchange(attached=False, participation="0.1")
        bridge = await world.start()
        signal = await world.make_ready()
        await world.settle(bridge)
        covers = []
        for _ in range(3):
            world.candles({"BTCUSDT": ("100", "100.5", "99.5", "100")}, volume=40)
            await world.settle(bridge)
            assert await world.unprotected() == []
            orders = await world.orders(signal)
            live = [o for (leg, _), o in orders.items() if leg == "stop_loss" and o["status"] == "open"]
            covers.append((plain(orders["entry", 1]["filled"]), plain(sum(o["amount"] for o in live))))
        assert covers == [("4", "4"), ("8", "8"), ("10", "10")]

        world.candles({"BTCUSDT": ("97", "97", "97", "97")})
        await world.settle(bridge)
        closed = await world.signal(signal)
        assert (closed["status"], closed["outcome_code"]) == ("closed", "stop_loss")
        await world.check_record()
        await world.check_against_venue()

    async def test_attached_protection_follows_too(self, world: World) -> None:
        await world.use_exchange(participation="0.1")
        bridge = await world.start()
        signal = await world.make_ready()
        await world.settle(bridge)
        for filled in ("4", "8", "10"):
            world.candles({"BTCUSDT": ("100", "100.5", "99.5", "100")}, volume=40)
            await world.settle(bridge)
            orders = await world.orders(signal)
            assert plain(orders["entry", 1]["filled"]) == plain(orders["stop_loss", 1]["amount"]) == filled
            assert await world.unprotected() == []
        world.candles({"BTCUSDT": ("105", "105", "105", "105")})
        await world.settle(bridge)
        assert (await world.signal(signal))["outcome_code"] == "take_profit"
        await world.check_record()
        await world.check_against_venue()

    async def test_an_exit_in_the_middle_of_the_entry_cancels_the_rest_of_it(self, world: World) -> None:
        await world.use_exchange(participation="0.1")
        bridge = await world.start()
        signal = await world.make_ready()
        await world.settle(bridge)
        world.candles({"BTCUSDT": ("100", "100", "97", "97")}, volume=40)
        await world.settle(bridge)
        world.candles({"BTCUSDT": ("97", "97", "97", "97")})
        await world.settle(bridge)
        world.still()
        await world.settle(bridge)
        closed = await world.signal(signal)
        assert closed["status"] == "closed"
        assert world.exchange.paper_engine.open_orders() == []
        assert world.venue_profit() == closed["total_pnl"]
        await world.check_record()
        await world.check_against_venue()


class TestAnEntryThatIsNotFilled:
    async def test_it_is_cancelled_when_the_plan_ends(self, world: World) -> None:
        bridge = await world.start()
        signal = await world.make_ready(kind="limit", entry="99", minutes=3)
        await world.settle(bridge)
        for _ in range(2):
            world.still()
            await world.settle(bridge)
            assert (await world.signal(signal))["status"] == "ready"
        world.still()
        await world.settle(bridge)
        expired = await world.signal(signal)
        assert (expired["status"], expired["outcome_code"]) == ("expired", "entry_unfilled")
        assert {o["status"] for o in (await world.orders(signal)).values()} == {"canceled"}
        assert world.exchange.paper_engine.open_orders() == []
        await world.check_record()

    @pytest.mark.parametrize("attached", [True, False])
    async def test_what_it_filled_before_is_kept_and_protected(self, world: World, attached: bool) -> None:
        await world.use_exchange(participation="0.1", attached=attached)
        bridge = await world.start()
        signal = await world.make_ready(kind="limit", entry="99", minutes=3)
        await world.settle(bridge)
        world.candles({"BTCUSDT": ("100", "100", "98.5", "99.5")}, volume=40)
        await world.settle(bridge)
        for _ in range(3):
            world.candles({"BTCUSDT": ("100", "100", "100", "100")})
            await world.settle(bridge)
        orders = await world.orders(signal)
        assert (orders["entry", 1]["status"], plain(orders["entry", 1]["filled"])) == ("canceled", "4")
        assert await world.unprotected() == []
        world.candle("100", "105", "100", "105")
        await world.settle(bridge)
        assert (await world.signal(signal))["outcome_code"] == "take_profit"
        await world.check_record()
        await world.check_against_venue()


async def test_a_stop_that_was_passed_and_does_not_fill_is_helped_by_a_market_exit(world: World) -> None:
    bridge = await world.start()
    signal = await world.make_ready()
    await world.settle(bridge)
    world.candle("100")
    await world.settle(bridge)
    # Nobody trades: the stop is triggered and finds no volume.
    for _ in range(4):
        world.candles({"BTCUSDT": ("97", "97", "97", "97")}, volume=0)
        await world.settle(bridge)
    assert (await world.position(signal))["exit_reason"] == "stop_loss"
    assert (await world.orders(signal))["exit", 1]["status"] == "open"
    assert await world.unprotected() == []
    for _ in range(2):
        world.candle("97")
        await world.settle(bridge)
    closed = await world.signal(signal)
    assert (closed["status"], closed["outcome_code"]) == ("closed", "stop_loss")
    assert world.exchange.paper_engine.open_orders() == []
    await world.check_record()
    await world.check_against_venue()


class TestTrailing:
    @pytest.mark.parametrize("attached", [True, False])
    async def test_the_stop_follows_the_price_and_never_leaves_a_gap(
        self, world: World, attached: bool
    ) -> None:
        await world.use_exchange(attached=attached)
        await world.set_trader(trailing_stop_type="percentage", trailing_stop_value=1)
        bridge = await world.start()
        signal = await world.make_ready(target="120")
        await world.settle(bridge)
        stops = []
        for price in ("100", "102", "102.05", "104", "101"):
            world.candle(price)
            await world.settle(bridge)
            assert await world.unprotected() == []
            stops.append(plain((await world.position(signal))["stop_loss"]))
            resting = [o for o in world.exchange.paper_engine.open_orders() if o.request.trigger == "stop"]
            assert len(resting) == (1 if price != "101" else 0)
        assert stops == ["99", "101", "101", "103", "103"]
        closed = await world.signal(signal)
        assert (closed["status"], closed["outcome_code"]) == ("closed", "trailing_stop")
        assert (await world.events(signal)).count("trailing_stop_updated") == 3
        assert world.exchange.paper_engine.open_orders() == []
        await world.check_record()
        await world.check_against_venue()


class TestAHaltedAccount:
    async def test_it_closes_what_is_open_and_opens_nothing(self, world: World) -> None:
        bridge = await world.start()
        held, resting = (
            await world.make_ready(),
            await world.make_ready("ETHUSDT", kind="limit", entry="90", stop="80", target="104"),
        )
        await world.settle(bridge)
        world.still()
        await world.settle(bridge)
        await world.sql.execute(
            "update public.exchange_accounts set status = 'halted' where id = %s", (world.account,)
        )
        world.wall += 60
        await world.settle(bridge)
        world.still()
        await world.settle(bridge)
        closed = await world.signal(held)
        assert (closed["status"], closed["outcome_code"]) == ("closed", "emergency_close")
        assert (await world.signal(resting))["outcome_code"] == "entry_unfilled"
        late = await world.make_ready("SOLUSDT")
        await world.settle(bridge)
        assert (await world.signal(late))["outcome_code"] == "account_inactive"
        await world.check_record()


async def test_fees_in_the_base_currency_leave_what_is_held_and_the_profit_exact(world: World) -> None:
    """On spot the fee of a buy is taken from what was bought."""
    await world.use_spot()
    bridge = await world.start()
    signal = await world.make_ready()
    await world.settle(bridge)
    world.candle("100")
    await world.settle(bridge)
    position = await world.position(signal)
    assert position["amount"] == Decimal("9.99")
    assert position["fees"] == position["entry_average"] * Decimal("0.01")
    assert await world.unprotected() == []
    for _ in range(2):
        world.candle("105")
        await world.settle(bridge)
    closed = await world.signal(signal)
    assert (closed["status"], closed["outcome_code"]) == ("closed", "take_profit")
    position = await world.position(signal)
    held = world.exchange.paper_engine.ledger.balances.get("BTC", Decimal(0))
    assert position["amount"] == held
    assert position["realized_pnl"] == world.venue_profit()
    await world.check_record()
    await world.check_against_venue()
