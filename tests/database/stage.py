"""Who and what the database's tests need: users, traders, machines and their connections."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from typing import Any, Self, TypeVar
from uuid import UUID, uuid4

import psycopg

T = TypeVar("T")
Row = dict[str, Any]


class Stage:
    """Makes what a test needs, and connections as anyone; closes them all at the end.

    `operator` is a connection as postgres.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self._open = ExitStack()
        self.operator = self.connect()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def connect(self, autocommit: bool = True) -> psycopg.Connection[Any]:
        return self._open.enter_context(psycopg.connect(self.url, autocommit=autocommit))

    def user(self, tier: str = "elite") -> UUID:
        user_id = uuid4()
        self.operator.execute(
            "insert into auth.users (id, email) values (%s, %s)", (user_id, f"{user_id}@test")
        )
        self.operator.execute("update public.users set tier = %s where id = %s", (tier, user_id))
        return user_id

    def trader(self, user_id: UUID, **columns: Any) -> UUID:
        trader_id = uuid4()
        values = {
            "id": trader_id, "user_id": user_id, "name": "T", "symbols": ["BTCUSDT"], "interval": "1m",
            "conditions": ["close > 0"], "ai_analysis_limit": None,
        } | columns  # fmt: skip
        names = ", ".join(f'"{name}"' for name in values)
        self.operator.execute(
            f"insert into public.traders ({names}) values ({', '.join(['%s'] * len(values))})",
            list(values.values()),
        )
        return trader_id

    def machine(self, role: str) -> psycopg.Connection[Any]:
        """A connection as a registered machine of this database role."""
        name = f"test-{uuid4().hex[:12]}"
        self.operator.execute("select public.register_machine(%s, 'here', '{}', '1')", (name,))
        connection = self.connect()
        connection.execute(
            "select set_config('request.jwt.claims', %s, false)",
            (json.dumps({"role": role, "machine_id": name}),),
        )
        connection.execute(f"set role {role}")
        return connection

    def person(self, user_id: UUID) -> psycopg.Connection[Any]:
        """A connection as a user who signed in."""
        connection = self.connect()
        connection.execute(
            "select set_config('request.jwt.claims', %s, false)",
            (json.dumps({"role": "authenticated", "sub": str(user_id)}),),
        )
        connection.execute("set role authenticated")
        return connection


def row(trader_id: UUID, symbol: str = "BTCUSDT", at: datetime | None = None, **more: Any) -> Row:
    """A signal as a machine sends it; yesterday at noon unless told."""
    return {
        "trader_id": str(trader_id),
        "symbol": symbol,
        "interval": "1m",
        "triggered_at": (at or noon()).isoformat(),
        "price": "64000.5",
        "side": "long",
    } | more


def noon(days_ago: int = 1) -> datetime:
    """A time in the middle of a day that is open, whatever the time is now."""
    today = datetime.now(UTC).replace(hour=12, minute=0, second=0, microsecond=0)
    return today - timedelta(days=days_ago)


def ingest(connection: psycopg.Connection[Any], rows: Sequence[Row], request_id: UUID | None = None) -> Any:
    """What ingest_signals answers."""
    found = connection.execute(
        "select public.ingest_signals(%s::json, %s)", (json.dumps(rows), request_id)
    ).fetchone()
    assert found is not None
    return found[0]


def one(connection: psycopg.Connection[Any], query: str, *arguments: Any) -> Any:
    """The first column of the first row."""
    found = connection.execute(query, arguments or None).fetchone()
    assert found is not None
    return found[0]


def together(jobs: Sequence[Callable[[], T]]) -> list[T]:
    """The results of all jobs, run at the same time; the first error of any is raised."""
    with ThreadPoolExecutor(len(jobs)) as pool:
        return [future.result() for future in [pool.submit(job) for job in jobs]]
