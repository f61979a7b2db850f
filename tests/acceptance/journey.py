"""Runs the main job as a user does, and reads the record as an auditor would."""

from __future__ import annotations

import csv
import json
import os
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

import psycopg
from psycopg import sql

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
        from public.trade_executions order by executed_at, venue_trade_id""",
    "events": """select signal_id, number, event_type, from_status, to_status, event_data, occurred_at
        from public.signal_events order by signal_id, number""",
    "snapshots": """select signal_id, number, price, action, reasoning, confidence, indicators, occurred_at
        from public.signal_monitoring_snapshots order by signal_id, number""",
}


Row = tuple[Any, ...]  # a line of a file of candles: ts, open, high, low, close, volume

# A trader whose signals fire often and are traded, most of them to their end, within a few hours.
BUSY = {
    "market": "usdm",
    "interval": "1m",
    "side": "long",
    "strategy": "test",
    "conditions": ["RSI(14) < 38"],
    "ai_analysis_limit": None,
    "min_confidence": "0",
    "monitoring_interval_seconds": 300,
    "stop_loss_type": "percentage",
    "stop_loss_value": "0.4",
    "take_profit_type": "percentage",
    "take_profit_value": "0.8",
    "position_size_type": "fixed",
    "position_size_value": "300",
    "max_concurrent_positions": 5,
}


async def write_candles(folder: Path, symbols: Sequence[str], minutes: int, seed: int) -> Path:
    """Candles of a simulated market as CSV files, the same for the same seed."""
    rows: dict[str, list[Row]] = {symbol: [] for symbol in symbols}
    feed = SimulatedFeed(tuple(symbols), start_ms=START_MS, seed=seed, count=minutes)
    async for batch in feed.batches():
        for one in batch:
            rows[one.symbol].append((one.open_ms, one.open, one.high, one.low, one.close, one.volume))
    for symbol, lines in rows.items():
        write_rows(folder, symbol, lines)
    return folder


def write_rows(folder: Path, symbol: str, rows: Sequence[Row]) -> None:
    """One file of candles, whatever they are."""
    folder.mkdir(exist_ok=True)
    with (folder / f"{symbol}_1m.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("ts", "open", "high", "low", "close", "volume"))
        writer.writerows(rows)


def read_rows(folder: Path, symbol: str) -> list[Row]:
    """The lines of such a file, as text."""
    with (folder / f"{symbol}_1m.csv").open(newline="") as file:
        return [tuple(line) for line in csv.reader(file)][1:]


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
    stack: Stack, state: Path, *words: str, timeout: float = 240, more: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run one command to its end; `more` joins its environment."""
    return subprocess.run(
        [str(CHECKOUT / "scripts" / "sigtrail"), *words],
        env=environment(stack, state) | dict(more or {}),
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


class Run:
    """The main job as a process, with one JSON document to come."""

    def __init__(self, stack: Stack, state: Path, *words: str) -> None:
        state.mkdir(parents=True, exist_ok=True)
        self._output, self._errors = state / "up.json", state / "up.log"
        with self._output.open("w") as output, self._errors.open("w") as errors:
            self.process = subprocess.Popen(
                [str(CHECKOUT / "scripts" / "sigtrail"), "up", "--json", *words],
                env=environment(stack, state),
                stdout=output,
                stderr=errors,
            )

    @property
    def is_running(self) -> bool:
        return self.process.poll() is None

    @property
    def log(self) -> str:
        """What it has written to standard error so far."""
        return self._errors.read_text()

    def kill(self) -> None:
        """What a power cut does."""
        self.process.kill()
        self.process.wait()

    def end(self, timeout: float = 120) -> tuple[dict[str, Any], str]:
        """Wait for its end; answers the document, and what was written to standard error."""
        status = self.process.wait(timeout)
        errors = self.log
        assert status == 0, errors
        document: dict[str, Any] = json.loads(self._output.read_text())
        return document, errors


@contextmanager
def running(stack: Stack, state: Path, *words: str) -> Iterator[Run]:
    """Run the main job; it does not outlive the block."""
    run = Run(stack, state, *words)
    try:
        yield run
    finally:
        if run.is_running:
            run.kill()


def up(stack: Stack, state: Path, *words: str, more: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Run the main job; answers its JSON document, and fails with what it wrote to standard error."""
    done = sigtrail(stack, state, "up", "--json", *words, more=more)
    assert done.returncode == 0, done.stderr
    document: dict[str, Any] = json.loads(done.stdout)
    return document


def read_record(stack: Stack) -> Mapping[str, list[tuple[Any, ...]]]:
    """The whole record of a project, table by table."""
    with psycopg.connect(stack.db_url) as connection:
        return {name: connection.execute(text).fetchall() for name, text in RECORD.items()}


def ask(stack: Stack, query: str, *values: object) -> list[Row]:
    """The rows of a query, as the project's owner."""
    with psycopg.connect(stack.db_url) as connection:
        return connection.execute(query.encode(), values).fetchall()


def add_trader(
    stack: Stack, name: str, symbols: Sequence[str], owner: str | None = None, **columns: Any
) -> UUID:
    """A busy trader (but for `columns`) with a paper account; the name gives its id.

    The user is its own, or `owner` (an email), who is made if nobody is called so and has no account here.
    """
    user, account, trader = (uuid5(NAMESPACE_URL, f"https://example.com/{kind}/{name}") for kind in "uat")
    if owner is not None:
        user = uuid5(NAMESPACE_URL, f"https://example.com/owner/{owner}")
    row = BUSY | {
        "id": trader,
        "user_id": user,
        "name": name,
        "symbols": list(symbols),
        "default_exchange_account_id": account if owner is None else None,
    }
    row |= columns
    insert = sql.SQL("insert into public.traders ({}) values ({})").format(
        sql.SQL(", ").join(map(sql.Identifier, row)), sql.SQL(", ").join(sql.Placeholder() * len(row))
    )
    with psycopg.connect(stack.db_url, autocommit=True) as connection:
        email = owner or f"{name.replace(' ', '-')}@example.com"
        connection.execute(
            "insert into auth.users (id, email, aud, role, created_at, updated_at)"
            " values (%s, %s, 'authenticated', 'authenticated', now(), now()) on conflict do nothing",
            (user, email),
        )
        connection.execute("update public.users set tier = 'elite' where id = %s", (user,))
        if owner is None:
            connection.execute(
                "insert into public.exchange_accounts"
                " (id, user_id, name, venue, market, permissions, settings) values"
                " (%s, %s, 'Paper', 'paper', 'usdm', 'trade', '{\"starting\": {\"USDT\": \"10000\"}}')",
                (account, user),
            )
        connection.execute(insert, list(row.values()))
    return trader


def empty(stack: Stack) -> None:
    """Users, traders and everything that they left are gone, which only a superuser can do."""
    with psycopg.connect(stack.admin_db_url, autocommit=True) as connection:
        tables = connection.execute(
            "select format('%I.%I', relnamespace::regnamespace, relname) from pg_class"
            " where relnamespace = 'public'::regnamespace and relkind in ('r', 'p') and not relispartition"
            " and relname not in ('tiers', 'outcome_codes', 'status_transitions')"
        ).fetchall()
        connection.execute("set session_replication_role = replica")
        names = ", ".join(["auth.users", *(table[0] for table in tables)])
        connection.execute(f"truncate {names} cascade".encode())
