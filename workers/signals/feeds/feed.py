"""What every source of candles has in common."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from itertools import groupby
from operator import attrgetter
from typing import Literal, Protocol

from shared.candles import Candle, Gate
from shared.errors import SigtrailError
from shared.market import Market
from shared.models import MarketKind

FeedKind = Literal["recorded", "live", "simulated", "absent"]


class FeedUnavailable(SigtrailError):
    """No venue delivers these candles now; another feed may be used instead."""


class Feed(Protocol):
    """A source of closed candles in order of time.

    `kind` and `description` say honestly where they come from; `market` is 'usdm' or 'spot'; `gate` counts
    what was admitted, refused and missing.
    """

    @property
    def kind(self) -> FeedKind: ...

    @property
    def description(self) -> str: ...

    @property
    def market(self) -> MarketKind: ...

    @property
    def symbols(self) -> tuple[str, ...]: ...

    @property
    def gate(self) -> Gate: ...

    async def open(self) -> list[Candle]:
        """Connect, and answer candles from before the start, which warm up the indicators and fire nothing.

        Raises `FeedUnavailable` when no candle can be had, `InputError` for a folder or symbol that is wrong.
        """
        ...

    def batches(self) -> AsyncIterator[list[Candle]]:
        """Closed candles, those that closed together in one list, ordered by symbol."""
        ...

    async def close(self) -> None:
        """Let go of files and connections; `batches` ends."""
        ...


async def pump(feed: Feed, market: Market) -> None:
    """Publish an opened feed into the market until it ends. A replay moves its clock between batches."""
    async for batch in feed.batches():
        for candle in batch:
            market.publish(candle)


def by_close(candles: Iterable[Candle]) -> Iterable[tuple[int, list[Candle]]]:
    """Group candles that are in order of (close, symbol) by their close."""
    for close_ms, together in groupby(candles, key=attrgetter("close_ms")):
        yield close_ms, list(together)
