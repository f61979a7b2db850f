"""What the events of a stream and the clock make the bridge ask: enough to miss nothing, and no more."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from decimal import Decimal
from types import SimpleNamespace
from typing import Any, cast
from unittest.mock import AsyncMock
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.trading.listening import POLICY, SYMBOL, StubStream, StubVenue, at_venue, fill, hear, heard
from tests.trading.made import NOW, account, order, position
from workers.trading.book import Book
from workers.trading.hearing import Hearing
from workers.trading.ledger import State
from workers.trading.orders import Leg, Order, OrderStatus
from workers.trading.oversight import Oversight
from workers.trading.rhythm import STANDS_BACK
from workers.trading.traffic.traffic import PUT_OFF, Withheld, counts_as
from workers.trading.venues.assets import Holdings
from workers.trading.venues.capabilities import Fills
from workers.trading.venues.stream import GAP, News
from workers.trading.venues.told import Told, is_known, read_told
from workers.trading.venues.venue import Venue
from workers.trading.watch import Watch


def told(one: Order, status: str = "open", filled: Any = 0, **more: Any) -> News:
    """What ccxt's watch_orders answers of an order."""
    named = {"symbol": one.symbol, "id": one.venue_order_id, "status": status, "filled": filled}
    read = read_told([{**named, "triggerPrice": one.trigger_price, **more}])
    assert read is not None
    return News(told=tuple(read))


async def settled(*orders: Order, **row: Any) -> tuple[StubVenue, Hearing, StubStream]:
    """A venue that was heard once, with these orders at rest there."""
    venue = StubVenue(**row)
    hearing = hear(venue, *orders)
    venue.orders = {one.client_order_id: at_venue(one) for one in orders if one.is_live}
    await heard(hearing, NOW)
    venue.asked.clear()
    assert venue.stream is not None
    return venue, hearing, venue.stream


async def test_what_is_told_as_it_is_recorded_asks_nothing() -> None:
    stop, entry = order(Leg.STOP_LOSS), order(status=OrderStatus.FILLED, filled=Decimal(10))
    gone = order(Leg.TAKE_PROFIT, status=OrderStatus.CANCELED)
    venue, hearing, stream = await settled(entry, stop, gone)
    stream.news = told(entry, "closed", 10.0) | told(gone, "canceled")
    # Binance tells nothing of what a conditional order filled.
    stream.news |= told(stop, filled=None, info={"X": "NEW"})
    assert not await heard(hearing, NOW)
    assert venue.asked == []
    assert not hearing.rung


@pytest.mark.parametrize(
    "news",
    [
        told(order(Leg.STOP_LOSS), "open", 4),
        told(order(Leg.STOP_LOSS), "closed", 10),
        told(order(Leg.STOP_LOSS), "canceled"),
        told(order(Leg.STOP_LOSS), triggerPrice=97),
        told(order(Leg.STOP_LOSS), filled=None),
        told(order(Leg.STOP_LOSS), filled=None, info={"X": "TRIGGERED"}),
        told(order(Leg.STOP_LOSS, venue_order_id="another")),
        told(order(Leg.STOP_LOSS)) | told(order(Leg.STOP_LOSS)),
        News(told=(Told(SYMBOL, "v-stop_loss-1", trade_id="7"),)),
    ],
)
async def test_what_is_told_otherwise_is_asked_for(news: News) -> None:
    stop = order(Leg.STOP_LOSS)
    venue, hearing, stream = await settled(stop)
    stream.news = news
    await heard(hearing, NOW)
    assert venue.asked == ["trades"]
    # Holdings and open orders are compared as well: no answer explained it.
    assert hearing.rung.about == frozenset({SYMBOL})


async def test_a_fill_that_is_told_whole_asks_for_its_trades_and_nothing_else() -> None:
    entry = order()
    venue, hearing, stream = await settled(entry)
    venue.fills = [replace(fill("1", str(entry.venue_order_id)), side="buy")]
    stream.news = told(entry) | told(entry, "closed", 10)
    found = await hearing.listen(NOW)
    assert [one["amount"] for one in found.fills] == ["10"]
    filled = replace(entry, status=OrderStatus.FILLED, filled=Decimal(10))
    stop = order(Leg.STOP_LOSS)
    hearing._book.update(State(orders=(filled, stop), positions=(position(),)))
    hearing.heard()
    assert venue.asked == ["trades"]
    assert not hearing.rung
    stream.news = told(stop)
    await heard(hearing, NOW)
    assert venue.asked == ["trades"]


