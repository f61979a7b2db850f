"""One limiter and no second one: what ours lets leave, leaves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.conformance.stage import SealedExchanges, open_stage
from tests.trading.world import Sql
from workers.trading.orders import Leg, client_order_id


class PacedExchanges(SealedExchanges):
    """Exchanges as the product makes them; each notes who waits in ccxt's own queue."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.waited: list[float] = []

    async def __call__(self, account: Any) -> Any:
        exchange = await super().__call__(account)
        exchange.enableRateLimit = True

        async def throttle(cost: float | None = None) -> None:
            self.waited.append(cost or 0)

        exchange.throttle = throttle
        return exchange


async def test_a_burst_of_cancels_waits_for_our_limiter_alone(sql: Sql, tmp_path: Path) -> None:
    async with open_stage(sql, "binance-usdm") as stage:
        assert stage.fake is not None
        exchanges = PacedExchanges(stage.clock, stage.market, stage.fake)
        bridge = await stage.start(exchanges=exchanges, limits=tmp_path)
        signals = [
            await stage.make_ready(name, entry="99", stop="97", target="103", kind="limit", minutes=3)
            for name in ("BTCUSDT", "ETHUSDT", "SOLUSDT")
        ]
        await stage.settle(bridge)
        assert stage.resting() == sorted(client_order_id(one, Leg.ENTRY, 1) for one in signals)
        await stage.play(bridge, "100", "100", "100", "100")
        assert stage.resting() == []
        assert exchanges.waited == []
        (desk,) = bridge._desks.values()
        assert not desk._venue._markets._data.enableRateLimit
