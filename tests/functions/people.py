"""People who signed up at a real stack, with the tokens that it gave them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx
import psycopg

from tests.stacks import Stack

Row = dict[str, Any]


@dataclass
class Person:
    """Somebody with an access token and one trader of their own. `http` sends that token and the key."""

    id: str
    token: str
    trader: str
    http: httpx.AsyncClient

    async def ingest(self, rows: list[Any], **more: Any) -> httpx.Response:
        return await self.http.post("/functions/v1/ingest-signals", json={"signals": rows, **more})

    async def query(self, *, headers: Mapping[str, str] | None = None, **parameters: Any) -> httpx.Response:
        return await self.http.get("/functions/v1/query-signals", params=parameters, headers=headers)

    async def export(self, **parameters: Any) -> httpx.Response:
        return await self.http.get("/functions/v1/export-signals", params=parameters)

    def row(self, symbol: str = "BTCUSDT", age: float = 60, **more: Any) -> Row:
        """A signal as a browser sends it, fired so many seconds ago."""
        at = datetime.now(UTC) - timedelta(seconds=age)
        return {
            "trader_id": self.trader,
            "symbol": symbol,
            "interval": "1m",
            "triggered_at": int(at.timestamp() * 1000),
            "side": "long",
            "price": "64000.5",
        } | more


async def sign_up(stack: Stack, operator: psycopg.Connection[Any], tier: str = "pro") -> Person:
    """A new user of this tier who signed up with email and password."""
    http = httpx.AsyncClient(
        base_url=stack.url, headers={"apikey": stack.publishable_key}, timeout=60, trust_env=False
    )
    credentials = {"email": f"{uuid4().hex}@example.com", "password": "correct horse battery"}
    session = (await http.post("/auth/v1/signup", json=credentials)).raise_for_status().json()
    http.headers["authorization"] = f"Bearer {session['access_token']}"
    person = Person(session["user"]["id"], session["access_token"], str(uuid4()), http)
    operator.execute("update public.users set tier = %s where id = %s", (tier, person.id))
    operator.execute(
        "insert into public.traders (id, user_id, name, symbols, interval, conditions)"
        " values (%s, %s, 'Dips', '{BTCUSDT}', '1m', '{close > 0}')",
        (person.trader, person.id),
    )
    return person
