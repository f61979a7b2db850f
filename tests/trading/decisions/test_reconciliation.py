"""Reconciliation: whatever the venue answers, recorded once it gives no more facts, and no fill is lost."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from shared.money import add
from tests.trading.made import NOW, order
from workers.trading.decisions.reconciliation import Findings, VenueOrder, VenueTrade, reconcile
from workers.trading.orders import Leg, Order, OrderStatus

ENTRY = order(status=OrderStatus.INTENDED, venue_order_id=None)
BOOK = {ENTRY.client_order_id: ENTRY}


def trade(number: int, amount: Decimal = Decimal(1), **fields: Any) -> VenueTrade:
    usual: dict[str, Any] = {
        "venue_trade_id": str(number),
        "venue_order_id": "v-entry-1",
        "client_order_id": None,
        "side": "buy",
        "price": Decimal(100),
        "amount": amount,
        "fee_cost": Decimal("0.05"),
        "fee_currency": "USDT",
        "executed_at": NOW + timedelta(seconds=number),
    }
    return VenueTrade(**{**usual, **fields})


def answer(status: str, filled: Decimal, amount: Decimal = Decimal(10), **fields: Any) -> VenueOrder:
    usual: dict[str, Any] = {"venue_order_id": "v-entry-1", "client_order_id": ENTRY.client_order_id}
    return VenueOrder(**{**usual, "status": status, "amount": amount, "filled": filled, **fields})


def record(book: dict[str, Order], found: Findings, known: dict[str, set[str]]) -> dict[str, Order]:
    """What the database makes of the findings, as far as the next comparison can see it."""
    changed = dict(book)
    for fill in found.fills:
        client_id = fill["client_order_id"]
        known.setdefault(client_id, set()).add(fill["venue_trade_id"])
        one = changed[client_id]
        filled = add(one.filled, Decimal(fill["amount"]))
        status = OrderStatus.FILLED if filled == one.amount else OrderStatus.PARTIALLY_FILLED
        changed[client_id] = replace(
            one,
            filled=filled,
            venue_order_id=fill["venue_order_id"],
            status=one.status if not one.is_live else status,
        )
    for outcome in found.outcomes:
        one = changed[outcome["client_order_id"]]
        if not one.is_live:
            continue
        live = OrderStatus.PARTIALLY_FILLED if one.filled else OrderStatus.OPEN
        status = live if outcome["outcome"] == "confirmed" else OrderStatus(outcome["outcome"])
        amount = Decimal(outcome.get("amount", one.amount))
        changed[one.client_order_id] = replace(
            one,
            venue_order_id=outcome["venue_order_id"],
            amount=amount,
            status=OrderStatus.FILLED if amount == one.filled else status,
        )
    return changed


@st.composite
def venues(draw: st.DrawFn) -> tuple[VenueOrder, list[VenueTrade]]:
    """An order at the venue, and the fills that it had."""
    count = draw(st.integers(0, 5))
    # A stop that triggered goes on under another id, which its fills carry.
    became = draw(st.sampled_from([None, "v-became"]))
    under = became or "v-entry-1"
    trades = [trade(n, Decimal(draw(st.integers(1, 2))), venue_order_id=under) for n in range(1, count + 1)]
    filled = add(*(one.amount for one in trades))
    statuses = (
        ["filled"] if filled == 10 else ["open", "canceled"] if filled else ["open", "canceled", "rejected"]
    )
    return answer(draw(st.sampled_from(statuses)), filled, fills_as=became), trades


@given(venues(), st.data())
def test_any_answers_in_any_order_end_in_the_same_record(
    venue: tuple[VenueOrder, list[VenueTrade]], data: st.DataObject
) -> None:
    final, trades = venue
    book: dict[str, Order] = dict(BOOK)
    known: dict[str, set[str]] = {}
    # The venue tells some of its trades, doubled and out of order, some of the time; at last it tells all.
    for _ in range(data.draw(st.integers(0, 4))):
        some = data.draw(st.lists(st.sampled_from(trades), max_size=8)) if trades else []
        seen = [final] if data.draw(st.booleans()) else []
        found = reconcile(book, seen, some, known)
        # A bridge that dies before it told the database begins again with what that knows.
        if data.draw(st.booleans()):
            book = record(book, found, known)
    book = record(book, reconcile(book, [final], trades, known), known)
    entry = book[ENTRY.client_order_id]
    assert entry.filled == final.filled
    assert known.get(entry.client_order_id, set()) == {one.venue_trade_id for one in trades}
    expected = {"open": {"open", "partially_filled"}}.get(final.status, {final.status})
    assert entry.status.value in expected
    # And from here on it has nothing to say.
    again = reconcile(book, [final], trades, known)
    assert not again
    assert not again.short


@given(venues())
def test_an_order_is_not_over_before_all_of_its_fills_are_known(
    venue: tuple[VenueOrder, list[VenueTrade]],
) -> None:
    final, trades = venue
    found = reconcile(BOOK, [final], trades[:-1], {})
    if trades:
        assert found.short == {ENTRY.client_order_id}
        assert all(outcome["outcome"] == "confirmed" for outcome in found.outcomes)


def test_orders_of_others_are_nobodys_business() -> None:
    foreign = answer("open", Decimal(0), client_order_id="x-web-1", venue_order_id="v-77")
    found = reconcile(BOOK, [foreign], [trade(1, venue_order_id="v-77", client_order_id="x-web-1")], {})
    assert not found


def test_a_cancelled_order_may_have_filled_before() -> None:
    found = reconcile(BOOK, [answer("canceled", Decimal(3))], [trade(1, Decimal(3))], {})
    assert [fill["amount"] for fill in found.fills] == ["3"]
    assert [outcome["outcome"] for outcome in found.outcomes] == ["canceled"]


def test_a_rejected_order_that_filled_is_no_refusal() -> None:
    found = reconcile(BOOK, [answer("rejected", Decimal(3))], [trade(1, Decimal(3))], {})
    assert [outcome["outcome"] for outcome in found.outcomes] == ["canceled"]


def test_an_old_answer_ends_nothing() -> None:
    held = order(filled=Decimal(4), status=OrderStatus.PARTIALLY_FILLED)
    found = reconcile({held.client_order_id: held}, [answer("canceled", Decimal(2))], [], {})
    assert not found


def test_an_order_that_the_venue_closed_early_is_over() -> None:
    """A market order that found no more volume comes as closed, with less than was asked for."""
    found = reconcile(BOOK, [answer("filled", Decimal(6))], [trade(1, Decimal(6))], {})
    assert [outcome["outcome"] for outcome in found.outcomes] == ["canceled"]


def test_an_attached_order_follows_its_entry() -> None:
    stop = order(Leg.STOP_LOSS, attached=True, status=OrderStatus.SUBMITTED, venue_order_id=None)
    at_venue = VenueOrder("v-9", stop.client_order_id, "open", Decimal(4), Decimal(0))
    found = reconcile({stop.client_order_id: stop}, [at_venue], [], {})
    assert found.outcomes == [
        {
            "client_order_id": stop.client_order_id,
            "venue_order_id": "v-9",
            "outcome": "confirmed",
            "amount": "4",
        }
    ]


def test_fills_of_one_instant_come_in_the_venues_order() -> None:
    same = [trade(n, executed_at=NOW) for n in (10, 9, 2)]
    assert [
        fill["venue_trade_id"] for fill in reconcile(BOOK, [answer("open", Decimal(3))], same, {}).fills
    ] == [
        "2",
        "9",
        "10",
    ]
