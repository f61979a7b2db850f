"""The bridge as production runs it, in a process that can be told to die at a point.

A machine with the role that trades: supabase-py to the local stack, Realtime, ccxt to the fake venue, its
journal and its counts on disk. Only its patience is shorter than production's, and its candles come from
whoever started it.
"""

from __future__ import annotations

import asyncio
import functools
import json
import os
import socket
import ssl
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import aiohttp

from cli.emergency import NotDone, app
from shared import log as logs
from shared.candles import MINUTE_MS, Candle, Gate
from shared.client import connect
from shared.clock import WallClock
from shared.errors import Unavailable
from shared.market import Market
from shared.models import MarketKind
from shared.realtime import Realtime
from shared.settings import Settings
from shared.venue_sessions import session_factory
from shared.wakes import Wakes
from tests.kill_matrix.trap import TRAP
from workers.life import Machine
from workers.signals.feeds.feed import FeedKind
from workers.status import Status
from workers.trading.ledger import Account
from workers.trading.policy import Policy
from workers.trading.role import TradingRole
from workers.trading.venues.catalogue import Catalogue
from workers.trading.venues.exchanges import Exchanges
from workers.trading.venues.venue import ccxt_class

# As production's, only that nobody has to wait for it: see `Policy` for what each is.
POLICY = Policy(
    probe_spacing=timedelta(seconds=0.3),
    poll_every=timedelta(seconds=0.5),
    poll_streaming=timedelta(seconds=1),
    settle=timedelta(seconds=0.5),
    margin_every=timedelta(seconds=2),
    funding_every=timedelta(seconds=2),
    reopen_after=timedelta(seconds=0.3),
    terms_seconds=0,
)
POLL_SECONDS = 0.5
# What ccxt waits for an answer, in ms: the answers that never come must not take a case's time.
PATIENCE_MS = 1_500
# The status of an emergency close that has to be given again.
NOT_DONE = 3


def warm_up() -> None:
    """Have everything made once that takes a bridge long to make, so that its forks find it made."""
    # The authorities of the wide world are read for every client, and none of them is asked here.
    setattr(ssl, "create_default_context", functools.cache(ssl.create_default_context))  # noqa: B010
    asyncio.run(_warm_up())


async def _warm_up() -> None:
    nowhere: dict[str, Any] = {"supabase_url": "http://127.0.0.1:1", "supabase_jwt_secret": "n" * 32}
    settings = Settings(**nowhere | {"SUPABASE_PUBLISHABLE_KEY": "none"})
    connection = await connect(settings, "trading_bridge", "nobody")
    with suppress(Unavailable):
        await connection.call("nothing", {}, attempts=1)
    await connection.close()
    for venue in ("binance", "binanceusdm", "bybit"):
        exchange = ccxt_class(venue)({"timeout": 1})
        exchange.timeout_on_exit = 0
        exchange.open()
        await exchange.close()


def run(job: dict[str, Any]) -> int:
    """One life, or one emergency close. Answers its exit status."""
    logs.setup(json=True, stream=sys.stderr)
    channel = socket.socket(socket.AF_UNIX)
    channel.connect(job["channel"])
    channel.sendall(json.dumps({"job": job["id"]}).encode() + b"\n")
    TRAP.channel = channel
    TRAP.control = job["control"]
    TRAP.journal = f"{job['folder']}/journal/{job['account']}.jsonl"
    for name, value in job["trap"].items():
        setattr(TRAP, name, value)
    status = 0
    if "words" in job:
        try:
            close(job)
        except NotDone as error:
            sys.stderr.write(f"{error}\n")
            status = NOT_DONE
        channel.sendall(json.dumps({"seen": TRAP.spots()}).encode() + b"\n")
    else:
        asyncio.run(trade(job, channel))
    return status


def close(job: dict[str, Any]) -> None:
    """What a person gives as a command when the database is gone. Raises what it raises."""
    for name in [one for one in os.environ if one.startswith(("SUPABASE", "SIGTRAIL"))]:
        del os.environ[name]
    os.environ.update(job["environment"])
    app(job["words"], standalone_mode=False)


