"""What the bridge tells Prometheus of its trades agrees with what the database has."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from shared.metrics import Metric
from shared.money import ZERO
from tests.trading.made import order, position
from tests.trading.world import World
from workers.trading.book import Book, Trade
from workers.trading.figures import Figures, quote_of, slippage
from workers.trading.ledger import State
from workers.trading.metrics import is_protected
from workers.trading.orders import Leg, OrderStatus


def read(families: Iterable[Metric]) -> dict[tuple[str, ...], float]:
    """Samples by name and the values of their labels; without the buckets."""
    samples = [sample for family in families for sample in family.samples]
    return {
        (one.name, *one.labels.values()): one.value for one in samples if not one.name.endswith("_bucket")
    }


async def test_a_trade_is_in_the_metrics_as_it_is_in_the_record(world: World) -> None:
    bridge = await world.start()
    signal = await world.hold(bridge)
    held = read(bridge.measure())
    assert held["sigtrail_positions_open", "paper"] == 1
    assert held["sigtrail_positions_unprotected", "paper"] == 0 == len(await world.unprotected())
    assert held["sigtrail_orders_ended_total", "paper", "entry", "filled"] == 1
    assert held["sigtrail_entry_fill_ratio_count",] == 1 == held["sigtrail_entry_fill_ratio_sum",]
    assert held["sigtrail_entry_slippage_ratio_count",] >= 1
    assert held["sigtrail_accounts", "paper", "trading"] == 1
    assert held["sigtrail_trading_claims_total",] == 1
    world.candle("100", "100", "97", "97")
    await world.settle(bridge)
    over, row = read(bridge.measure()), await world.position(signal)
    assert row["status"] == "closed"
    assert over["sigtrail_positions_open", "paper"] == 0
    assert over["sigtrail_orders_ended_total", "paper", "stop_loss", "filled"] == 1
    assert over["sigtrail_realized_pnl", "paper", "USDT"] == float(row["realized_pnl"]) < 0
    fills = await world.fetch(
        "select count(*) as n from public.trade_executions where user_id = %s", world.user
    )
    assert over["sigtrail_fills_total",] == fills[0]["n"]
    await bridge.stop()


async def test_what_was_won_before_a_restart_is_not_counted_again(world: World) -> None:
    first = await world.start()
    await world.hold(first)
    await first.stop()
    second = await world.start()
    await world.settle(second)
    assert not [key for key in read(second.measure()) if key[0] == "sigtrail_realized_pnl"]
    await second.stop()


def made_state(**fields: Any) -> State:
    return State(orders=(), positions=(position(**fields),))


def test_a_position_that_is_told_again_after_its_end_counts_once() -> None:
    figures, book = Figures(), Book()
    book.update(State(orders=(order(Leg.ENTRY),), positions=()))
    opened = made_state(realized=Decimal("-1"))
    figures.note("paper", book, (), opened)
    book.update(opened)
    closed = made_state(realized=Decimal("4"), is_open=False)
    book.update(State(orders=(order(Leg.ENTRY, status=OrderStatus.FILLED),), positions=()))
    figures.note("paper", book, (), closed)
    book.update(closed)
    figures.note("paper", book, (), closed)
    assert figures.realized == {("paper", "USDT"): Decimal("4")}


@given(st.decimals("0.01", "99999", places=2), st.decimals("0.01", "99999", places=2))
def test_slippage_of_a_sale_is_that_of_a_purchase_the_other_way_round(
    planned: Decimal, paid: Decimal
) -> None:
    bought = slippage(order(Leg.ENTRY, side="buy", planned_price=planned), paid)
    sold = slippage(order(Leg.ENTRY, side="sell", planned_price=planned), paid)
    assert bought == sold.copy_negate()
    assert (bought > ZERO) == (paid > planned)


def test_the_quote_currency_of_a_symbol() -> None:
    assert [quote_of(one) for one in ("BTC/USDT:USDT", "ETH/BTC", "BTC/USD:BTC-240628")] == [
        "USDT",
        "BTC",
        "USD",
    ]


def test_a_position_is_protected_by_confirmed_stops_for_all_of_it() -> None:
    held = position()
    stop = order(Leg.STOP_LOSS, amount=held.amount, status=OrderStatus.OPEN)
    trade = Trade(held.signal_id, {stop.client_order_id: stop}, held)
    assert is_protected(trade)
    for wrong in (
        order(Leg.STOP_LOSS, amount=held.amount, status=OrderStatus.SUBMITTED),
        order(Leg.STOP_LOSS, amount=held.amount - held.lot, status=OrderStatus.OPEN),
        order(Leg.TAKE_PROFIT, amount=held.amount, status=OrderStatus.OPEN),
    ):
        assert not is_protected(Trade(held.signal_id, {wrong.client_order_id: wrong}, held))
