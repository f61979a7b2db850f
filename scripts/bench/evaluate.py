"""`sigtrail bench evaluate`: all traders at the close of a minute.

Ten thousand traders on all of two hundred symbols, with thousands of different conditions, as one machine
evaluates them in one thread. The floor is every indicator once for each symbol and nothing else; beside it,
the same work done for each trader by itself, on a sample.
"""

from __future__ import annotations

import asyncio
import gc
import resource
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from statistics import median

import numpy as np

from scripts.bench.evaluate_traders import SEED, make_traders
from scripts.bench.report import Progress, Result, at_most, figure, percentile
from shared.candles import MINUTE_MS, Candle
from shared.market import Market
from shared.models import Trader
from workers.signals.condition import holds
from workers.signals.evaluator import Evaluator
from workers.signals.indicators import FIELDS, Reading
from workers.signals.parser import parse_all
from workers.signals.series import History

TRADERS, SYMBOLS = 10_000, 200
CLOSES, QUICK_CLOSES = 60, 8
LONE = 20
FLOOR_STEP = 4
TARGET_SECONDS, TARGET_BYTES = 5.0, 2 * 1024**3
HISTORY = 1020
SAMPLE_TRADERS, SAMPLE_SYMBOLS = 40, 4
START_MS = 1_759_968_000_000  # a midnight


async def run(*, quick: bool, progress: Progress) -> list[Result]:
    """Measure. All figures are of one thread of one process."""
    return await asyncio.to_thread(_measure, quick, progress)


def _measure(quick: bool, progress: Progress) -> list[Result]:
    symbols = tuple(f"S{number:03d}USDT" for number in range(SYMBOLS))
    progress(f"about {'a minute' if quick else 'two minutes'}: {TRADERS} traders on {SYMBOLS} symbols")
    traders = make_traders(TRADERS, symbols)
    minutes = _walk(symbols)
    market = Market()
    market.follow("15m")
    for _ in range(HISTORY):
        market.seed(next(minutes))
    gc.collect()
    before = _resident()
    evaluator = Evaluator(market)
    begun = _timed(lambda: evaluator.assign(traders))
    if evaluator.unfit:
        raise ValueError(f"{evaluator.unfit[0].name}: {evaluator.unfit[0].reason}")
    market.subscribe(evaluator.hear, aggregated=True)
    progress(f"all read after {begun:.1f} s; now {QUICK_CLOSES if quick else CLOSES} closes")
    whole, busy, fired = _close(market, evaluator, minutes, QUICK_CLOSES if quick else CLOSES)
    memory = _resident() - before
    lone = _close_late(market, evaluator, minutes)
    changed = _change(evaluator, symbols)
    progress("the floor, and a sample for each trader by itself")
    readings = evaluator.readings
    floor = _update_alone(market, symbols, readings, minutes)
    naive = _evaluate_naively(market, symbols, traders)
    shared = {"floor": floor, "of_value": True}
    return [
        at_most("a close, 95th percentile", percentile(whole, 0.95), "s", TARGET_SECONDS, **shared),  # type: ignore[arg-type]
        figure("a close, median", median(whole), "s", floor),
        figure("a close, slowest", max(whole), "s", floor),
        figure("a close, processor time, median", median(busy), "s", floor),
        figure("the indicators alone", floor, "s"),
        figure("each trader by itself, from a sample", naive, "s", floor),
        figure("one symbol that is late, median", median(lone), "s"),
        figure("a trader added or removed, slowest", changed, "s"),
        figure("all traders read at the start", begun, "s"),
        at_most("memory of all traders", memory / 1024**2, "MB", TARGET_BYTES / 1024**2),
        figure("memory as the evaluator counts it", evaluator.memory / 1024**2, "MB"),
        figure("peak of the process", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, "MB"),
        figure("different conditions", len({one.conditions for one in traders}), "conditions"),
        figure("different indicators", len(readings), "indicators"),
        figure("signals fired at a close", sum(fired) / len(fired), "signals"),
    ]


