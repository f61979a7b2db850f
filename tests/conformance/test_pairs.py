"""Stop and target of a spot position rest at the venue as one list, of which one ends the other."""

from __future__ import annotations

from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from ccxt.base.errors import BaseError, OrderNotFound

from scripts.fake_venue import Fault
from shared.errors import OrderDenied
from tests.conformance.stage import WIRES, Stage, open_stage
from tests.conformance.test_orders import Edge, enter, open_edge, with_id
from tests.trading.world import Sql
from workers.trading.decisions.outcome import Outcome, judge
from workers.trading.decisions.pairs import partner_of
from workers.trading.orders import Leg, Order, client_order_id
from workers.trading.venues.capabilities import TABLE

PAIRING = [wire for wire, row in WIRES.items() if TABLE[row].oco is not None]
LISTS = "POST /api/v3/orderList/oco"


@pytest.fixture(params=PAIRING)
async def stage(request: pytest.FixtureRequest, sql: Sql) -> AsyncIterator[Stage]:
    async with open_stage(sql, request.param) as made:
        yield made


@pytest.fixture(params=PAIRING)
async def edge(request: pytest.FixtureRequest) -> AsyncIterator[Edge]:
    async with open_edge(request.param) as made:
        yield made


def make_pair(edge: Edge) -> tuple[Order, Order]:
    stop = edge.order(Leg.STOP_LOSS)
    name = client_order_id(stop.signal_id, Leg.TAKE_PROFIT, 1)
    return stop, edge.order(Leg.TAKE_PROFIT, signal_id=stop.signal_id, client_order_id=name)


def ids(signal: UUID, attempt: int = 1) -> list[str]:
    return sorted(client_order_id(signal, leg, attempt) for leg in (Leg.STOP_LOSS, Leg.TAKE_PROFIT))


async def check(stage: Stage) -> None:
    await stage.check_record()
    await stage.check_against_venue()
    assert await stage.unprotected() == []


# One request at a time


async def test_a_list_is_both_orders_and_binds_the_balance_once(edge: Edge) -> None:
    await enter(edge)
    stop, target = make_pair(edge)
    assert partner_of(stop, [stop, target]) is target
    before = edge.book.free("BTC")
    answers = await edge.venue.place_pair(stop, target)
    assert [one.client_order_id for one in answers] == [stop.client_order_id, target.client_order_id]
    assert edge.book.free("BTC") == before - 2
    for one, answer, trigger in ((stop, answers[0], "98"), (target, answers[1], "104")):
        request = edge.at_venue(one).request
        assert (request.kind, request.side, request.amount) == ("market", "sell", Decimal(2))
        assert request.trigger_price == Decimal(trigger)
        found = await edge.venue.find(one)
        assert found is not None
        assert (found.venue_order_id, found.status) == (answer.venue_order_id, "open")
    listed = {one.client_order_id for one in await edge.venue.open_orders(edge.symbol)}
    assert listed == {stop.client_order_id, target.client_order_id}
    edge.fake.move(edge.symbol, "104")
    both = [await edge.venue.find(one) for one in (stop, target)]
    assert [(one.status, one.filled) for one in both if one] == [
        ("canceled", Decimal(0)),
        ("filled", Decimal(2)),
    ]


async def test_a_list_is_cancelled_whole_by_its_own_name_or_by_one_of_its_orders(edge: Edge) -> None:
    await enter(edge)
    for by_name in (True, False):
        stop, target = make_pair(edge)
        placed = await edge.venue.place_pair(stop, target)
        stop, target = (
            with_id(one, answer.venue_order_id) for one, answer in zip((stop, target), placed, strict=True)
        )
        if by_name:
            answers = await edge.venue.cancel_pair(stop, target)
            assert [(one.client_order_id, one.status) for one in answers] == [
                (stop.client_order_id, "canceled"),
                (target.client_order_id, "canceled"),
            ]
            with pytest.raises(OrderNotFound):
                await edge.venue.cancel_pair(stop, target)
        else:
            # The answer is about the list: what became of the order has to be asked for.
            assert await edge.venue.cancel(target) is None
        found = [await edge.venue.find(one) for one in (stop, target)]
        assert [one.status for one in found if one] == ["canceled", "canceled"]
    assert edge.book.open_orders() == []


@pytest.mark.parametrize("taken", [True, False], ids=["taken", "lost"])
async def test_a_list_without_an_answer_is_there_whole_or_not_at_all(edge: Edge, taken: bool) -> None:
    await enter(edge)
    edge.fake.faults.add(Fault(kind="drop_after" if taken else "drop_before", route=LISTS))
    stop, target = make_pair(edge)
    with pytest.raises(BaseError) as raised:
        await edge.venue.place_pair(stop, target)
    assert judge(raised.value).outcome is Outcome.UNRESOLVED
    found = [await edge.venue.find(one) for one in (stop, target)]
    assert [one is not None for one in found] == [taken, taken]


