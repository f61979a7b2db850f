"""Closing without the database: from the journal straight at the venue, and told when that is back."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

from ccxt.base.errors import RequestTimeout
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import NotSent
from tests.trading.world import World
from workers.trading.emergency import Report, close_account, plan_exits
from workers.trading.journal import HeldTrade, Journal
from workers.trading.orders import PositionSide
from workers.trading.role import TradingRole
from workers.trading.venues.exchanges import venue_of

KEYS = [("BTC", "long"), ("BTC", "short"), ("ETH", "long")]


@given(
    trades=st.lists(st.tuples(st.sampled_from(KEYS), st.integers(0, 50)), max_size=8),
    at_venue=st.lists(st.integers(0, 80), min_size=3, max_size=3),
)
def test_never_more_is_closed_than_is_ours_and_there(
    trades: list[tuple[tuple[str, PositionSide], int]], at_venue: list[int]
) -> None:
    held = dict(zip(KEYS, at_venue, strict=True))
    ours = [
        HeldTrade(UUID(int=n), None, UUID(int=n), symbol, side, Decimal(amount), Decimal(1), 1)
        for n, ((symbol, side), amount) in enumerate(trades)
    ]
    plan = plan_exits(ours, lambda symbol, side: Decimal(held[symbol, side]))
    closed: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
    wanted: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
    for one in ours:
        wanted[one.symbol, one.side] += one.amount
    for trade, amount in plan:
        assert 0 < amount <= trade.amount
        closed[trade.symbol, trade.side] += amount
    for key in KEYS:
        assert closed[key] == min(wanted[key], held[key])


def journal_of(world: World, folder: Path) -> Journal:
    return Journal(folder / f"{world.account}.jsonl")


async def start(world: World, folder: Path, call: Any = None) -> TradingRole:
    bridge = world.bridge(call)
    bridge._journal = folder
    await bridge.start()
    return bridge


async def close(world: World, journal: Journal) -> Report:
    """What the command does, on the paper exchange of this world."""
    venue = venue_of(world.exchange, "usdm")
    contents = journal.read()
    return await close_account(journal, contents, venue, "the database burns", world.clock.now, rest)


async def rest(_seconds: float) -> None:
    """Nobody waits here."""


async def hold_two(world: World, folder: Path) -> list[UUID]:
    """Two protected positions and an entry that waits; then the bridge is gone."""
    bridge = await start(world, folder)
    signals = [await world.make_ready(), await world.make_ready("ETHUSDT")]
    signals.append(await world.make_ready("SOLUSDT", kind="limit", entry="99", stop="97", target="103"))
    await world.settle(bridge)
    world.still()
    await world.settle(bridge)
    assert [(await world.signal(one))["status"] for one in signals] == ["in_position", "in_position", "ready"]
    return signals


async def test_everything_is_closed_without_the_database(world: World, tmp_path: Path) -> None:
    signals = await hold_two(world, tmp_path)
    journal = journal_of(world, tmp_path)
    report = await close(world, journal)
    world.still()
    assert report.is_done, report.problems
    assert len(report.closed) == 2
    assert not world.exchange.paper_engine.open_orders()
    assert all(not one.amount for one in world.exchange.paper_engine.ledger.positions.values())

    back = await start(world, tmp_path)
    await world.settle(back)
    world.still()
    await world.settle(back)
    ends = [(await world.signal(one))["outcome_code"] for one in signals]
    assert ends == ["emergency_close", "emergency_close", "entry_unfilled"]
    events = await world.fetch(
        "select event_type, details ->> 'reason' as why from public.account_events"
        " where account_id = %s and event_type = 'journal_told'",
        world.account,
    )
    assert [row["why"] for row in events] == ["closed without the database: the database burns"] * 2
    assert journal.read().closed == {}
    await world.check_record()
    await world.check_against_venue()


async def test_an_emergency_close_that_was_cut_off_is_given_again(world: World, tmp_path: Path) -> None:
    """The venue took the exit and no answer came: the second time it is found, and nothing is sold twice."""
    await hold_two(world, tmp_path)
    journal = journal_of(world, tmp_path)

    sent = False

    def lose(method: str, moment: str, _client_id: str) -> None:
        nonlocal sent
        if (method, moment) == ("create_order", "after"):
            sent = True
            raise RequestTimeout("no answer")
        if sent and method in ("fetch_order", "fetch_open_orders"):
            raise RequestTimeout("no answer")

    world.exchange.paper_fault = lose
    first = await close(world, journal)
    assert not first.is_done
    assert {one.outcome for one in first.closed} == {"unresolved"}
    world.exchange.paper_fault = None
    world.still()
    second = await close(world, journal)
    assert second.is_done
    assert second.closed == []
    assert {one.outcome for one in journal.read().closed.values()} == {"confirmed"}
    back = await start(world, tmp_path)
    await world.settle(back)
    world.still()
    await world.settle(back)
    await world.check_record()
    await world.check_against_venue()


async def test_a_bridge_that_lived_through_it_tells_as_well(world: World, tmp_path: Path) -> None:
    """The database is away, a person closes from the journal, the database comes back: no restart between."""
    away = False

    async def call(name: str, params: Mapping[str, Any], /) -> Any:
        if away:
            raise NotSent("the database is away")
        return await world.call(name, params)

    bridge = await start(world, tmp_path, call)
    signal = await world.hold(bridge)
    away = True
    report = await close(world, journal_of(world, tmp_path))
    assert report.is_done, report.problems
    world.still()
    away = False
    await world.settle(bridge)
    world.still()
    await world.settle(bridge)
    assert (await world.signal(signal))["outcome_code"] == "emergency_close"
    await world.check_record()
    await world.check_against_venue()


async def test_what_somebody_else_holds_is_left(world: World, tmp_path: Path) -> None:
    await hold_two(world, tmp_path)
    await world.exchange.create_order("SOL/USDT:USDT", "market", "buy", 3)
    world.still()
    await close(world, journal_of(world, tmp_path))
    world.still()
    held = {
        key: one.amount for key, one in world.exchange.paper_engine.ledger.positions.items() if one.amount
    }
    assert held == {("SOL/USDT:USDT", "long"): 3}
