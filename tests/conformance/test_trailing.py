"""A trailing stop follows the price: in its place where the venue can, else by another that rests first."""

from __future__ import annotations

from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from scripts.fake_venue import Fault
from scripts.fake_venue.faults import Answer
from tests.conformance.conftest import SPOKEN
from tests.conformance.stage import Stage, open_stage
from tests.trading.world import Sql


@pytest.fixture(params=[wire for wire in SPOKEN if not wire.startswith("paper")])
async def stage(request: pytest.FixtureRequest, sql: Sql) -> AsyncIterator[Stage]:
    trailing: dict[str, Any] = {"trailing_stop_type": "percentage", "trailing_stop_value": 1}
    async with open_stage(sql, request.param, **trailing) as made:
        yield made


def stops_at_venue(stage: Stage) -> list[Decimal]:
    """The trigger prices of the stops that rest."""
    orders = stage.engine.open_orders()
    return [one.request.trigger_price for one in orders if one.request.trigger == "stop"]


def count_stops(stage: Stage) -> list[int]:
    """How many stops rested after each change at the venue, from now on."""
    assert stage.fake is not None
    counts: list[int] = []
    for exchange in stage.fake.exchanges.values():
        publish = exchange.publish

        def count(*told: object, publish: object = publish) -> None:
            publish(*told)  # type: ignore[operator]
            counts.append(len(stops_at_venue(stage)))

        exchange.publish = count  # type: ignore[assignment, method-assign]
    return counts


async def stops_of(stage: Stage, signal: UUID) -> list[tuple[int, str, Decimal]]:
    orders = await stage.orders(signal)
    return sorted(
        (attempt, row["status"], row["trigger_price"])
        for (leg, attempt), row in orders.items()
        if leg == "stop_loss"
    )


async def test_a_trailing_stop_never_leaves_a_position_without_one(stage: Stage) -> None:
    bridge = await stage.start()
    signal = await stage.enter(bridge, target=None)
    counts = count_stops(stage)
    await stage.play(bridge, "110", "110")
    assert stops_at_venue(stage) == [Decimal("108.9")]
    assert await stage.unprotected() == []
    stops = await stops_of(stage, signal)
    if stage.row.amend is not None:
        # The same order, moved: the venue had one at every moment.
        assert stops == [(1, "open", Decimal("108.9"))]
        assert set(counts) == {1}
    elif stage.row.resting_legs:
        assert [(n, status) for n, status, _ in stops] == [(1, "canceled"), (2, "open")]
        assert min(counts) >= 1
    else:
        # What it guards is bound by it: the gap is one round trip.
        assert counts.count(0) == 1
    await stage.play(bridge, "108", "108")
    assert await stage.summary(signal) == {"status": "closed", "code": "trailing_stop", "resting": []}
    await stage.check_record()
    await stage.check_against_venue()


@pytest.mark.parametrize("kind", ["drop_after", "drop_before", "error_after", "refused"])
async def test_a_move_without_an_answer_ends_where_the_price_went(stage: Stage, kind: Answer) -> None:
    if stage.row.amend is None:
        return  # There is nothing to move.
    assert stage.fake is not None
    bridge = await stage.start()
    signal = await stage.enter(bridge, target=None)
    stage.fake.faults.add(Fault(kind=kind, route="POST */amend", code=110001, message="no such order"))
    counts = count_stops(stage)
    await stage.play(bridge, "110", "110", "110.01")
    assert stops_at_venue(stage) == [Decimal("108.9")]
    assert min(counts) >= 1
    [*_, (_, status, trigger)] = await stops_of(stage, signal)
    assert (status, trigger) == ("open", Decimal("108.9"))
    assert await stage.unprotected() == []
    await stage.play(bridge, "108", "108")
    assert await stage.summary(signal) == {"status": "closed", "code": "trailing_stop", "resting": []}
    await stage.check_record()
    await stage.check_against_venue()