def _walk(symbols: Sequence[str]) -> Iterator[list[Candle]]:
    """Candles of a minute of all symbols, for ever; the same in every run."""
    chance = np.random.default_rng(SEED)
    opens = chance.uniform(1.0, 1000.0, len(symbols))
    opened = START_MS
    while True:
        steps = opens * (1 + np.cumsum(chance.normal(0, 0.0007, (4, len(symbols))), axis=0))
        closes, highs, lows = (
            steps[-1],
            np.maximum(opens, steps.max(axis=0)),
            np.minimum(opens, steps.min(axis=0)),
        )
        rows = np.stack([opens, highs, lows, closes, chance.gamma(2, 50, len(symbols))], axis=1).tolist()
        yield [
            Candle(symbol, "1m", opened, opened + MINUTE_MS, *row)
            for symbol, row in zip(symbols, rows, strict=True)
        ]
        opens, opened = closes, opened + MINUTE_MS


def _close(
    market: Market, evaluator: Evaluator, minutes: Iterator[list[Candle]], count: int
) -> tuple[list[float], list[float], list[int]]:
    taken, busy, fired = [], [], []
    for _ in range(count):
        for candle in next(minutes):
            market.publish(candle)
        began, worked = time.perf_counter(), time.thread_time()
        fired.append(len(evaluator.evaluate()))
        taken.append(time.perf_counter() - began)
        busy.append(time.thread_time() - worked)
    return taken, busy, fired


def _close_late(market: Market, evaluator: Evaluator, minutes: Iterator[list[Candle]]) -> list[float]:
    """How long the candle of one symbol takes that comes by itself."""
    taken = []
    for candle in next(minutes)[:LONE]:
        market.publish(candle)
        taken.append(_timed(evaluator.evaluate))
    return taken


def _change(evaluator: Evaluator, symbols: Sequence[str]) -> float:
    newcomers = make_traders(TRADERS + 10, symbols)[:5]
    fresh = [
        one.model_copy(update={"conditions": (f"RSI({31 + place}) < 30", "close > open")})
        for place, one in enumerate(newcomers)
    ]
    taken = [_timed(lambda one=one: evaluator.change([one])) for one in fresh]  # type: ignore[misc]
    return max(taken + [_timed(lambda one=one: evaluator.change([one])) for one in newcomers])  # type: ignore[misc]


def _update_alone(
    market: Market,
    symbols: Sequence[str],
    readings: Collection[tuple[str, Reading]],
    minutes: Iterator[list[Candle]],
) -> float:
    """The time of one update of every indicator of every symbol, without anything around it: of every fourth
    symbol, times four."""
    work = []
    chosen = symbols[::FLOOR_STEP]
    for symbol in chosen:
        history = History(market.history(symbol, "1m"))
        opened = [history.open(one) for interval, one in readings if interval == "1m"]
        names = [one.inputs for interval, one in readings if interval == "1m"]
        work.append([(one[0].update, each) for one, each in zip(opened, names, strict=True) if one])
    taken = []
    for _ in range(5):
        candles = [[getattr(one, name) for name in FIELDS] for one in next(minutes)[::FLOOR_STEP]]
        inputs = [dict(zip(FIELDS, one, strict=True)) for one in candles]
        calls = [
            [(update, [fields[str(name)] for name in names]) for update, names in updates]
            for updates, fields in zip(work, inputs, strict=True)
        ]
        began = time.perf_counter()
        for updates in calls:
            for update, numbers in updates:
                update(*numbers)
        taken.append(time.perf_counter() - began)
    return median(taken) * len(symbols) / len(chosen)


def _evaluate_naively(market: Market, symbols: Sequence[str], traders: Sequence[Trader]) -> float:
    """How long a close would take, were each condition computed from history for each trader and symbol."""
    sample = traders[:: len(traders) // SAMPLE_TRADERS]
    chosen = symbols[:: len(symbols) // SAMPLE_SYMBOLS]
    conditions = [parse_all(one.conditions) for one in sample]
    began = time.perf_counter()
    for symbol in chosen:
        candles = {interval: market.history(symbol, interval) for interval in ("1m", "15m")}
        for condition in conditions:
            histories = {interval: History(found) for interval, found in candles.items()}
            holds(
                condition.root,
                lambda term, histories=histories: float(  # type: ignore[misc]
                    histories[term.interval or "1m"].read(term.source)[-1 - term.offset]
                ),
            )
    return (time.perf_counter() - began) / len(chosen) / len(sample) * len(symbols) * len(traders)


def _timed(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def _resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
