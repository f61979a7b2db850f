"""The check at the moment of sending: what opens is refused for a reason, what closes never is."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.trading.made import NOW, SIGNAL, order, position
from workers.trading.decisions.losses import Measure
from workers.trading.decisions.risk import (
    Holding,
    Limits,
    Sent,
    Terms,
    drifted,
    holding_of,
    refuse,
    terms_of,
)
from workers.trading.orders import Kind, Leg, Order, OrderStatus, PositionSide

TRADER = UUID(int=7)
OPEN = Terms("active", "trade")
PRICES = st.decimals("0.01", "100000", places=2)


def entry(**fields: Any) -> Order:
    usual: dict[str, Any] = {
        "planned_price": Decimal(100),
        "expires_at": NOW + timedelta(minutes=5),
        "trader_id": TRADER,
    }
    return order(Leg.ENTRY, status=OrderStatus.INTENDED, trigger_price=None, **{**usual, **fields})


def code(refusal: object) -> str | None:
    return getattr(refusal, "code", None)


def held(notional: int, symbol: str = "ETH/USDT:USDT", trader: UUID = TRADER, loss: int = 0) -> Holding:
    return Holding(UUID(int=notional), trader, symbol, Decimal(notional), loss=Decimal(loss))


def left(*seconds_ago: int, trader: UUID = TRADER) -> list[Sent]:
    return [Sent(trader, NOW - timedelta(seconds=ago)) for ago in seconds_ago]


def test_an_entry_that_is_as_it_was_planned_may_go() -> None:
    assert refuse(entry(), OPEN, [], Decimal(100), NOW) is None


@pytest.mark.parametrize(
    ("terms", "price", "later", "expected"),
    [
        (Terms("reducing", "trade"), "100", 0, "account_inactive"),
        (Terms("halted", "trade"), "100", 0, "account_inactive"),
        (Terms("active", "read"), "100", 0, "account_inactive"),
        (OPEN, "100", 5, "signal_stale"),
        (OPEN, "101.01", 0, "price_drifted"),
        (OPEN, "98.99", 0, "price_drifted"),
        (OPEN, "101", 0, None),
        (Terms("active", "trade", max_drift_percent=Decimal(2)), "101.01", 0, None),
        (OPEN, None, 0, "symbol_not_tradable"),
    ],
)
def test_each_refusal_has_its_code(terms: Terms, price: str | None, later: int, expected: str | None) -> None:
    at = NOW + timedelta(minutes=later)
    assert code(refuse(entry(), terms, [], None if price is None else Decimal(price), at)) == expected


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        (Limits(max_positions=2), "position_limit"),
        (Limits(max_positions=3), None),
        (Limits(max_notional=Decimal(1499)), "notional_limit"),
        (Limits(max_notional=Decimal(1500)), None),
        (Limits(max_symbol_notional=Decimal(1199)), "symbol_limit"),
        (Limits(max_symbol_notional=Decimal(1200)), None),
    ],
)
def test_rules_as_last_known_hold_for_account_and_trader(limits: Limits, expected: str | None) -> None:
    """The order is worth 1000; 200 are held in its symbol, 300 in another."""
    others = [held(200, "BTC/USDT:USDT"), held(300)]
    assert code(refuse(entry(), Terms("active", "trade", limits), others, Decimal(100), NOW)) == expected
    of_trader = Terms("active", "trade", traders={TRADER: limits})
    assert code(refuse(entry(), of_trader, others, Decimal(100), NOW)) == expected
    strangers = [Holding(one.signal_id, SIGNAL, one.symbol, one.notional) for one in others]
    assert refuse(entry(), of_trader, strangers, Decimal(100), NOW) is None


# Forty were lost today, ten were won before.
LOST = Measure(Decimal(-30), Decimal(20), NOW.date(), Decimal(10))


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        ({"max_daily_loss": Decimal(45)}, "daily_loss_limit"),
        ({"max_daily_loss": Decimal(46)}, None),
        ({"max_drawdown": Decimal(55)}, "drawdown_limit"),
        ({"max_drawdown": Decimal(56)}, None),
        ({"max_orders_per_minute": 2}, "order_rate_limit"),
        ({"max_orders_per_minute": 3}, None),
    ],
)
def test_losses_and_orders_a_minute_hold_for_account_and_trader(
    limits: dict[str, Any], expected: str | None
) -> None:
    """What is open stands to lose another five; two of the orders left within the minute."""
    known = Limits(**limits, measure=LOST)
    others, sent = [held(200, loss=8), held(300, loss=-3)], left(60, 59, 0)
    of_account, of_trader = Terms("active", "trade", known), Terms("active", "trade", traders={TRADER: known})
    for terms in (of_account, of_trader):
        assert code(refuse(entry(), terms, others, Decimal(100), NOW, sent=sent)) == expected
    strangers = [replace(one, trader_id=SIGNAL, loss=one.loss * 9) for one in others]
    anew = replace(known, measure=None)
    own = Terms("active", "trade", traders={TRADER: anew})
    assert refuse(entry(), own, strangers, Decimal(100), NOW, sent=left(1, 2, 3, trader=SIGNAL)) is None


CENTS = st.decimals(-100, 100, places=2)


@given(
    total=CENTS,
    above=st.decimals(0, 50, places=2),
    day_start=CENTS,
    yesterday=st.booleans(),
    standing=st.lists(st.integers(-50, 50), max_size=3),
    most_lost=st.none() | st.integers(1, 150),
    most_fallen=st.none() | st.integers(1, 150),
    ages=st.lists(st.integers(0, 120), max_size=4),
    most_orders=st.none() | st.integers(1, 4),
)
def test_what_may_go_has_lost_and_given_less_than_is_allowed(
    total: Decimal,
    above: Decimal,
    day_start: Decimal,
    yesterday: bool,
    standing: list[int],
    most_lost: int | None,
    most_fallen: int | None,
    ages: list[int],
    most_orders: int | None,
) -> None:
    measure = Measure(total, total + above, NOW.date() - timedelta(days=yesterday), day_start)
    limits = Limits(
        max_daily_loss=None if most_lost is None else Decimal(most_lost),
        max_drawdown=None if most_fallen is None else Decimal(most_fallen),
        max_orders_per_minute=most_orders,
        measure=measure,
    )
    others = [held(number + 1, loss=one) for number, one in enumerate(standing)]
    open_loss = max(sum(standing), 0)
    daily = (0 if yesterday else day_start - total) + open_loss
    within = (
        (most_lost is None or daily < most_lost)
        and (most_fallen is None or above + open_loss < most_fallen)
        and (most_orders is None or sum(age < 60 for age in ages) < most_orders)
    )
    terms = Terms("active", "trade", limits)
    assert (refuse(entry(), terms, others, Decimal(100), NOW, sent=left(*ages)) is None) == within


@pytest.mark.parametrize(("side", "price", "loss"), [("long", 96, 40), ("short", 96, -40), ("long", None, 0)])
def test_what_a_position_stands_to_lose(side: PositionSide, price: int | None, loss: int) -> None:
    at = None if price is None else Decimal(price)
    one = position(side=side, amount=Decimal(10), entry_average=Decimal(100))
    assert holding_of(SIGNAL, TRADER, "B", one, [], at).loss == loss
    assert holding_of(SIGNAL, TRADER, "B", position(is_open=False), [], at).loss == 0


@given(
    leg=st.sampled_from([Leg.STOP_LOSS, Leg.TAKE_PROFIT, Leg.EXIT]),
    status=st.sampled_from(["active", "reducing", "halted"]),
    price=st.none() | PRICES,
    minutes=st.integers(-10_000, 10_000),
)
def test_what_closes_is_never_refused(leg: Leg, status: str, price: Decimal | None, minutes: int) -> None:
    none = Limits(0, Decimal(1), Decimal(1), Decimal(1), Decimal(1), 1, LOST)
    terms = Terms(status, "read", none, {TRADER: none, SIGNAL: none})
    assert (
        refuse(order(leg), terms, [held(10)], price, NOW + timedelta(minutes=minutes), sent=left(0)) is None
    )


@given(
    status=st.sampled_from(["active", "reducing", "halted"]),
    price=PRICES,
    seconds=st.integers(-600, 600),
    worth=st.lists(st.integers(1, 3000), max_size=4, unique=True),
    positions=st.none() | st.integers(0, 4),
    notional=st.none() | st.integers(1, 6000),
)
def test_what_may_go_breaks_no_rule(
    status: str, price: Decimal, seconds: int, worth: list[int], positions: int | None, notional: int | None
) -> None:
    """Whatever is let through is within every one of the rules, and whatever is within all goes through."""
    limits = Limits(positions, None if notional is None else Decimal(notional))
    terms = Terms(status, "trade", limits)
    others = [held(one) for one in worth]
    now = NOW + timedelta(seconds=seconds)
    within = (
        status == "active"
        and seconds < 300
        and Decimal(99) <= price <= Decimal(101)
        and (positions is None or len(worth) < positions)
        and (notional is None or sum(worth) + 1000 <= notional)
    )
    assert (refuse(entry(), terms, others, price, now) is None) == within


@given(side=st.sampled_from(["long", "short"]), planned=PRICES, price=PRICES, most=st.integers(0, 50))
def test_drift_depends_on_how_the_entry_waits(
    side: PositionSide, planned: Decimal, price: Decimal, most: int
) -> None:
    """A limit waits on one side of the price and a stop on the other; a market order has no side."""

    def stale(kind: Kind) -> bool:
        return drifted(side, kind, planned, price, Decimal(most)) is not None

    assert stale("market") == (stale("limit") or stale("stop"))
    assert not (stale("limit") and stale("stop"))
    if stale("limit"):
        assert (price < planned) == (side == "long")


def test_a_signal_is_worth_what_it_holds_and_what_is_under_way() -> None:
    orders = [entry(amount=Decimal(4), filled=Decimal(1)), order(Leg.STOP_LOSS)]
    one = holding_of(SIGNAL, TRADER, "BTC/USDT:USDT", position(amount=Decimal(1)), orders)
    assert one.notional == 400
    closed = holding_of(SIGNAL, TRADER, "BTC/USDT:USDT", position(is_open=False), [])
    assert closed.notional == 0


def test_terms_keep_what_an_answer_does_not_name() -> None:
    row = {"max_positions": 3, "max_notional": "10.5", "max_symbol_notional": None}
    state = {"status": "active", "permissions": "trade"}
    first = terms_of({**state, "account": row, "traders": {str(TRADER): row}}, {"max_drift_percent": "2"})
    assert first.account == first.traders[TRADER] == Limits(3, Decimal("10.5"))
    assert first.max_drift_percent == 2
    later = terms_of({**state, "status": "halted"}, {}, first)
    assert (later.status, later.account, later.traders) == ("halted", first.account, first.traders)
    lifted = terms_of({**state, "account": None, "traders": {str(TRADER): None}}, {}, later)
    assert lifted.account == lifted.traders[TRADER] == Limits()


@given(st.permutations(range(1, 6)))
def test_the_newest_terms_hold_in_whatever_order_answers_come(numbers: list[int]) -> None:
    known = None
    for number in numbers:
        status = "halted" if number == 5 else "active"
        answer = {"status": status, "permissions": "trade", "number": number}
        known = terms_of(answer | ({"account": {"max_positions": number}, "traders": {}}), {}, known)
    assert known is not None
    assert (known.status, known.account.max_positions) == ("halted", 5)


@pytest.mark.parametrize(
    ("side", "sent", "signal", "nets", "expected"),
    [
        ("short", True, 2**127, True, "symbol_limit"),
        # Of two that are intended at once the first one goes.
        ("short", False, 1, True, "symbol_limit"),
        ("short", False, 2**127, True, None),
        ("long", True, 1, True, None),
        (None, True, 1, True, None),
        ("short", True, 1, False, None),
    ],
)
def test_where_a_symbol_is_one_position_nothing_opens_against_it(
    side: PositionSide | None, sent: bool, signal: int, nets: bool, expected: str | None
) -> None:
    one = entry()
    other = Holding(UUID(int=signal), TRADER, one.symbol, Decimal(5), side, sent)
    assert code(refuse(one, OPEN, [other], Decimal(100), NOW, nets=nets)) == expected
    elsewhere = Holding(UUID(int=signal), TRADER, "ETH/USDT:USDT", Decimal(5), side, sent)
    assert refuse(one, OPEN, [elsewhere], Decimal(100), NOW, nets=nets) is None


def test_what_a_signal_holds_has_its_side() -> None:
    waiting = entry()
    assert holding_of(SIGNAL, TRADER, "B", None, [waiting]).side == "long"
    assert not holding_of(SIGNAL, TRADER, "B", None, [waiting]).is_sent
    assert holding_of(SIGNAL, TRADER, "B", position(side="short"), []).is_sent
    assert holding_of(SIGNAL, TRADER, "B", position(side="short"), []).side == "short"
