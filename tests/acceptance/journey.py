"""Runs the main job as a user does, and reads the record as an auditor would."""

from __future__ import annotations

import csv
import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import psycopg

from tests.stacks import Stack
from workers.signals.feeds.simulated import SimulatedFeed

CHECKOUT = Path(__file__).parents[2]
DAY_MS = 86_400_000
START_MS = 1746316800000  # 2025-05-04 00:00 UTC

# Everything that two runs over the same candles must have in common, to the last digit.
RECORD = {
    "signals": """select id, status, outcome_code, initial_price, analysis_confidence, analysis_trade_plan,
        total_pnl, analyzed_at, ready_at, position_opened_at, closed_at from public.signals order by id""",
    "orders": """select client_order_id, symbol, leg, side, kind, amount, price, trigger_price, status,
        filled, average, fees, code, intended_at, closed_at from public.orders order by client_order_id""",
    "positions": """select id, symbol, side, status, amount, entry_average, exit_average, fees, realized_pnl,
        opened_at, closed_at, exit_reason from public.positions order by id""",
    "fills": """select venue_trade_id, symbol, side, price, amount, fee_cost, fee_currency, executed_at
        from public.trade_executions order by venue_trade_id::int""",
    "events": """select signal_id, number, event_type, from_status, to_status, event_data, occurred_at
        from public.signal_events order by signal_id, number""",
    "snapshots": """select signal_id, number, price, action, reasoning, confidence, indicators, occurred_at
        from public.signal_monitoring_snapshots order by signal_id, number""",
}


async def write_candles(folder: Path, symbols: Sequence[str], minutes: int, seed: int) -> Path:
    """Candles of a simulated market as CSV files, the same for the same seed."""
    rows: dict[str, list[tuple[Any, ...]]] = {symbol: [] for symbol in symbols}
    feed = SimulatedFeed(tuple(symbols), start_ms=START_MS, seed=seed, count=minutes)
    async for batch in feed.batches():
        for one in batch:
            rows[one.symbol].append((one.open_ms, one.open, one.high, one.low, one.close, one.volume))
    for symbol, lines in rows.items():
        with (folder / f"{symbol}_1m.csv").open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(("ts", "open", "high", "low", "close", "volume"))
            writer.writerows(lines)
    return folder


def environment(stack: Stack, state: Path) -> dict[str, str]:
    """What an operator exports to run against a project, and nothing of the surroundings."""
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("SUPABASE_", "SIGTRAIL_"))
    }
    return kept | {
        "SUPABASE_URL": stack.url,
        "SUPABASE_DB_URL": stack.db_url,
        "SUPABASE_PUBLISHABLE_KEY": stack.publishable_key,
        "SUPABASE_SECRET_KEY": stack.secret_key,
        "SUPABASE_JWT_SECRET": stack.jwt_secret,
        "SIGTRAIL_STATE": str(state),
    }


def sigtrail(
    stack: Stack, state: Path, *words: str, timeout: float = 240
) -> subprocess.CompletedProcess[str]:
    """Run one command to its end."""
    return subprocess.run(
        [str(CHECKOUT / "scripts" / "sigtrail"), *words],
        env=environment(stack, state),
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


def up(stack: Stack, state: Path, *words: str) -> dict[str, Any]:
    """Run the main job; answers its JSON document, and fails with what it wrote to standard error."""
    done = sigtrail(stack, state, "up", "--json", *words)
    assert done.returncode == 0, done.stderr
    document: dict[str, Any] = json.loads(done.stdout)
    return document


def read_record(stack: Stack) -> Mapping[str, list[tuple[Any, ...]]]:
    """The whole record of a project, table by table."""
    with psycopg.connect(stack.db_url) as connection:
        return {name: connection.execute(text).fetchall() for name, text in RECORD.items()}
