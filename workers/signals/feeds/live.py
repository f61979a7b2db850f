"""Live public candles of one venue through ccxt.pro: each once, in order, as the venue itself has it.

    sockets (lines) ─▶ tracks ─▶ gate ─▶ batches
                         ▲
                  REST: what the stream left out

A candle is delivered when the venue called it closed. What a stream left out (it was away, silent, or lost a
frame) is asked for over REST before anything newer of that symbol is delivered. What the venue itself does
not have, or its REST does not tell for a minute, is a gap, and `gate` names it. Gaps are asked for again:
what comes after all is told to `on_healed`. A candle that the venue corrects after it was delivered is
told to `on_correction`, and delivered to nobody again.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from itertools import groupby
from operator import attrgetter

import ccxt
import structlog

from shared.candles import Candle, Gap, Gate, Refusal, find_fault, interval_ms
from shared.errors import InputError
from shared.models import MarketKind
from workers.signals.feeds.feed import FeedKind, FeedUnavailable
from workers.signals.feeds.line import FIRST_PAUSE, LONGEST_PAUSE, Line
from workers.signals.feeds.track import KEPT, Row, Track
from workers.signals.feeds.venue import CHUNKS, Exchange, VenueClock, close_exchange, find_unified

log = structlog.get_logger(__name__)

# One less than what venues count double or more.
HISTORY = 499
PAGE = 1000
# Symbols of one socket: venues take 200 and more, and one that fails takes fewer along.
PER_LINE = 100
# Questions to REST that are under way together; ccxt spaces them out by the venue's own limits.
AT_ONCE = 4
# How often it is looked whether candles are missing, and sockets silent.
LOOK_SECONDS = 0.5
# Gaps are asked for again after so long, and then at growing distances.
HEAL_SECONDS = 15.0
LONGEST_HEAL_SECONDS = 600.0
# So many candles in a row that only REST told of, although there were trades: the subscription is dead.
MOST_UNHEARD = 2


class LiveFeed:
    """The candles of several symbols of one venue as they close.

    `connect` makes exchange objects: one for REST, one for each socket; `clock` knows the venue's time.
    `counts` has reconnects, silences, refusals, repairs, incomplete_repairs, failed_repairs, corrections,
    healed and resubscriptions; `gone` are symbols that the venue does not trade (any more): they are named
    and the others go on.
    """

    kind: FeedKind = "live"

    def __init__(
        self,
        connect: Callable[[], Exchange],
        symbols: Sequence[str],
        *,
        market: MarketKind = "usdm",
        interval: str = "1m",
        history: int = HISTORY,
        stale_seconds: float | None = None,
        per_line: int = PER_LINE,
        look_seconds: float = LOOK_SECONDS,
        heal_seconds: float = HEAL_SECONDS,
        gate: Gate | None = None,
        clock: VenueClock | None = None,
    ) -> None:
        self.market: MarketKind = market
        self.gate = Gate(on_refusal=_report_refusal, on_gap=_report_gap) if gate is None else gate
        self.counts: Counter[str] = Counter()
        self.gone: set[str] = set()
        self.on_correction: Callable[[Candle], object] | None = None
        self.on_healed: Callable[[Candle], object] | None = None
        self._connect = connect
        self._rest = connect()
        self._clock = clock or VenueClock(self._rest)
        self._wanted = tuple(sorted(set(symbols)))
        self._interval = interval
        self._step = interval_ms(interval)
        self._history = history
        # A stream that says nothing for so long has died in silence: every candle's end is told of.
        self._stale_seconds = stale_seconds or self._step / 1000 + 15.0
        self._per_line = per_line
        self._look_seconds = look_seconds
        self._heal_seconds = heal_seconds
        self._tracks: dict[str, Track] = {}
        self._lines: list[Line] = []
        self._ready: list[Candle] = []
        self._more = asyncio.Event()
        self._look = asyncio.Event()
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._pause = FIRST_PAUSE
        self._repairing: asyncio.Task[None] | None = None
        self._is_closed = False
        self._looked_up_at = 0.0

    @property
    def symbols(self) -> tuple[str, ...]:
        """What is delivered now."""
        return tuple(sorted(self._tracks)) or self._wanted

    @property
    def sockets(self) -> tuple[int, int]:
        """How many sockets are connected, and how many are not."""
        connected = sum(line.is_connected for line in self._lines)
        return connected, len(self._lines) - connected

    @property
    def description(self) -> str:
        return f"live {self._interval} candles of {len(self.symbols)} symbols from {self._rest.id}"

    async def open(self) -> list[Candle]:
        """Reach the venue, and answer the latest closed candles of every symbol.

        Raises `FeedUnavailable` that names the venue and why it cannot be used, `InputError` when it trades
        none of the symbols.
        """
        try:
            await self._rest.load_markets()
            await self._clock.sample()
            found = await self.follow(self._wanted)
        except ccxt.BaseError as error:
            await self.close()
            raise self._unavailable(error) from error
        if not self._tracks:
            await self.close()
            names = ", ".join(sorted(self.gone))
            raise InputError(f"{self._rest.id} does not trade {names} on its {self.market} market")
        return found

    async def open_longer(self, wanted: Mapping[str, Iterable[str]]) -> list[Candle]:
        """As `longer`, at the start. Raises `FeedUnavailable`."""
        try:
            return await self.longer(wanted)
        except ccxt.BaseError as error:
            raise self._unavailable(error) from error

    def _unavailable(self, error: ccxt.BaseError) -> FeedUnavailable:
        return FeedUnavailable(f"{self._rest.id} delivers no candles: {type(error).__name__}: {error!s:.200}")

    async def follow(
        self, symbols: Iterable[str], seed: Callable[[list[Candle]], None] = lambda _: None
    ) -> list[Candle]:
        """Deliver these symbols too from now on; answers their latest closed candles, ordered by close.

        `seed` is given the same before any newer one is delivered. Raises what ccxt raises when the history
        cannot be read: then none is followed.
        """
        tracks = []
        for symbol in sorted(set(symbols) - self._tracks.keys()):
            try:
                tracks.append(Track(symbol, find_unified(self._rest, symbol, self.market), self._step))
            except InputError as error:
                self._lose(symbol, str(error))
        found = await asyncio.gather(*(self._fetch_history(track) for track in tracks))
        self.gone.difference_update(track.symbol for track in tracks)
        self._tracks |= {track.symbol: track for track in tracks}
        history = sorted((one for candles in found for one in candles), key=attrgetter("close_ms", "symbol"))
        seed(history)
        if self._repairing is not None:
            await self._listen(tracks)
        return history

    async def longer(self, wanted: Mapping[str, Iterable[str]]) -> list[Candle]:
        """The latest candles of longer intervals, by symbol: as many as of the short ones, which would take
        days to make them. None that ended after the last short one. Raises what ccxt raises."""
        asked = []
        for symbol, intervals in wanted.items():
            track = self._tracks.get(symbol)
            if track is None or track.last_ms is None:
                continue
            until_ms = track.last_ms + self._step
            for interval in set(intervals) - {self._interval}:
                step = interval_ms(interval)
                since_ms = until_ms // step * step - self._history * step
                asked.append(self.history(symbol, interval, since_ms, until_ms))
        found = await asyncio.gather(*asked)
        return [candle for candles in found for candle in candles]

    def leave(self, symbols: Iterable[str]) -> None:
        """Deliver these no more."""
        gone = set(symbols)
        for symbol in gone:
            self._tracks.pop(symbol, None)
        for line in self._lines:
            line.leave(gone)

    def reconnect(self, why: str) -> None:
        """Drop every socket and listen anew; what is missed meanwhile is asked for."""
        for line in self._lines:
            line.reconnect(why)

    async def history(self, symbol: str, interval: str, since_ms: int, until_ms: int) -> list[Candle]:
        """The sound candles of a span, the oldest first: those that opened and closed in it."""
        step = interval_ms(interval)
        first = -(-since_ms // step) * step
        limit = min(until_ms, self._clock.now_ms()) // step * step
        unified = find_unified(self._rest, symbol, self.market)
        rows = await self._fetch(unified, interval, range(first, limit, step))
        candles = (_make(symbol, interval, rows[at]) for at in sorted(rows) if at < limit)
        gate = Gate(on_refusal=_report_refusal)
        return [candle for candle in candles if gate.admit(candle)]

    async def batches(self) -> AsyncIterator[list[Candle]]:
        """What closed together comes in one list, unless a symbol's candle was late.

        Raises `FeedUnavailable` when the venue refuses for good; disconnections are waited out.
        """
        self._repairing = asyncio.create_task(self._repair())
        self._repairing.add_done_callback(lambda _: self._more.set())
        await self._listen(list(self._tracks.values()))
        while True:
            await self._more.wait()
            self._more.clear()
            ready, self._ready = sorted(self._ready, key=attrgetter("close_ms", "symbol")), []
            for _, together in groupby(ready, key=attrgetter("close_ms")):
                yield list(together)
            if self._repairing.done():
                if not self._repairing.cancelled():
                    self._repairing.result()
                return

    async def close(self) -> None:
        if self._is_closed:
            return
        self._is_closed = True
        if self._repairing is not None:
            self._repairing.cancel()
            await asyncio.wait([self._repairing])
        for line in self._lines:
            await line.close()
        await close_exchange(self._rest)

    # The streams

    async def _listen(self, tracks: Sequence[Track]) -> None:
        left = list(tracks)
        while left:
            line = next((one for one in self._lines if len(one) < self._per_line), None)
            if line is None:
                exchange = self._connect()
                exchange.set_markets(list(self._rest.markets.values()), self._rest.currencies)
                chunk = CHUNKS.get((self._rest.id, self.market), self._per_line)
                line = Line(exchange, self._interval, chunk, self._hear, self._trouble, self._refused)
                self._lines.append(line)
            room = self._per_line - len(line)
            line.follow(left[:room])
            del left[:room]

    def _hear(self, track: Track, row: Row, told_ms: int, is_closed: bool) -> None:
        if row[0] > self._clock.now_ms() + self._step:
            log.warning("candle_from_the_future", symbol=track.symbol, open_ms=row[0])
            return
        correction = track.hear(row, told_ms, is_closed=is_closed)
        if correction is not None:
            self._correct(track, correction)
        if is_closed:
            self._deliver(track)

    def _trouble(self, why: str) -> None:
        self.counts["reconnects"] += 1
        log.warning("feed_away", venue=self._rest.id, error=why)
        self._look.set()

    def _refused(self, error: ccxt.BaseError) -> None:
        """The venue does not serve a subscription: perhaps one of its symbols is not traded any more."""
        self.counts["refusals"] += 1
        log.warning("feed_refused", venue=self._rest.id, error=f"{error!s:.200}")
        if isinstance(error, ccxt.AuthenticationError | ccxt.NotSupported):
            raise FeedUnavailable(f"{self._rest.id} delivers no more candles: {error!s:.200}") from error
        self._looked_up_at = 0.0
        self._look.set()

    # What is delivered

    def _deliver(self, track: Track) -> None:
        candles = [_make(track.symbol, self._interval, row) for row in track.take()]
        if candles:
            self._ready += [candle for candle in candles if self.gate.admit(candle)]
            self._more.set()

    def _correct(self, track: Track, row: Row) -> None:
        self.counts["corrections"] += 1
        candle = _make(track.symbol, self._interval, row)
        log.warning("candle_corrected", symbol=track.symbol, open_ms=candle.open_ms, close=candle.close)
        for place, one in enumerate(self._ready):
            if one.symbol == candle.symbol and one.open_ms == candle.open_ms:
                self._ready[place] = candle
                return
        if self.on_correction is not None:
            self.on_correction(candle)

    # REST

    async def _repair(self) -> None:
        """Look now and then what is missing, and ask for it."""
        loop = asyncio.get_running_loop()
        while True:
            try:
                async with asyncio.timeout(self._look_seconds):
                    await self._look.wait()
            except TimeoutError:
                pass
            self._look.clear()
            for line in self._lines:
                if line.failure is not None:
                    raise line.failure
                if loop.time() - line.heard_at > self._stale_seconds:
                    self.counts["silences"] += 1
                    line.reconnect("the stream went silent")
            due = [
                (track, wanted)
                for track in self._tracks.values()
                if track.ask_at <= loop.time() and (wanted := track.missing(self._clock.now_ms())) is not None
            ]
            try:
                answers = [self._ask(track, wanted) for track, wanted in due]
                answers += [
                    self._heal(track, wanted)
                    for track in self._tracks.values()
                    if (wanted := self._due_gaps(track, loop.time())) is not None
                ]
                for end in await asyncio.gather(*answers, return_exceptions=True):
                    if end is not None:
                        raise end
                self._pause = FIRST_PAUSE
            except (ccxt.BaseError, OSError) as error:
                # Whatever the venue says: the stream goes on, and so does the machine.
                self.counts["failed_repairs"] += 1
                log.warning("repair_failed", venue=self._rest.id, error=f"{error!s:.200}")
                wait = max(self._pause * random.uniform(0.5, 1.0), _retry_after(self._rest))  # noqa: S311
                await asyncio.sleep(wait)
                self._pause = min(self._pause * 2, LONGEST_PAUSE)

    async def _ask(self, track: Track, wanted: range) -> None:
        """Ask REST what the stream left out, and a little before it, for what was corrected meanwhile."""
        await self._clock.keep()
        before = (track.last_ms or 0) - (KEPT - 1) * self._step
        try:
            rows = await self._fetch(track.unified, self._interval, range(before, wanted.stop, self._step))
        except (ccxt.NetworkError, OSError):
            raise
        except ccxt.BaseError as error:
            # No answer about the candles: what it does not say is not missing there.
            log.warning("repair_refused", symbol=track.symbol, error=f"{error!s:.200}")
            track.ask_at = asyncio.get_running_loop().time() + FIRST_PAUSE * random.uniform(2.0, 4.0)  # noqa: S311
            await self._look_up(track)
            return
        self.counts["repairs"] += 1
        answered = track.last_ms
        for correction in track.hear_rest(wanted, rows.values(), self._clock.now_ms()):
            self._correct(track, correction)
        self._deliver(track)
        if track.missing(self._clock.now_ms()) is None:
            track.ask_at = 0.0
        else:
            self.counts["incomplete_repairs"] += 1
            track.ask_at = asyncio.get_running_loop().time() + FIRST_PAUSE * random.uniform(1.0, 2.0)  # noqa: S311
            if track.last_ms == answered or not rows:
                await self._look_up(track)
        if track.unheard >= MOST_UNHEARD:
            track.unheard = 0
            self.counts["resubscriptions"] += 1
            for line in self._lines:
                if track.symbol in line:
                    line.reconnect(f"the stream left out {track.symbol}")

    def _due_gaps(self, track: Track, now: float) -> range | None:
        """The gaps of this track, when it is time to ask for them again."""
        wanted = track.gaps(self._clock.now_ms())
        if wanted is None:
            track.heal_pause = 0.0
            return None
        if track.heal_pause and track.heal_at <= now:
            track.heal_pause = min(2 * track.heal_pause, LONGEST_HEAL_SECONDS)
            track.heal_at = now + track.heal_pause
            return wanted
        if not track.heal_pause:
            track.heal_pause = self._heal_seconds
            track.heal_at = now + track.heal_pause
        return None

    async def _heal(self, track: Track, wanted: range) -> None:
        """Ask for gaps again: a venue whose REST lagged knows of them now."""
        try:
            rows = await self._fetch(track.unified, self._interval, wanted)
        except (ccxt.NetworkError, OSError):
            raise
        except ccxt.BaseError as error:
            log.warning("repair_refused", symbol=track.symbol, error=f"{error!s:.200}")
            return
        for row in track.heal(rows.values()):
            candle = _make(track.symbol, self._interval, row)
            fault = find_fault(candle)
            if fault is not None:
                self.gate.refuse(Refusal(candle.symbol, candle.interval, candle.open_ms, *fault))
                continue
            self.counts["healed"] += 1
            log.info("gap_healed", symbol=track.symbol, open_ms=candle.open_ms)
            if self.on_healed is not None:
                self.on_healed(candle)
        self._deliver(track)

    async def _look_up(self, track: Track) -> None:
        """Is the symbol traded at all? Markets are read anew at most once a minute."""
        now = asyncio.get_running_loop().time()
        if self._looked_up_at and now - self._looked_up_at < 60.0:
            return
        self._looked_up_at = now
        await self._rest.load_markets(True)
        for symbol in tuple(self._tracks):
            try:
                find_unified(self._rest, symbol, self.market)
            except InputError as error:
                self.leave([symbol])
                self._lose(symbol, str(error))

    def _lose(self, symbol: str, why: str) -> None:
        if symbol not in self.gone:
            self.gone.add(symbol)
            log.error("symbol_gone", symbol=symbol, why=why)

    async def _fetch(self, unified: str, interval: str, wanted: range) -> dict[int, Row]:
        """The candles of a span over REST, in pages; with a hole in it also some behind it."""
        found: dict[int, Row] = {}
        since = wanted.start
        while since < wanted.stop:
            count = min(PAGE, (wanted.stop - since) // wanted.step)
            async with self._turns:
                rows = await self._rest.fetch_ohlcv(unified, interval, since, count)
            news = {int(row[0]): _row(row) for row in rows if since <= row[0]}
            if not news:
                break
            found |= news
            since = max(news) + wanted.step
        return found

    async def _fetch_history(self, track: Track) -> list[Candle]:
        limit = self._clock.now_ms() // self._step * self._step
        wanted = range(limit - self._history * self._step, limit, self._step)
        rows = await self._fetch(track.unified, self._interval, wanted)
        candles = [_make(track.symbol, self._interval, rows[at]) for at in sorted(rows) if at < limit]
        sound = [candle for candle in candles if self.gate.admit(candle)]
        if sound:
            track.begin(sound[-1].open_ms)
        return sound


def _row(row: Sequence[float | None]) -> Row:
    return tuple(float("nan") if number is None else float(number) for number in row[:6])


def _make(symbol: str, interval: str, row: Row) -> Candle:
    opened = int(row[0])
    opening, high, low, close, volume = row[1:6]
    return Candle(symbol, interval, opened, opened + interval_ms(interval), opening, high, low, close, volume)


def _retry_after(exchange: Exchange) -> float:
    """How long the venue said to wait, in seconds; 0 when it did not."""
    told = {name.lower(): text for name, text in (exchange.last_response_headers or {}).items()}
    text = str(told.get("retry-after", ""))
    return min(float(text), 600.0) if text.replace(".", "", 1).isdigit() else 0.0


def _report_refusal(refusal: Refusal) -> None:
    log.warning("candle_refused", symbol=refusal.symbol, reason=refusal.reason, detail=refusal.detail)


def _report_gap(gap: Gap) -> None:
    log.warning("candles_missing", symbol=gap.symbol, missing=gap.missing, after_ms=gap.after_ms)
