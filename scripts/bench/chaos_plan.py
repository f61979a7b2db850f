"""What the market of the chaos benchmark does, and so what has to be made: a pure function of time.

Candles of a minute close every `beat` seconds, rising and falling in turn, and each close fires half of the
traders on each symbol. The signals that have to be there are computed from the plan alone, whatever machines
said: one that was never made counts as lost too.
"""

from __future__ import annotations

import asyncio
import json
import math
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self
from uuid import UUID

from shared.candles import MINUTE_MS, Candle, Gate
from shared.identity import signal_id
from shared.models import MarketKind
from workers.signals.feeds.feed import FeedKind

# As much as the feed of a live machine brings along.
HISTORY = 300
LOOK_SECONDS = 0.1
PLAN, END = "plan.json", "end"


@dataclass(frozen=True)
class Plan:
    """origin_ms: the close of candle 0 in market time
    start: when it closes, by the monotonic clock, which all processes share; None until the market opens"""

    beat: float
    origin_ms: int
    symbols: tuple[str, ...]
    start: float | None = None

    @classmethod
    def read(cls, folder: Path) -> Self:
        stored = json.loads((folder / PLAN).read_text())
        return cls(**stored | {"symbols": tuple(stored["symbols"])})

    def write(self, folder: Path) -> None:
        draft = folder / "plan.new"
        draft.write_text(json.dumps(asdict(self)))
        draft.rename(folder / PLAN)

    def due(self, index: int) -> float:
        """When this candle closes, by the monotonic clock."""
        return math.inf if self.start is None else self.start + index * self.beat

    @property
    def latest(self) -> int:
        """The candle that closed last; -1 before the first."""
        return -1 if self.start is None else int((time.monotonic() - self.start) // self.beat)

    def close_ms(self, index: int) -> int:
        return self.origin_ms + index * MINUTE_MS

    def rises(self, symbol: str, index: int) -> bool:
        return (index + self.symbols.index(symbol)) % 2 == 0

    def candle(self, symbol: str, index: int) -> Candle:
        closed = self.close_ms(index)
        last = 101.0 if self.rises(symbol, index) else 99.0
        return Candle(symbol, "1m", closed - MINUTE_MS, closed, 100.0, 102.0, 98.0, last, 10.0)

    def signals(self, index: int, risers: Sequence[UUID], fallers: Sequence[UUID]) -> Iterator[UUID]:
        """The ids of everything that has to be made of this close."""
        for symbol in self.symbols:
            for trader in risers if self.rises(symbol, index) else fallers:
                yield signal_id(trader, symbol, "1m", self.close_ms(index))


class PlannedFeed:
    """The plan as a live feed shows it: what closed while nobody listened comes first, as a venue's REST
    brings it. It is over after the candle that the file `end` names, and waits then until it is closed."""

    kind: FeedKind = "live"
    market: MarketKind = "usdm"
    description = "candles as the plan of the benchmark has them"

    def __init__(self, folder: Path, symbols: Sequence[str]) -> None:
        self.symbols = tuple(symbols)
        self.gate = Gate()
        self._folder = folder
        self._plan = Plan.read(folder)
        self._end = folder / END
        self._next = 0
        self._closed = asyncio.Event()

    async def open(self) -> list[Candle]:
        """What closed so far."""
        self._next = max(self._plan.latest + 1, 0)
        last = self._last()
        self._next = self._next if last is None else min(self._next, last + 1)
        return [candle for index in range(self._next - HISTORY, self._next) for candle in self._batch(index)]

    async def batches(self) -> AsyncIterator[list[Candle]]:
        while not self._closed.is_set():
            last = self._last()
            if time.monotonic() < self._plan.due(self._next) or (last is not None and self._next > last):
                await asyncio.sleep(min(LOOK_SECONDS, self._plan.beat / 4))
                if self._plan.start is None:
                    self._plan = Plan.read(self._folder)
                continue
            self._next += 1
            yield self._batch(self._next - 1)

    async def close(self) -> None:
        self._closed.set()

    def _batch(self, index: int) -> list[Candle]:
        return [self._plan.candle(symbol, index) for symbol in self.symbols]

    def _last(self) -> int | None:
        return int(self._end.read_text()) if self._end.exists() else None