async def trade(job: dict[str, Any], channel: socket.socket) -> None:
    """Trade until told to stop."""
    settings = Settings(**job["settings"])
    folder = Path(job["folder"])
    market = Market(job["market"])
    reader, writer = await asyncio.open_unix_connection(sock=channel)
    feed = Told(reader, writer, job["market"])
    market.seed([feed.candle(job["symbol"], job["price"])])
    clock, wakes = WallClock(), Wakes()
    connection = await connect(settings, "trading_bridge", job["machine"])
    factory = calling(session_factory(job["resolver"], Path(job["ca"])), job["caller"])
    key = settings.sigtrail_master_key
    role = TradingRole(
        connection,
        clock,
        market,
        wakes,
        settings=settings,
        state=folder / "paper",
        exchanges=Patient(clock, market, None, None if key is None else key.get_secret_value(), factory),
        policy=POLICY,
        only=[UUID(job["account"])],
        journal=folder / "journal",
        limits=folder / "limits",
    )
    publishable = settings.supabase_publishable_key.get_secret_value()
    status = Status(job["machine"], False)
    machine = Machine(
        status,
        [role],
        feed,
        clock,
        market,
        wakes,
        connection.call,
        poll_seconds=POLL_SECONDS,
        realtime=Realtime(settings.supabase_url, publishable, connection.token),
        closers=[connection.close],
    )
    feed.on_stop = machine.stop
    feed.on_wake = lambda: wakes.wake("trading")
    await machine.run()
    if status.error_count:
        sys.stderr.write(f"ERRORS {status.errors}\n")
    writer.write(json.dumps({"seen": TRAP.spots()}).encode() + b"\n")
    await writer.drain()
    writer.close()


class Told:
    """A feed of what is told: lines of JSON with a price, a wake, or the end. A feed of the machine."""

    kind: FeedKind = "live"
    description = "told"

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, market: MarketKind
    ) -> None:
        self.market = market
        self.symbols: tuple[str, ...] = ()
        self.gate = Gate()
        self.on_stop: Callable[[], None] = lambda: None
        self.on_wake: Callable[[], None] = lambda: None
        self._reader = reader
        self._writer = writer
        self._closes = WallClock().millis() // MINUTE_MS * MINUTE_MS

    def candle(self, symbol: str, price: float) -> Candle:
        """The next candle: minutes go by as fast as somebody says so."""
        opened, self._closes = self._closes, self._closes + MINUTE_MS
        return Candle(symbol, "1m", opened, self._closes, price, price, price, price, 1e6)

    async def open(self) -> list[Candle]:
        return []

    async def batches(self) -> AsyncIterator[list[Candle]]:
        while line := await self._reader.readline():
            told = json.loads(line)
            if "price" in told:
                yield [self.candle(told["symbol"], told["price"])]
            elif "seen" in told:
                self._writer.write(json.dumps({"seen": TRAP.spots()}).encode() + b"\n")
            elif "wake" in told:
                self.on_wake()
            else:
                self.on_stop()

    async def close(self) -> None:
        self._reader.feed_eof()


class Patient(Exchanges):
    """The product's own exchanges, with a shorter patience."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.catalogue = PatientCatalogue(arguments[-1])

    async def __call__(self, account: Account) -> Any:
        exchange = await super().__call__(account)
        exchange.timeout = PATIENCE_MS
        return exchange


class PatientCatalogue(Catalogue):
    """The same for what is public."""

    def source_of(self, exchange: Any) -> Any:
        source = super().source_of(exchange)
        source.timeout = PATIENCE_MS
        return source


def calling(factory: Callable[[], aiohttp.ClientSession], caller: str) -> Callable[[], aiohttp.ClientSession]:
    """Sessions whose requests say who asks: the venue takes that for their address."""

    def make() -> aiohttp.ClientSession:
        session = factory()
        session.headers["X-Caller"] = caller
        return session

    return make