async def test_a_market_order_that_is_told_as_open_is_asked_for() -> None:
    """The event of its fill follows at once, or is lost."""
    venue, hearing, stream = await settled(order())
    stream.news = told(order())
    await heard(hearing, NOW)
    assert venue.asked == ["trades"]


@given(
    st.lists(
        st.tuples(st.sampled_from(["open", "closed", "canceled", "expired", "rejected"]), st.integers(0, 10))
    ),
    st.sampled_from([one for one in OrderStatus if one is not OrderStatus.DENIED]),
    st.integers(0, 10),
)
def test_nothing_that_differs_from_the_record_is_known(
    events: list[tuple[str, int]], status: OrderStatus, filled: int
) -> None:
    """Whatever was told before: an order is passed over only as it is recorded, resting or over."""
    ours = order(Leg.STOP_LOSS, status=status, filled=Decimal(filled))
    before = None
    for said, amount in events:
        (one,) = told(ours, said, amount).told
        if is_known(one, ours, (), before):
            # Either the record is ahead, or both say the same and it was not said before.
            is_old = said == "open" and amount < filled
            assert is_old or (amount == filled and ours.is_live == (said == "open") and one != before)
            before = one if said == "open" else before
        assert not is_known(one, None, (), before)


HELD = order(Leg.STOP_LOSS), order(Leg.STOP_LOSS, 2, symbol="ETH/USDT:USDT")


async def glancing() -> tuple[StubVenue, Hearing, Any]:
    """Two positions, and a venue that tells all holdings at once."""
    venue, hearing, _ = await settled(*HELD, glances=True)
    held = [position(), position(symbol="ETH/USDT:USDT", signal_id=UUID(int=2), id=UUID(int=2))]
    hearing._book.update(State(orders=(), positions=tuple(held)))
    venue.holds = {(one.symbol, "long"): one.amount for one in held}

    async def poll(number: int) -> list[str]:
        venue.asked.clear()
        await heard(hearing, NOW + number * POLICY.poll_streaming)
        return list(venue.asked)

    return venue, hearing, poll


async def test_a_poll_asks_for_fills_where_holdings_are_not_as_recorded() -> None:
    venue, hearing, poll = await glancing()
    assert await poll(1) == ["holdings"]
    del venue.holds[SYMBOL, "long"]
    assert await poll(2) == ["holdings", "trades"]
    venue.holds[SYMBOL, "long"] = Decimal(10)
    assert await poll(3) == ["holdings"]
    market = order(Leg.EXIT)
    hearing._book.update(State(orders=(market,), positions=()))
    assert await poll(4) == ["holdings", "trades"], "an order at the market should have filled"


async def test_what_differs_for_good_is_somebody_elses() -> None:
    venue, _, poll = await glancing()
    venue.holds[SYMBOL, "long"] = Decimal(13)
    asked = [await poll(number) for number in range(1, POLICY.probes + 2)]
    assert [len(one) for one in asked] == [2] * POLICY.probes + [1]
    # From there on that much more is how it was.
    venue.holds[SYMBOL, "long"] = Decimal(3)
    assert await poll(POLICY.probes + 2) == ["holdings", "trades"]


async def test_what_differs_is_nobody_elses_while_the_venue_does_not_tell_its_fills() -> None:
    venue, _, poll = await glancing()
    venue.holds[SYMBOL, "long"] = Decimal(13)
    venue.delisted.add(SYMBOL)
    for number in range(1, POLICY.probes + 2):
        await poll(number)
    venue.delisted.clear()
    assert await poll(POLICY.probes + 2) == ["holdings", "trades"]


async def test_a_gap_is_caught_up_with_by_holdings_and_open_orders() -> None:
    venue, hearing, _ = await glancing()
    assert venue.stream is not None
    venue.asked.clear()
    venue.stream.news = GAP
    await heard(hearing, NOW)
    assert venue.asked == ["holdings", "open", "open"]


async def test_what_rang_is_asked_for_before_what_is_due() -> None:
    """Until it is late by its whole rhythm: a stream that never stops keeps no poll away."""
    venue, hearing, poll = await glancing()
    assert venue.stream is not None
    venue.stream.news = told(HELD[0], "closed", 10)
    assert await poll(1) == ["trades"]
    assert hearing.has_news(NOW + POLICY.poll_streaming)
    venue.stream.news = told(HELD[0], "closed", 10)
    assert await poll(2) == ["holdings", "trades"]


