"""A machine of the chaos benchmark: `python -m scripts.bench.chaos_machine PLAN STATE SYMBOL…`.

It is a machine with the signals role, on the candles of the plan, in the project that the environment
names. It stops in good order when standard input ends, so that it never outlives who started it.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

from scripts.bench.chaos_plan import PlannedFeed
from shared import log as logs
from shared.client import connect
from shared.clock import WallClock
from shared.market import Market
from shared.realtime import Realtime
from shared.settings import Settings, load
from shared.wakes import Wakes
from workers.life import Machine
from workers.signals.role import SignalsRole
from workers.signals.traders import load_traders
from workers.status import Status

# A file in the state folder with the seconds by which somebody put the clock ahead or back.
SKEW = "skew"


class SkewedClock(WallClock):
    """The wall's clock, which somebody may put ahead or back at any time."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / SKEW

    def now(self) -> datetime:
        skew = float(self._file.read_text()) if self._file.exists() else 0.0
        return datetime.now(UTC) + timedelta(seconds=skew)


async def main(plan: Path, state: Path, symbols: Sequence[str]) -> None:
    """Make signals until standard input ends."""
    machine = await build(load(), plan, state, symbols)
    loop = asyncio.get_running_loop()
    loop.add_reader(sys.stdin.fileno(), machine.stop)
    try:
        await machine.run()
    finally:
        loop.remove_reader(sys.stdin.fileno())


async def build(settings: Settings, plan: Path, state: Path, symbols: Sequence[str]) -> Machine:
    """As workers.machine builds it, but for what other roles need: loading that takes longer than the rest of
    a start, and this machine starts often."""
    name = state.stem
    feed = PlannedFeed(plan, symbols)
    market, clock, wakes = Market(feed.market), SkewedClock(plan / name), Wakes()
    market.seed(await feed.open())
    connection = await connect(settings, "signal_worker", name)
    role = SignalsRole(
        market,
        clock,
        wakes,
        connection.call,
        partial(load_traders, connection),
        state / "spool",
        replay=False,
    )
    status = Status(name, replay=False)
    status.counts[role.name] = role.counts
    key = settings.supabase_publishable_key.get_secret_value()
    return Machine(
        status,
        [role],
        feed,
        clock,
        market,
        wakes,
        connection.call,
        realtime=Realtime(settings.supabase_url, key, connection.token),
        closers=[connection.close],
    )


if __name__ == "__main__":
    logs.setup(level="info")
    asyncio.run(main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:]))
