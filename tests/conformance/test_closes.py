"""What the venue or a person takes out of a position without an order of ours: seen, recorded, tidied up."""

from __future__ import annotations

from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from tests.conformance.conftest import SPOKEN
from tests.conformance.stage import KEY, Stage, open_stage
from tests.conformance.test_streams import listening
from tests.trading.world import Sql
from tests.waiting import until
from workers.trading.emergency import Report, close_account
from workers.trading.journal import Journal
from workers.trading.orders import Leg, client_order_id
from workers.trading.role import TradingRole
from workers.trading.venues.stream import Stream
from workers.trading.venues.venue import Venue

# One look at everything is due after so long, in seconds.
LOOK = 61


@pytest.fixture(params=[wire for wire in SPOKEN if not wire.startswith("paper")])
async def stage(request: pytest.FixtureRequest, sql: Sql) -> AsyncIterator[Stage]:
    async with open_stage(sql, request.param) as made:
        yield made


@pytest.fixture(params=[wire for wire in SPOKEN if wire.endswith("usdm") and not wire.startswith("paper")])
async def futures(request: pytest.FixtureRequest, sql: Sql) -> AsyncIterator[Stage]:
    async with open_stage(sql, request.param) as made:
        yield made


async def check(stage: Stage) -> None:
    await stage.check_record()
    await stage.check_against_venue()
    assert await stage.unprotected() == []


def take_over(stage: Stage, signal: UUID) -> None:
    """A person at the venue's page takes the stop away, where it binds what they are about to sell."""
    if not stage.row.resting_legs:
        stage.cancel_by_hand(client_order_id(signal, Leg.STOP_LOSS, 1))


@pytest.mark.parametrize(
    ("why", "code"),
    [("liquidation", "liquidated"), ("adl", "venue_closed"), ("settlement", "venue_closed")],
)
async def test_what_the_venue_closed_by_itself_is_noticed(futures: Stage, why: str, code: str) -> None:
    stage = futures
    assert stage.fake is not None
    bridge = await stage.start()
    signal = await stage.enter(bridge)
    stage.fake.close_position(KEY, stage.symbol, why, "99")
    await stage.wait(bridge, LOOK)
    assert await stage.summary(signal) == {"status": "closed", "code": code, "resting": []}
    position = await stage.position(signal)
    assert (position["amount"], position["close_state"]) == (0, "flat")
    trail = await stage.fetch(
        "select details ->> 'exit_reason' as why from public.account_events"
        " where account_id = %s and event_type = 'venue_closed'",
        stage.account,
    )
    assert [row["why"] for row in trail] == [code]
    await check(stage)


async def test_a_position_that_a_person_closed_is_closed_here_as_well(stage: Stage) -> None:
    bridge = await stage.start()
    signal = await stage.enter(bridge)
    held = (await stage.position(signal))["amount"]
    take_over(stage, signal)
    stage.by_hand("sell", str(held.quantize(Decimal("0.001")) if stage.kind == "usdm" else held))
    await stage.wait(bridge, LOOK)
    assert await stage.summary(signal) == {"status": "closed", "code": "venue_closed", "resting": []}
    assert (await stage.position(signal))["written_off"] == 0
    await check(stage)


