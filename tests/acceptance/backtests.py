"""The same candles in a backtest and through the database, in a form that can be held side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import psycopg
from psycopg.rows import dict_row

from shared.identity import floor_ms
from tests.stacks import Stack
from workers.backtest.definition import Strategy, read_strategy
from workers.backtest.run import Backtest, Result, Terms
from workers.signals.feeds.recorded import RecordedFeed

Story = dict[str, list[tuple[Any, ...]]]


def read_traders(stack: Stack) -> list[Strategy]:
    """The traders of a project, as `sigtrail traders show` prints them."""
    with psycopg.connect(stack.db_url, row_factory=dict_row) as connection:
        rows = connection.execute("select private.trader_json(t) as trader from public.traders t").fetchall()
    return [read_strategy(row["trader"], "the database") for row in rows]


async def play(
    strategies: Sequence[Strategy], folder: Path, until: str | None = None, terms: Terms | None = None
) -> Result:
    """A backtest over a folder's candles."""
    until_ms = None if until is None else floor_ms(datetime.fromisoformat(f"{until}+00:00"))
    feed = RecordedFeed(folder, until_ms=until_ms)
    await feed.open()
    return await Backtest(strategies, feed, terms or Terms()).run()


def told(result: Result) -> Story:
    """The signals, orders and positions of a backtest."""
    record = result.record
    ended = {signal: (one.status.value, one.outcome_code) for signal, one in record.signals.ended.items()}
    live = {signal: (one.status.value, None) for signal, one in record.signals.live.items()}
    return {
        "signals": sorted((signal, *end) for signal, end in (ended | live).items()),
        "orders": sorted(
            (
                one.client_order_id,
                one.leg.value,
                one.side,
                one.amount,
                one.price,
                one.trigger_price,
                one.status.value,
                one.filled,
                one.average,
                one.fees,
                one.code,
                one.intended_at,
            )
            for one in record.trades.orders
        ),
        "positions": sorted(
            (
                one.symbol,
                one.opened_at,
                one.side,
                "open" if one.is_open else "closed",
                one.amount,
                one.entry_average,
                one.exit_average,
                one.fees,
                one.realized_pnl,
                one.closed_at,
                one.exit_reason,
            )
            for one in record.trades.positions
        ),
    }


def recorded(record: Mapping[str, Sequence[tuple[Any, ...]]]) -> Story:
    """The same columns of a project's record, as `read_record` answers it."""
    return {
        "signals": sorted((row[0], row[1], row[2]) for row in record["signals"]),
        "orders": sorted(
            (
                row[0],
                row[2],
                row[3],
                row[5],
                row[6],
                row[7],
                row[8],
                row[9],
                row[10],
                row[11],
                row[12],
                row[13],
            )
            for row in record["orders"]
        ),
        "positions": sorted(
            (row[1], row[9], row[2], row[3], row[4], row[5], row[6], row[7], row[8], row[10], row[11])
            for row in record["positions"]
        ),
    }
