"""What is not ours at the venue: recorded as what it is, once, and never touched."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import NotSent
from tests.trading.made import NOW, RULES, order, position
from tests.trading.world import World
from workers.trading.decisions.closes import VenueClose, share_close, share_closes
from workers.trading.decisions.external import IncomeKind, VenueIncome, external_orders, income_facts
from workers.trading.decisions.margin import VenuePosition
from workers.trading.decisions.reconciliation import VenueOrder, VenueTrade
from workers.trading.ledger import Facts
from workers.trading.orders import Leg

OURS = {one.client_order_id: one for one in (order(), order(Leg.STOP_LOSS))}


def at_venue(number: int, client_id: str | None = None, **fields: object) -> VenueOrder:
    made = VenueOrder(
        f"x{number}", client_id, "open", Decimal(3), Decimal(0), symbol=RULES.symbol, side="buy"
    )
    return replace(made, **fields)  # type: ignore[arg-type]


def test_an_order_is_external_unless_one_of_its_ids_is_ours() -> None:
    mine = next(iter(OURS.values()))
    seen = [
        at_venue(1),
        at_venue(2, "web_123"),
        at_venue(3, mine.client_order_id),
        at_venue(4, f"x-{mine.client_order_id}"),
        at_venue(5, venue_order_id=mine.venue_order_id),
    ]
    found = external_orders(OURS, seen, {}, lambda one: f"x-{one}")
    assert [one["venue_order_id"] for one in found] == ["x1", "x2"]


@given(
    seen=st.lists(
        st.builds(
            at_venue,
            st.integers(0, 3),
            status=st.sampled_from(["open", "filled", "canceled"]),
            filled=st.integers(0, 3).map(Decimal),
        ),
        max_size=8,
    )
)
def test_told_again_nothing_is_new(seen: list[VenueOrder]) -> None:
    found = external_orders(OURS, seen, {})
    last = {one.venue_order_id: one for one in seen}
    assert {one["venue_order_id"]: one["status"] for one in found} == {k: v.status for k, v in last.items()}
    told = {(o["symbol"], o["venue_order_id"]): (o["status"], Decimal(o["filled"])) for o in found}
    assert external_orders(OURS, last.values(), told) == []


KINDS: list[IncomeKind] = ["funding", "rebate"]


@given(
    told=st.lists(st.tuples(st.sampled_from(KINDS), st.integers(0, 4), st.integers(-9, 9)), max_size=12),
    known=st.sets(st.tuples(st.sampled_from(KINDS), st.integers(0, 4).map(str)), max_size=4),
)
def test_each_income_counts_once(
    told: list[tuple[IncomeKind, int, int]], known: set[tuple[str, str]]
) -> None:
    incomes = [
        VenueIncome(str(n), kind, RULES.symbol, Decimal(amount), "BNB", NOW, rate=Decimal(600))
        for kind, n, amount in told
    ]
    facts = income_facts(incomes, known)
    keys = [(one["kind"], one["venue_income_id"]) for one in facts]
    assert len(keys) == len(set(keys))
    assert set(keys) == {(one.kind, one.venue_income_id) for one in incomes} - known
    assert all(Decimal(one["amount_quote"]) == 600 * Decimal(one["amount"]) for one in facts)


@given(
    amounts=st.lists(st.decimals("0.001", "9", places=3), max_size=5),
    traded=st.decimals("0.001", "60", places=3),
    fee=st.decimals("0", "3", places=2),
)
def test_a_close_by_the_venue_takes_no_more_than_is_held(
    amounts: list[Decimal], traded: Decimal, fee: Decimal
) -> None:
    held = [position(id=UUID(int=n), signal_id=UUID(int=n), amount=a) for n, a in enumerate(amounts)]
    others = [
        position(id=UUID(int=90), signal_id=UUID(int=90), side="short"),
        position(id=UUID(int=91), signal_id=UUID(int=91), is_open=False),
        position(id=UUID(int=92), signal_id=UUID(int=92), symbol="ETH/USDT:USDT"),
    ]
    trade = VenueTrade(
        "7", "liq", "autoclose-1", "sell", Decimal(90), traded, fee, "USDT", NOW, symbol=RULES.symbol
    )
    facts = share_close(VenueClose(trade, liquidated=True), [*others, *held])
    total = sum((Decimal(one["fill"]["amount"]) for one in facts), Decimal(0))
    assert total == min(traded, sum(amounts, Decimal(0)))
    by_position = {one["position_id"]: Decimal(one["fill"]["amount"]) for one in facts}
    assert len(by_position) == len(facts)
    assert all(by_position[str(p.id)] <= p.amount for p in held if str(p.id) in by_position)
    assert len({one["fill"]["venue_trade_id"] for one in facts}) == len(facts)
    if facts:
        assert sum(Decimal(one["fill"]["fee_cost"]) for one in facts) == fee


async def test_a_liquidation_ends_the_position_with_what_it_cost(world: World) -> None:
    bridge = await world.start()
    signal = await world.hold(bridge)
    at = world.clock.now()
    trade = VenueTrade(
        "liq-1",
        "99",
        "autoclose-1",
        "sell",
        Decimal(90),
        Decimal(10),
        Decimal(1),
        "USDT",
        at,
        symbol=RULES.symbol,
    )
    desk = bridge._desks[world.account]
    for _ in range(2):
        positions = [one.position for one in desk._book if one.position is not None]
        closes = share_closes([VenueClose(trade, liquidated=True)], positions)
        await desk._hear_of_account(Facts(venue_closes=closes))
    await world.settle(bridge)
    row = await world.position(signal)
    assert (row["status"], row["exit_reason"]) == ("closed", "liquidated")
    entry_fee = row["fees"] - 1
    assert row["realized_pnl"] == 10 * (90 - row["entry_average"]) - 1 - entry_fee
    await world.check_record()


async def test_funding_is_recorded_of_its_position(world: World) -> None:
    bridge = await world.start()
    signal = await world.hold(bridge)
    at = world.clock.now() + timedelta(seconds=1)
    paid = VenueIncome("f1", "funding", RULES.symbol, Decimal("-0.25"), "USDT", at)
    desk = bridge._desks[world.account]
    assert await desk._watch.hear_incomes([paid]) == 1
    assert await desk._watch.hear_incomes([paid]) == 0
    rows = await world.fetch("select * from public.account_incomes where account_id = %s", world.account)
    position = await world.position(signal)
    assert [(row["amount"], row["position_id"]) for row in rows] == [(Decimal("-0.25"), position["id"])]


async def test_what_the_database_did_not_take_is_told_again(world: World) -> None:
    away = False

    async def call(name: str, params: Mapping[str, Any], /) -> Any:
        if away and name == "record_trading":
            raise NotSent("the database cannot be reached")
        return await world.call(name, params)

    bridge = await world.start(call=call)
    signal = await world.hold(bridge)
    desk = bridge._desks[world.account]
    paid = VenueIncome("f1", "funding", RULES.symbol, Decimal("-0.25"), "USDT", world.clock.now())
    near = VenuePosition(RULES.symbol, "long", Decimal(10), Decimal(100), Decimal(88), Decimal(0))
    away = True
    with pytest.raises(NotSent):
        await desk._watch.hear_incomes([paid])
    with pytest.raises(NotSent):
        await desk._watch.hear_margin([near], Decimal(10_000))
    await world.exchange.create_order("BTC/USDT:USDT", "limit", "buy", 3, 50)

    async def wait() -> None:
        for _ in range(17):
            world.still()
            await world.settle(bridge)

    with pytest.raises(NotSent):
        await wait()
    away = False
    for _ in range(2):
        await desk._watch.hear_incomes([paid])
        await desk._watch.hear_margin([near], Decimal(10_000))
    await wait()
    position = await world.position(signal)
    for query, found in (
        ("select position_id from public.account_incomes where account_id = %s", [position["id"]]),
        ("select status from public.external_orders where account_id = %s", ["open"]),
        (
            "select 1 from public.account_events where account_id = %s and event_type = 'margin_warning'",
            [1],
        ),
    ):
        assert [next(iter(row.values())) for row in await world.fetch(query, world.account)] == found, query


async def test_orders_of_others_are_listed_and_left_alone(world: World) -> None:
    """A person's order on the same account: it is in the record as external, and still rests at the end."""
    await world.exchange.create_order("BTC/USDT:USDT", "limit", "buy", 3, 50)
    bridge = await world.start()
    signal = await world.make_ready()
    await world.settle(bridge)
    for _ in range(17):
        world.still()
        await world.settle(bridge)
    rows = await world.fetch("select * from public.external_orders where account_id = %s", world.account)
    assert [(row["symbol"], row["side"], row["status"]) for row in rows] == [("BTC/USDT:USDT", "buy", "open")]
    await world.sql.execute("select public.close_account(%s, 'done for today')", (world.account,))
    world.wall += 30
    for _ in range(3):
        await world.settle(bridge)
        world.still()
    assert (await world.signal(signal))["outcome_code"] == "emergency_close"
    assert [o.request.price for o in world.exchange.paper_engine.open_orders()] == [Decimal(50)]
