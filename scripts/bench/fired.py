"""Signals of a real run: candles, evaluated as a machine does, and recorded as a machine does."""

from __future__ import annotations

import asyncio
import csv
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import psycopg

from scripts.bench.ways import ingest
from shared.candles import MINUTE_MS, Candle
from shared.errors import InputError
from shared.identity import floor_ms
from shared.market import Market
from shared.models import Signal, Trader
from workers.signals.evaluator import Evaluator
from workers.signals.feeds.recorded import RecordedFeed
from workers.signals.feeds.simulated import SimulatedFeed

DAY_MS = 86_400_000
# What the longest indicator of an hourly trader looks back on.
WARM_DAYS = 4
_HEAD = ("ts", "open", "high", "low", "close", "volume")


async def simulate_candles(folder: Path, symbols: Sequence[str], days: int) -> Path:
    """Files of a simulated market of whole days, in the form of recorded ones."""
    rows: dict[str, list[tuple[Any, ...]]] = defaultdict(list)
    first = floor_ms(datetime(2026, 1, 5, tzinfo=UTC))
    feed = SimulatedFeed(tuple(symbols), start_ms=first, seed=5, count=days * DAY_MS // MINUTE_MS)
    async for batch in feed.batches():
        for one in batch:
            rows[one.symbol].append((one.open_ms, one.open, one.high, one.low, one.close, one.volume))
    await asyncio.to_thread(_write, folder, rows)
    return folder


def _write(folder: Path, rows: Mapping[str, list[tuple[Any, ...]]]) -> None:
    folder.mkdir(exist_ok=True)
    for symbol, lines in rows.items():
        with (folder / f"{symbol}_1m.csv").open("w", newline="") as file:
            csv.writer(file).writerows([_HEAD, *lines])


async def days_of(folder: Path) -> list[date]:
    """The days that the folder has candles of. Raises InputError for too few to warm indicators on."""
    feed = RecordedFeed(folder)
    await feed.open()
    try:
        days = feed.days
    finally:
        await feed.close()
    if len(days) < 2 * WARM_DAYS:
        raise InputError(f"{folder} has candles of {len(days)} days: {2 * WARM_DAYS} are needed")
    return days


async def fire(folder: Path, day: date, traders: Sequence[Trader]) -> Iterator[list[Signal]]:
    """The signals of these traders on one day's candles, close by close, in the order of their ids."""
    first = floor_ms(datetime(day.year, day.month, day.day, tzinfo=UTC))
    market = Market("usdm", depth=WARM_DAYS * DAY_MS // MINUTE_MS)
    for interval in sorted({trader.interval for trader in traders}):
        market.follow(interval)
    market.seed(await _read(folder, first - WARM_DAYS * DAY_MS, first))
    evaluator = Evaluator(market)
    if unfit := evaluator.assign(traders):
        raise ValueError(f"{unfit[0].name}: {unfit[0].reason}")
    candles = await _read(folder, first, first + DAY_MS)
    return _evaluate(market, evaluator, candles, first + DAY_MS)


async def _read(folder: Path, since_ms: int, until_ms: int) -> list[Candle]:
    feed = RecordedFeed(folder, since_ms=since_ms, until_ms=until_ms)
    await feed.open()
    try:
        return [candle async for batch in feed.batches() for candle in batch]
    finally:
        await feed.close()


def _evaluate(
    market: Market, evaluator: Evaluator, candles: Sequence[Candle], end_ms: int
) -> Iterator[list[Signal]]:
    leave = market.subscribe(evaluator.hear, aggregated=True)
    close_ms = 0
    for candle in candles:
        # As live: what one close fired is recorded before the next, in a transaction of its own.
        if candle.close_ms != close_ms and (made := evaluator.evaluate()):
            yield sorted(made, key=lambda one: one.id)
        close_ms = candle.close_ms
        # What closes at midnight belongs to the next day.
        if close_ms >= end_ms:
            break
        market.publish(candle)
    leave()
    if made := evaluator.evaluate():
        yield sorted(made, key=lambda one: one.id)


def record(connection: psycopg.Connection[Any], batch: Sequence[Signal]) -> None:
    """Send one batch as a machine does. `connection` is a machine's."""
    ingest(connection, [signal.row() for signal in batch])
