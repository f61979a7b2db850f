"""One order at a time, on every wire: what is asked for is what the venue has."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
from ccxt.base.errors import BaseError, NotSupported

from scripts.fake_venue import FakeVenue, Fault
from shared.clock import MarketClock
from shared.errors import OrderDenied
from shared.market import Market
from tests.conformance.conftest import SPOKEN
from tests.conformance.stage import KEY, SECRET, WIRES, SealedExchanges
from tests.trading.made import account, order
from workers.trading.decisions.outcome import Outcome, judge
from workers.trading.decisions.reconciliation import reconcile
from workers.trading.orders import Leg, Order, client_order_id
from workers.trading.traffic.traffic import Turn
from workers.trading.venues.exchanges import venue_of
from workers.trading.venues.venue import Venue

WIRES_SPOKEN = [wire for wire in SPOKEN if not wire.startswith("paper")]
PRICE = Decimal(100)


class Counted:
    """Traffic that lets everything pass and remembers what it was, and what the venue answered."""

    def __init__(self) -> None:
        self.turns: list[tuple[Turn, str]] = []
        self.statuses: list[int] = []
        self.headers: list[dict[str, str]] = []

    def turn(self, kind: Turn, name: str) -> Counted:
        self.turns.append((kind, name))
        return self

    async def __aenter__(self) -> None: ...

    async def __aexit__(self, *error: object) -> None: ...

    def leave(self) -> None: ...

    def hear(self, status: int, headers: Any) -> None:
        self.statuses.append(status)
        self.headers.append(dict(headers))


class Edge:
    """A venue of the bridge, and the fake venue's own truth behind it."""

    def __init__(self, fake: FakeVenue, wire: str) -> None:
        self.fake = fake
        self.name, self.market = WIRES[wire]
        self.symbol = "BTC/USDT" if self.market == "spot" else "BTC/USDT:USDT"
        self.traffic = Counted()
        self.venue: Venue

    @property
    def book(self) -> Any:
        return self.fake.engine(KEY, "spot" if self.market == "spot" else "usdm")

    async def open(self) -> None:
        clock = MarketClock(datetime.now(UTC))
        self.fake.open_account(self.name, KEY, SECRET, {"USDT": "100000", "BTC": "50"}, leverage=10)
        self.fake.move(self.symbol, PRICE)
        self.exchanges = SealedExchanges(clock, Market("usdm"), self.fake)
        one = account(self.name, market=self.market, opened_at=clock.now())
        exchange = await self.exchanges(one)
        self.venue = venue_of(exchange, self.market, self.exchanges.catalogue, self.traffic)
        await self.venue.open()

    async def close(self) -> None:
        await self.venue.close()
        await self.exchanges.catalogue.close()

    def order(self, leg: Leg = Leg.ENTRY, **fields: Any) -> Order:
        signal = uuid4()
        usual: dict[str, Any] = {
            "symbol": self.symbol,
            "signal_id": signal,
            "client_order_id": client_order_id(signal, leg, 1),
            "venue_order_id": None,
            "amount": Decimal(2),
            "sent_at": datetime.now(UTC),
        }
        return order(leg, **{**usual, **fields})

    def at_venue(self, one: Order) -> Any:
        return self.book.orders[self.book.by_client_id[one.client_order_id]]


@asynccontextmanager
async def open_edge(wire: str) -> AsyncIterator[Edge]:
    """An edge to a fake venue of its own."""
    async with FakeVenue() as fake:
        made = Edge(fake, wire)
        await made.open()
        try:
            yield made
        finally:
            await made.close()


@pytest.fixture(params=WIRES_SPOKEN)
async def edge(request: pytest.FixtureRequest) -> AsyncIterator[Edge]:
    async with open_edge(request.param) as made:
        yield made


async def enter(edge: Edge) -> Order:
    entry = edge.order()
    await edge.venue.place(entry, [])
    return entry


