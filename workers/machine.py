"""The machine, put together: one process that runs one or more roles.

    feed ─▶ market ─▶ signals ─▶ [database] ─▶ analysis ─▶ monitoring ─▶ trading ─▶ venue
              │                       │
              └── clock               └── Realtime `machines` ─▶ wakes ─▶ the roles

Live, each role takes a step when it is woken, and every few seconds without. In a replay the machine moves
the market's clock from candle close to candle close and lets all roles finish in between.
"""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Protocol

from shared.client import Connection, connect
from shared.clock import Clock, MarketClock, WallClock
from shared.errors import ConfigurationError
from shared.identity import from_ms
from shared.machine_tokens import GivenToken, given_tokens
from shared.market import Candle, Market
from shared.realtime import Realtime
from shared.role import Measured, Role
from shared.settings import CHECKOUT, Settings
from shared.wakes import Wakes
from workers.analysis.model import choose
from workers.analysis.role import AnalysisRole
from workers.archive.role import ArchiveRole
from workers.backlog import Backlog
from workers.life import Machine
from workers.live import POLL_SECONDS
from workers.monitoring.role import MonitoringRole
from workers.observation import observe
from workers.recorder import Recorder
from workers.signals.feeds.feed import Feed
from workers.signals.feeds.live import LiveFeed
from workers.signals.feeds.recorded import RecordedFeed
from workers.signals.feeds.simulated import SimulatedFeed
from workers.signals.following import Following
from workers.signals.role import SignalsRole
from workers.signals.shares import Shares
from workers.signals.traders import TraderList
from workers.status import Status
from workers.trading.policy import Policy
from workers.trading.role import TradingRole

__all__ = ["PIPELINE", "ROLES", "Machine", "build"]

# What a signal goes through. The archive stands beside it: it needs a direct way to the database.
PIPELINE = ("signals", "analysis", "monitoring", "trading")
ROLES = (*PIPELINE, "archive")
# Those whose work waits in the queue.
QUEUED = ("analysis", "monitoring", "trading")
# Each role reaches what its database role was granted, and nothing else.
# Market time passes over an hour faster than a socket tells of it.
REPLAYED = Policy(settle=timedelta(hours=1))


class Courier(Role, Protocol):
    """Takes candles to a venue that lives on them; `activity` changes with everything that they changed."""

    @property
    def activity(self) -> int:
        """A number; another one after each candle that changed an order."""


DATABASE_ROLES = {
    "signals": "signal_worker",
    "analysis": "analyst",
    "monitoring": "analyst",
    "trading": "trading_bridge",
    "archive": "archivist",
}


