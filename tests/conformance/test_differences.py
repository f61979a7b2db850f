"""What is in the wallet at a venue is held against the record, on every wire: what neither fills nor incomes
explain is a row of its day, and an alarm once two looks have found it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import pytest

from tests.conformance.conftest import SPOKEN
from tests.conformance.stage import KEY, Stage, open_stage
from tests.trading.world import Sql
from workers.trading.policy import Policy
from workers.trading.role import TradingRole

LOOK = int(Policy().reckon_every.total_seconds()) + 1
AGAIN = int(Policy().reckon_again.total_seconds()) + 1


@pytest.fixture(params=[wire for wire in SPOKEN if not wire.startswith("paper")])
async def stage(request: pytest.FixtureRequest, sql: Sql) -> AsyncIterator[Stage]:
    async with open_stage(sql, request.param) as made:
        yield made


async def differences(stage: Stage) -> dict[str, tuple[Decimal, Decimal, Decimal]]:
    """By currency what the venue, and what the record says of the last day, and what lies between."""
    rows = await stage.fetch(
        "select distinct on (currency) currency, venue_change, recorded_change, difference"
        " from public.account_differences where account_id = %s order by currency, day desc",
        stage.account,
    )
    return {row["currency"]: (row["venue_change"], row["recorded_change"], row["difference"]) for row in rows}


async def alarms(stage: Stage) -> list[Any]:
    rows = await stage.fetch(
        "select details from public.account_events where account_id = %s and event_type = 'ledger_differs'",
        stage.account,
    )
    return [row["details"] for row in rows]


async def begin(stage: Stage) -> TradingRole:
    """A bridge that has looked into the wallet once."""
    bridge = await stage.start()
    await stage.settle(bridge)
    await stage.wait(bridge, LOOK)
    assert await differences(stage) == {}
    stage.still()
    return bridge


async def test_what_was_traded_and_paid_is_what_the_wallet_says(stage: Stage) -> None:
    bridge = await begin(stage)
    await stage.enter(bridge)
    await stage.enter(bridge)
    if stage.kind == "usdm":
        assert stage.fake is not None
        stage.fake.fund(stage.symbol, "0.0001", stage.fake.account(KEY).exchange)
    await stage.wait(bridge, LOOK)
    found = await differences(stage)
    assert found["USDT"][1] < -100
    assert {apart for _, _, apart in found.values()} == {0}
    assert set(found) == ({"BTC", "USDT"} if stage.kind == "spot" else {"USDT"})
    # The target of both is reached.
    await stage.play(bridge, "120", "120")
    assert await stage.unprotected() == []
    await stage.wait(bridge, LOOK)
    found = await differences(stage)
    assert found["USDT"][1] > 0
    assert {apart for _, _, apart in found.values()} == {0}
    assert await alarms(stage) == []


async def test_a_transfer_is_no_difference_where_the_venue_tells_of_it(stage: Stage) -> None:
    bridge = await begin(stage)
    await stage.enter(bridge)
    assert stage.fake is not None
    stage.fake.transfer(KEY, stage.engine_market, "USDT", "250.5")
    stage.fake.transfer(KEY, stage.engine_market, "USDT", "-50")
    await stage.wait(bridge, LOOK)
    await stage.wait(bridge, AGAIN)
    explained = bool(stage.row.transfers)
    assert (await differences(stage))["USDT"][2] == (0 if explained else Decimal("200.5"))
    assert len(await alarms(stage)) == (0 if explained else 1)
    measured = await stage.fetch(
        "select total from public.risk_measures where subject_id = %s and total > 0", stage.account
    )
    assert measured == []


async def test_what_nothing_explains_is_told_at_the_second_look(stage: Stage) -> None:
    bridge = await begin(stage)
    await stage.enter(bridge)
    stage.engine.ledger.balances["USDT"] -= Decimal("3.25")
    await stage.wait(bridge, LOOK)
    assert (await differences(stage))["USDT"][2] == Decimal("-3.25")
    assert await alarms(stage) == []
    await stage.wait(bridge, AGAIN)
    [told] = await alarms(stage)
    assert (told["currency"], Decimal(told["difference"])) == ("USDT", Decimal("-3.25"))
    await stage.wait(bridge, LOOK)
    assert len(await alarms(stage)) == 1
