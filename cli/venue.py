"""The venue that `up` trades on: the paper exchange inside the machine, or a fake venue over real sockets.

candles ─▶ market ─▶ courier ─▶ fake venue (a process, TLS) ◀─ ccxt, unmodified ◀─ trading
"""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID

from cli.account_keys import open_keys, open_vault, store_keys
from cli.key_store import open_key_store
from cli.running import machine_folder
from shared.candles import Candle, exact
from shared.clock import Clock, MarketClock
from shared.errors import InputError
from shared.market import Market
from shared.settings import Settings
from shared.wakes import Wakes
from workers.trading.venues.capabilities import TABLE

if TYPE_CHECKING:
    from scripts.fake_venue.process import Remote

PAPER = "paper"
# What may follow --venue: ccxt's name of the venue that is played, by market.
FAKES: Mapping[str, Mapping[str, str]] = {
    "fake-binance": {"usdm": "binanceusdm", "spot": "binance"},
    "fake-bybit": {"usdm": "bybit"},
}
BALANCE = "10000"
LEVERAGE = 10


@dataclass(frozen=True, slots=True)
class FakeVenue:
    """A fake venue that runs, and the settings with which everything here reaches it."""

    name: str
    played: str
    remote: Remote
    settings: Settings

    def courier(self, clock: Clock, market: Market, wakes: Wakes) -> Courier:
        """What takes the candles of a machine's market to this venue."""
        return Courier(self.remote, clock, market, wakes)


class Courier:
    """Takes closed candles to the venue before anybody acts on them: a machine's role beside its others.

    In a replay market time waits until the venue has dealt with them and told its streams.
    """

    name = "venue"

    def __init__(self, remote: Remote, clock: Clock, market: Market, wakes: Wakes) -> None:
        self._remote = remote
        self._clock = clock
        self._market = market
        self._wakes = wakes
        self._waiting: list[Candle] = []
        self.activity = 0
        self._leave = market.subscribe(self._hear)

    async def start(self) -> None:
        """Set the venue's clock: the market's in a replay, the wall's otherwise."""
        replaying = isinstance(self._clock, MarketClock)
        await self._remote("run_on", ms=self._clock.millis() if replaying else None)

    async def step(self) -> int:
        """Deliver what closed since the last step; the other roles find out what came of it."""
        waiting, self._waiting = self._waiting, []
        if waiting:
            bars = [_bar(candle) for candle in waiting]
            self.activity += await self._remote("candles", market=self._market.kind, bars=bars)
        return 0

    async def stop(self) -> None:
        """Take no more."""
        self._leave()

    def _hear(self, candle: Candle) -> None:
        if candle.interval == self._market.base_interval(candle.symbol):
            self._waiting.append(candle)
            self._wakes.nudge(self.name)


def check_venue(name: str) -> None:
    """Raise InputError for a name that is no venue to trade on."""
    if name != PAPER and name not in FAKES:
        raise InputError(
            f"there is no venue {name!r} to trade on: choose from {', '.join((PAPER, *FAKES))}"
            " (where live candles come from is --feed)"
        )


@asynccontextmanager
async def open_fake(name: str, market: str, settings: Settings) -> AsyncIterator[FakeVenue]:
    """The fake venue of the local stack, else one that runs until the block ends.

    Raises InputError for a market that it does not have.
    """
    played = FAKES[name].get(market)
    if played is None:
        raise InputError(f"{name} is played on {', '.join(FAKES[name])}, and these candles are of {market}")
    from scripts.fake_venue.process import read_card, run_process

    async with AsyncExitStack() as running:
        authority = settings.sigtrail_venue_ca
        remote = None if authority is None else read_card(authority.parent)
        if remote is None:
            folder = machine_folder(settings, "venue")
            remote = await running.enter_async_context(run_process(folder, "--by-candle", "--keep"))
        await running.enter_async_context(remote.connected())
        reached = settings.model_copy(
            update={"sigtrail_venue_resolver": remote.resolver, "sigtrail_venue_ca": remote.ca}
        )
        yield FakeVenue(name, played, remote, reached)


async def ensure_account(venue: FakeVenue, user: str, market: str) -> str:
    """The id of the user's account at a fake venue; it is opened there and its keys stored if it is new."""
    vault = open_vault(venue.settings)
    owner = UUID(user)
    name = f"{venue.name} {market}"
    async with open_key_store(venue.settings) as keys_of:
        known = await keys_of.named(owner, name)
        if known is not None:
            found = await keys_of.find(str(known))
            await _open_account(venue, open_keys(vault, found), market)
            return str(known)
        keys = {"apiKey": secrets.token_hex(32), "secret": secrets.token_hex(32)}
        await _open_account(venue, keys, market)
        # The sandbox of the venue that is played: should the fake be gone, nothing goes where money is real.
        row = {
            "user_id": owner,
            "name": name,
            "venue": venue.played,
            "market": market,
            "sandbox": True,
            "settings": {"fake": True},
        }
        return str((await store_keys(keys_of, venue.settings, vault, row, keys))["id"])


async def _open_account(venue: FakeVenue, keys: Mapping[str, str], market: str) -> None:
    await venue.remote(
        "ensure_account",
        venue_id=venue.played,
        key=keys["apiKey"],
        secret=keys["secret"],
        balances={"USDT": BALANCE},
        leverage=LEVERAGE,
        # Long and short of a symbol side by side, where the bridge asks which way an account is in; elsewhere
        # the venue nets them.
        hedged=TABLE[venue.played, market].hedges,
    )


def _bar(candle: Candle) -> list[Any]:
    numbers = (candle.open, candle.high, candle.low, candle.close, candle.volume)
    return [candle.symbol, candle.open_ms, candle.close_ms, *(str(exact(number)) for number in numbers)]