async def build(
    settings: Settings,
    *,
    feed: Feed,
    replaying: bool,
    state: Path,
    paper: Path | None = None,
    warm: Sequence[Candle] = (),
    longer: Sequence[Candle] = (),
    roles: Sequence[str] = PIPELINE,
    machine_id: str | None = None,
    region: str = "local",
    watch: Sequence[str] = (),
    poll_seconds: float = POLL_SECONDS,
    venue: Callable[[Clock, Market, Wakes], Courier] | None = None,
    observed: bool = False,
    shared: str | None = None,
    most_symbols: int | None = None,
) -> Machine:
    """Put a machine together: `roles` of it, on `feed`, which is open and answered `warm` (and `longer`).

    `state` is a folder of this machine's own (its name, its spool); `paper` keeps the paper accounts, which
    outlive a machine: any machine here may take one over. `watch` are the ids of users whose subscriptions
    are measured; `poll_seconds` is how long a lost message may cost. `venue` makes what takes the market's
    candles to a venue that lives on them; `observed` opens its endpoint for /metrics and /healthz and has
    it deliver alerts. With `shared`, the name of the venue that it hears, it evaluates its share of the
    symbols that active traders watch, at most `most_symbols`, beside other machines of that venue; without it
    all that the feed delivers. The machine closes the feed. Raises ConfigurationError for an unknown role.
    """
    unknown = [name for name in roles if name not in ROLES]
    if unknown or not roles:
        raise ConfigurationError(
            f"unknown role {', '.join(unknown) or '(none)'}: choose from {', '.join(ROLES)}"
        )
    given = given_tokens(settings)
    name = machine_id or find_machine_id(state, None if given is None else given.machine)
    async with AsyncExitStack() as opened:
        clock: Clock = MarketClock(_first_moment(feed)) if replaying else WallClock()
        market = Market(feed.market)
        market.seed(warm)
        market.seed_longer(longer)
        if isinstance(feed, LiveFeed):
            feed.on_correction = market.correct
        connections: dict[str, Connection] = {}
        for role in roles:
            database_role = DATABASE_ROLES[role]
            if database_role not in connections:
                connection = await connect(settings, database_role, name, given)
                opened.push_async_callback(connection.close)
                connections[database_role] = connection
        first = connections[DATABASE_ROLES[roles[0]]]
        wakes, status = Wakes(), Status(name, replaying)
        status.tokens = partial(_tokens_left, connections)
        courier = None if venue is None else venue(clock, market, wakes)
        shares = None
        if shared is not None and not replaying and "signals" in roles:
            worker = connections[DATABASE_ROLES["signals"]]
            shares = Shares(shared, market, worker.call, most_symbols=most_symbols)
        makers: dict[str, Callable[[Connection], Measured]] = {
            "signals": lambda connection: SignalsRole(
                market,
                clock,
                wakes,
                connection.call,
                TraderList(connection).load,
                state / "spool",
                replay=replaying,
                holds=(lambda _symbol: True) if shares is None else shares.holds,
            ),
            "analysis": lambda connection: AnalysisRole(
                connection.call,
                clock,
                market,
                wakes,
                choose(settings)(connection.call, clock),
                replay=replaying,
            ),
            "monitoring": lambda connection: MonitoringRole(connection.call, clock, market, wakes),
            "trading": lambda connection: TradingRole(
                connection=connection,
                clock=clock,
                market=market,
                wakes=wakes,
                settings=settings,
                state=paper or state / "paper",
                journal=None if replaying else state / "journal",
                limits=None if replaying else limits_folder(settings),
                policy=REPLAYED if replaying else None,
                # Live, the venue's streams ring and polls find what they missed, as everywhere.
                activity=(lambda: courier.activity) if replaying and courier is not None else None,
            ),
            "archive": lambda connection: ArchiveRole(settings),
        }
        made = [makers[role](connections[DATABASE_ROLES[role]]) for role in ROLES if role in roles]
        if isinstance(feed, LiveFeed):
            feed.on_healed = partial(
                _heal, market, next((o for o in made if isinstance(o, SignalsRole)), None)
            )
        for one in made:
            status.counts[one.name] = getattr(one, "counts", Counter())
            if isinstance(one, AnalysisRole):
                status.analyst = one.report
            if isinstance(one, TradingRole):
                status.venues = one.gates.visible
                status.desks = one.troubles
        stages = {one: connections[DATABASE_ROLES[one]].call for one in roles if one in QUEUED}
        aside: list[Role] = [] if courier is None else [courier]
        if replaying:
            aside.append(Backlog(clock, wakes, stages))
        if shares is not None:
            aside += _sharing(shares, next(one for one in made if isinstance(one, SignalsRole)), feed, market)
        recorder = None
        for one in made:
            if watch and isinstance(one, SignalsRole):
                recorder = Recorder(settings, watch, status.latency, one.fired_at)
        key = settings.supabase_publishable_key.get_secret_value()
        # The archive listens to nobody: its work comes with time.
        realtime = Realtime(settings.supabase_url, key, first.token) if set(roles) != {"archive"} else None
        seen = None
        if observed:
            measured = made if shares is None else [*made, shares]
            seen = observe(settings, status, feed, measured, realtime, connections, first.call)
        opened.pop_all()
        return Machine(
            status,
            made,
            feed,
            clock,
            market,
            wakes,
            first.call,
            region=region,
            poll_seconds=poll_seconds,
            realtime=realtime,
            recorder=recorder,
            aside=aside,
            endpoint=None if seen is None else seen.endpoint,
            companions=() if seen is None else seen.companions,
            closers=[connection.close for connection in connections.values()],
        )


def _tokens_left(connections: Mapping[str, Connection]) -> dict[str, float]:
    tokens = {role: connection.token for role, connection in connections.items()}
    return {role: one.seconds_left for role, one in tokens.items() if isinstance(one, GivenToken)}


def _heal(market: Market, role: SignalsRole | None, candle: Candle) -> None:
    """A candle came after all: history has it, and what would have fired at it and since is made up for."""
    if market.insert(candle) and role is not None:
        role.owe({candle.symbol: candle.open_ms})


def _sharing(shares: Shares, role: SignalsRole, feed: Feed, market: Market) -> list[Role]:
    shares.serve(role)
    return [shares, Following(feed, market, role)] if isinstance(feed, LiveFeed) else [shares]


def find_machine_id(state: Path, given: str | None = None) -> str:
    """This machine's name, made once (or `given`) and kept in its folder: after a restart it takes up its own
    leases."""
    state.mkdir(parents=True, exist_ok=True)
    path = state / "machine_id"
    if path.is_file():
        name = path.read_text().strip()
        if name:
            return name
    name = given or f"sig-{secrets.token_hex(4)}"
    path.write_text(f"{name}\n")
    return name


def limits_folder(settings: Settings) -> Path:
    """Where the processes of this machine count their requests together, whichever project they work for:
    venues count by address. What a fake venue is asked counts at no other."""
    folder = (settings.sigtrail_state or CHECKOUT / ".local" / "machines") / "limits"
    return folder if settings.sigtrail_venue_resolver is None else folder / "fake"


def _first_moment(feed: Feed) -> datetime:
    if isinstance(feed, SimulatedFeed):
        return from_ms(feed.start_ms)
    span = feed.span if isinstance(feed, RecordedFeed) else None
    if span is None:
        raise ConfigurationError(f"a replay needs candles that are recorded, and {feed.description} has none")
    return from_ms(span[0])
