"""A bridge that trades until it is killed: `python -m tests.trading.leases.bridge STATE PRICES`.

The project, the master key and the way to the venue are in the environment, as for every machine. PRICES are
what it has seen of the market, as JSON.
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

from shared import log as logs
from shared.candles import MINUTE_MS, Candle
from shared.client import connect
from shared.clock import WallClock
from shared.market import Market
from shared.settings import load
from shared.wakes import Wakes
from workers.trading.role import TradingRole

POLL_SECONDS = 0.5


async def main(state: Path, prices: dict[str, float]) -> None:
    """Trade for good."""
    logs.setup(json=True, stream=sys.stderr)
    settings = load()
    clock, market, wakes = WallClock(), Market("usdm"), Wakes()
    closed = clock.millis() // MINUTE_MS * MINUTE_MS
    market.seed(
        [
            Candle(symbol, "1m", closed - MINUTE_MS, closed, price, price, price, price, 1e6)
            for symbol, price in prices.items()
        ]
    )
    connection = await connect(settings, "trading_bridge", state.name)
    machine = {"machine_id": state.name, "region": "test", "roles": ["trading"], "version": "test"}
    await connection.call("register_machine", machine)
    role = TradingRole(
        connection,
        clock,
        market,
        wakes,
        settings=settings,
        state=state / "paper",
        journal=state / "journal",
        limits=state.parent / "limits",
    )
    await role.start()
    print("started", flush=True)
    while True:
        if not await wakes.wait(role.name, POLL_SECONDS):
            wakes.wake(role.name)
        await role.step()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), json.loads(sys.argv[2])))
