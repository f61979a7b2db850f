"""A market that does not exist: seeded random walks, for when no venue can be reached. It says so."""

from __future__ import annotations

import asyncio
import math
import random
from collections import deque
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from operator import attrgetter

from shared.aggregation import Aggregation
from shared.candles import INTERVALS, Candle, Gate, interval_ms
from shared.errors import InputError
from shared.models import MarketKind
from workers.signals.feeds.feed import FeedKind
from workers.signals.feeds.pace import Pace
from workers.signals.past import Past

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
DAY_MS = 86_400_000
# What the analyst asks for, and most indicators.
HISTORY = 250


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
        self._seed = seed
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
        """Nothing to connect to; `past` tells what went before."""
        return []

    def past(self, count: int = HISTORY) -> Past:
        """What went before the first candle, up to the prices that it begins with: `count` of every interval.

        It is walked in steps that grow with the distance: a year of minutes would take a minute. It has no
        gaps where the market starts with a day (UTC), which is the start of a candle of every interval.
        """
        stages = _stages(self._start, self._step, count)
        kept: dict[tuple[str, str], deque[Candle]] = {}
        for symbol in self.symbols:
            for candle in _walk_past(symbol, self._seed, self._step, stages):
                kept.setdefault((candle.interval, symbol), deque(maxlen=count)).append(candle)
        short = [kept.pop((self._interval, symbol)) for symbol in self.symbols]
        return Past(
            tuple(sorted(chain(*short), key=attrgetter("close_ms", "symbol"))),
            tuple(chain(*kept.values())),
        )

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
    """One symbol's price, which is now at `price`."""

    def __init__(self, symbol: str, seed: int | str) -> None:
        self._random = random.Random(f"{seed}|{symbol}")  # noqa: S311 - a game, not a secret
        self.price = BEGIN.get(symbol, 100.0)
        self._usual_volume = 2_000_000 / self.price
        self._regime = REGIMES[0]
        self._left = self._random.randrange(1, self._regime.candles)

    def move(self, length: int = 1) -> tuple[float, float, float, float, float]:
        """Open, high, low, close and volume of the next candle, which is `length` usual ones long."""
        drift = variance = activity = 0.0
        left = length
        while left:
            if self._left == 0:
                self._regime = self._random.choice(REGIMES)
                self._left = self._random.randrange(self._regime.candles // 2, self._regime.candles * 2)
            part = min(left, self._left)
            left, self._left = left - part, self._left - part
            drift += self._regime.drift * part
            variance += self._regime.volatility**2 * part
            activity += self._regime.activity * part
        volatility = math.sqrt(variance)
        swing = volatility / math.sqrt(MOVES_PER_CANDLE)
        prices, uniform = [self.price], self._random.random
        for _ in range(MOVES_PER_CANDLE):
            # Twelve uniform numbers make a normal one by additions alone: the same bits on every machine.
            normal = sum([uniform() for _ in range(12)]) - 6.0
            prices.append(_round(prices[-1] * (1.0 + drift / MOVES_PER_CANDLE + swing * normal)))
        self.price = prices[-1]
        travelled = abs(prices[-1] / prices[0] - 1.0) / volatility
        volume = self._usual_volume * activity * (0.3 + self._random.random() + travelled)
        return prices[0], max(prices), min(prices), prices[-1], _round(volume)


# From when to when the past is walked in candles of an interval.
_Stage = tuple[str, int, int]


def _stages(start_ms: int, step: int, count: int) -> list[_Stage]:
    """The parts of a past, the oldest first. Each begins with a day, so that none cuts a longer candle."""
    lengths = {name: length for name, length in INTERVALS.items() if length >= step}
    # What all longer intervals are made of, as five minutes are, and three are not.
    walked = [
        name
        for name, length in lengths.items()
        if all(longer % length == 0 for longer in lengths.values() if longer > length)
    ]
    stages: list[_Stage] = []
    until = start_ms
    for name, above in zip(walked, (*walked[1:], None), strict=True):
        made = (one for one in lengths.values() if above is None or one < lengths[above])
        since = (start_ms - count * max(made)) // DAY_MS * DAY_MS
        stages.append((name, since, until))
        until = since
    return stages[::-1]


def _walk_past(symbol: str, seed: int, step: int, stages: Sequence[_Stage]) -> Iterator[Candle]:
    """The candles of each stage's interval and of all longer ones; the last one ends where prices begin."""
    walk = _Walk(symbol, f"{seed}|past")
    begin = walk.price
    walked = [
        (name, opened, walk.move(INTERVALS[name] // step))
        for name, since, until in stages
        for opened in range(since, until, INTERVALS[name])
    ]
    scale = begin / walk.price
    building: dict[str, list[Aggregation]] = {
        name: [Aggregation(one) for one, length in INTERVALS.items() if length > INTERVALS[name]]
        for name, _, _ in stages
    }
    for name, opened, (*prices, volume) in walked:
        first, high, low, last = (_round(price * scale) for price in prices)
        candle = Candle(symbol, name, opened, opened + INTERVALS[name], first, high, low, last, volume)
        yield candle
        yield from filter(None, (one.add(candle) for one in building[name]))


def _round(number: float) -> float:
    return float(f"{number:.{SIGNIFICANT_DIGITS}g}")
