"""What is missing at the venue, and what explains it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from tests.trading.made import NOW, RULES, position
from workers.trading.decisions.closes import (
    Shortage,
    VenueClose,
    explain,
    share_closes,
    shortages,
    strangers,
)
from workers.trading.decisions.reconciliation import VenueTrade
from workers.trading.orders import Position, PositionSide

SYMBOL = RULES.symbol
SPOT = replace(RULES, symbol="BTC/USDT", spot=True)
AMOUNTS = st.decimals("0.001", "20", places=3)


def trade(number: int, amount: Decimal, side: str = "sell", fee: str = "1", minutes: int = 0) -> VenueTrade:
    return VenueTrade(
        str(number),
        f"order-{number}",
        None,
        "sell" if side == "sell" else "buy",
        Decimal(90),
        amount,
        Decimal(fee),
        "USDT",
        NOW + timedelta(minutes=minutes),
        symbol=SYMBOL,
    )


def held(number: int, amount: Decimal, side: PositionSide = "long", symbol: str = SYMBOL) -> Position:
    made = UUID(int=number)
    return position(id=made, signal_id=made, amount=amount, side=side, symbol=symbol)


@given(longs=st.lists(AMOUNTS, max_size=3), shorts=st.lists(AMOUNTS, max_size=3), data=st.data())
def test_what_a_venue_nets_is_not_missing(
    longs: list[Decimal], shorts: list[Decimal], data: st.DataObject
) -> None:
    """Whatever was closed of one side is missing there, also where a venue shows only the difference."""
    ours = [held(n, amount) for n, amount in enumerate(longs)]
    ours += [held(50 + n, amount, "short") for n, amount in enumerate(shorts)]
    long, short = sum(longs, Decimal(0)), sum(shorts, Decimal(0))
    closed = data.draw(st.decimals("0", str(long), places=3)) if longs else Decimal(0)
    net = long - closed - short
    at_venue = {(SYMBOL, "long"): max(net, Decimal(0)), (SYMBOL, "short"): max(-net, Decimal(0))}
    found = shortages(ours, {}, at_venue, {SYMBOL: RULES})
    assert [(one.side, one.amount) for one in found] == ([("long", closed)] if closed else [])


def test_in_hedge_mode_both_sides_are_missing_when_both_are_gone() -> None:
    ours = [held(1, Decimal(3)), held(2, Decimal(2), "short")]
    found = shortages(ours, {}, {}, {SYMBOL: RULES}, hedged=True)
    assert [(one.side, one.amount, one.whole) for one in found] == [
        ("long", Decimal(3), True),
        ("short", Decimal(2), True),
    ]


@given(first=AMOUNTS, second=AMOUNTS, balance=st.decimals("0", "50", places=4))
def test_spot_positions_of_one_currency_draw_on_one_balance(
    first: Decimal, second: Decimal, balance: Decimal
) -> None:
    other = replace(SPOT, symbol="BTC/USDC")
    ours = [held(1, first, symbol=SPOT.symbol), held(2, second, symbol=other.symbol)]
    found = shortages(ours, {"BTC": balance}, {}, {SPOT.symbol: SPOT, other.symbol: other})
    missing = first + second - balance
    if missing < ours[0].lot:
        assert found == []
    else:
        [one] = found
        assert (one.amount, one.symbols) == (missing, frozenset({SPOT.symbol, other.symbol}))
        assert one.whole == (balance < ours[0].lot)


@given(
    missing=AMOUNTS,
    amounts=st.lists(AMOUNTS, max_size=5),
    sides=st.lists(st.sampled_from(["buy", "sell"]), min_size=5, max_size=5),
)
def test_no_more_is_explained_than_is_missing(
    missing: Decimal, amounts: list[Decimal], sides: list[str]
) -> None:
    trades = [
        trade(n, amount, side, minutes=n)
        for n, (amount, side) in enumerate(zip(amounts, sides, strict=False))
    ]
    chosen, left = explain(Shortage(frozenset({SYMBOL}), "long", missing, whole=True), trades)
    explained = sum((one.amount for one in chosen), Decimal(0))
    assert explained + left == missing
    assert all(one.side == "sell" for one in chosen)
    sold = sum((one.amount for one in trades if one.side == "sell"), Decimal(0))
    assert explained == min(missing, sold)
    by_id = {one.venue_trade_id: one for one in trades}
    for one in chosen:
        whole = by_id[one.venue_trade_id]
        assert one.amount <= whole.amount
        assert one.fee_cost <= whole.fee_cost
    # The latest explain first: what is left out came before what is taken.
    left_out = [
        one
        for one in trades
        if one.side == "sell" and one.venue_trade_id not in {c.venue_trade_id for c in chosen}
    ]
    assert all(old.executed_at < new.executed_at for old in left_out for new in chosen)


@given(amounts=st.lists(AMOUNTS, min_size=1, max_size=4), traded=st.lists(AMOUNTS, min_size=1, max_size=4))
def test_closes_one_after_the_other_take_no_more_than_is_held(
    amounts: list[Decimal], traded: list[Decimal]
) -> None:
    ours = [held(n, amount) for n, amount in enumerate(amounts)]
    facts = share_closes([VenueClose(trade(n, one), liquidated=True) for n, one in enumerate(traded)], ours)
    taken = {str(one.id): Decimal(0) for one in ours}
    for fact in facts:
        taken[fact["position_id"]] += Decimal(fact["fill"]["amount"])
    assert all(taken[str(one.id)] <= one.amount for one in ours)
    assert sum(taken.values(), Decimal(0)) == min(sum(amounts, Decimal(0)), sum(traded, Decimal(0)))
    numbers = [fact["fill"]["venue_trade_id"] for fact in facts]
    assert len(numbers) == len(set(numbers))


def test_a_trade_that_is_known_or_older_than_the_position_closed_nothing() -> None:
    trades = [
        trade(1, Decimal(1), minutes=-5),
        trade(2, Decimal(1)),
        trade(3, Decimal(1)),
        trade(4, Decimal(1)),
    ]
    found = strangers([*trades, *trades], {"2", "4/1"}, {(SYMBOL, "long"): NOW})
    assert [one.venue_trade_id for one in found] == ["3"]
    assert strangers(trades, set(), {(SYMBOL, "short"): NOW}) == []