@pytest.mark.parametrize(
    ("leg", "fields", "expected"),
    [
        (Leg.ENTRY, {}, {"kind": "market", "trigger": None}),
        (Leg.ENTRY, {"kind": "limit", "price": Decimal(95)}, {"kind": "limit", "price": Decimal(95)}),
        (
            Leg.ENTRY,
            {"kind": "limit", "price": Decimal(95), "post_only": True},
            {"kind": "limit", "price": Decimal(95)},
        ),
        (
            Leg.ENTRY,
            {"kind": "stop", "trigger_price": Decimal(105)},
            {"kind": "market", "trigger": "stop", "trigger_price": Decimal(105), "reduce_only": False},
        ),
        (Leg.STOP_LOSS, {}, {"kind": "market", "trigger_price": Decimal(98), "side": "sell"}),
        (Leg.TAKE_PROFIT, {}, {"kind": "market", "trigger_price": Decimal(104), "side": "sell"}),
        (Leg.EXIT, {}, {"kind": "market", "trigger": None, "side": "sell"}),
    ],
    ids=["market", "limit", "post-only", "stop-entry", "stop-loss", "take-profit", "exit"],
)
async def test_the_venue_has_the_order_that_was_decided(
    edge: Edge, leg: Leg, fields: dict[str, Any], expected: dict[str, Any]
) -> None:
    if leg is not Leg.ENTRY:
        await enter(edge)
    one = edge.order(leg, **fields)
    answer = await edge.venue.place(one, [])
    request = edge.at_venue(one).request
    assert (request.symbol, request.client_id) == (edge.symbol, one.client_order_id)
    assert request.amount == 2
    assert {name: getattr(request, name) for name in expected} == expected
    if leg is not Leg.ENTRY:
        assert request.reduce_only is (edge.market == "usdm")
    assert answer.client_order_id == one.client_order_id
    found = await edge.venue.find(one)
    assert found is not None
    assert (found.venue_order_id, found.amount) == (answer.venue_order_id, Decimal(2))
    kind = "stop" if leg is Leg.STOP_LOSS else "order"
    assert (kind, "create_order") in edge.traffic.turns


async def test_an_order_that_is_not_there_is_not_found(edge: Edge) -> None:
    for leg in (Leg.ENTRY, Leg.STOP_LOSS):
        assert await edge.venue.find(edge.order(leg)) is None


async def test_a_post_only_order_that_would_take_is_refused_or_ended(edge: Edge) -> None:
    one = edge.order(kind="limit", price=Decimal(101), post_only=True)
    refusal: BaseError | None = None
    try:
        await edge.venue.place(one, [])
    except BaseError as error:
        refusal = error
    found = await edge.venue.find(one)
    ended = found is not None and found.status in ("canceled", "rejected")
    assert ended or (refusal is not None and judge(refusal).outcome is Outcome.REJECTED)
    assert edge.book.trades == []


async def test_resting_orders_are_listed_and_cancelled_in_every_book(edge: Edge) -> None:
    await enter(edge)
    resting = [
        edge.order(kind="limit", price=Decimal(95)),
        edge.order(Leg.STOP_LOSS, amount=Decimal(1)),
        edge.order(Leg.TAKE_PROFIT, amount=Decimal(1)),
    ]
    placed = [await edge.venue.place(one, []) for one in resting]
    listed = {one.client_order_id for one in await edge.venue.open_orders(edge.symbol)}
    assert listed == {one.client_order_id for one in resting}
    for one, answer in zip(resting, placed, strict=True):
        known = edge.order(one.leg, client_order_id=one.client_order_id, kind=one.kind)
        await edge.venue.cancel(with_id(known, answer.venue_order_id))
        found = await edge.venue.find(with_id(known, answer.venue_order_id))
        assert found is not None
        assert (found.status, found.filled) == ("canceled", Decimal(0))
    assert await edge.venue.open_orders(edge.symbol) == []


def with_id(one: Order, venue_order_id: str) -> Order:
    return replace(one, venue_order_id=venue_order_id)


async def test_a_stop_that_triggered_owns_its_fills(edge: Edge) -> None:
    """On USD-M a stop that triggered becomes another order: nothing but the stop itself names it."""
    await enter(edge)
    stop = edge.order(Leg.STOP_LOSS)
    stop = with_id(stop, (await edge.venue.place(stop, [])).venue_order_id)
    edge.fake.move(edge.symbol, "97")
    found = await edge.venue.find(stop)
    assert found is not None
    assert (found.status, found.filled) == ("filled", Decimal(2))
    trades = await edge.venue.trades(edge.symbol, None)
    told = reconcile({stop.client_order_id: stop}, [found], trades, {})
    assert [(fill["client_order_id"], fill["amount"]) for fill in told.fills] == [(stop.client_order_id, "2")]
    assert not told.short
    assert told.outcomes == []


