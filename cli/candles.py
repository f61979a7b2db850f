"""Which candles a machine runs on: a folder's, a venue's, or a simulated market's."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from rich.console import Console

from cli.moments import moment
from shared.candles import Candle, interval_ms
from shared.client import connect
from shared.clock import WallClock
from shared.errors import InputError
from shared.identity import floor_ms
from shared.machine_tokens import given_tokens
from shared.settings import load
from shared.venue_sessions import SessionFactory
from workers.machine import DATABASE_ROLES, PIPELINE
from workers.signals.feeds.absent import AbsentFeed
from workers.signals.feeds.feed import Feed, FeedUnavailable
from workers.signals.feeds.live import LiveFeed
from workers.signals.feeds.recorded import RecordedFeed, find_files
from workers.signals.feeds.simulated import DAY_MS, SimulatedFeed
from workers.signals.feeds.venue import open_exchange
from workers.signals.past import condense
from workers.signals.traders import intervals_of, load_traders

USUAL_SYMBOLS = (
    "ADAUSDT",
    "AVAXUSDT",
    "BCHUSDT",
    "BNBUSDT",
    "BTCUSDT",
    "ETHUSDT",
    "LINKUSDT",
    "LTCUSDT",
    "SOLUSDT",
    "XRPUSDT",
)

# A simulated market begins with a day (UTC), so many before today.
SIMULATED_DAYS = 2


@dataclass(frozen=True, slots=True)
class Source:
    """What was asked for on the command line."""

    candles: Path | None = None
    since: str | None = None
    until: str | None = None
    speed: float | None = None
    symbols: str | None = None
    venue: str = "binance"
    simulate: bool = False

    @property
    def chosen(self) -> tuple[str, ...] | None:
        """The symbols that were named, None when all are wanted."""
        if self.symbols is None:
            return None
        named = tuple(one.strip().upper() for one in self.symbols.split(",") if one.strip())
        if not named:
            raise InputError(f"--symbols {self.symbols!r} names none: write BTCUSDT,ETHUSDT")
        return named


@dataclass(frozen=True, slots=True)
class Opened:
    """A feed that is open, the candles that warm it up, the interval that it delivers, and longer candles for
    those who watch longer intervals."""

    feed: Feed
    warm: Sequence[Candle]
    interval: str
    longer: Sequence[Candle] = ()


async def open_feed(source: Source, notes: Console) -> Opened:
    """Open what was asked for. Without a folder: live candles, else a simulated market that says so.

    Raises InputError for a folder, symbol or option that cannot be used.
    """
    if source.candles is not None:
        return await _open_recorded(source, source.candles)
    for name, told in (("--since", source.since), ("--until", source.until)):
        if told is not None:
            raise InputError(f"{name} is a market time: it needs --candles")
    if not source.simulate:
        try:
            return await open_live(source)
        except FeedUnavailable as error:
            notes.print(f"{error}; a simulated market takes its place", markup=False, soft_wrap=True)
    return await _open_simulated(source, source.chosen or USUAL_SYMBOLS)


async def open_live(
    source: Source, sessions: SessionFactory | None = None, roles: Sequence[str] = ("signals",)
) -> Opened:
    """Live candles of a venue, for the symbols that were named or that active traders watch, read as one of
    `roles`; none where these roles need none. `sessions` makes the connections, where they do not go the
    usual way.

    Raises FeedUnavailable when the venue cannot be reached.
    """
    readers = [DATABASE_ROLES[one] for one in roles if one in PIPELINE]
    if not readers:
        return Opened(AbsentFeed(), (), "1m")
    watched = await _watched(readers[0])
    symbols = source.chosen or tuple(sorted(watched)) or USUAL_SYMBOLS
    feed = LiveFeed(partial(open_exchange, source.venue, "usdm", sessions), symbols)
    async with AsyncExitStack() as closing:
        closing.push_async_callback(feed.close)
        warm = await feed.open()
        opened = Opened(feed, warm, "1m", await feed.open_longer(watched))
        closing.pop_all()
    return opened


async def _watched(reader: str) -> dict[str, set[str]]:
    """On which intervals active traders watch each symbol, read by this database role."""
    settings = load()
    given = given_tokens(settings)
    connection = await connect(settings, reader, "feed" if given is None else given.machine, given)
    try:
        traders, _ = await load_traders(connection)
    finally:
        await connection.close()
    return intervals_of(one for one in traders if one.market == "usdm")


async def _open_recorded(source: Source, folder: Path) -> Opened:
    since = None if source.since is None else floor_ms(moment(source.since))
    until = None if source.until is None else floor_ms(moment(source.until))
    feed = RecordedFeed(folder, symbols=source.chosen, speed=source.speed, since_ms=since, until_ms=until)
    intervals = {interval for _, interval in find_files(folder, source.chosen).values()}
    await feed.open()
    past = await asyncio.to_thread(condense, feed.history())
    return Opened(feed, past.short, min(intervals, key=interval_ms), past.longer)


async def _open_simulated(source: Source, symbols: tuple[str, ...]) -> Opened:
    if source.speed is not None:
        raise InputError("--speed belongs to recorded candles: a simulated market has its own pace")
    # Its last days go by at once, so that something is to be seen; then it runs with the wall's clock.
    now = floor_ms(WallClock().now())
    start = (now // DAY_MS - SIMULATED_DAYS) * DAY_MS
    feed = SimulatedFeed(symbols, start_ms=start, speed=1.0, paced_from_ms=now, seed=start)
    await feed.open()
    past = await asyncio.to_thread(feed.past)
    return Opened(feed, past.short, "1m", past.longer)
