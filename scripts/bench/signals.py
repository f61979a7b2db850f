"""Who fires signals in a benchmark, and signals such as machines send them: many traders of users of uneven
size, two dozen symbols, conditions that held and the candle and indicators that they held on."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import psycopg

from scripts.bench.sql import query
from shared.candles import MINUTE_MS
from shared.identity import signal_id
from shared.symbols import unify

Row = dict[str, Any]

_BASES = (
    "BTC", "ETH", "BNB", "SOL", "XRP", "ADA", "DOGE", "AVAX", "DOT", "LINK", "LTC", "BCH",
    "ATOM", "UNI", "ETC", "XLM", "FIL", "APT", "ARB", "OP", "NEAR", "INJ", "SUI", "TIA",
)  # fmt: skip
SYMBOLS = tuple(f"{base}USDT" for base in _BASES)
# A condition with the values that its parts held on, as the evaluator records them.
RULES: tuple[tuple[tuple[str, dict[str, float]], ...], ...] = (
    (("RSI(14) < 30", {"RSI(14)": 27.41}), ("volume > 2 * SMA(volume, 20)", {"SMA(volume, 20)": 1284.77})),
    (
        ("close > HIGHEST(high, 16)[1]", {"HIGHEST(high, 16)[1]": 64120.5}),
        ("ADX(14) > 18", {"ADX(14)": 23.9}),
    ),
    (
        ("EMA(20) > EMA(60)", {"EMA(20)": 64011.2, "EMA(60)": 63890.7}),
        ("close < EMA(20)", {"EMA(20)": 64011.2}),
    ),
    (("close < BBANDS_LOWER(close, 20, 2)", {"BBANDS_LOWER(close, 20, 2)": 63711.93}),),
)
_SEED = 20261121


@dataclass(frozen=True)
class Cast:
    """Who is on stage.

    traders: with the user who owns each; watching: the users who watch their signals
    machine: the name of a registered machine, machine_key its row's id
    """

    traders: tuple[tuple[UUID, UUID], ...]
    watching: tuple[UUID, ...]
    machine: str
    machine_key: UUID

    @property
    def owners(self) -> dict[str, str]:
        """The user of each trader, both as text."""
        return {str(trader): str(user) for trader, user in self.traders}


def set_stage(connection: psycopg.Connection[Any], *, users: int, traders: int, watching: int) -> Cast:
    """Make these many users of the elite tier, traders and watchers, and one machine. `connection` is the
    owner's, in autocommit."""
    connection.execute(query("add_users"), {"users": users})
    connection.execute(query("set_tier"), {})
    owned = connection.execute(query("add_traders"), {"traders": traders}).fetchall()
    watchers = connection.execute(query("watch"), {"watching": watching}).fetchall() if watching else []
    machine = f"bench-{uuid4().hex[:8]}"
    found = connection.execute("select public.register_machine(%s, 'bench', '{signals}', '1')", (machine,))
    row = found.fetchone()
    if row is None:
        raise LookupError("register_machine answers with one row")
    return Cast(tuple(owned), tuple(one for (one,) in watchers), machine, row[0])


class Maker:
    """Signals without end, none twice: each trader fires on each symbol at most once a candle, in a random
    order that is the same in every run.

    first_ms: the close of the first candle; the next candle begins when `per_candle` signals are made
    Making one costs about a microsecond: a benchmark that makes them while it measures measures little of it.
    """

    def __init__(self, traders: Sequence[UUID], first_ms: int, *, per_candle: int = 100_000) -> None:
        chance = random.Random(_SEED)  # noqa: S311 - the same signals in every run
        places = len(traders) * len(SYMBOLS)
        self._pairs = [
            _Pair.of(traders[place // len(SYMBOLS)], SYMBOLS[place % len(SYMBOLS)], place % len(RULES))
            for place in chance.sample(range(places), min(places, per_candle))
        ]
        self._chance = chance
        self._next = 0
        self._open_candle(first_ms)

    @property
    def candle_ms(self) -> int:
        """The close of the candle that signals are made of now."""
        return self._ms

    def take(self, count: int) -> list[Row]:
        """The next `count` signals as rows for `ingest_signals`, in the order of their ids."""
        rows: list[Row] = []
        while len(rows) < count:
            pairs = self._pairs[self._next : self._next + count - len(rows)]
            # As a machine spools them.
            pairs.sort(key=_tail)
            rows += [self._row(pair) for pair in pairs]
            self._next += len(pairs)
            if self._next == len(self._pairs):
                self._next = 0
                self._open_candle(self._ms + MINUTE_MS)
        return rows

    def _open_candle(self, close_ms: int) -> None:
        self._ms = close_ms
        self._head = str(UUID(int=close_ms << 80))[:14]
        self._stories = {
            (symbol, rule): _tell(symbol, rule, close_ms, self._chance)
            for symbol in SYMBOLS
            for rule in range(len(RULES))
        }

    def _row(self, pair: _Pair) -> Row:
        price, matched, original = self._stories[pair.symbol, pair.rule]
        return {
            "id": self._head + pair.tail,
            "trader_id": pair.trader,
            "symbol": pair.symbol,
            "normalised_symbol": unify(pair.symbol, "usdm"),
            "interval": "1m",
            "triggered_at": self._ms,
            "price": price,
            "side": "long",
            "matched_conditions": matched,
            "original_signal": original,
        }


@dataclass(frozen=True, slots=True)
class _Pair:
    """tail: what of the id does not depend on the time."""

    trader: str
    symbol: str
    rule: int
    tail: str

    @classmethod
    def of(cls, trader: UUID, symbol: str, rule: int) -> _Pair:
        return cls(str(trader), symbol, rule, str(signal_id(trader, symbol, "1m", 0))[14:])


def _tail(pair: _Pair) -> str:
    return pair.tail


def _tell(symbol: str, rule: int, close_ms: int, chance: random.Random) -> tuple[str, list[Row], Row]:
    """The price of a signal, the conditions that held and what the trader saw, each a little different from
    the last."""
    price = chance.uniform(0.1, 65_000)
    parts = [
        (text, {name: value * chance.uniform(0.98, 1.02) for name, value in values.items()})
        for text, values in RULES[rule]
    ]
    candle = {"open_time": close_ms - MINUTE_MS} | {
        name: f"{price * chance.uniform(0.995, 1.005):.2f}" for name in ("open", "high", "low", "close")
    }
    original = {
        "candle": candle | {"volume": f"{chance.uniform(1, 5000):.3f}"},
        "condition": " and ".join(text for text, _ in RULES[rule]),
        "indicators": {name: value for _, values in parts for name, value in values.items()},
    }
    return f"{price:.2f}", [{"text": text, "values": values} for text, values in parts], original
