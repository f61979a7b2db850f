"""One symbol's market at a past noon, with machines that analyse and monitor on it in a real database."""

from __future__ import annotations

from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg

from shared.clock import MarketClock
from shared.identity import floor_ms
from shared.market import Market
from shared.wakes import Wakes
from tests.charts import draw, follow
from tests.machine.scenes import Scene, machine_connection
from tests.stacks import Stack
from workers.analysis.analyst import Choice
from workers.analysis.readings import WINDOW
from workers.analysis.role import AnalysisRole
from workers.analysis.rules import RuleBasedAnalyst
from workers.monitoring.role import MonitoringRole

# The market's time of these tests: a whole hour of yesterday, which has its partitions anyway.
NOON = datetime.now(UTC).replace(hour=12, minute=0, second=0, microsecond=0) - timedelta(days=1)


class Floor:
    """One symbol's market at NOON, with machines that analyse and monitor on it."""

    def __init__(self, stack: Stack, **trader: Any) -> None:
        self.stack = stack
        self.scene = Scene(stack, **trader)
        self.scene.open_days(NOON, NOON + timedelta(days=1))
        start = floor_ms(NOON) - WINDOW * 60_000
        self.history = draw(WINDOW, start_ms=start, noise=0.0005, drift=0.0003, seed=4)
        self.clock = MarketClock(NOON)
        self.market = Market()
        for candle in self.history:
            self.market.publish(candle)
        self.machines = AsyncExitStack()

    async def analyst(self, choice: Choice = lambda call, clock: RuleBasedAnalyst()) -> AnalysisRole:
        """An analysis role on a machine of its own."""
        connection = await self.machines.enter_async_context(machine_connection(self.stack, "analyst"))
        judge = choice(connection.call, self.clock)
        role = AnalysisRole(connection.call, self.clock, self.market, Wakes(), judge)
        await role.start()
        return role

    async def monitor(self) -> MonitoringRole:
        """A monitoring role on a machine of its own."""
        connection = await self.machines.enter_async_context(machine_connection(self.stack, "analyst"))
        role = MonitoringRole(connection.call, self.clock, self.market, Wakes())
        await role.start()
        return role

    async def fire(self, count: int = 1) -> list[UUID]:
        """Record signals of the last minutes, the newest at NOON."""
        async with machine_connection(self.stack, "signal_worker") as worker:
            return [await self.scene.fire(worker, NOON - timedelta(minutes=n)) for n in range(count)]

    async def close(self, role: MonitoringRole, *moves: float) -> None:
        """Candles whose closes move by these shares of the price, each looked at by `role`."""
        for move in moves:
            last = self.history[-1]
            price = round(last.close * (1 + move), 4)
            high, low = max(price, last.close), min(price, last.close)
            candle = follow(last, [(high, low, price)])[0]
            self.history.append(candle)
            self.clock.advance_ms(candle.close_ms)
            self.market.publish(candle)
            await role.step()

    def leases(self) -> dict[UUID, bool]:
        """Whether each queued signal of this user is leased."""
        with psycopg.connect(self.stack.db_url) as database:
            query = (
                "select q.signal_id, q.leased_until is not null from public.signal_queue q"
                " join public.signals s on s.id = q.signal_id where s.user_id = %s"
            )
            return dict(database.execute(query, [self.scene.user_id]).fetchall())
