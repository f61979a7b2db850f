"""What fired at closes that nobody evaluated, found from history: those while a machine was away, and those
while its spool took nothing.

The candles are evaluated in their order by an evaluator of its own, which knows the history before them, so
what comes out is what would have come out then, with the candles' own times. Traders are those of now: one
that was changed meanwhile fires only at closes after its change, since nobody knows what it was before.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass
from operator import attrgetter
from uuid import UUID

from shared.candles import Candle
from shared.identity import floor_ms
from shared.market import Market
from shared.models import Signal, Trader
from workers.signals.evaluator import Evaluator
from workers.signals.feeds.feed import by_close


@dataclass(frozen=True, slots=True)
class Missed:
    """Candles to evaluate, and those before them, in order of (close, symbol).

    cut_off: how many closes lie so far back, or were so long ago for the history, that they stay missed
    """

    known: tuple[Candle, ...]
    candles: tuple[Candle, ...]
    cut_off: int


def find_missed(market: Market, since: Mapping[str, int], most_ms: int) -> Missed:
    """What the history has of each symbol behind its close in `since`.

    `most_ms` is how far back from the newest close anything is made up for: by the candles' times, whatever
    the clock shows.
    """
    known: list[Candle] = []
    missed: list[Candle] = []
    cut_off = 0
    newest = max((one.close_ms for one in map(market.latest, market.symbols) if one is not None), default=0)
    for symbol, begin in since.items():
        history = market.history(symbol)
        if not history or history[-1].close_ms <= begin:
            continue
        least = max(begin, newest - most_ms, history[0].open_ms)
        # Marks that were lost stand at zero: how much was missed then is not known.
        if begin:
            cut_off += (least - begin) // (history[0].close_ms - history[0].open_ms)
        known += [one for one in history if one.close_ms <= least]
        missed += [one for one in history if one.close_ms > least]
    order = attrgetter("close_ms", "symbol")
    return Missed(tuple(sorted(known, key=order)), tuple(sorted(missed, key=order)), cut_off)


async def evaluate_missed(
    kind: str, missed: Missed, traders: Iterable[Trader]
) -> AsyncIterator[tuple[list[Candle], list[Signal]]]:
    """The candles of each close, with what fired at it. Others of the loop have their turn in between."""
    symbols = {candle.symbol for candle in missed.candles}
    chosen = [one for one in traders if not symbols.isdisjoint(one.symbols)]
    changed = {one.id: floor_ms(one.updated_at) for one in chosen if one.updated_at is not None}
    past = Market(kind)
    past.seed(missed.known)
    evaluator = Evaluator(past)
    evaluator.assign(chosen)
    past.subscribe(evaluator.hear, aggregated=True)
    for _, together in by_close(missed.candles):
        for candle in together:
            past.publish(candle)
        yield together, [one for one in evaluator.evaluate() if _is_due(one, changed)]
        await asyncio.sleep(0)


def _is_due(signal: Signal, changed: Mapping[UUID, int]) -> bool:
    return signal.triggered_ms > changed.get(signal.trader_id, 0)
