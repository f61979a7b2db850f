"""The bridge trades by the filters of a recorded exchangeInfo as it does by those that we thought of."""

from __future__ import annotations

from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path

import pytest

from tests.conformance.conftest import SPOKEN
from tests.conformance.stage import Stage, open_stage
from tests.trading.world import Sql

RECORDED = Path(__file__).resolve().parents[3] / "shared" / "data" / "exchange_info"
pytestmark = pytest.mark.skipif(
    not RECORDED.exists(), reason="the recorded exchangeInfo is not beside the checkout"
)
# Tick of SOLUSDT, as it was recorded.
TICKS = {"spot": "0.01", "usdm": "0.001"}


@pytest.fixture(params=[wire for wire in SPOKEN if not wire.startswith("paper")])
async def stage(request: pytest.FixtureRequest, sql: Sql) -> AsyncIterator[Stage]:
    async with open_stage(sql, request.param, recorded=RECORDED) as made:
        yield made


async def test_a_trade_keeps_to_the_recorded_steps(stage: Stage) -> None:
    bridge = await stage.start()
    signal = await stage.make_ready("SOLUSDT", entry="100.00037", stop="98.00049", target="104.00051")
    await stage.settle(bridge)
    await stage.settle(bridge)
    assert (await stage.signal(signal))["status"] == "in_position"
    assert await stage.unprotected() == []
    position = await stage.position(signal)
    assert position["stop_loss"] == Decimal("98.00049").quantize(Decimal(TICKS[stage.kind]))
    for _ in range(3):
        stage.candles({"SOLUSDT": ("105", "105", "105", "105")})
        await stage.settle(bridge)
    assert await stage.summary(signal) == {"status": "closed", "code": "take_profit", "resting": []}
    await stage.check_record()
    await stage.check_against_venue()


async def test_what_the_recorded_filters_forbid_is_denied_before_it_is_sent(stage: Stage) -> None:
    bridge = await stage.start()
    # Spot wants ten of the quote currency, futures five, and a bitcoin that costs more than a hundred.
    await stage.set_trader(position_size_value="9" if stage.kind == "spot" else "4")
    small = await stage.make_ready("ETHUSDT")
    await stage.settle(bridge)
    assert (await stage.signal(small))["outcome_code"] == "below_min_notional"
    await stage.set_trader(position_size_value="1000")
    cheap = await stage.make_ready("BTCUSDT")
    await stage.settle(bridge)
    code = (await stage.signal(cheap))["outcome_code"]
    assert code == (None if stage.kind == "spot" else "price_out_of_band")
    assert bool(stage.sent()) is (code is None)