async def test_a_symbol_without_lists_is_denied_before_anything_is_sent(edge: Edge) -> None:
    rules = await edge.venue.rules(edge.symbol)
    assert (rules.takes_pairs, rules.most_waiting) == (True, 5)
    edge.venue.exchange.market(edge.symbol)["info"]["orderTypes"] = ["LIMIT", "STOP_LOSS_LIMIT"]
    edge.venue._markets._rules.clear()
    before = len(edge.fake.requests)
    with pytest.raises(OrderDenied, match="no pair"):
        await edge.venue.place_pair(*make_pair(edge))
    assert len(edge.fake.requests) == before


# A bridge


async def test_the_target_is_taken_while_no_bridge_lives(stage: Stage) -> None:
    assert stage.fake is not None
    bridge = await stage.start()
    signal = await stage.enter(bridge)
    assert stage.resting() == ids(signal)
    await bridge.stop()
    stage.bridges.remove(bridge)
    stage.candle("105")
    assert stage.resting() == []
    stage.candle("90")
    await stage.settle(await stage.start())
    assert await stage.summary(signal) == {"status": "closed", "code": "take_profit", "resting": []}
    await check(stage)


async def test_more_fills_get_a_list_or_a_stop_of_their_own(stage: Stage) -> None:
    bridge = await stage.start()
    signal = await stage.make_ready(entry="99", stop="97", target="103", kind="limit")
    await stage.settle(bridge)
    stage.offer("4")
    await stage.play(bridge, "100", "98.5")
    assert set(ids(signal)) < set(stage.resting())
    stage.offer(None)
    await stage.play(bridge, "98.4", "98.4")
    held = (await stage.position(signal))["amount"]
    stops = [one for one in stage.engine.open_orders() if one.request.trigger == "stop"]
    assert len(stops) == 2
    assert held - sum(one.amount for one in stops) < (await stage.position(signal))["lot"]
    assert await stage.unprotected() == []
    await stage.play(bridge, "104", "104", "104")
    assert await stage.summary(signal) == {"status": "closed", "code": "take_profit", "resting": []}
    await check(stage)


async def test_a_refused_list_leaves_the_stop_and_the_bridge_watches_the_target(stage: Stage) -> None:
    assert stage.fake is not None
    bridge = await stage.start()
    stage.fake.faults.add(Fault(kind="refused", route=LISTS, code=-1013, message="Filter failure: X"))
    signal = await stage.enter(bridge)
    assert stage.resting() == [client_order_id(signal, Leg.STOP_LOSS, 2)]
    orders = await stage.orders(signal)
    assert [orders[leg, 1]["status"] for leg in ("stop_loss", "take_profit")] == ["rejected", "rejected"]
    assert orders["take_profit", 2]["managed_by"] == "bridge"
    await stage.play(bridge, "105", "105", "105")
    assert await stage.summary(signal) == {"status": "closed", "code": "take_profit", "resting": []}
    await check(stage)


async def test_lists_leave_half_of_the_places_to_stops(stage: Stage) -> None:
    """The venue takes five conditional orders of a symbol: four positions are protected, one by a list."""
    bridge = await stage.start()
    signals = [await stage.enter(bridge) for _ in range(4)]
    assert len(stage.resting()) == 5
    assert set(ids(signals[0])) < set(stage.resting())
    await stage.play(bridge, "97", "97", "97")
    for signal in signals:
        assert await stage.summary(signal) == {"status": "closed", "code": "stop_loss", "resting": []}
    await check(stage)


async def test_a_list_that_fills_while_it_is_cancelled_is_believed(stage: Stage) -> None:
    assert stage.fake is not None
    bridge = await stage.start()
    signal = await stage.enter(bridge)
    stage.fill_before_cancel("100")
    await stage.sql.execute("select public.close_account(%s, 'enough')", (stage.account,))
    stage.wall += 30
    await stage.play(bridge, "100", "100", "100")
    assert stage.resting() == []
    assert (await stage.signal(signal))["status"] == "closed"
    await check(stage)


async def test_one_that_is_moved_takes_its_target_along(sql: Sql) -> None:
    trailing: dict[str, Any] = {"trailing_stop_type": "percentage", "trailing_stop_value": 1}
    async with open_stage(sql, "binance-spot", **trailing) as stage:
        bridge = await stage.start()
        signal = await stage.enter(bridge, target="120")
        await stage.play(bridge, "110", "110")
        assert stage.resting() == ids(signal, 2)
        await stage.play(bridge, "108", "108")
        assert await stage.summary(signal) == {"status": "closed", "code": "trailing_stop", "resting": []}
        await check(stage)
