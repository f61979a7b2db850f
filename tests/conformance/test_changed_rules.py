"""A venue changes its steps and its list of symbols while a bridge runs: what is held is protected by the new
ones, and what is not traded any more is not entered."""

from __future__ import annotations

from collections.abc import AsyncIterator
from decimal import Decimal

import pytest

from scripts.fake_venue import Fault
from tests.conformance.conftest import SPOKEN
from tests.conformance.stage import Stage, open_stage
from tests.trading.world import Sql
from tests.waiting import until

LISTS = ("exchangeInfo", "instruments-info")


@pytest.fixture(params=[wire for wire in SPOKEN if not wire.startswith("paper")])
async def stage(request: pytest.FixtureRequest, sql: Sql) -> AsyncIterator[Stage]:
    async with open_stage(sql, request.param) as made:
        yield made


def lists_read(stage: Stage) -> int:
    """How often the venue was asked for its markets; each reading of one asks as often as the first."""
    assert stage.fake is not None
    return sum(any(name in one for name in LISTS) for one in stage.fake.requests)


async def test_a_stop_that_misses_a_new_tick_is_placed_by_it(stage: Stage) -> None:
    assert stage.fake is not None
    bridge = await stage.start()
    once = lists_read(stage)
    stage.fake.change_rule(stage.symbol, tick="2", step="0.01", least_amount="0.01")
    signal = await stage.make_ready(stop="97.3", target="105.1")
    await stage.settle(bridge)
    await stage.play(bridge, "100")
    assert (await stage.signal(signal))["status"] == "in_position"
    assert await stage.unprotected() == []
    stops = {key[1]: row for key, row in (await stage.orders(signal)).items() if key[0] == "stop_loss"}
    assert stops[1]["status"] == "rejected"
    assert stops[max(stops)]["trigger_price"] == Decimal(98)
    assert bridge.counts["flattened"] == 0
    assert lists_read(stage) == 2 * once
    await stage.play(bridge, "96", "96")
    assert await stage.summary(signal) == {"status": "closed", "code": "stop_loss", "resting": []}
    await stage.check_record()
    await stage.check_against_venue()


@pytest.mark.parametrize("stage", ["bybit-usdm"], indirect=True)
async def test_what_is_not_traded_any_more_is_known_within_the_hour_or_so(stage: Stage) -> None:
    assert stage.fake is not None
    bridge = await stage.start()
    await stage.settle(bridge)
    held = await stage.enter(bridge)
    once = lists_read(stage)
    # The first time it cannot be read: what is known holds.
    failing = stage.fake.faults.add(Fault(kind="error_before", route="GET *instruments-info*"))
    stage.fake.delist("ETH/USDT:USDT")
    await stage.wait(bridge, 4_600)
    await until(lambda: failing.struck == 1)
    await stage.wait(bridge, 400)
    await until(lambda: lists_read(stage) > once + 1)
    late = await stage.make_ready("ETHUSDT")
    await stage.settle(bridge)
    assert (await stage.signal(late))["outcome_code"] == "symbol_not_tradable"
    # Nobody had to ask the venue for that.
    assert [row["status"] for row in (await stage.orders(late)).values()] in ([], ["denied"])
    assert await stage.unprotected() == []
    assert (await stage.signal(held))["status"] == "in_position"
