"""A user with a trader in a real project, and machines that work for them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

import psycopg

from shared.client import Connection, connect
from shared.identity import floor_ms, signal_id
from shared.settings import Settings
from tests.stacks import Stack

CONDITION = "close > open"

# Everything that a run wrote. Traders, users and accounts stay.
WRITTEN = (
    "signals",
    "signal_events",
    "signal_monitoring_snapshots",
    "signal_queue",
    "model_calls",
    "signal_counts",
    "signal_orders",
    "signal_positions",
    "orders",
    "order_events",
    "positions",
    "trade_executions",
    "usage_daily",
    "trader_usage_daily",
)


def settings_of(stack: Stack) -> Settings:
    """What a machine would read from the stack's own file."""
    values: dict[str, Any] = {
        "SUPABASE_PUBLISHABLE_KEY": stack.publishable_key,
        "SUPABASE_SECRET_KEY": stack.secret_key,
        "supabase_jwt_secret": stack.jwt_secret,
    }
    return Settings(_env_file=None, supabase_url=stack.url, **values)  # type: ignore[call-arg]


def wipe(stack: Stack) -> None:
    """Empty the record, which nobody but a superuser can: events are append-only."""
    with psycopg.connect(stack.admin_db_url, autocommit=True) as database:
        database.execute("set session_replication_role = replica")
        names = ", ".join(f"public.{name}" for name in WRITTEN)
        database.execute(f"truncate {names} cascade".encode())


@asynccontextmanager
async def machine_connection(stack: Stack, role: str) -> AsyncIterator[Connection]:
    """A registered machine of its own, as this database role."""
    name = f"vyx-{uuid4().hex[:8]}"
    connection = await connect(settings_of(stack), role, name)
    try:
        body = {"machine_id": name, "region": "test", "roles": [], "version": "test"}
        await connection.call("register_machine", body)
        yield connection
    finally:
        await connection.close()


class Scene:
    """One user and one trader that fires when it is told to."""

    def __init__(self, stack: Stack, *, interval: str = "1m", **trader: Any) -> None:
        self.stack = stack
        self.interval = interval
        self.user_id, self.trader_id = uuid4(), uuid4()
        columns = {
            "id": self.trader_id,
            "user_id": self.user_id,
            "name": "scene",
            "market": "usdm",
            "symbols": ["BTCUSDT", "ETHUSDT"],
            "interval": interval,
            "strategy": "test",
            "conditions": [CONDITION],
            "stop_loss_type": "percentage",
            "stop_loss_value": "1",
            "take_profit_type": "percentage",
            "take_profit_value": "3",
            "min_confidence": "0",
            "monitoring_interval_seconds": 60,
            **trader,
        }
        names, places = ", ".join(columns), ", ".join(["%s"] * len(columns))
        with psycopg.connect(stack.db_url, autocommit=True) as database:
            email = f"{self.user_id}@test.local"
            database.execute("insert into auth.users (id, email) values (%s, %s)", [self.user_id, email])
            database.execute("update public.users set tier = 'elite' where id = %s", [self.user_id])
            insert = f"insert into public.traders ({names}) values ({places})"
            database.execute(insert.encode(), list(columns.values()))

    def open_days(self, first: datetime, last: datetime) -> None:
        """Make room for signals of the past."""
        with psycopg.connect(self.stack.db_url, autocommit=True) as database:
            database.execute("select from private.open_partitions(%s, %s)", [first.date(), last.date()])

    async def fire(self, connection: Connection, moment: datetime, symbol: str = "BTCUSDT") -> UUID:
        """Record a signal as a machine does; answers its id."""
        row = {
            "trader_id": str(self.trader_id),
            "symbol": symbol,
            "interval": self.interval,
            "triggered_at": floor_ms(moment),
            "price": "100",
            "side": "long",
        }
        answer = await connection.call("ingest_signals", {"signals": [row]})
        assert answer["rejected"] == []
        return signal_id(self.trader_id, symbol, self.interval, moment)

    def signals(self) -> list[tuple[Any, ...]]:
        """Id, status and outcome code of every signal of this user, by id."""
        with psycopg.connect(self.stack.db_url) as database:
            query = "select id, status::text, outcome_code from public.signals where user_id = %s order by id"
            return database.execute(query, [self.user_id]).fetchall()

    def events(self, signal: UUID) -> list[tuple[Any, ...]]:
        """Type, from and to of every event of a signal, in order."""
        with psycopg.connect(self.stack.db_url) as database:
            query = (
                "select event_type::text, from_status::text, to_status::text from public.signal_events"
                " where signal_id = %s order by number"
            )
            return database.execute(query, [signal]).fetchall()
