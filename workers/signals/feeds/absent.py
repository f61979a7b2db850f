"""No feed: for machines whose roles need no candles."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from shared.candles import Candle, Gate
from shared.models import MarketKind
from workers.signals.feeds.feed import FeedKind


class AbsentFeed:
    """Delivers nothing until it is closed, and reaches no venue."""

    kind: FeedKind = "absent"
    market: MarketKind = "usdm"
    symbols: tuple[str, ...] = ()
    description = "no candles: these roles need none"

    def __init__(self) -> None:
        self.gate = Gate()
        self._closed = asyncio.Event()

    async def open(self) -> list[Candle]:
        """Nothing to connect to."""
        return []

    async def batches(self) -> AsyncIterator[list[Candle]]:
        await self._closed.wait()
        nothing: tuple[list[Candle], ...] = ()
        for batch in nothing:
            yield batch

    async def close(self) -> None:
        self._closed.set()
