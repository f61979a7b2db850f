"""A backtest: the roles of a machine on recorded candles, with a record in memory and a paper account.

    candles ─▶ market ─▶ evaluator ─▶ analysis ─▶ monitoring ─▶ trading ─▶ paper exchange
                              └──────────── Record ───────────────┘

Only the database is another one. At each close the roles take their steps until none finds anything to do,
as in a replay, and then the equity is marked; nobody ever sees a candle that has not closed.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from shared.candles import Candle, interval_ms
from shared.clock import Clock, MarketClock
from shared.errors import InputError
from shared.identity import from_ms
from shared.market import Market
from shared.money import text
from shared.role import Role
from shared.wakes import Wakes
from workers.analysis.role import AnalysisRole
from workers.analysis.rules import RuleBasedAnalyst
from workers.backtest.definition import Strategy
from workers.backtest.record import Record
from workers.backtest.track import Curve, choose_step
from workers.backtest.trade_record import TradeRecord
from workers.monitoring.role import MonitoringRole
from workers.replay import replay
from workers.signals.evaluator import Evaluator
from workers.signals.feeds.recorded import RecordedFeed
from workers.trading.ledger import Account
from workers.trading.paper import PaperExchange
from workers.trading.policy import Policy
from workers.trading.role import TradingRole
from workers.trading.venues.exchanges import Exchanges

# Ids that are the same in every run, so that two runs can be compared line by line.
ACCOUNT = uuid5(NAMESPACE_URL, "backtest|account")
USER = uuid5(NAMESPACE_URL, "backtest|user")
# What a machine keeps of each interval: a backtest that begins later than its candles knows no more.
DEPTH = 1024
# Market time passes over an hour faster than a socket tells of it; as in a machine's replay.
POLICY = Policy(settle=timedelta(hours=1))


@dataclass(frozen=True, slots=True)
class Terms:
    """The account that is imagined: see the paper exchange for what these mean. With `attached` an entry
    takes its protection along, which is there at its first fill; without it protection is placed at the close
    of the candle that filled the entry."""

    equity: Decimal = Decimal(10_000)
    currency: str = "USDT"
    # The most notional value as a multiple of the equity; None as for an account that has none set.
    leverage: Decimal | None = None
    slippage: Decimal = Decimal("0.0001")
    latency_ms: int = 50
    participation: Decimal = Decimal("0.1")
    attached: bool = True

    def settings(self) -> dict[str, Any]:
        """As `exchange_accounts.settings` has them."""
        return {
            "starting": {self.currency: text(self.equity)},
            **({} if self.leverage is None else {"leverage": text(self.leverage)}),
            "slippage": text(self.slippage),
            "latency_ms": self.latency_ms,
            "participation": text(self.participation),
            "attached": self.attached,
        }


@dataclass(frozen=True, slots=True)
class Range:
    """What is played: `start_ms` to `end_ms` in market time, and how many candles that were."""

    start_ms: int
    end_ms: int
    candles: int


@dataclass(frozen=True, slots=True)
class Result:
    """What a backtest came to; reports are made of it."""

    strategies: tuple[Strategy, ...]
    terms: Terms
    range: Range
    record: Record
    curve: Curve
    exchange: PaperExchange


class Stirs(Wakes):
    """Wakes that are also remembered by name: a role that nothing stirred has nothing to do."""

    def __init__(self) -> None:
        super().__init__()
        self.stirred: set[str] = set()

    def wake(self, name: str) -> None:
        self.stirred.add(name)
        super().wake(name)

    def nudge(self, name: str) -> None:
        self.stirred.add(name)
        super().nudge(name)


class Steps:
    """Takes the roles' steps, and spares those that would find nothing.

    A desk looks at everything that it holds at each step, which is most of what a backtest would take. While
    all of it rests, as the record has it, only a price that asks for something or news of the venue stir it,
    which wake it live as well, or a deadline. With `spares` False every role steps at every close, as in a
    machine's replay: the same comes out, later.
    """

    def __init__(self, wakes: Stirs, trades: TradeRecord, clock: Clock, *, spares: bool) -> None:
        self._wakes = wakes
        self._trades = trades
        self._clock = clock
        self._spares = spares

    async def finish(self, role: Role) -> int:
        """See `Stepping.finish`; here no database is waited for."""
        stirred = role.name in self._wakes.stirred
        self._wakes.stirred.discard(role.name)
        if not stirred and self._spares and role.name == "trading" and self._trades.rests(self._clock.now()):
            return 0
        done = await role.step()
        if done:
            self._wakes.stirred.add(role.name)
        return done


class Firing:
    """The signals role without a disk: what the evaluator fires is recorded at once."""

    name = "signals"

    def __init__(self, evaluator: Evaluator, record: Record, wakes: Wakes) -> None:
        self._evaluator = evaluator
        self._record = record
        self._wakes = wakes

    async def start(self) -> None:
        """Nothing is restored."""

    async def step(self) -> int:
        """Record what fired at the candles that closed."""
        fired = self._evaluator.evaluate()
        if fired:
            self._record.signals.ingest(fired)
            self._wakes.wake("analysis")
        return len(fired)

    async def stop(self) -> None:
        """Nothing is held."""


class Backtest:
    """Plays `strategies` on one paper account over the candles of `feed`, which is open.

    It begins at `since_ms` with the history that a machine would have kept, or with the first candle.
    `on_progress` is told the market's time and the share (0..1) that is played, now and then.
    """

    def __init__(
        self,
        strategies: Sequence[Strategy],
        feed: RecordedFeed,
        terms: Terms,
        *,
        since_ms: int | None = None,
        most_points: int = 1000,
        on_progress: Callable[[int, float], None] | None = None,
        spares: bool = True,
    ) -> None:
        span = feed.span
        if span is None or span[0] >= span[1] or (since_ms is not None and since_ms >= span[1]):
            raise InputError(f"there are no candles to play: {_describe(feed)}")
        self._strategies = tuple(sorted(strategies, key=lambda one: one.id))
        self._feed = feed
        self._terms = terms
        self._start_ms = span[0] if since_ms is None else max(since_ms, span[0])
        self._end_ms = span[1]
        self._on_progress = on_progress
        self._market = Market(feed.market, DEPTH)
        self._clock = MarketClock(from_ms(self._start_ms))
        self._wakes = Stirs()
        self._spares = spares
        rows = {one.id: one.row(ACCOUNT) for one in self._strategies}
        self._record = Record(_account(terms, feed.market, self._start_ms), rows)
        self._curve = Curve(
            terms.equity,
            rows,
            self._record.trades,
            self._market.price,
            self._start_ms,
            choose_step(self._end_ms - self._start_ms, most_points),
        )
        self._exchange: Any = None
        self._candles = 0
        self._last_ms = self._start_ms

    async def run(self) -> Result:
        """Play all of it. Raises InputError where no candle lies in the range."""
        intervals = sorted({name for one in self._strategies for name in one.intervals}, key=interval_ms)
        for name in intervals:
            self._market.follow(name)
        batches = self._feed.batches()
        first = await self._warm(batches)
        evaluator = Evaluator(self._market)
        unfit = evaluator.assign([one.trader for one in self._strategies])
        if unfit:
            raise InputError("; ".join(f"trader {one.name}: {one.reason}" for one in unfit))
        wanted = frozenset(intervals)

        def hear(candle: Candle) -> None:
            if candle.interval in wanted:
                evaluator.hear(candle)

        async def open_exchange(account: Account) -> Any:
            self._exchange = await exchanges(account)
            return self._exchange

        # Evaluated in the step, when all candles of a close are there.
        self._market.subscribe(hear, aggregated=True)
        exchanges = Exchanges(self._clock, self._market)
        roles: list[Role] = [
            Firing(evaluator, self._record, self._wakes),
            AnalysisRole(self._record.call, self._clock, self._market, self._wakes, RuleBasedAnalyst()),
            MonitoringRole(self._record.call, self._clock, self._market, self._wakes, monotonic=lambda: 0.0),
            TradingRole(
                self._record,
                self._clock,
                self._market,
                self._wakes,
                exchanges=open_exchange,
                policy=POLICY,
                only=[ACCOUNT],
                monotonic=lambda: 0.0,
            ),
        ]
        for role in roles:
            await role.start()
        steps = Steps(self._wakes, self._record.trades, self._clock, spares=self._spares)
        try:
            await replay(
                self._marked(first, batches), self._clock, self._market, roles, steps, asyncio.Event()
            )
        finally:
            for role in reversed(roles):
                await role.stop()
        if not self._candles:
            raise InputError(f"there are no candles to play: {_describe(self._feed)}")
        played = Range(self._start_ms, self._last_ms, self._candles)
        return Result(self._strategies, self._terms, played, self._record, self._curve, self._exchange)

    async def _warm(self, batches: AsyncIterator[list[Candle]]) -> list[Candle] | None:
        """Make what closed before the start known as history; answers the first candles after it."""
        async for batch in batches:
            if batch[0].close_ms > self._start_ms:
                return batch
            self._market.seed(batch)
        return None

    async def _marked(
        self, first: list[Candle] | None, batches: AsyncIterator[list[Candle]]
    ) -> AsyncIterator[list[Candle]]:
        """The closes, and the equity marked after each of them: this goes on when all roles have settled."""
        if first is not None:
            yield first
            self._mark(first)
        async for batch in batches:
            yield batch
            self._mark(batch)

    def _mark(self, batch: list[Candle]) -> None:
        self._candles += len(batch)
        self._last_ms = batch[0].close_ms
        self._curve.mark(self._last_ms)
        if self._on_progress is not None:
            whole = max(self._end_ms - self._start_ms, 1)
            self._on_progress(self._last_ms, (self._last_ms - self._start_ms) / whole)


def warm_up(strategies: Sequence[Strategy]) -> int:
    """How many milliseconds of candles before its start a backtest of these knows."""
    return DEPTH * max(interval_ms(name) for one in strategies for name in one.intervals)


def _account(terms: Terms, market: str, start_ms: int) -> dict[str, Any]:
    return {
        "account_id": str(ACCOUNT),
        "user_id": str(USER),
        "name": "Backtest",
        "venue": "paper",
        "market": market,
        "sandbox": True,
        "permissions": "trade",
        "status": "active",
        "settings": terms.settings(),
        "fence": 1,
        "opened_at": from_ms(start_ms).isoformat(),
        "ciphertext": None,
    }


def _describe(feed: RecordedFeed) -> str:
    span = feed.span
    if span is None or span[0] >= span[1]:
        return f"none of {feed.folder} lies in that time"
    return (
        f"those of {feed.folder} reach from {from_ms(span[0]).isoformat()} to {from_ms(span[1]).isoformat()}"
    )


def find_missing(strategies: Sequence[Strategy], bases: dict[str, str]) -> str | None:
    """Which interval cannot be had from the candles of `bases` (interval by symbol), as a sentence."""
    for one in strategies:
        for symbol in one.symbols:
            base = bases[symbol]
            for name in sorted(one.intervals, key=interval_ms):
                if interval_ms(name) % interval_ms(base):
                    return (
                        f"trader {one.name} reads candles of {name}, and those of {symbol} are of {base}: "
                        f"record {symbol}_{name} or a shorter interval that divides it"
                    )
    return None
