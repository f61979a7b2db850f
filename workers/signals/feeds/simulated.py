"""A market that does not exist: seeded random walks, for when no venue can be reached. It says so."""

from __future__ import annotations

import asyncio
import math
import random
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass

from shared.candles import Candle, Gate, interval_ms
from shared.errors import InputError
from shared.models import MarketKind
from workers.signals.feeds.feed import FeedKind
from workers.signals.feeds.pace import Pace

# Where the walks begin: about what these cost in 2025. Any other symbol begins at 100.
BEGIN: Mapping[str, float] = {
    "BTCUSDT": 95000.0,
    "ETHUSDT": 1800.0,
    "SOLUSDT": 145.0,
    "BNBUSDT": 590.0,
    "XRPUSDT": 2.2,
    "ADAUSDT": 0.7,
    "LTCUSDT": 88.0,
    "LINKUSDT": 14.0,
    "AVAXUSDT": 20.0,
    "BCHUSDT": 360.0,
}
MOVES_PER_CANDLE = 6
SIGNIFICANT_DIGITS = 6


@dataclass(frozen=True, slots=True)
class Regime:
    """How prices move for a while: drift and volatility of a candle, and how much is traded."""

    name: str
    drift: float
    volatility: float
    activity: float
    candles: int


REGIMES = (
    Regime("calm", 0.0, 0.0004, 1.0, 240),
    Regime("rising", 0.00012, 0.0008, 1.6, 120),
    Regime("falling", -0.00012, 0.0009, 1.8, 120),
    Regime("wild", 0.0, 0.0025, 4.0, 40),
)


class SimulatedFeed:
    """Random walks that change between calm, rising, falling and wild. The same seed gives the same candles.

    The first candle opens at `start_ms`, rounded up to the interval. `count` candles a symbol, without end
    when None; `speed` is a multiple of real time, None as fast as they are taken. What closes at or before
    `paced_from_ms` is the market's past and comes at once.
    """

    kind: FeedKind = "simulated"

    def __init__(
        self,
        symbols: tuple[str, ...] = tuple(BEGIN),
        *,
        start_ms: int,
        interval: str = "1m",
        seed: int = 1,
        count: int | None = None,
        speed: float | None = None,
        paced_from_ms: int = 0,
        market: MarketKind = "usdm",
        gate: Gate | None = None,
    ) -> None:
        if not symbols:
            raise InputError("a simulated market needs at least one symbol")
        self.symbols = tuple(sorted(set(symbols)))
        self.market: MarketKind = market
        self.gate = Gate() if gate is None else gate
        self._interval = interval
        self._step = interval_ms(interval)
        self._start = -(-start_ms // self._step) * self._step
        self._count = count
        self._pace = None if speed is None else Pace(speed)
        self._paced_from = paced_from_ms
        self._walks = {symbol: _Walk(symbol, seed) for symbol in self.symbols}
        self._closed = asyncio.Event()

    @property
    def description(self) -> str:
        return f"a SIMULATED market of {len(self.symbols)} symbols: random walks, not real prices"

    @property
    def start_ms(self) -> int:
        """When the first candle opens."""
        return self._start

    async def open(self) -> list[Candle]:
        """Nothing to connect to, and no history."""
        return []

    async def batches(self) -> AsyncIterator[list[Candle]]:
        place = 0
        while self._count is None or place < self._count:
            opened = self._start + place * self._step
            close_ms = opened + self._step
            if self._pace is not None and close_ms > self._paced_from:
                if opened <= self._paced_from:
                    await self._pace.wait(self._paced_from, self._closed)  # what follows is counted from here
                await self._pace.wait(close_ms, self._closed)
            else:
                await asyncio.sleep(0)
            if self._closed.is_set():
                return
            candles = [
                Candle(symbol, self._interval, opened, close_ms, *self._walks[symbol].move())
                for symbol in self.symbols
            ]
            yield [candle for candle in candles if self.gate.admit(candle)]
            place += 1

    async def close(self) -> None:
        self._closed.set()


class _Walk:
    """One symbol's price."""

    def __init__(self, symbol: str, seed: int) -> None:
        self._random = random.Random(f"{seed}|{symbol}")  # noqa: S311 - a game, not a secret
        self._price = BEGIN.get(symbol, 100.0)
        self._usual_volume = 2_000_000 / self._price
        self._regime = REGIMES[0]
        self._left = self._random.randrange(1, self._regime.candles)

    def move(self) -> tuple[float, float, float, float, float]:
        """Open, high, low, close and volume of the next candle."""
        if self._left == 0:
            self._regime = self._random.choice(REGIMES)
            self._left = self._random.randrange(self._regime.candles // 2, self._regime.candles * 2)
        self._left -= 1
        drift = self._regime.drift / MOVES_PER_CANDLE
        swing = self._regime.volatility / math.sqrt(MOVES_PER_CANDLE)
        prices = [self._price]
        for _ in range(MOVES_PER_CANDLE):
            # Twelve uniform numbers make a normal one by additions alone: the same bits on every machine.
            normal = sum(self._random.random() for _ in range(12)) - 6.0
            prices.append(_round(prices[-1] * (1.0 + drift + swing * normal)))
        self._price = prices[-1]
        travelled = abs(prices[-1] / prices[0] - 1.0) / self._regime.volatility
        volume = self._usual_volume * self._regime.activity * (0.3 + self._random.random() + travelled)
        return prices[0], max(prices), min(prices), prices[-1], _round(volume)


def _round(number: float) -> float:
    return float(f"{number:.{SIGNIFICANT_DIGITS}g}")