async def test_what_is_closed_by_the_journal_while_the_venue_is_asked_is_no_close_of_the_venue(
    futures: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = futures
    bridge = await stage.start(journal=tmp_path)
    signal = await stage.enter(bridge)
    journal = Journal(tmp_path / f"{stage.account}.jsonl")
    ask, closed = Venue.holdings, list[Report]()

    async def close_first(venue: Venue, symbols: list[str]) -> Any:
        monkeypatch.setattr(Venue, "holdings", ask)
        now = stage.clock.now
        closed.append(await close_account(journal, journal.read(), venue, "it burns", now, rest))
        return await venue.holdings(symbols)

    async def rest(_seconds: float) -> None:
        """Nobody waits here."""

    monkeypatch.setattr(Venue, "holdings", close_first)
    await stage.wait(bridge, LOOK)
    assert closed[0].is_done, closed[0].problems
    await stage.wait(bridge, LOOK)
    assert await stage.summary(signal) == {"status": "closed", "code": "emergency_close", "resting": []}
    await check(stage)


async def test_a_close_by_the_venue_rings(stage: Stage) -> None:
    bridge, stream = await listening(stage)
    signal = await stage.enter(bridge)
    await until(lambda: quiet(stage, bridge, stream))
    stage.clock.advance_ms(stage.clock.millis() + 2_000)
    held = (await stage.position(signal))["amount"]
    take_over(stage, signal)
    stage.by_hand("sell", str(held))
    # No market time passes from here on: only the stream can have told.
    await until(lambda: closed(stage, bridge, signal))
    assert stage.resting() == []
    await check(stage)


async def quiet(stage: Stage, bridge: TradingRole, stream: Stream) -> bool:
    await stage.settle(bridge)
    return not stream.has_rung


async def closed(stage: Stage, bridge: TradingRole, signal: UUID) -> bool:
    await stage.settle(bridge)
    return bool((await stage.signal(signal))["status"] == "closed")


async def test_half_a_position_that_a_person_closed_leaves_half_protected(stage: Stage) -> None:
    bridge = await stage.start()
    signal = await stage.enter(bridge)
    before = (await stage.position(signal))["amount"]
    take_over(stage, signal)
    stage.by_hand("sell", "4")
    await stage.wait(bridge, LOOK)
    position = await stage.position(signal)
    assert position["amount"] == before - 4
    assert position["exit_reason"] is None
    live = [
        order
        for (leg, _), order in (await stage.orders(signal)).items()
        if leg == "stop_loss" and order["status"] == "open"
    ]
    assert [order["amount"] for order in live] == [position["amount"]]
    assert await stage.unprotected() == []
    await stage.play(bridge, "97", "97", "97")
    assert await stage.summary(signal) == {"status": "closed", "code": "stop_loss", "resting": []}
    await check(stage)


async def test_a_liquidation_of_two_signals_at_once_ends_both(futures: Stage) -> None:
    stage = futures
    assert stage.fake is not None
    bridge = await stage.start()
    first = await stage.enter(bridge)
    second = await stage.enter(bridge)
    stage.fake.close_position(KEY, stage.symbol, "liquidation", "99")
    await stage.wait(bridge, LOOK)
    for signal in (first, second):
        assert await stage.summary(signal) == {"status": "closed", "code": "liquidated", "resting": []}
    await check(stage)


async def test_a_close_while_the_bridge_was_away_is_found_by_the_next_one(stage: Stage) -> None:
    bridge = await stage.start()
    signal = await stage.enter(bridge)
    held = (await stage.position(signal))["amount"]
    await bridge.stop()
    stage.bridges.remove(bridge)
    take_over(stage, signal)
    stage.by_hand("sell", str(held))
    await stage.settle(await stage.start())
    assert await stage.summary(signal) == {"status": "closed", "code": "venue_closed", "resting": []}
    await check(stage)


async def test_what_a_person_trades_beside_us_is_left_alone(stage: Stage) -> None:
    """Bought and sold again by hand: the venue holds what we hold all the time."""
    bridge = await stage.start()
    signal = await stage.enter(bridge)
    stage.by_hand("buy", "3")
    await stage.wait(bridge, LOOK)
    stage.by_hand("sell", "2")
    await stage.wait(bridge, LOOK)
    assert (await stage.signal(signal))["status"] == "in_position"
    assert (await stage.position(signal))["exit_amount"] == 0
    await stage.play(bridge, "97", "97", "97")
    assert (await stage.signal(signal))["outcome_code"] == "stop_loss"
    assert await stage.unprotected() == []


@pytest.mark.parametrize("rings", [True, False], ids=["rings", "silent"])
async def test_a_stop_that_was_cancelled_by_hand_is_made_again(stage: Stage, rings: bool) -> None:
    assert stage.fake is not None
    bridge, stream = await listening(stage)
    signal = await stage.enter(bridge)
    await until(lambda: quiet(stage, bridge, stream))
    if not rings:
        await stage.fake.cut_streams()
        await until(lambda: not stream.is_healthy)
        await until(lambda: quiet(stage, bridge, stream))
    stage.clock.advance_ms(stage.clock.millis() + 2_000)
    stage.cancel_by_hand(client_order_id(signal, Leg.STOP_LOSS, 1))
    if not rings:
        await stage.wait(bridge, LOOK)
    # No more market time passes.
    await until(lambda: protected_again(stage, bridge, signal))
    assert await stage.unprotected() == []
    assert client_order_id(signal, Leg.STOP_LOSS, 2) in stage.resting()
    await stage.play(bridge, "97", "97", "97")
    assert await stage.summary(signal) == {"status": "closed", "code": "stop_loss", "resting": []}
    await check(stage)


async def protected_again(stage: Stage, bridge: TradingRole, signal: UUID) -> bool:
    await stage.settle(bridge)
    stop = (await stage.orders(signal)).get(("stop_loss", 2))
    return stop is not None and stop["status"] == "open"