async def test_a_routine_poll_that_was_put_off_comes_again_and_is_late_only_once() -> None:
    venue, hearing, _ = await glancing()
    turns: list[str] = []

    async def holdings(symbols: list[str]) -> Holdings:
        turns.append(counts_as("read"))
        if turns[-1] == "routine":
            raise Withheld("others come first", code=PUT_OFF)
        return Holdings({}, venue.holds)

    venue.holdings = holdings  # type: ignore[method-assign]
    due, late = NOW + POLICY.poll_streaming, NOW + 2 * POLICY.poll_streaming
    with pytest.raises(Withheld):
        await hearing.listen(due)
    assert not hearing.has_news(due)
    with pytest.raises(Withheld):
        await hearing.listen(due + STANDS_BACK)
    await heard(hearing, late)
    assert turns == ["routine", "routine", "read"]


async def test_a_start_is_caught_up_with_like_a_gap_and_all_fills_are_asked_for_later() -> None:
    """What filled before is missing from the open orders, and is asked about."""
    stop = order(Leg.STOP_LOSS)
    venue = StubVenue(glances=True)
    hearing = hear(venue, stop)
    hearing._book.update(State(orders=(), positions=(position(),)))
    venue.holds = {(SYMBOL, "long"): Decimal(10)}
    venue.orders = {stop.client_order_id: at_venue(stop, status="filled", filled=stop.amount)}
    venue.fills = [fill("1", str(stop.venue_order_id))]
    found = await heard(hearing, NOW)
    assert venue.asked == ["holdings", "open", "find stop_loss", "trades"]
    assert [one["client_order_id"] for one in found.fills] == [stop.client_order_id]
    venue.asked.clear()
    await heard(hearing, NOW + POLICY.sweep_every)
    assert venue.asked[:2] == ["trades", "open"]


async def test_where_one_question_tells_all_symbols_it_is_asked_once() -> None:
    venue, hearing, stream = await settled(*HELD, by_coin=True, fills=Fills(of_all=True))
    stream.news = GAP
    await heard(hearing, NOW)
    assert venue.asked[:2] == ["trades of 2", "open of 2"]
    venue.asked.clear()
    await heard(hearing, NOW + POLICY.poll_streaming)
    assert venue.asked == ["trades of 2"]
    stream.news = told(HELD[0], "closed", 10)
    venue.asked.clear()
    await heard(hearing, NOW + POLICY.poll_streaming)
    assert venue.asked == ["trades"]


async def test_what_was_listed_for_a_gap_is_not_listed_again_unless_it_rang_since() -> None:
    _, hearing, stream = await settled(*HELD)
    stream.news = GAP
    await heard(hearing, NOW)
    both = {one.symbol for one in HELD}
    assert hearing.listed == both
    stream.news = told(HELD[0], "canceled")
    await heard(hearing, NOW)
    assert hearing.listed == both - {HELD[0].symbol}


class StubWatched:
    """A venue that tells how a position stands, and notes how it was asked."""

    is_authoritative = False

    def __init__(self) -> None:
        self.turns: list[str] = []
        self.is_busy = False

    async def standing(self, _symbols: list[str]) -> tuple[list[Any], Decimal]:
        return [], self._answer(Decimal(0))

    async def funding(self, _since: Any) -> Any:
        return self._answer([])

    def _answer(self, told: Any) -> Any:
        self.turns.append(counts_as("read"))
        if self.is_busy and self.turns[-1] == "routine":
            raise Withheld("others come first", code=PUT_OFF)
        return told


async def test_margin_is_asked_for_in_time_also_where_an_address_has_little_left() -> None:
    venue, book, hearing = StubWatched(), Book(), AsyncMock(return_value=0)
    book.update(State(orders=(), positions=(position(),)))
    oversight = SimpleNamespace(judge_margin=AsyncMock(), hear_incomes=list)
    watch = Watch(account(), cast(Venue, venue), book, cast(Oversight, oversight), POLICY, hearing)
    await watch.look(NOW)
    assert venue.turns == ["read", "read"], "the first time, nobody knows how it stands"
    venue.turns.clear()
    venue.is_busy = True
    every = POLICY.margin_every
    for number in range(3):
        with suppress(Withheld):
            await watch.look(NOW + every + number * STANDS_BACK / 2)
    assert venue.turns == ["routine", "routine"], "one that was put off stands back for a while"
    await watch.look(NOW + 2 * every)
    assert venue.turns[2:] == ["read"]
