"""The matching engine against what a trader would expect of a venue, and money that never leaks."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.trading.paper.engine import Engine, Terms
from workers.trading.paper.ledger import PaperLedger
from workers.trading.paper.order import Attached, Order, Refused, Request
from workers.trading.paper.path import Bar, legs_of
from workers.trading.paper.rules import rule_for

D = Decimal
MINUTE = 60_000
BTC = "BTC/USDT:USDT"


def make_engine(market: str = "usdm", **terms: Any) -> Engine:
    rule = rule_for("BTCUSDT", "usdm" if market == "usdm" else "spot")
    engine = Engine({rule.symbol: rule}, PaperLedger({"USDT": D(10000)}, D(10)), Terms(**terms))
    engine.last_price[rule.symbol] = D(100000)
    return engine


def bar(minute: int, o: str, h: str, low: str, c: str, volume: str = "100", symbol: str = BTC) -> Bar:
    return Bar(symbol, minute * MINUTE, (minute + 1) * MINUTE, D(o), D(h), D(low), D(c), D(volume))


def ask(engine: Engine, minute: int, **fields: Any) -> Order:
    number = len(engine.orders) + 1
    base: dict[str, Any] = {
        "symbol": BTC,
        "side": "buy",
        "kind": "market",
        "amount": D("0.01"),
        "client_id": f"c{number}",
    }
    engine.submit(Request(**{**base, **fields}), minute * MINUTE)
    return engine.orders[engine.by_client_id[fields.get("client_id", f"c{number}")]]


def test_nothing_fills_on_the_candle_that_made_the_signal() -> None:
    engine = make_engine()
    order = ask(engine, 10)
    assert not engine.walk(bar(9, "100000", "100100", "99900", "100000"))
    assert order.filled == 0
    engine.walk(bar(10, "100010", "100100", "99900", "100000"))
    assert order.status == "filled"


def test_a_market_order_pays_the_open_the_slippage_and_the_takers_fee() -> None:
    engine = make_engine()
    order = ask(engine, 10)
    engine.walk(bar(10, "100000", "100100", "99900", "100050"))
    assert order.average == D("100010.0")  # one basis point worse, on the tick
    assert order.fee == D("0.01") * D("100010.0") * D("0.0005")
    assert engine.trades[0].at_ms == 10 * MINUTE + 50


def test_a_resting_limit_fills_when_the_price_goes_through_it_at_its_price_and_as_maker() -> None:
    engine = make_engine()
    order = ask(engine, 10, kind="limit", price=D("99900"))
    engine.walk(bar(10, "100000", "100100", "99900", "100000"))
    assert order.filled == 0, "a touch is not enough: others were there first"
    engine.walk(bar(11, "100000", "100100", "99899.9", "100000"))
    assert (order.status, order.average) == ("filled", D("99900"))
    assert order.fee == D("0.01") * D("99900") * D("0.0002")


def test_a_marketable_limit_takes_and_never_pays_more_than_its_price() -> None:
    engine = make_engine()
    order = ask(engine, 10, kind="limit", price=D("100005"))
    engine.walk(bar(10, "100000", "100100", "99900", "100000"))
    assert order.average == D("100005")
    assert not engine.trades[0].maker


def test_a_stop_that_the_open_jumped_over_fills_at_the_open() -> None:
    engine = make_engine()
    ask(engine, 10)
    engine.walk(bar(10, "100000", "100100", "99900", "100000"))
    stop = ask(engine, 11, side="sell", trigger="stop", trigger_price=D("99000"), reduce_only=True)
    engine.walk(bar(11, "98000", "98100", "97900", "98000"))
    assert stop.status == "filled"
    assert stop.average == D("97990.2")


def test_attached_protection_guards_within_the_candle_of_the_fill_and_cancels_its_sibling() -> None:
    engine = make_engine()
    legs = (Attached("stop", D("99000"), "sl"), Attached("take_profit", D("101000"), "tp"))
    ask(engine, 10, attached=legs)
    engine.walk(bar(10, "100000", "100100", "98900", "99500"))
    stop, target = (engine.orders[engine.by_client_id[name]] for name in ("sl", "tp"))
    assert (stop.status, target.status) == ("filled", "canceled")
    assert engine.ledger.position(BTC, "long").amount == 0


def test_the_nearer_extreme_comes_first() -> None:
    assert [leg.end for leg in legs_of(bar(1, "100", "101", "90", "95"))] == [D(100), D(101), D(90), D(95)]
    assert [leg.end for leg in legs_of(bar(1, "91", "101", "90", "95"))] == [D(91), D(90), D(101), D(95)]


def test_orders_take_no_more_than_their_share_of_the_volume_and_the_rest_waits() -> None:
    engine = make_engine(participation=D("0.1"))
    legs = (Attached("stop", D("90000"), "sl"),)
    order = ask(engine, 10, amount=D("0.05"), attached=legs)
    engine.walk(bar(10, "100000", "100100", "99900", "100000", volume="0.2"))
    assert (order.filled, order.status) == (D("0.020"), "open")
    guard = engine.orders[engine.by_client_id["sl"]]
    assert guard.amount == D("0.020"), "protection follows the filled amount"
    engine.walk(bar(11, "100000", "100100", "99900", "100000", volume="0.2"))
    engine.walk(bar(12, "100000", "100100", "99900", "100000", volume="0.2"))
    assert (order.filled, order.status, guard.amount) == (D("0.050"), "filled", D("0.050"))


def test_long_and_short_live_side_by_side_and_reduce_only_never_opens() -> None:
    engine = make_engine()
    ask(engine, 10)
    ask(engine, 10, side="sell")
    engine.walk(bar(10, "100000", "100100", "99900", "100000"))
    held = {side: engine.ledger.position(BTC, side).amount for side in ("long", "short")}
    assert held == {"long": D("0.01"), "short": D("0.01")}
    closing = ask(engine, 11, side="sell", amount=D("0.03"), reduce_only=True)
    engine.walk(bar(11, "100000", "100100", "99900", "100000"))
    assert (closing.filled, closing.status) == (D("0.01"), "expired")
    with pytest.raises(Refused, match="no BTC/USDT:USDT position that a sell would reduce"):
        ask(engine, 12, side="sell", reduce_only=True)


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"amount": D("0.0105")}, "amount_step"),
        ({"amount": D("0")}, "amount_step"),
        ({"amount": D("0.0001")}, "amount_step"),
        ({"kind": "limit", "price": D("99900.05")}, "price_tick"),
        ({"kind": "limit"}, "price"),
        ({"amount": D("0.001"), "kind": "limit", "price": D("50000")}, "least_notional"),
        ({"amount": D("2")}, "funds"),
        ({"symbol": "NOPE/USDT:USDT"}, "symbol"),
        ({"kind": "limit", "price": D("100001"), "post_only": True}, "post_only"),
    ],
)
def test_a_refusal_says_why_and_changes_nothing(fields: dict[str, Any], code: str) -> None:
    engine = make_engine()
    with pytest.raises(Refused) as refusal:
        ask(engine, 10, **fields)
    assert refusal.value.code == code
    assert engine.orders == {}
    assert engine.free("USDT") == D(10000)


def test_a_client_order_id_is_used_once() -> None:
    engine = make_engine()
    ask(engine, 10, client_id="same")
    with pytest.raises(Refused, match="same was used before"):
        ask(engine, 10, client_id="same")


def test_spot_swaps_currencies_and_takes_its_fee_from_what_is_received() -> None:
    engine = make_engine("spot")
    order = ask(engine, 10, symbol="BTC/USDT")
    engine.walk(bar(10, "100000", "100100", "99900", "100000", symbol="BTC/USDT"))
    assert order.fee_currency == "BTC"
    assert engine.ledger.balances["BTC"] == D("0.01") - D("0.01") * D("0.001")
    assert engine.ledger.balances["USDT"] == D(10000) - order.cost


prices = st.decimals(min_value=D(90000), max_value=D(110000), places=1)


@st.composite
def bars(draw: st.DrawFn) -> list[Bar]:
    made = []
    for minute in range(draw(st.integers(3, 12))):
        four = sorted(draw(st.lists(prices, min_size=4, max_size=4)))
        volume = draw(st.decimals(min_value=D(0), max_value=D(1), places=3))
        first, last = draw(st.sampled_from([(1, 2), (2, 1)]))
        made.append(
            Bar(
                BTC, minute * MINUTE, (minute + 1) * MINUTE, four[first], four[3], four[0], four[last], volume
            )
        )
    return made


@given(
    walked=bars(),
    wishes=st.lists(
        st.tuples(
            st.integers(0, 8),
            st.sampled_from(["buy", "sell"]),
            st.sampled_from(["market", "limit", "guarded"]),
            prices,
            st.integers(2, 9),
        ),
        max_size=8,
    ),
)
def test_money_is_exact_whatever_happens(
    walked: list[Bar], wishes: list[tuple[int, str, str, Decimal, int]]
) -> None:
    """Balance = start + sum over all fills, to the last digit, once every position is closed; and no order
    ever fills beyond its amount or before it was sent."""
    engine = make_engine()
    for minute, one in enumerate(walked):
        for when, side, kind, price, size in wishes:
            if when != minute:
                continue
            fields: dict[str, Any] = {"side": side, "amount": D(size) * D("0.001")}
            if kind == "limit":
                fields |= {"kind": "limit", "price": price}
            if kind == "guarded":
                low, high = price - 1000, price + 1000
                stop, target = (low, high) if side == "buy" else (high, low)
                number = len(engine.orders)
                fields["attached"] = (
                    Attached("stop", stop, f"s{number}"),
                    Attached("take_profit", target, f"t{number}"),
                )
            try:
                ask(engine, minute, **fields)
            except Refused:
                continue
        engine.walk(one)
    for order in engine.open_orders():
        engine.cancel(order.id, 100 * MINUTE)
    for (symbol, side), held in list(engine.ledger.positions.items()):
        if held.amount:
            closing = "sell" if side == "long" else "buy"
            ask(engine, 100, symbol=symbol, side=closing, amount=held.amount, reduce_only=True)
    engine.walk(bar(100, "100000", "100000", "100000", "100000"))

    flow = sum(
        ((t.price * t.amount if t.side == "sell" else -t.price * t.amount) - t.fee for t in engine.trades),
        D(0),
    )
    assert all(held.amount == 0 and held.cost == 0 for held in engine.ledger.positions.values())
    assert engine.ledger.balances["USDT"] == D(10000) + flow
    for order in engine.orders.values():
        mine = [t for t in engine.trades if t.order_id == order.id]
        assert sum((t.amount for t in mine), D(0)) == order.filled <= order.amount
        assert all(t.at_ms >= order.created_ms for t in mine)


def test_what_ended_long_ago_is_forgotten_and_numbers_go_on() -> None:
    engine = make_engine()
    guards = (Attached("stop", D("90000"), "sl"), Attached("take_profit", D("110000"), "tp"))
    kept = ask(engine, 10, client_id="kept", attached=guards)
    gone = ask(engine, 10, client_id="gone")
    engine.walk(bar(10, "100000", "100100", "99900", "100000"))
    ask(engine, 20, client_id="newest", side="sell", amount=D("0.02"))
    engine.walk(bar(20, "100000", "100100", "99900", "100000"))
    orders, trades = engine.forget(15 * MINUTE)
    assert [order.id for order in orders] == [gone.id], "an entry stays as long as its guards are open"
    assert [trade.client_id for trade in trades] == ["kept", "gone"]
    assert set(engine.by_client_id) == {"kept", "sl", "tp", "newest"}
    assert kept.id in engine.orders
    orders, trades = engine.forget(100 * MINUTE)
    assert trades == []
    assert "newest" in engine.by_client_id, "the last order and trade stay: the next are numbered by them"
    after = ask(engine, 101, client_id="after")
    engine.walk(bar(101, "100000", "100100", "99900", "100000"))
    assert after.sequence == 6
    assert [trade.id for trade in engine.trades] == [3, 4]
