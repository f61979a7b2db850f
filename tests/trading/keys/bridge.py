"""A bridge in a process of its own: `python -m tests.trading.keys.bridge STATE [ACCOUNTS]`.

The project, the master key and the way to the venue are in the environment, as for every machine. Each line
that it is given makes it do one thing: `step`, `fail` (an error with keys in its local names), or `stop`.
"""

from __future__ import annotations

import asyncio
import faulthandler
import sys
from pathlib import Path

import structlog

from shared import log as logs
from shared.client import connect
from shared.clock import WallClock
from shared.market import Market
from shared.settings import load
from shared.wakes import Wakes
from workers.trading.policy import Policy
from workers.trading.role import TradingRole

log = structlog.get_logger(__name__)


def fail_with_keys(role: TradingRole) -> None:
    """An error whose locals hold an account's keys, and whose text does too."""
    (desk,) = list(role._desks.values())[:1]
    exchange = desk._venue.exchange
    api_key, secret = exchange.apiKey, exchange.secret
    headers = {"X-KEY": api_key, "X-SECRET": secret}
    raise RuntimeError(f"a library that prints what it was given: {headers} {secret.encode().hex()}")


async def main(state: Path, most: int) -> None:
    """Trade until told to stop."""
    faulthandler.enable()
    logs.setup(json=True, stream=sys.stderr)
    settings = load()
    connection = await connect(settings, "trading_bridge", state.name)
    await connection.call(
        "register_machine",
        {"machine_id": state.name, "region": "test", "roles": ["trading"], "version": "test"},
    )
    role = TradingRole(
        connection,
        WallClock(),
        Market("usdm"),
        Wakes(),
        settings=settings,
        state=state / "paper",
        limits=state.parent / "limits",
        policy=Policy(accounts=most),
    )
    await role.start()
    print("started", flush=True)
    while (line := (await asyncio.to_thread(sys.stdin.readline)).strip()) not in ("", "stop"):
        try:
            if line == "fail":
                fail_with_keys(role)
            await role.step()
        except RuntimeError:
            log.exception("step_failed")
        print(f"{line} done", flush=True)
    await role.stop()
    await connection.close()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 100))
