"""Ten thousand strategies as people make them: parts that are well known, with numbers of their own."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from uuid import UUID

from shared.models import Trader

SEED = 20261122
# So many traders keep a condition that others have too, of the most popular part of all conditions.
_SHARED = 0.5
_POPULAR = 0.25

Chance = random.Random
_PARTS: tuple[Callable[[Chance], str], ...] = (
    lambda one: f"RSI({one.randint(5, 30)}) {one.choice('<>')} {one.randint(15, 85)}",
    lambda one: f"crosses_{_way(one)}(EMA({one.randint(5, 30)}), EMA({one.randint(31, 90)}))",
    lambda one: f"close > HIGHEST(high, {one.randint(10, 60)})[1]",
    lambda one: f"close < BBANDS_LOWER({one.randint(10, 40)}, {one.choice((1.5, 2, 2.5, 3))})",
    lambda one: (
        f"MACD_HIST({one.randint(8, 14)}, {one.randint(20, 30)}, {one.randint(7, 11)}) {one.choice('<>')} 0"
    ),
    lambda one: f"STOCH_K({one.randint(5, 21)}, 3, 3) < {one.randint(10, 30)}",
    lambda one: f"ADX({one.randint(7, 28)}) > {one.randint(15, 40)}",
    lambda one: f"volume > {one.choice((1.2, 1.5, 2, 3))} * SMA(volume, {one.randint(10, 60)})",
    lambda one: f"ATR({one.randint(7, 28)}) / close > {one.choice((0.001, 0.002, 0.003))}",
    lambda one: f"close > EMA({one.randint(20, 200)})",
    lambda one: f"CCI({one.randint(10, 30)}) < -{one.randint(80, 200)}",
    lambda one: f"MFI({one.randint(7, 21)}) < {one.randint(10, 40)} or WILLR({one.randint(7, 21)}) < -90",
    lambda one: f"RSI({one.randint(7, 21)})@15m {one.choice('<>')} {one.randint(20, 80)}",
    lambda one: f"close > SMA({one.randint(5, 20)})@15m",
    lambda one: f"not (close < SUPERTREND({one.randint(7, 14)}, {one.choice((2, 2.5, 3))}))",
)


def make_traders(count: int, symbols: Sequence[str]) -> list[Trader]:
    """So many traders of the minute, each on all of these symbols; the same in every run."""
    chance = Chance(SEED)
    every = tuple(symbols)
    own = [
        tuple(part(chance) for part in chance.sample(_PARTS, chance.randint(2, 4)))
        for _ in range(round(count * (1 - _SHARED)))
    ]
    popular = own[: max(1, round(len(own) * _POPULAR))]
    conditions = own + [chance.choice(popular) for _ in range(count - len(own))]
    return [
        Trader(
            id=UUID(int=chance.getrandbits(128), version=4),
            name=f"trader {number}",
            market="usdm",
            symbols=every,
            interval="1m",
            side=chance.choice(("long", "short")),
            conditions=texts,
        )
        for number, texts in enumerate(conditions)
    ]


def _way(chance: Chance) -> str:
    return chance.choice(("above", "below"))
