"""An entry of which so little filled that no order can take it out again is closed as dust."""

from __future__ import annotations

from collections.abc import AsyncIterator
from decimal import Decimal

import pytest

from tests.conformance.stage import Stage, open_stage
from tests.conformance.test_differences import LOOK, differences
from tests.trading.world import Sql


@pytest.fixture
async def stage(sql: Sql) -> AsyncIterator[Stage]:
    async with open_stage(sql, "binance-spot") as made:
        yield made


async def test_what_is_worth_less_than_the_venues_least_order_is_closed_as_dust(stage: Stage) -> None:
    bridge = await stage.start()
    await stage.settle(bridge)
    await stage.wait(bridge, LOOK)
    stage.still()
    stage.offer("0.03")
    signal = await stage.make_ready()
    await stage.settle(bridge)
    stage.offer(None)
    await stage.play(bridge, "100", "100")
    position = await stage.position(signal)
    assert await stage.summary(signal) == {"status": "closed", "code": "dust", "resting": []}
    # The fee of what was bought came out of it.
    assert (position["close_state"], position["entry_amount"]) == ("dust", Decimal("0.03"))
    assert position["realized_pnl"] < -3 + Decimal("0.01")
    assert await stage.unprotected() == []
    assert bridge.counts["dropped"] == 1
    refused = [one for one in (await stage.orders(signal)).values() if one["leg"] == "exit"]
    assert [(one["status"], one["filled"]) for one in refused] == [("rejected", 0)]
    await stage.check_record()
    await stage.check_against_venue()
    # The coins are where the record says.
    await stage.wait(bridge, LOOK)
    assert {name: apart for name, (_, _, apart) in (await differences(stage)).items()} == {
        "BTC": 0,
        "USDT": 0,
    }
