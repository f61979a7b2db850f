"""A signals role with everything around it, for tests that move the market themselves."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

from shared.candles import Candle
from shared.clock import MarketClock
from shared.errors import NotSent
from shared.identity import from_ms
from shared.market import Market
from shared.models import Trader
from shared.wakes import Wakes
from tests.signals.disk import die
from tests.signals.ingest import FakeIngest
from tests.signals.recordings import DAY, make
from workers.signals.evaluator import Unfit
from workers.signals.role import SignalsRole


class Scene:
    """A role with everything around it, over a market that the test moves."""

    def __init__(self, folder: Path, *traders: Trader, replay: bool = True) -> None:
        self.ingest = FakeIngest()
        self.market = Market()
        self.clock = MarketClock(from_ms(DAY))
        self.wakes = Wakes()
        self.traders = list(traders)
        self.unfit: list[Unfit] = []
        self.loads = 0
        self.away = 0
        self.folder = folder
        self.replay = replay
        self.role = self.open()

    def open(self) -> SignalsRole:
        return SignalsRole(
            self.market, self.clock, self.wakes, self.ingest, self.load, self.folder, replay=self.replay
        )

    async def load(self) -> tuple[list[Trader], list[Unfit]]:
        self.loads += 1
        if self.away:
            self.away -= 1
            raise NotSent("traders: the database is away")
        return self.traders, self.unfit

    def publish(self, minute: int, close: float, symbol: str = "BTCUSDT") -> None:
        candle = make(minute, close, symbol)
        self.clock.advance_ms(max(candle.close_ms, self.clock.millis()))
        self.market.publish(candle)

    async def kill(self) -> None:
        """Let the machine end where it stands, as SIGKILL does: nothing is written or sent any more."""
        role = self.role
        if role._leave_market is not None:
            role._leave_market()
        for task in tuple(role._tasks):
            task.cancel()
        await asyncio.gather(*role._tasks, return_exceptions=True)
        if role._spool is not None:
            die(role._spool)

    async def start_again(self, seeds: Sequence[Candle], longer: Sequence[Candle] = ()) -> None:
        """The next life of the same machine, on a market that the feed seeded with history."""
        self.market = Market()
        self.market.seed(seeds)
        self.market.seed_longer(longer)
        self.wakes = Wakes()
        self.role = self.open()
        await self.role.start()
