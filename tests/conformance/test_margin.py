"""A position that comes near to its liquidation, as the venue itself tells it: reduced, then closed."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.conformance.conftest import SPOKEN
from tests.conformance.stage import KEY, Stage, open_stage
from tests.trading.world import Sql
from workers.trading.orders import Leg
from workers.trading.policy import Policy

ASKED = int(Policy().margin_every.total_seconds()) + 1


@pytest.fixture(params=[wire for wire in SPOKEN if wire.endswith("usdm") and not wire.startswith("paper")])
async def futures(request: pytest.FixtureRequest, sql: Sql) -> AsyncIterator[Stage]:
    async with open_stage(sql, request.param) as made:
        yield made


async def test_what_comes_near_to_liquidation_is_halved_and_then_closed(futures: Stage) -> None:
    stage = futures
    bridge = await stage.start()
    signal = await stage.enter(bridge)
    held = (await stage.position(signal))["amount"]
    await stage.wait(bridge, ASKED)
    assert (await stage.position(signal))["amount"] == held
    # Money leaves the account: what secures the position is gone, at the same price.
    wallet = stage.engine.ledger.balances
    assert stage.fake is not None
    stage.fake.transfer(KEY, "usdm", "USDT", str(80 - wallet["USDT"]))
    await stage.wait(bridge, ASKED)
    await stage.settle(bridge)
    position = await stage.position(signal)
    assert (position["amount"], position["status"], position["exit_reason"]) == (held / 2, "open", None)
    assert await stage.unprotected() == []
    stops = [
        one for one in (await stage.orders(signal)).values() if one["leg"] == Leg.STOP_LOSS and one["is_live"]
    ]
    assert [one["amount"] - one["filled"] for one in stops] == [held / 2]
    stage.fake.transfer(KEY, "usdm", "USDT", str(20 - wallet["USDT"]))
    await stage.wait(bridge, ASKED)
    await stage.settle(bridge)
    assert await stage.summary(signal) == {"status": "closed", "code": "margin_reduced", "resting": []}
    kinds = await stage.fetch(
        "select event_type from public.account_events where account_id = %s and event_type like 'margin%%'"
        " order by id",
        stage.account,
    )
    assert [row["event_type"] for row in kinds][:2] == ["margin_warning", "margin_reduction"]
    await stage.check_record()
    await stage.check_against_venue()
