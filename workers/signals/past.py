"""A market's past, from its short candles: what whoever begins in the middle of it has to know."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from shared.candles import INTERVALS, Candle
from shared.market import Market


@dataclass(frozen=True, slots=True)
class Past:
    """The latest candles of the base interval, and of every longer one, as many as a market keeps of each."""

    short: tuple[Candle, ...] = ()
    longer: tuple[Candle, ...] = ()


def condense(candles: Iterable[Candle]) -> Past:
    """The past out of its short candles, in order of time however many symbols they are of. Longer candles
    that are not whole are left out."""
    market = Market()
    for interval in INTERVALS:
        market.follow(interval)
    market.seed(candles)
    short, longer = [], []
    for symbol in market.symbols:
        base = market.base_interval(symbol)
        short += market.history(symbol)
        longer += [one for name in INTERVALS if name != base for one in market.history(symbol, name)]
    short.sort(key=lambda one: (one.close_ms, one.symbol))
    return Past(tuple(short), tuple(longer))
