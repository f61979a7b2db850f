"""The least that an entry can take: the commit of its intent, by SQL on an open connection and by REST."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from time import perf_counter
from typing import Any
from uuid import UUID, uuid4

import psycopg

from scripts.bench.bridge_stage import PRICES, Desk, Stage
from scripts.bench.sql import query
from shared.client import connect

LEASE_SECONDS = 600


@dataclass(frozen=True)
class Floor:
    """Milliseconds of each commit."""

    by_sql: Sequence[float]
    by_rest: Sequence[float]


async def measure_floor(stage: Stage, *, count: int, warming: int) -> Floor:
    """As many commits as there were entries, alternating, of a machine that holds two accounts of its own and
    does nothing else; so many first ones of each way are left out."""
    machine = f"floor-{uuid4().hex[:8]}"
    (desk,) = await stage.add_desks("bybit", 1)
    connection = await connect(stage.settings, "trading_bridge", machine)
    try:
        registration = {"machine_id": machine, "region": "bench", "roles": ["trading"], "version": "1"}
        await connection.call("register_machine", registration)
        (held,) = await connection.call(
            "claim_accounts",
            {"max_rows": 1, "lease_seconds": LEASE_SECONDS, "accounts": [str(desk.account)]},
        )
        taken: dict[str, list[float]] = {"sql": [], "rest": []}
        with psycopg.connect(stage.settings.need("supabase_db_url"), autocommit=True) as direct:
            direct.execute(
                "select set_config('request.jwt.claims', %s, false)",
                (json.dumps({"role": "trading_bridge", "machine_id": machine}),),
            )
            direct.execute("set role trading_bridge")
            for number in range(2 * (warming + count)):
                way = ("sql", "rest")[number % 2]
                told = _telling(desk, int(held["fence"]), _fire(stage, desk, number))
                begun = perf_counter()
                if way == "sql":
                    direct.execute(query("record_trading"), {**told, "facts": json.dumps(told["facts"])})
                else:
                    await connection.call("record_trading", told)
                taken[way].append((perf_counter() - begun) * 1000)
                _forget(stage, desk)
        return Floor(taken["sql"][warming:], taken["rest"][warming:])
    finally:
        await connection.close()


def _fire(stage: Stage, desk: Desk, number: int) -> UUID:
    symbols = sorted(PRICES)
    return stage.fire([(desk, symbols[number % len(symbols)])])[0]


def _telling(desk: Desk, fence: int, signal: UUID) -> Mapping[str, Any]:
    """What the bridge tells for an entry at the market, as it tells it."""
    now = datetime.now(UTC)
    intent = {
        "signal_id": str(signal),
        "leg": "entry",
        "attempt": 1,
        "side": "buy",
        "kind": "market",
        "amount": "1",
        "planned_price": "100",
        "lot": "0.001",
        "stop_loss": "90",
        "take_profit": "120",
        "expires_at": (now + timedelta(hours=1)).isoformat(),
    }
    return {
        "account_id": str(desk.account),
        "fence": fence,
        "facts": {"intents": [intent]},
        "at": now.isoformat(),
    }


def _forget(stage: Stage, desk: Desk) -> None:
    """The order is over at once: what is held already must not make the next commit longer."""
    stage.operator.execute(query("end_orders"), {"account": desk.account})
