"""One connection to a venue's public stream: it listens to the candles of some symbols and never falls silent
unnoticed.

ccxt hands on the rows of a candle but not whether the venue calls it closed, so each frame is looked at
again after ccxt has parsed it. An error inside its receive loop would end that loop unseen: it is caught.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterable

import ccxt
import structlog

from workers.signals.feeds.track import Row, Track, frames_of
from workers.signals.feeds.venue import Exchange, close_exchange

log = structlog.get_logger(__name__)

FIRST_PAUSE = 0.5
LONGEST_PAUSE = 30.0
# What a parser raises over a frame that it does not understand.
UNREADABLE = (TypeError, AttributeError, LookupError, ValueError, ArithmeticError)

# Told of each candle of a frame: the track, its row, when the venue told it, and whether it closed.
Hear = Callable[[Track, Row, int, bool], None]


class Line:
    """Listens on one socket of `exchange`, which is its own.

    `hear` is called within ccxt's receive loop and must not raise. `trouble` is told of each connection that
    failed, `refused` of a venue that does not serve what was asked for; whether to go on is its answer.
    """

    def __init__(
        self,
        exchange: Exchange,
        interval: str,
        chunk: int,
        hear: Hear,
        trouble: Callable[[str], None],
        refused: Callable[[ccxt.BaseError], None],
    ) -> None:
        self.exchange = exchange
        self.failure: BaseException | None = None
        # When the last frame with a candle came, by the loop's clock.
        self.heard_at = asyncio.get_running_loop().time()
        self._interval = interval
        self._chunk = chunk
        self._hear = hear
        self._trouble = trouble
        self._refused = refused
        # By the venue's own name of the symbol.
        self._tracks: dict[str, Track] = {}
        self._followed: set[str] = set()
        self._pumps: set[asyncio.Task[None]] = set()
        self._parse = exchange.handle_message
        self._on_connected = exchange.on_connected
        exchange.handle_message = self._listen
        exchange.on_connected = self._connect
        exchange.options["OHLCVLimit"] = 4

    def __len__(self) -> int:
        return len(self._tracks)

    @property
    def is_connected(self) -> bool:
        """Whether its socket stands."""
        return any(client.isConnected for client in (self.exchange.clients or {}).values())

    def __contains__(self, symbol: str) -> bool:
        return any(one.symbol == symbol for one in self._tracks.values())

    def follow(self, tracks: Iterable[Track]) -> None:
        """Subscribe to these too, so many at once as the venue takes."""
        added = list(tracks)
        for track in added:
            self._tracks[str(self.exchange.market(track.unified)["id"])] = track
            self._followed.add(track.unified)
        for first in range(0, len(added), self._chunk):
            pump = asyncio.create_task(self._pump(added[first : first + self._chunk]), name="candles")
            self._pumps.add(pump)
            pump.add_done_callback(self._end)

    def leave(self, symbols: Iterable[str]) -> None:
        """Hear no more of these. The venue is not told: the next connection leaves them out."""
        gone = set(symbols)
        self._tracks = {name: one for name, one in self._tracks.items() if one.symbol not in gone}
        self._followed = {one.unified for one in self._tracks.values()}

    def reconnect(self, why: str) -> None:
        """Drop the socket as if it had failed: whoever waits connects again."""
        self.heard_at = asyncio.get_running_loop().time()
        for client in list((self.exchange.clients or {}).values()):
            if client.isConnected:
                client.on_error(ccxt.NetworkError(why))

    async def close(self) -> None:
        """Stop listening and close the connection."""
        for pump in tuple(self._pumps):
            pump.cancel()
        if self._pumps:
            await asyncio.wait(self._pumps)
        await close_exchange(self.exchange)

    async def _pump(self, tracks: list[Track]) -> None:
        pause = FIRST_PAUSE
        clock = asyncio.get_running_loop().time
        while wanted := [[one.unified, self._interval] for one in tracks if one.unified in self._followed]:
            began = clock()
            try:
                # Only keeps the subscription and tells of errors: rows are taken as they come.
                await self.exchange.watch_ohlcv_for_symbols(wanted)
                pause = FIRST_PAUSE
                continue
            except (ccxt.NetworkError, OSError) as error:
                # ccxt hands on what the socket raised while it wrote, as it was.
                self._trouble(f"{type(error).__name__}: {error!s:.200}")
            except ccxt.BaseError as error:
                self._refused(error)
            if clock() - began > pause:
                pause = FIRST_PAUSE  # it was there for a while
            await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311 - jitter
            pause = min(pause * 2, LONGEST_PAUSE)

    def _end(self, pump: asyncio.Task[None]) -> None:
        self._pumps.discard(pump)
        if not pump.cancelled() and (error := pump.exception()) is not None:
            self.failure = error
            self._trouble(f"{type(error).__name__}: {error!s:.200}")

    def _connect(self, client: object, *more: object) -> None:
        self.heard_at = asyncio.get_running_loop().time()
        self._on_connected(client, *more)

    def _listen(self, client: object, message: object) -> None:
        try:
            self._parse(client, message)
            for name, opened, told_ms, is_closed in frames_of(message):
                track = self._tracks.get(name)
                if track is None:
                    continue
                self.heard_at = asyncio.get_running_loop().time()
                row = self.exchange.ohlcvs[track.unified][self._interval].hashmap[opened]
                # A copy: ccxt writes the next state of the candle into the same list.
                self._hear(track, tuple(float(number) for number in row), told_ms, is_closed)
        except (ccxt.BaseError, *UNREADABLE) as error:
            log.warning(
                "frame_unreadable", venue=self.exchange.id, error=f"{type(error).__name__}: {error!s:.200}"
            )
