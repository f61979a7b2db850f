"""Who trades in the benchmark of the bridge: users' accounts at the fake venue, traders on them, and signals
that are ready."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from asyncio.subprocess import PIPE, Process, create_subprocess_exec
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import psycopg

from scripts.bench.signals import SYMBOLS
from scripts.bench.sql import query
from scripts.fake_venue.process import Remote
from shared.identity import floor_ms, signal_id
from shared.settings import CHECKOUT, Settings
from shared.symbols import unify
from shared.vault import Vault, new_master_key

# Prices whose steps every listing has.
PRICES = dict.fromkeys(SYMBOLS, 100.0)
BALANCE = "10000000"


@dataclass(frozen=True, slots=True)
class Desk:
    """One account with its trader, and its key at the venue."""

    account: UUID
    trader: UUID
    venue: str
    key: str


@dataclass(slots=True)
class Stage:
    """The database and the venue, and the accounts in both. `operator` is the owner's, in autocommit."""

    settings: Settings
    operator: psycopg.Connection[Any]
    venue: Remote
    user: UUID = field(default_factory=uuid4)
    master_key: str = field(default_factory=new_master_key)
    desks: list[Desk] = field(default_factory=list)

    async def set_up(self) -> None:
        """A user, and a price of every symbol."""
        self.operator.execute(query("add_trading_user"), {"user": self.user})
        self.operator.execute("update public.users set tier = 'elite' where id = %s", (self.user,))
        self.operator.execute("select private.open_partitions(current_date - 1, current_date + 1)")
        for symbol, price in PRICES.items():
            await self.venue("move", symbol=unify(symbol, "usdm"), price=str(price))

    async def add_desks(self, venue: str, count: int) -> list[Desk]:
        """So many accounts at a venue, each with its own key and one trader."""
        vault = Vault.from_text(self.master_key)
        made = []
        for _ in range(count):
            number = len(self.desks)
            desk = Desk(uuid4(), uuid4(), venue, f"key-{number}")
            keys = {"apiKey": desk.key, "secret": f"secret-{number}"}
            await self.venue(
                "open_account",
                venue_id=venue,
                key=desk.key,
                secret=keys["secret"],
                balances={"USDT": BALANCE},
            )
            sealed = vault.seal(self.user, desk.account, keys)
            self.operator.execute(
                query("add_trading_desk"),
                {
                    "user": self.user,
                    "account": desk.account,
                    "trader": desk.trader,
                    "name": f"{venue} {number}",
                    "venue": venue,
                    "symbols": list(SYMBOLS),
                    "ciphertext": sealed.ciphertext,
                    "salt": sealed.salt,
                    "key_version": sealed.key_version,
                },
            )
            self.desks.append(desk)
            made.append(desk)
        return made

    def fire(self, pairs: Sequence[tuple[Desk, str]]) -> list[UUID]:
        """A ready signal for each trader and symbol, now."""
        at = datetime.now(UTC)
        ids = [signal_id(desk.trader, symbol, "1m", floor_ms(at)) for desk, symbol in pairs]
        rows = [
            {
                "trader_id": str(desk.trader),
                "symbol": symbol,
                "interval": "1m",
                "side": "long",
                "price": str(PRICES[symbol]),
                "triggered_at": at.isoformat(),
            }
            for desk, symbol in pairs
        ]
        plans = [
            {
                "side": "long",
                "entry": str(PRICES[symbol]),
                "entry_type": "market",
                "stop_loss": str(PRICES[symbol] * 0.9),
                "take_profit": str(PRICES[symbol] * 1.2),
                "valid_until": (at + timedelta(hours=1)).isoformat(),
                "reward_to_risk": "2",
            }
            for _, symbol in pairs
        ]
        with self.operator.transaction():
            answer = self.operator.execute(
                "select private.ingest_signals(%s::json, null)", (json.dumps(rows),)
            ).fetchone()
            if answer is None or answer[0]["rejected"]:
                raise LookupError(f"signals of the benchmark were refused: {answer}")
            named = {"ids": ids, "plans": [json.dumps(plan) for plan in plans], "at": at}
            for name in ("analyze_signals", "plan_signals", "ready_signals"):
                self.operator.execute(query(name), named)
        return ids

    def retire(self) -> None:
        """No bridge takes these accounts any more; what they hold is counted no longer."""
        self.operator.execute(query("retire_accounts"), {"user": self.user})

    def held(self) -> tuple[int, int]:
        """How many positions are open, and how many of them are protected."""
        row = self.operator.execute(query("count_positions"), {"user": self.user}).fetchone()
        if row is None:
            raise LookupError("a count answers with one row")
        return row[0], row[1]

    async def start_bridge(self, log: Path) -> Process:
        """A bridge as a process of its own; it ends when its standard input closes."""
        environment = {
            **{k: v for k, v in os.environ.items() if not k.startswith(("SUPABASE", "SIGTRAIL"))},
            "SUPABASE_URL": self.settings.supabase_url,
            "SUPABASE_PUBLISHABLE_KEY": self.settings.need("supabase_publishable_key"),
            "SUPABASE_JWT_SECRET": self.settings.need("supabase_jwt_secret"),
            "SIGTRAIL_STATE": str(self.settings.sigtrail_state),
            "SIGTRAIL_MASTER_KEY": self.master_key,
            "SIGTRAIL_VENUE_RESOLVER": self.venue.resolver,
            "SIGTRAIL_VENUE_CA": str(self.venue.ca),
        }
        with log.open("ab") as file:
            return await create_subprocess_exec(
                sys.executable,
                *("-m", "scripts.bench.bridge_process", json.dumps(PRICES)),
                cwd=CHECKOUT,
                env=environment,
                stdin=PIPE,
                stdout=PIPE,
                stderr=file,
            )


async def end(process: Process) -> None:
    """Let a bridge stop, and kill it when it does not."""
    if process.stdin is not None:
        process.stdin.close()
    with suppress(ProcessLookupError):
        if process.returncode is None and not await _ends(process):
            process.kill()
    await process.wait()


async def _ends(process: Process, seconds: float = 30.0) -> bool:
    try:
        await asyncio.wait_for(process.wait(), seconds)
    except TimeoutError:
        return False
    return True
