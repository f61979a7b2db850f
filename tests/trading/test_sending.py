"""Commands to a venue: what each answer leaves behind, and that nothing is tried twice."""

from __future__ import annotations

from typing import Any

import pytest
from ccxt.base.errors import BaseError, InsufficientFunds, OrderNotFound, RequestTimeout

from shared.errors import OrderDenied, Unavailable
from tests.trading.made import order
from workers.trading.book import Book
from workers.trading.decisions.reconciliation import VenueOrder
from workers.trading.ledger import State
from workers.trading.orders import Leg, Order, OrderStatus
from workers.trading.sending import Results, cancel, send
from workers.trading.traffic.traffic import Withheld
from workers.trading.venues.capabilities import TABLE, Capabilities


class StubVenue:
    """A venue that answers every command with the same exception, or takes it."""

    def __init__(self, error: Exception | None = None, row: Capabilities = Capabilities()) -> None:  # noqa: B008
        self.error = error
        self.asked: list[str] = []
        self.capabilities = row

    async def place(self, one: Order, attached: list[Order], held: None = None) -> VenueOrder:
        return self._answer(one)

    async def cancel(self, one: Order) -> VenueOrder:
        return self._answer(one)

    async def place_pair(self, stop: Order, target: Order) -> list[VenueOrder]:
        return [self._answer(stop), self._answer(target)]

    async def cancel_pair(self, stop: Order, target: Order) -> list[VenueOrder]:
        return [self._answer(stop), self._answer(target)]

    def _answer(self, one: Order) -> VenueOrder:
        self.asked.append(one.client_order_id)
        if self.error is not None:
            raise self.error
        return VenueOrder("v-1", one.client_order_id, "canceled", one.amount, one.filled)


ENTRY = order(status=OrderStatus.INTENDED, venue_order_id=None)


async def _allow(_order: Order) -> None:
    """Nothing is refused."""


async def sent(error: Exception | None, one: Order = ENTRY) -> Results:
    book, results, venue = Book(), Results(), StubVenue(error)
    book.update(State(orders=(one,), positions=()))
    await send(venue, book, [one], results, _allow)  # type: ignore[arg-type]
    assert len(venue.asked) == (0 if one.managed_by == "bridge" else 1)
    return results


@pytest.mark.parametrize(
    ("error", "outcome", "asks"),
    [
        (None, "confirmed", False),
        (OrderDenied("too small", code="below_min_amount"), "denied", False),
        (InsufficientFunds("no"), "rejected", False),
        (RequestTimeout("…"), "unresolved", True),
    ],
)
async def test_each_answer_to_an_order_is_one_outcome(
    error: Exception | None, outcome: str, asks: bool
) -> None:
    results = await sent(error)
    assert [one["outcome"] for one in results.outcomes] == [outcome]
    assert results.ask == ([ENTRY] if asks else [])
    assert results.unsent == []


async def test_an_order_that_was_held_back_leaves_no_outcome_and_no_question() -> None:
    results = await sent(Withheld("the breaker is open", code="breaker_open"))
    assert (results.unsent, results.outcomes, results.ask) == ([ENTRY], [], [])


async def test_an_entry_of_which_nobody_can_say_whether_it_is_still_wanted_is_held_back() -> None:
    book, results, venue = Book(), Results(), StubVenue()

    async def refuse(_one: Order) -> OrderDenied | None:
        raise Unavailable("the database is away")

    await send(venue, book, [ENTRY], results, refuse)  # type: ignore[arg-type]
    assert (venue.asked, results.unsent, results.outcomes) == ([], [ENTRY], [])


async def test_what_the_bridge_watches_itself_is_never_sent() -> None:
    watched = order(Leg.STOP_LOSS, managed_by="bridge", status=OrderStatus.INTENDED, venue_order_id=None)
    assert [one["outcome"] for one in (await sent(RequestTimeout("…"), watched)).outcomes] == ["confirmed"]


@pytest.mark.parametrize(
    ("error", "failed", "asked"),
    [
        (RequestTimeout("…"), 1, False),
        (Withheld("the breaker is open", code="breaker_open"), 1, False),
        # Not there any more: it may have filled, and that only the order itself tells.
        (OrderNotFound("-2011"), 0, True),
    ],
)
async def test_a_cancel_that_failed_is_given_again_and_a_refused_one_asked_about(
    error: BaseError, failed: int, asked: bool
) -> None:
    stop, results = order(Leg.STOP_LOSS), Results()
    venue: Any = StubVenue(error)
    await cancel(venue, Book(), [stop], results)
    assert (results.failed, results.ask) == (failed, [stop] if asked else [])
    assert (results.outcomes, results.seen) == ([], [])


async def test_each_order_is_looked_at_right_before_it_leaves() -> None:
    """The first took long: the second is too old by then."""
    second = order(attempt=2, status=OrderStatus.INTENDED, venue_order_id=None)
    book, results, venue = Book(), Results(), StubVenue()

    async def refuse(_one: Order) -> OrderDenied | None:
        return OrderDenied("too old", code="signal_stale") if venue.asked else None

    await send(venue, book, [ENTRY, second], results, refuse)  # type: ignore[arg-type]
    assert venue.asked == [ENTRY.client_order_id]
    assert [(one["outcome"], one.get("code")) for one in results.outcomes] == [
        ("confirmed", None),
        ("denied", "signal_stale"),
    ]


PAIRING = TABLE["binance", "spot"]
STOP, TARGET = (
    order(leg, status=OrderStatus.INTENDED, venue_order_id=None) for leg in (Leg.STOP_LOSS, Leg.TAKE_PROFIT)
)


@pytest.mark.parametrize(
    ("error", "outcome", "asks"),
    [
        (None, "confirmed", False),
        (OrderDenied("takes no lists", code="order_denied"), "denied", False),
        (InsufficientFunds("no"), "rejected", False),
        (RequestTimeout("…"), "unresolved", True),
    ],
)
async def test_an_answer_to_a_pair_is_one_outcome_of_each(
    error: Exception | None, outcome: str, asks: bool
) -> None:
    results, venue = Results(), StubVenue(error, PAIRING)
    # In whatever order they come: the stop is named first.
    await send(venue, Book(), [TARGET, STOP], results, _allow)  # type: ignore[arg-type]
    both = [STOP.client_order_id, TARGET.client_order_id]
    assert venue.asked == (both if error is None else both[:1])
    assert [(one["client_order_id"], one["outcome"]) for one in results.outcomes] == [
        (name, outcome) for name in both
    ]
    assert results.ask == ([STOP, TARGET] if asks else [])


async def test_a_pair_is_cancelled_at_once_and_both_are_heard_of() -> None:
    stop, target = order(Leg.STOP_LOSS), order(Leg.TAKE_PROFIT)
    book = Book()
    book.update(State(orders=(stop, target), positions=()))
    results, venue = Results(), StubVenue(None, PAIRING)
    await cancel(venue, book, [target, stop], results)  # type: ignore[arg-type]
    assert venue.asked == [stop.client_order_id, target.client_order_id]
    assert [one.client_order_id for one in results.seen] == venue.asked
    results = Results()
    await cancel(StubVenue(OrderNotFound("-2011"), PAIRING), book, [stop], results)  # type: ignore[arg-type]
    assert results.ask == [stop, target]
