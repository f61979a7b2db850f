"""Live candles through the real ccxt.pro, from a venue that drops, lags and stays silent."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
from structlog.testing import capture_logs

from shared.candles import MINUTE_MS, Candle
from shared.errors import InputError
from tests.signals.venue import FakeVenue, Row, serving
from tests.waiting import until
from workers.signals.feeds.feed import FeedUnavailable
from workers.signals.feeds.live import LiveFeed
from workers.signals.feeds.venue import open_exchange

SYMBOLS = ("BTCUSDT", "ETHUSDT")


def candle(at: int, close: float = 100.0) -> Row:
    return (at, 100.0, max(100.0, close), min(100.0, close), close, 5.0)


@dataclass
class Scene:
    """A running feed. `now` is the minute that is forming when it starts; `got` are the candles by symbol."""

    venue: FakeVenue
    feed: LiveFeed
    now: int
    got: dict[str, list[Candle]] = field(default_factory=lambda: {symbol: [] for symbol in SYMBOLS})
    history: list[Candle] = field(default_factory=list)
    reading: asyncio.Task[None] | None = None

    def at(self, minutes: int) -> int:
        return self.now + minutes * MINUTE_MS

    async def start(self) -> None:
        self.history = await self.feed.open()
        self.reading = asyncio.create_task(self._read())
        await until(lambda: self.venue.subscriptions > 0)

    async def _read(self) -> None:
        async for batch in self.feed.batches():
            for one in batch:
                self.got[one.symbol].append(one)

    async def form(self, symbol: str, minutes: int, close: float = 100.0) -> None:
        await self.venue.push(symbol, candle(self.at(minutes), close))

    async def close_minute(self, symbol: str, minutes: int, close: float) -> None:
        """A minute's last state, REST's knowledge of it, and the first state of the next."""
        await self.form(symbol, minutes, close)
        self.venue.know(symbol, candle(self.at(minutes), close))
        await self.form(symbol, minutes + 1)

    async def expect(self, symbol: str, *closes: float) -> None:
        await until(lambda: len(self.got[symbol]) >= len(closes))
        assert [one.close for one in self.got[symbol]] == list(closes)
        opens = [one.open_ms for one in self.got[symbol]]
        assert opens == sorted(opens)


@asynccontextmanager
async def scene(*, stale_seconds: float | None = None) -> AsyncIterator[Scene]:
    venue = FakeVenue(SYMBOLS)
    now = int(time.time() * 1000) // MINUTE_MS * MINUTE_MS
    for symbol in SYMBOLS:
        for minutes in range(-5, 1):
            venue.know(symbol, candle(now + minutes * MINUTE_MS, 90.0 - minutes))
    async with serving(venue) as connect:
        feed = LiveFeed(open_exchange("binance", "usdm", connect), SYMBOLS, stale_seconds=stale_seconds)
        one = Scene(venue, feed, now)
        try:
            yield one
        finally:
            await feed.close()
            if one.reading is not None:
                await asyncio.wait([one.reading], timeout=10)


async def test_history_warms_up_and_leaves_the_forming_candle_out() -> None:
    async with scene() as one:
        await one.start()
        assert {candle.symbol for candle in one.history} == set(SYMBOLS)
        opens = [(candle.close_ms, candle.symbol) for candle in one.history]
        assert opens == sorted(opens)
        assert one.at(-1) in {candle.open_ms for candle in one.history}
        assert all(candle.close_ms <= time.time() * 1000 for candle in one.history)
        assert "binance" in one.feed.description
        assert one.feed.kind == "live"


async def test_a_candle_is_delivered_when_the_next_one_opens() -> None:
    async with scene() as one:
        await one.start()
        last = max(candle.open_ms for candle in one.history)
        first = (last - one.now) // MINUTE_MS + 1
        await one.close_minute("BTCUSDT", first, 101.0)
        await one.expect("BTCUSDT", 101.0)
        await one.form("BTCUSDT", first + 1, 107.0)
        await one.close_minute("BTCUSDT", first + 1, 102.0)
        await one.expect("BTCUSDT", 101.0, 102.0)
        await one.close_minute("ETHUSDT", first, 55.0)
        await one.expect("ETHUSDT", 55.0)
        assert len(one.got["BTCUSDT"]) == 2
        assert one.feed.gate.missing == 0


async def test_what_a_disconnection_missed_is_fetched_before_anything_newer() -> None:
    async with scene() as one:
        await one.start()
        first = (max(candle.open_ms for candle in one.history) - one.now) // MINUTE_MS + 1
        await one.close_minute("BTCUSDT", first, 101.0)
        await one.expect("BTCUSDT", 101.0)
        # The stream breaks in the middle of a minute; that minute and the two after it pass unseen.
        await one.form("BTCUSDT", first + 1, 555.0)
        before = one.venue.subscriptions
        await one.venue.drop()
        for minutes, close in ((1, 102.0), (2, 103.0), (3, 104.0)):
            one.venue.know("BTCUSDT", candle(one.at(first + minutes), close))
        await until(lambda: one.venue.subscriptions > before)
        await one.form("BTCUSDT", first + 4)
        await one.expect("BTCUSDT", 101.0, 102.0, 103.0, 104.0)
        assert one.feed.counts["reconnects"] >= 1
        assert one.feed.gate.missing == 0


async def test_a_minute_that_was_seen_in_part_is_fetched_whole() -> None:
    async with scene() as one:
        await one.start()
        first = (max(candle.open_ms for candle in one.history) - one.now) // MINUTE_MS + 1
        await one.close_minute("BTCUSDT", first, 101.0)
        await one.expect("BTCUSDT", 101.0)
        await one.form("BTCUSDT", first + 1, 555.0)
        before = one.venue.subscriptions
        await one.venue.drop()
        one.venue.know("BTCUSDT", candle(one.at(first + 1), 102.0))
        await until(lambda: one.venue.subscriptions > before)
        await one.form("BTCUSDT", first + 2)
        await one.expect("BTCUSDT", 101.0, 102.0)
        # Then the stream is trusted again: what it says closes a minute without asking.
        asked = len(one.venue.asked)
        await one.close_minute("BTCUSDT", first + 2, 103.0)
        await one.expect("BTCUSDT", 101.0, 102.0, 103.0)
        assert len(one.venue.asked) == asked


async def test_a_minute_without_a_trade_is_filled_from_rest() -> None:
    async with scene() as one:
        await one.start()
        first = (max(candle.open_ms for candle in one.history) - one.now) // MINUTE_MS + 1
        await one.close_minute("BTCUSDT", first, 101.0)
        await one.expect("BTCUSDT", 101.0)
        one.venue.know("BTCUSDT", candle(one.at(first + 1), 100.5))
        one.venue.know("BTCUSDT", candle(one.at(first + 2), 100.6))
        await one.form("BTCUSDT", first + 3)
        await one.expect("BTCUSDT", 101.0, 100.5, 100.6)


async def test_a_candle_that_the_venue_does_not_have_stays_a_gap_and_is_reported() -> None:
    async with scene() as one:
        await one.start()
        first = (max(candle.open_ms for candle in one.history) - one.now) // MINUTE_MS + 1
        await one.close_minute("BTCUSDT", first, 101.0)
        await one.expect("BTCUSDT", 101.0)
        one.venue.know("BTCUSDT", candle(one.at(first + 3), 103.0))

        async def delivered() -> bool:
            await one.form("BTCUSDT", first + 4)
            return len(one.got["BTCUSDT"]) == 3

        with capture_logs() as entries:
            await until(delivered)
        # Of the minute that had begun to form the stream's last word stands; the one after it is missing.
        await one.expect("BTCUSDT", 101.0, 100.0, 103.0)
        assert one.feed.gate.missing == 1
        (told,) = [entry for entry in entries if entry["event"] == "candles_missing"]
        assert (told["symbol"], told["missing"]) == ("BTCUSDT", 1)
        assert one.feed.counts["failed_repairs"] == 2


async def test_rest_that_fails_for_a_while_delays_and_loses_nothing() -> None:
    async with scene() as one:
        await one.start()
        first = (max(candle.open_ms for candle in one.history) - one.now) // MINUTE_MS + 1
        one.venue.refuse_klines = 2
        await one.form("BTCUSDT", first, 101.0)
        one.venue.know("BTCUSDT", candle(one.at(first), 101.0))

        async def delivered() -> bool:
            await one.form("BTCUSDT", first + 1)
            return len(one.got["BTCUSDT"]) == 1

        await until(delivered)
        await one.expect("BTCUSDT", 101.0)


async def test_a_stream_that_went_silent_is_opened_again() -> None:
    async with scene(stale_seconds=0.3) as one:
        await one.start()
        before = one.venue.subscriptions
        await until(lambda: one.venue.subscriptions > before)
        first = (max(candle.open_ms for candle in one.history) - one.now) // MINUTE_MS + 1
        await one.close_minute("BTCUSDT", first, 101.0)
        await one.expect("BTCUSDT", 101.0)


async def test_a_venue_that_cannot_be_reached_is_named() -> None:
    venue = FakeVenue(SYMBOLS)
    venue.down = True
    async with serving(venue) as connect:
        feed = LiveFeed(open_exchange("binance", "usdm", connect), SYMBOLS)
        with pytest.raises(FeedUnavailable, match="binanceusdm delivers no candles: ExchangeNotAvailable"):
            await feed.open()


async def test_a_symbol_that_is_not_traded_is_named() -> None:
    async with serving(FakeVenue(SYMBOLS)) as connect:
        feed = LiveFeed(open_exchange("binance", "usdm", connect), ["NOPEUSDT"])
        with pytest.raises(InputError, match="binanceusdm does not trade NOPEUSDT on its usdm market"):
            await feed.open()


def test_an_unknown_venue_is_named() -> None:
    with pytest.raises(InputError, match="unknown venue 'mtgox' for usdm candles; known are binance, bybit"):
        open_exchange("mtgox", "usdm")
