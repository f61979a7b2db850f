"""What is asked of a venue, when, and what is made of silence."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from ccxt.base.errors import RequestTimeout

from tests.trading.listening import POLICY, SYMBOL, StubVenue, at_venue, fill, hear, heard
from tests.trading.made import NOW, SIGNAL, order
from workers.trading.ledger import State
from workers.trading.orders import Leg, OrderStatus
from workers.trading.venues.stream import GAP, News


async def test_an_order_that_never_left_is_absent_without_asking() -> None:
    venue = StubVenue()
    entry = order(status=OrderStatus.INTENDED, venue_order_id=None)
    hearing = hear(venue, entry)
    hearing.put_off(entry, NOW)
    _, absent = await hearing.probe(NOW)
    assert absent == [entry]
    assert venue.asked == []
    # Sent, this time: from now on only the venue can say that it is absent.
    hearing.doubt(entry, NOW)
    for _ in range(POLICY.probes - 1):
        _, absent = await hearing.probe(NOW + timedelta(minutes=5))
        assert absent == []


async def test_what_the_bridge_watches_itself_is_asked_of_no_venue_and_taken_up_at_once() -> None:
    """Its intent was committed, and the bridge died before it was confirmed."""
    venue = StubVenue()
    target = order(Leg.TAKE_PROFIT, status=OrderStatus.INTENDED, venue_order_id=None, managed_by="bridge")
    _, absent = await hear(venue, target).probe(NOW)
    assert absent == [target]
    assert venue.asked == []


async def test_an_order_is_found_by_its_fills_when_nothing_lists_it() -> None:
    venue = StubVenue()
    entry = order(status=OrderStatus.UNRESOLVED, venue_order_id=None)
    hearing = hear(venue, entry)
    venue.fills = [fill("1", "v-9", client_id=entry.client_order_id)]
    found, absent = await hearing.probe(NOW + timedelta(minutes=1))
    assert absent == []
    assert [one["venue_order_id"] for one in found.fills] == ["v-9"]


async def test_a_stop_is_asked_whether_an_unknown_fill_is_its_own() -> None:
    venue = StubVenue(triggers_anew=True)
    stop = order(Leg.STOP_LOSS)
    hearing = hear(venue, stop)
    venue.orders[stop.client_order_id] = at_venue(stop)
    await heard(hearing, NOW)
    venue.fills = [fill("7", "another-id")]
    venue.orders[stop.client_order_id] = at_venue(
        stop, status="filled", filled=stop.amount, fills_as="another-id"
    )
    found = await heard(hearing, NOW + timedelta(minutes=1))
    assert [(one["client_order_id"], one["amount"]) for one in found.fills] == [(stop.client_order_id, "10")]


async def test_a_fill_of_somebody_else_is_asked_about_only_so_often() -> None:
    venue = StubVenue(triggers_anew=True)
    stop = order(Leg.STOP_LOSS)
    hearing = hear(venue, stop)
    venue.orders[stop.client_order_id] = at_venue(stop)
    venue.fills = [fill("7", "a-stranger")]
    for minute in range(20):
        found = await heard(hearing, NOW + timedelta(seconds=40 * minute))
        assert found.fills == []
    assert venue.asked.count("find stop_loss") == 5


async def test_a_ring_asks_only_about_its_symbol_and_a_gap_about_everything() -> None:
    venue = StubVenue()
    stop = order(Leg.STOP_LOSS)
    hearing = hear(venue, stop)
    venue.orders[stop.client_order_id] = at_venue(stop)
    await heard(hearing, NOW)
    stream = venue.stream
    assert stream is not None
    for news, asked in (
        (News(frozenset({"ETH/USDT:USDT"})), []),
        (News(frozenset({SYMBOL})), ["trades"]),
        (GAP, ["trades", "open"]),
    ):
        venue.asked.clear()
        stream.news = news
        assert hearing.has_news(NOW)
        await heard(hearing, NOW)
        assert venue.asked == asked
        assert not stream.has_rung


async def test_a_connect_is_followed_by_a_second_look() -> None:
    """Between the connection and the subscription events are lost that the first look came too early for."""
    venue = StubVenue()
    stop = order(Leg.STOP_LOSS)
    hearing = hear(venue, stop)
    venue.orders[stop.client_order_id] = at_venue(stop)
    stream = venue.stream
    assert stream is not None
    stream.news = GAP
    await heard(hearing, NOW)
    assert not hearing.has_news(NOW + POLICY.settle - timedelta(seconds=1))
    assert hearing.has_news(NOW + POLICY.settle)
    await heard(hearing, NOW + POLICY.settle)
    assert not hearing.has_news(NOW + POLICY.settle + timedelta(seconds=20))


async def test_polling_is_slow_only_while_the_stream_would_ring() -> None:
    venue = StubVenue()
    hearing = hear(venue, order(Leg.STOP_LOSS))
    await heard(hearing, NOW)
    stream = venue.stream
    assert stream is not None
    soon = NOW + POLICY.poll_every
    assert not hearing.has_news(soon)
    stream.is_healthy = False
    assert hearing.has_news(soon)
    stream.is_healthy = True
    assert hearing.has_news(NOW + POLICY.poll_streaming)


@pytest.mark.parametrize(("age", "distrusted"), [(timedelta(seconds=20), True), (timedelta(0), False)])
async def test_a_stream_that_told_nothing_of_a_fill_is_distrusted(age: timedelta, distrusted: bool) -> None:
    venue = StubVenue()
    stop = order(Leg.STOP_LOSS)
    hearing = hear(venue, stop)
    await heard(hearing, NOW)
    later = NOW + POLICY.poll_streaming
    venue.fills = [fill("1", str(stop.venue_order_id), later - age)]
    found = await heard(hearing, later)
    assert len(found.fills) == 1
    assert venue.stream is not None
    assert bool(venue.stream.distrusted) is distrusted


async def test_what_rang_is_not_forgotten_when_the_venue_does_not_answer() -> None:
    venue = StubVenue()
    hearing = hear(venue, order(Leg.STOP_LOSS))
    await heard(hearing, NOW)
    stream = venue.stream
    assert stream is not None
    stream.news, venue.fails = GAP, True
    with pytest.raises(RequestTimeout):
        await hearing.listen(NOW)
    assert hearing.has_news(NOW)
    assert SIGNAL in {order().signal_id}


async def test_an_order_of_a_delisted_symbol_keeps_no_other_from_being_heard() -> None:
    venue = StubVenue()
    gone = order(Leg.STOP_LOSS, symbol="GONE/USDT:USDT")
    kept = order(Leg.TAKE_PROFIT)
    venue.delisted = {gone.symbol}
    hearing = hear(venue, gone, kept)
    venue.orders[kept.client_order_id] = at_venue(kept, status="canceled")
    found = await heard(hearing, NOW)
    assert [one["client_order_id"] for one in found.outcomes] == [kept.client_order_id]


async def test_a_doubtful_order_of_a_delisted_symbol_keeps_no_other_from_being_found() -> None:
    venue = StubVenue()
    gone = order(status=OrderStatus.UNRESOLVED, venue_order_id=None, symbol="GONE/USDT:USDT")
    kept = order(attempt=2, status=OrderStatus.UNRESOLVED, venue_order_id=None)
    venue.delisted = {gone.symbol}
    hearing = hear(venue, gone, kept)
    venue.orders[kept.client_order_id] = at_venue(kept)
    found, absent = await hearing.probe(NOW + timedelta(minutes=1))
    assert absent == []
    assert [one["client_order_id"] for one in found.outcomes] == [kept.client_order_id]


async def test_a_stop_that_is_not_found_is_over_only_after_spaced_answers() -> None:
    """An order that was just taken may be in no listing yet: asked at once again, it proves nothing."""
    venue = StubVenue()
    stop = order(Leg.STOP_LOSS)
    hearing = hear(venue, stop)
    for _ in range(3 * POLICY.probes):
        found = await hearing.compare([], [stop], NOW)
        assert found.outcomes == []
    for number in range(1, POLICY.probes):
        found, _ = await hearing.probe(NOW + number * POLICY.probe_spacing)
        ended = [one["client_order_id"] for one in found.outcomes]
        assert ended == ([stop.client_order_id] if number == POLICY.probes - 1 else [])


async def test_a_stop_that_is_found_again_was_never_gone() -> None:
    venue = StubVenue()
    stop = order(Leg.STOP_LOSS)
    hearing = hear(venue, stop)
    for number in range(3 * POLICY.probes):
        venue.orders = {stop.client_order_id: at_venue(stop)} if number % POLICY.probes == 0 else {}
        now = NOW + number * POLICY.probe_spacing
        asked, _ = await hearing.probe(now)
        assert not asked
        assert not await hearing.compare([], [stop], now)


async def test_what_is_over_is_not_kept_in_mind() -> None:
    venue = StubVenue()
    stop = order(Leg.STOP_LOSS)
    entry = order(status=OrderStatus.UNRESOLVED, venue_order_id=None)
    hearing = hear(venue, stop, entry)
    await hearing.compare([], [stop], NOW)
    hearing.doubt(entry, NOW)
    hearing.put_off(entry, NOW)
    assert (len(hearing._absent), len(hearing._ask_at), len(hearing._unsent)) == (1, 1, 1)
    over = [replace(one, status=OrderStatus.CANCELED) for one in (stop, entry)]
    hearing._book.update(State(orders=tuple(over), positions=()))
    await hearing.probe(NOW)
    assert [*hearing._absent, *hearing._ask_at, *hearing._unsent] == []
