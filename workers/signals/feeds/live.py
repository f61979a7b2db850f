"""Live public candles through ccxt.pro: a candle is closed when the next one opens."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter

import ccxt
import structlog

from shared.candles import Candle, Gap, Gate, Refusal, interval_ms
from shared.errors import InputError
from shared.models import MarketKind
from workers.signals.feeds.feed import FeedKind, FeedUnavailable
from workers.signals.feeds.venue import Exchange, find_unified

log = structlog.get_logger(__name__)

HISTORY = 500
PAGE = 1000
FIRST_PAUSE = 0.5
LONGEST_PAUSE = 30.0
# How often the venue's REST is asked for a candle that it does not have before a gap is taken as it is.
MOST_REPAIRS = 3

Row = Sequence[float]


@dataclass(slots=True)
class _Track:
    """How far one symbol has come. `trusted` is False while the stream may have missed a part of a candle."""

    symbol: str
    unified: str
    last_ms: int | None = None
    trusted: bool = False
    repairs: int = 0


class LiveFeed:
    """The candles of several symbols of one venue as they close.

    What happened while the stream was away is fetched over REST before anything newer is delivered; only a
    candle that the venue itself does not have stays a gap, which `gate` reports. `counts` has reconnects,
    repairs and failed_repairs.
    """

    kind: FeedKind = "live"

    def __init__(
        self,
        exchange: Exchange,
        symbols: Sequence[str],
        *,
        market: MarketKind = "usdm",
        interval: str = "1m",
        history: int = HISTORY,
        stale_seconds: float | None = None,
        gate: Gate | None = None,
    ) -> None:
        self.symbols = tuple(sorted(set(symbols)))
        self.market: MarketKind = market
        self.gate = Gate(on_refusal=_report_refusal, on_gap=_report_gap) if gate is None else gate
        self.counts: Counter[str] = Counter()
        self._exchange = exchange
        self._interval = interval
        self._step = interval_ms(interval)
        self._history = history
        # A stream that says nothing for so long has died in silence: an error inside ccxt's receive loop does
        # that to it.
        self._stale_seconds = stale_seconds or 1.5 * self._step / 1000 + 30.0
        self._tracks: list[_Track] = []
        self._ready: list[Candle] = []
        self._more = asyncio.Event()
        self._watching: asyncio.Task[None] | None = None

    @property
    def description(self) -> str:
        return f"live {self._interval} candles of {len(self.symbols)} symbols from {self._exchange.id}"

    async def open(self) -> list[Candle]:
        """Reach the venue, and answer the latest closed candles of every symbol.

        Raises `FeedUnavailable` that names the venue and why it cannot be used.
        """
        try:
            await self._exchange.load_markets()
            self._tracks = [
                _Track(symbol, find_unified(self._exchange, symbol, self.market)) for symbol in self.symbols
            ]
            found = [await self._fetch_history(track) for track in self._tracks]
        except ccxt.BaseError as error:
            await self.close()
            raise FeedUnavailable(
                f"{self._exchange.id} delivers no candles: {type(error).__name__}: {error!s:.200}"
            ) from error
        except InputError:
            await self.close()
            raise
        return sorted((one for candles in found for one in candles), key=attrgetter("close_ms", "symbol"))

    async def batches(self) -> AsyncIterator[list[Candle]]:
        """What closed together comes in one list, unless a symbol's candle was late.

        Raises `FeedUnavailable` when the venue refuses for good; disconnections are waited out.
        """
        self._watching = asyncio.create_task(self._watch())
        self._watching.add_done_callback(lambda _: self._more.set())
        while True:
            await self._more.wait()
            self._more.clear()
            ready, self._ready = sorted(self._ready, key=attrgetter("close_ms", "symbol")), []
            for _, together in groupby(ready, key=attrgetter("close_ms")):
                yield list(together)
            if self._watching.done():
                if not self._watching.cancelled():
                    self._watching.result()
                return

    async def close(self) -> None:
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.wait([self._watching])
        await self._exchange.close()

    async def _watch(self) -> None:
        wanted = [[track.unified, self._interval] for track in self._tracks]
        pause = FIRST_PAUSE
        while True:
            try:
                # Only wakes: a frame can come while nobody waits, so what is new is read from the cache.
                async with asyncio.timeout(self._stale_seconds):
                    await self._exchange.watch_ohlcv_for_symbols(wanted)
                for track in self._tracks:
                    await self._advance(track)
                pause = FIRST_PAUSE
            except (ccxt.NetworkError, TimeoutError) as error:
                self._lose_trust(error)
                if isinstance(error, TimeoutError):
                    await self._exchange.close_ws_clients()
                await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311 - jitter
                pause = min(pause * 2, LONGEST_PAUSE)
            except ccxt.BaseError as error:
                raise FeedUnavailable(
                    f"{self._exchange.id} delivers no more candles: {error!s:.200}"
                ) from error

    def _lose_trust(self, error: Exception) -> None:
        self.counts["reconnects"] += 1
        for track in self._tracks:
            track.trusted = False
        log.warning("feed_away", venue=self._exchange.id, error=f"{error!s:.200}" or "the stream went silent")

    async def _advance(self, track: _Track) -> None:
        """Deliver what closed of one symbol since the last time."""
        cached: dict[int, Row] = {
            int(row[0]): row for row in self._exchange.ohlcvs.get(track.unified, {}).get(self._interval, ())
        }
        if not cached:
            return
        forming = max(cached)
        if track.last_ms is None:
            # A symbol without history begins with the candle that is forming now.
            track.last_ms = forming - self._step
        closed = {at: row for at, row in cached.items() if track.last_ms < at < forming}
        wanted = range(track.last_ms + self._step, forming, self._step)
        if not wanted:
            return
        if not track.trusted or any(at not in closed for at in wanted):
            fetched = await self._fetch(track, wanted)
            closed.update(fetched)
            track.repairs += 1
            self.counts["repairs"] += 1
            if any(at not in closed for at in wanted) and track.repairs < MOST_REPAIRS:
                self.counts["failed_repairs"] += 1
                return
        track.trusted, track.repairs = True, 0
        track.last_ms = wanted[-1]
        candles = [self._make(track, closed[at]) for at in sorted(closed) if at in wanted]
        self._ready += [candle for candle in candles if self.gate.admit(candle)]
        self._more.set()

    async def _fetch(self, track: _Track, wanted: range) -> dict[int, Row]:
        """The closed candles of a span over REST, in pages."""
        found: dict[int, Row] = {}
        since = wanted[0]
        while since <= wanted[-1]:
            rows = await self._exchange.fetch_ohlcv(track.unified, self._interval, since, PAGE)
            news = {int(row[0]): row for row in rows if since <= row[0] <= wanted[-1]}
            if not news:
                break
            found.update(news)
            since = max(news) + self._step
        return found

    async def _fetch_history(self, track: _Track) -> list[Candle]:
        rows = await self._exchange.fetch_ohlcv(track.unified, self._interval, None, self._history)
        now = self._exchange.milliseconds()
        # The last row is the candle that is still forming.
        candles = [self._make(track, row) for row in rows if row[0] + self._step <= now]
        sound = [candle for candle in candles if self.gate.admit(candle)]
        if sound:
            track.last_ms = sound[-1].open_ms
        return sound

    def _make(self, track: _Track, row: Row) -> Candle:
        opened = int(row[0])
        numbers = [float("nan") if number is None else float(number) for number in row[1:6]]
        return Candle(track.symbol, self._interval, opened, opened + self._step, *numbers)


def _report_refusal(refusal: Refusal) -> None:
    log.warning("candle_refused", symbol=refusal.symbol, reason=refusal.reason, detail=refusal.detail)


def _report_gap(gap: Gap) -> None:
    log.warning("candles_missing", symbol=gap.symbol, missing=gap.missing, after_ms=gap.after_ms)
