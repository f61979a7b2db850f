"""What fired at closes that nobody evaluated, found from history: those while a machine was away, and those
while its spool took nothing.

The candles are evaluated in their order by an evaluator of its own, which knows the history before them, so
what comes out is what would have come out then, with the candles' own times. Longer candles are those that
the machine's market has: their history reaches further back than any short candles that could make them.
Traders are those of now: one
that was changed meanwhile fires only at closes after its change, since nobody knows what it was before.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass
from operator import attrgetter
from uuid import UUID

from shared.candles import INTERVALS, Candle
from shared.identity import floor_ms
from shared.market import Market
from shared.models import Signal, Trader
from workers.signals.evaluator import Evaluator
from workers.signals.feeds.feed import by_close


@dataclass(frozen=True, slots=True)
class Missed:
    """Candles to evaluate, and those before them, in order of (close, symbol); the same of longer intervals.

    cut_off: how many closes lie so far back, or were so long ago for the history, that they stay missed
    """

    known: tuple[Candle, ...]
    candles: tuple[Candle, ...]
    known_longer: tuple[Candle, ...]
    longer: tuple[Candle, ...]
    cut_off: int


def find_missed(market: Market, since: Mapping[str, int], most_ms: int) -> Missed:
    """What the history has of each symbol behind its close in `since`.

    `most_ms` is how far back from the newest close anything is made up for: by the candles' times, whatever
    the clock shows.
    """
    known: list[Candle] = []
    missed: list[Candle] = []
    known_longer: list[Candle] = []
    longer: list[Candle] = []
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
        for name in INTERVALS:
            candles = market.history(symbol, name)
            is_short = name == market.base_interval(symbol)
            before, after = (known, missed) if is_short else (known_longer, longer)
            before += [one for one in candles if one.close_ms <= least]
            after += [one for one in candles if one.close_ms > least]
    order = attrgetter("close_ms", "symbol")
    for found in (known, missed, known_longer, longer):
        found.sort(key=order)
    return Missed(tuple(known), tuple(missed), tuple(known_longer), tuple(longer), cut_off)


async def evaluate_missed(
    kind: str, missed: Missed, traders: Iterable[Trader]
) -> AsyncIterator[tuple[list[Candle], list[Signal]]]:
    """The candles of each close, with what fired at it. Others of the loop have their turn in between."""
    symbols = {candle.symbol for candle in missed.candles}
    chosen = [one for one in traders if not symbols.isdisjoint(one.symbols)]
    changed = {one.id: floor_ms(one.updated_at) for one in chosen if one.updated_at is not None}
    past = Market(kind)
    past.seed(missed.known)
    past.seed_longer(missed.known_longer)
    longer = dict(by_close(missed.longer))
    evaluator = Evaluator(past)
    evaluator.assign(chosen)
    past.subscribe(evaluator.hear, aggregated=True)
    for close_ms, together in by_close(missed.candles):
        for candle in together:
            past.publish(candle)
        for candle in longer.get(close_ms, ()):
            # Where the short candles reach back far enough, it was made of them and heard.
            last = past.latest(candle.symbol, candle.interval)
            if last is None or last.open_ms < candle.open_ms:
                past.seed_longer((candle,))
                evaluator.hear(candle)
        yield together, [one for one in evaluator.evaluate() if _is_due(one, changed)]
        await asyncio.sleep(0)


def _is_due(signal: Signal, changed: Mapping[UUID, int]) -> bool:
    return signal.triggered_ms > changed.get(signal.trader_id, 0)
