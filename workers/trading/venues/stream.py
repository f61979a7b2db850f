"""The private stream of one account: it rings when something happened at the venue, and is never believed.

What it tells is asked for over REST, unless it is what the record has, so an event that is doubled, late, out
of order or made up changes nothing, and one that was lost costs only the time until the next poll. Everything
here exists to keep the bell from falling silent without anybody noticing:

- ccxt's receive loop ends for good at an exception in a handler: every handler is wrapped.
- A watch wakes only who waits at that moment: the pump waits again at once, and does nothing else. One that
  ended, whatever ended it, begins anew on another connection.
- After every connect what happened meanwhile is gone: it rings for a catch-up.
- A venue may end a subscription and keep the socket: such events, silence, and fills that polling found
  although nothing rang make it connect anew.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

import structlog
from ccxt.base.errors import BaseError, NetworkError

from workers.trading.decisions.outcome import describe
from workers.trading.venues.told import Told, read_told
from workers.trading.venues.wording import UNREADABLE

log = structlog.get_logger(__name__)

# ccxt pings every 30 s: a venue that let two of them go by unanswered is not there any more.
SILENCE_MS = 75_000
_LONGEST_PAUSE = 30.0
# Events after which nothing more comes, though the socket stays open.
_ENDINGS = frozenset({"eventStreamTerminated", "listenKeyExpired"})


@dataclass(frozen=True, slots=True)
class News:
    """What rang. `symbols` is None when it may have been any; `catch_up` asks for all that a gap may hide;
    `told` is what was said of single orders and fills."""

    symbols: frozenset[str] | None = frozenset()
    catch_up: bool = False
    told: tuple[Told, ...] = ()

    @property
    def about(self) -> frozenset[str] | None:
        """Every symbol that it is about; None: it may be any."""
        return None if self.symbols is None else self.symbols | {one.symbol for one in self.told}

    def __bool__(self) -> bool:
        return self.catch_up or self.symbols is None or bool(self.symbols or self.told)

    def __or__(self, other: News) -> News:
        both = self.symbols is not None and other.symbols is not None
        symbols = (self.symbols or frozenset()) | (other.symbols or frozenset()) if both else None
        return News(symbols, self.catch_up or other.catch_up, self.told + other.told)


NOTHING = News()
ANYTHING = News(symbols=None)
GAP = News(symbols=None, catch_up=True)


class Stream:
    """Listens through ccxt's watch methods `names`, and calls `wake` whenever it rings.

    `pause` waits before another try after so many failures. Made before the exchange connects.
    """

    def __init__(
        self,
        exchange: Any,
        names: Collection[str],
        wake: Callable[[], None],
        pause: Callable[[int], Awaitable[None]] | None = None,
    ) -> None:
        self._exchange = exchange
        self._names = tuple(names)
        self._wake = wake
        self._pause = pause or _back_off
        # The pump of each name, and how often it ended.
        self._pumps: dict[str, asyncio.Task[None]] = {}
        self._ends: Counter[str] = Counter()
        self._rung = NOTHING
        self._taken = NOTHING
        self._connected = False
        self.failures = 0
        self._handle, self._on_connected = exchange.handle_message, exchange.on_connected
        self._on_close, self._on_error = exchange.on_close, exchange.on_error
        # ccxt's clients take these when they are made, each time that one connects.
        exchange.handle_message = self._hear
        exchange.on_connected = self._connect
        exchange.on_close = self._close
        exchange.on_error = self._fail

    @property
    def is_healthy(self) -> bool:
        """Whether it would ring: then polling may be slow."""
        self.check()
        return self._connected

    @property
    def is_connected(self) -> bool:
        """Whether a connection stands, as far as is known without asking."""
        return self._connected

    @property
    def has_rung(self) -> bool:
        """Whether there is news that nobody has dealt with."""
        return bool(self._rung) or bool(self._taken)

    def take(self) -> News:
        """The news, before asking the venue; it counts as dealt with only at `done`."""
        self._taken, self._rung = self._taken | self._rung, NOTHING
        return self._taken

    def done(self) -> None:
        """What was taken has been asked for and recorded."""
        self._taken = NOTHING

    def start(self) -> None:
        """Begin to listen. Asking for anything before the first connect is left to whoever opens."""
        if not self._pumps:
            for name in self._names:
                self._begin(name)

    async def stop(self) -> None:
        """Listen no more."""
        tasks, self._pumps = list(self._pumps.values()), {}
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    def check(self) -> None:
        """Connect anew when the venue has been silent for too long."""
        now = self._exchange.milliseconds()
        for client in list((self._exchange.clients or {}).values()):
            heard = client.last_message_at or client.connectionEstablished
            if client.isConnected and heard is not None and now - heard > SILENCE_MS:
                self.distrust(f"nothing came for {(now - heard) // 1000} s")
                return

    def distrust(self, why: str) -> None:
        """Drop all connections and listen anew; what was missed is caught up with."""
        log.warning("stream_distrusted", venue=self._exchange.id, why=why)
        self.failures += 1
        self._connected = False
        # A listen key that expired would be used again otherwise.
        for option in self._exchange.options.values():
            if isinstance(option, dict) and option.get("lastAuthenticatedTime"):
                option["lastAuthenticatedTime"] = 0
        for client in list((self._exchange.clients or {}).values()):
            if client.isConnected:
                # As if the connection had failed: whoever waits is woken by it, and connects again.
                client.on_error(NetworkError(f"distrusted: {why}"))
        self._ring(GAP)

    def _ring(self, news: News) -> None:
        self._rung = self._rung | news
        self._wake()

    def _begin(self, name: str) -> None:
        pump = self._pumps[name] = asyncio.create_task(self._pump(name), name=f"stream {name}")
        pump.add_done_callback(lambda ended: self._end(name, ended))

    def _end(self, name: str, pump: asyncio.Task[None]) -> None:
        """A pump never ends by itself: ccxt cancelled what it waited for, or raised what nobody expects."""
        if self._pumps.get(name) is not pump:
            # It was stopped; of how it ended nobody else has to know.
            if not pump.cancelled():
                pump.exception()
            return
        error = None if pump.cancelled() else pump.exception()
        why = "it was cancelled" if error is None else describe(error)
        log.error("stream_ended", venue=self._exchange.id, stream=name, error=why)
        self._ends[name] += 1
        # Whoever believes in the socket that is left would hear nothing for as long as it lives.
        self.distrust(f"{name} is not listened to any more: {why}")
        self._begin(name)

    async def _pump(self, name: str) -> None:
        failures = 0
        if self._ends[name]:
            await self._pause(self._ends[name])
        while True:
            try:
                told = await getattr(self._exchange, name)()
            except (BaseError, OSError, *UNREADABLE) as error:
                # ccxt hands on what the socket raised while it wrote, as it was.
                failures += 1
                self.failures += 1
                self._connected = False
                log.warning("stream_failed", venue=self._exchange.id, stream=name, error=describe(error))
                self._ring(ANYTHING)
                await self._pause(failures)
                continue
            failures = 0
            read = read_told(told)
            self._ring(News(symbols=_symbols_in(told)) if read is None else News(told=tuple(read)))

    def _hear(self, client: Any, message: Any) -> None:
        try:
            self._handle(client, message)
        except Exception as error:  # noqa: BLE001 - whatever rises here ends ccxt's receive loop, unseen
            self.failures += 1
            log.error("stream_unreadable", venue=self._exchange.id, error=describe(error))  # noqa: TRY400
            self._ring(ANYTHING)
        if _event_of(message) in _ENDINGS:
            self.distrust("the venue ended the subscription")

    def _connect(self, client: Any, *more: Any) -> None:
        self._on_connected(client, *more)
        self._connected = True
        self._ring(GAP)

    def _close(self, client: Any, *more: Any) -> None:
        self._connected = False
        self._on_close(client, *more)
        self._ring(ANYTHING)

    def _fail(self, client: Any, *more: Any) -> None:
        self._connected = False
        self._on_error(client, *more)
        self._ring(ANYTHING)


def _symbols_in(told: Any) -> frozenset[str] | None:
    if not isinstance(told, list) or not told:
        return None
    symbols = [one.get("symbol") if isinstance(one, Mapping) else None for one in told]
    return None if None in symbols else frozenset(str(symbol) for symbol in symbols)


def _event_of(message: Any) -> str | None:
    if not isinstance(message, Mapping):
        return None
    inner = message.get("event")
    name = (inner if isinstance(inner, Mapping) else message).get("e")
    return name if isinstance(name, str) else None


async def _back_off(failures: int) -> None:
    most = min(_LONGEST_PAUSE, 2.0 ** min(failures, 5) / 2)
    await asyncio.sleep(random.uniform(most / 2, most))  # noqa: S311 - spreads accounts, hides nothing