async def test_a_partly_filled_order_that_was_cancelled_counts_what_filled(edge: Edge) -> None:
    edge.fake.offer(edge.symbol, "0.5")
    one = edge.order(kind="limit", price=Decimal(100))
    one = with_id(one, (await edge.venue.place(one, [])).venue_order_id)
    edge.fake.offer(edge.symbol, "0")
    await edge.venue.cancel(one)
    found = await edge.venue.find(one)
    assert found is not None
    assert (found.status, found.filled) == ("canceled", Decimal("0.5"))
    told = reconcile({one.client_order_id: one}, [found], await edge.venue.trades(edge.symbol, None), {})
    assert [fill["amount"] for fill in told.fills] == ["0.5"]


async def test_fills_carry_ids_that_no_other_symbol_has(edge: Edge) -> None:
    other = edge.symbol.replace("BTC", "ETH")
    edge.fake.move(other, PRICE)
    await enter(edge)
    await edge.venue.place(edge.order(symbol=other), [])
    trades = [*await edge.venue.trades(edge.symbol, None), *await edge.venue.trades(other, None)]
    assert len({trade.venue_trade_id for trade in trades}) == len(trades) == 2


async def test_holdings_are_the_venues_own(edge: Edge) -> None:
    await enter(edge)
    holdings = await edge.venue.holdings([edge.symbol])
    if edge.market == "spot":
        assert holdings.balances["USDT"] == edge.book.ledger.balances["USDT"]
        assert await edge.venue.held(edge.symbol, "long") == edge.book.ledger.balances["BTC"]
    else:
        assert holdings.positions == {(edge.symbol, "long"): Decimal(2)}
        assert await edge.venue.held(edge.symbol, "long") == 2
        assert await edge.venue.held(edge.symbol, "short") == 0


async def test_a_stop_moves_in_place_only_where_the_venue_can(edge: Edge) -> None:
    await enter(edge)
    stop = edge.order(Leg.STOP_LOSS)
    stop = with_id(stop, (await edge.venue.place(stop, [])).venue_order_id)
    if edge.venue.capabilities.amend is None:
        with pytest.raises(NotSupported):
            await edge.venue.amend(stop, Decimal(99))
        return
    await edge.venue.amend(stop, Decimal(99))
    found = await edge.venue.find(stop)
    assert found is not None
    assert (found.trigger_price, found.status) == (Decimal(99), "open")


@pytest.mark.parametrize(
    "kind",
    ["drop_after", "error_after", "garbage_after", "drop_before", "error_before", "garbage_before", "busy"],
)
async def test_an_answer_that_is_none_leaves_the_outcome_open(edge: Edge, kind: Any) -> None:
    one = edge.order()
    edge.fake.faults.add(Fault(kind=kind, route="POST *", client_id=one.client_order_id))
    with pytest.raises(BaseError) as raised:
        await edge.venue.place(one, [])
    assert judge(raised.value).outcome is Outcome.UNRESOLVED
    found = await edge.venue.find(one)
    assert (found is not None) is kind.endswith("_after")


@pytest.mark.parametrize(("kind", "status"), [("rate_limited", 429), ("banned", 418)])
async def test_a_rate_limit_is_heard_with_the_time_it_lasts(edge: Edge, kind: Any, status: int) -> None:
    edge.fake.faults.add(Fault(kind=kind, route="GET *", retry_after=7))
    with pytest.raises(BaseError) as raised:
        await edge.venue.open_orders(edge.symbol)
    # An order that was answered so may be sent again once it is proven absent.
    assert judge(raised.value).outcome is Outcome.UNRESOLVED
    if edge.name == "bybit":
        # Bybit says it in the answer, and a ban as a proxy does: without a word of how long.
        assert edge.traffic.statuses[-1] == {"rate_limited": 200, "banned": 403}[kind]
        assert ("x-bapi-limit-reset-timestamp" in edge.traffic.headers[-1]) is (kind == "rate_limited")
    else:
        assert (edge.traffic.statuses[-1], edge.traffic.headers[-1]["retry-after"]) == (status, "7")


async def test_what_the_venue_would_change_is_denied_before_it_is_sent(edge: Edge) -> None:
    before = len(edge.fake.requests)
    with pytest.raises(OrderDenied, match="less than the venue's least step"):
        await edge.venue.place(edge.order(amount=Decimal("0.0000000001")), [])
    with pytest.raises(OrderDenied, match="post-only"):
        await edge.venue.place(edge.order(post_only=True), [])
    with pytest.raises(OrderDenied, match="under our ids"):
        await edge.venue.place(edge.order(), [edge.order(Leg.STOP_LOSS)])
    assert len(edge.fake.requests) == before
