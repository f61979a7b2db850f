"""A live feed on a fake venue, in a time that the test moves."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

from scripts.fake_venue import FakeVenue
from shared.candles import MINUTE_MS, Candle
from shared.clock import MarketClock
from shared.identity import from_ms
from shared.models import MarketKind
from tests.waiting import until
from workers.signals.feeds.live import LiveFeed
from workers.signals.feeds.venue import VenueClock, open_exchange
from workers.trading.paper.path import Bar

BEGIN = 1_780_000_020_000 // MINUTE_MS * MINUTE_MS
SYMBOLS = ("BTCUSDT", "ETHUSDT")
KLINES = {"binance": "GET /*/klines", "bybit": "GET /v5/market/kline"}


class HandClock(VenueClock):
    """The venue's time, as the scene says it."""

    def __init__(self, venue: FakeVenue) -> None:
        self._venue = venue

    def now_ms(self) -> int:
        return self._venue.clock.millis()

    async def sample(self) -> None:
        return

    async def keep(self) -> None:
        return


class Scene:
    """`got` is what the feed delivered by symbol, `corrected` what it corrected. Minutes count from the one
    that forms at the start, 0."""

    def __init__(self, venue: FakeVenue, feed: LiveFeed, name: str, market: MarketKind) -> None:
        self.venue = venue
        self.feed = feed
        self.name = name
        self.klines = KLINES[name]
        self.got: defaultdict[str, list[Candle]] = defaultdict(list)
        self.corrected: list[Candle] = []
        self.healed: list[Candle] = []
        self.history: list[Candle] = []
        self.reading: asyncio.Task[None] | None = None
        self._market = market
        feed.on_correction = self.corrected.append
        feed.on_healed = self.healed.append

    def at(self, minutes: int) -> int:
        return BEGIN + minutes * MINUTE_MS

    def unified(self, symbol: str) -> str:
        name = f"{symbol.removesuffix('USDT')}/USDT"
        return f"{name}:USDT" if self._market == "usdm" else name

    def bar(self, symbol: str, minutes: int, close: float, volume: float = 10.0) -> Bar:
        """A candle that opens at 100; volume is what it traded so far."""
        price = Decimal(str(close))
        high, low = max(price, Decimal(100)), min(price, Decimal(100))
        opened = self.at(minutes)
        return Bar(
            self.unified(symbol),
            opened,
            opened + MINUTE_MS,
            Decimal(100),
            high,
            low,
            price,
            Decimal(str(volume)),
        )

    def pass_time(self, minutes: float) -> None:
        """The venue's clock shows so many minutes after the start."""
        to = BEGIN + int(minutes * MINUTE_MS)
        assert isinstance(self.venue.clock, MarketClock)
        if to > self.venue.clock.millis():
            self.venue.clock.advance_ms(to)

    def form(self, symbol: str, minutes: int, close: float = 100.0) -> None:
        """A state of a candle that is not closed."""
        self.pass_time(minutes)
        self.venue.tell_candle(self.bar(symbol, minutes, close, 1.0), self.name, closed=False)

    def know(self, symbol: str, minutes: int, close: float, volume: float = 10.0) -> None:
        """REST knows a candle."""
        self.venue.know_candle(self.bar(symbol, minutes, close, volume), self.name)

    def tell(self, symbol: str, minutes: int, close: float) -> None:
        """The stream calls a candle closed."""
        self.venue.tell_candle(self.bar(symbol, minutes, close), self.name)

    def close(self, symbol: str, minutes: int, close: float) -> None:
        """A minute ends: REST knows it, and the stream tells it."""
        self.pass_time(minutes + 1)
        self.know(symbol, minutes, close)
        self.tell(symbol, minutes, close)

    def truth(self, symbol: str) -> list[tuple[int, float]]:
        """Open and close of what REST tells from minute 0 on, as far as it has ended."""
        until_ms = self.venue.clock.millis() - MINUTE_MS
        found = self.venue.exchanges[self.name].candles.between(
            self.unified(symbol), MINUTE_MS, BEGIN, until_ms
        )
        return [(bar.open_ms, float(bar.close)) for bar in found]

    async def start(self) -> None:
        self.history = await self.feed.open()
        self.reading = asyncio.create_task(self._read())
        await self.subscribed()

    async def subscribed(self, sockets: int = 1) -> None:
        """Wait until the streams of all symbols were asked for."""
        await until(lambda: self.subscriptions() >= len(self.feed.symbols))

    def subscriptions(self) -> int:
        """How many symbols sockets listen to that are told something."""
        streams = self.venue.exchanges[self.name].streams
        return len({topic for one in streams if not one.is_silent for topic in one.topics})

    async def _read(self) -> None:
        async for batch in self.feed.batches():
            for one in batch:
                self.got[one.symbol].append(one)

    async def expect(self, symbol: str, *closes: float) -> None:
        await until(lambda: len(self.got[symbol]) >= len(closes))
        assert [one.close for one in self.got[symbol]] == list(closes)
        opens = [one.open_ms for one in self.got[symbol]]
        assert opens == sorted(set(opens))


@asynccontextmanager
async def live_scene(
    name: str = "binance",
    market: MarketKind = "usdm",
    symbols: Sequence[str] = SYMBOLS,
    listed: Sequence[str] | None = None,
    **options: Any,
) -> AsyncIterator[Scene]:
    """A venue whose minutes -5 to -1 are known, and a feed on it that has not been opened."""
    async with FakeVenue(MarketClock(from_ms(BEGIN)), symbols=listed or symbols) as venue:

        def connect() -> Any:
            exchange = open_exchange(name, market, venue.session_factory())
            exchange.enableRateLimit = False  # this venue has none
            return exchange

        options = {"look_seconds": 0.02, "clock": HandClock(venue), "history": 5, **options}
        feed = LiveFeed(connect, symbols, market=market, **options)
        one = Scene(venue, feed, name, market)
        for symbol in listed or symbols:
            for minutes in range(-5, 0):
                one.know(symbol, minutes, 90.0 - minutes)
        try:
            yield one
        finally:
            await feed.close()
            if one.reading is not None:
                await asyncio.wait([one.reading], timeout=10)
