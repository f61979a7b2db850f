"""A platform's strategies: thousands of traders of many users, with the demo's conditions at their numbers.

People start from a few well-known rules, and half of them set the numbers themselves: so many traders share a
rule to the last digit, and the others' texts differ by their numbers.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Sequence
from typing import Any
from uuid import UUID

from cli.demo import STRATEGIES
from shared.candles import INTERVALS

Row = dict[str, Any]

# How many candles of the base interval make those of a trader, and how often each is chosen.
_STEPS = (1, 3, 5, 15, 30, 60)
_WEIGHTS = (2, 2, 5, 5, 2, 2)
_PERIODS = {"RSI": (7, 9, 14, 21), "SMA": (10, 20, 30, 50), "ADX": (10, 14, 20)}
_PERIOD = re.compile(r"\b(RSI|SMA|ADX)\(((?:\w+, )?)\d+\)")
_LEVEL = re.compile(r"(RSI\(\d+\) [<>] )(\d+)")
_TIMES = re.compile(r"\b\d+(?:\.\d+)?(?= \* )")
_SEED = 20261122


def make_traders(users: Sequence[UUID], symbols: Sequence[str], base: str, count: int) -> Iterator[Row]:
    """Rows for the table of traders, of these users, the first of whom own far more than the last.

    base: the interval of the candles. The same in every run but for the users' ids.
    """
    chance = random.Random(_SEED)  # noqa: S311 - the same traders in every run
    for number in range(count):
        strategy = chance.choice(STRATEGIES)
        yield {
            "id": str(UUID(int=chance.getrandbits(128), version=4)),
            "user_id": str(users[int(len(users) * chance.random() ** 2)]),
            "name": f"{strategy.name} {number}",
            "market": "usdm",
            "symbols": sorted(chance.sample(list(symbols), chance.randint(1, len(symbols)))),
            "interval": _interval(base, chance),
            "side": strategy.side,
            "conditions": _vary(strategy.conditions, chance),
        }


def vary_traders(traders: Sequence[Row], copies: int) -> Iterator[Row]:
    """So many more of each of these rows, under ids and names of their own, with other numbers."""
    chance = random.Random(_SEED)  # noqa: S311 - the same traders in every run
    for trader in traders:
        for number in range(copies):
            yield trader | {
                "id": str(UUID(int=chance.getrandbits(128), version=4)),
                "name": f"{trader['name']} {number}",
                "conditions": _vary(trader["conditions"], chance),
            }


def _interval(base: str, chance: random.Random) -> str:
    wanted = INTERVALS[base] * chance.choices(_STEPS, _WEIGHTS)[0]
    return next((name for name, length in INTERVALS.items() if length == wanted), base)


def _vary(conditions: Sequence[str], chance: random.Random) -> list[str]:
    """These conditions, half of the time with other periods, levels and multiples."""
    if chance.random() < 0.5:
        return list(conditions)
    shift, times = chance.randint(-5, 5), chance.choice((0.8, 1.0, 1.2, 1.5))
    periods = {name: chance.choice(choices) for name, choices in _PERIODS.items()}
    texts = [
        _PERIOD.sub(lambda found: f"{found[1]}({found[2]}{periods[found[1]]})", text) for text in conditions
    ]
    texts = [_LEVEL.sub(lambda found: f"{found[1]}{int(found[2]) + shift}", text) for text in texts]
    return [_TIMES.sub(lambda found: f"{float(found[0]) * times:g}", text) for text in texts]
