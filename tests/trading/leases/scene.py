"""Bridges as real processes, accounts of one user at a venue on real sockets."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID, uuid4

from scripts.fake_venue.process import Remote
from shared.clock import MarketClock
from shared.settings import CHECKOUT
from shared.vault import Vault, new_master_key
from tests.stacks import Stack
from tests.trading.world import World

ACCOUNTS = 10
PRICES = {"BTCUSDT": 50_000.0, "ETHUSDT": 3_000.0, "SOLUSDT": 150.0}
UNIFIED = {"BTCUSDT": "BTC/USDT:USDT", "ETHUSDT": "ETH/USDT:USDT", "SOLUSDT": "SOL/USDT:USDT"}


def secret_of(key: str) -> str:
    """The secret of a key of the scene."""
    return f"secret-of-{key[::-1]}"


class Scene:
    """A user with ten accounts at the venue, a trader on each, and bridges."""

    def __init__(
        self, stack: Stack, world: World, venue: Remote, folder: Path, accounts: int = ACCOUNTS
    ) -> None:
        self.stack = stack
        self.world = world
        self.venue = venue
        self.folder = folder
        self.master_key = new_master_key()
        self.accounts: list[UUID] = []
        self.traders: list[UUID] = []
        self.bridges: dict[str, asyncio.subprocess.Process] = {}
        self.tag = uuid4().hex[:6]
        self.keys = [f"key-{number}-{uuid4().hex}" for number in range(accounts)]

    async def set_up(self) -> None:
        """Accounts here and there."""
        vault = Vault.from_text(self.master_key)
        for symbol, price in PRICES.items():
            await self.venue("move", symbol=UNIFIED[symbol], price=str(price))
        for number, key in enumerate(self.keys):
            account, trader = uuid4(), uuid4()
            keys = {"apiKey": key, "secret": secret_of(key)}
            await self.venue(
                "open_account",
                venue_id="bybit",
                key=keys["apiKey"],
                secret=keys["secret"],
                balances={"USDT": "100000"},
            )
            sealed = vault.seal(self.world.user, account, keys)
            await self.world.sql.execute(
                """
                insert into public.exchange_accounts
                  (id, user_id, name, venue, market, sandbox, permissions, ciphertext, salt, key_version)
                values (%s, %s, %s, 'bybit', 'usdm', false, 'trade', %s, %s, %s)
                """,
                (
                    account,
                    self.world.user,
                    f"Bybit {number}",
                    sealed.ciphertext,
                    sealed.salt,
                    sealed.key_version,
                ),
            )
            await self.world.add_trader(trader, default_exchange_account_id=account, name=f"Trader {number}")
            self.accounts.append(account)
            self.traders.append(trader)

    async def keep_for(self, name: str, accounts: list[UUID]) -> None:
        """Let these accounts be this bridge's, as from before a restart: a bridge takes all that is free."""
        await self.world.sql.execute(
            """
            update public.exchange_accounts
            set lease_machine = %s, leased_until = now() + interval '2 minutes' where id = any (%s)
            """,
            (f"{name}-{self.tag}", accounts),
        )

    async def start(self, name: str) -> None:
        """A bridge of this name, which has started."""
        environment = self.environment
        state = self.folder / f"{name}-{self.tag}"
        state.mkdir(parents=True, exist_ok=True)
        with (self.folder / f"{name}.log").open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                *("-m", "tests.trading.leases.bridge", str(state), json.dumps(PRICES)),
                cwd=CHECKOUT,
                env=environment,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
            )
        self.bridges[name] = process
        assert process.stdout is not None
        said = await asyncio.wait_for(process.stdout.readline(), 60)
        assert said == b"started\n", self.log(name)

    @property
    def environment(self) -> dict[str, str]:
        """What a process of this project needs, a bridge or a command without the database."""
        return {
            **{k: v for k, v in os.environ.items() if not k.startswith(("SUPABASE", "SIGTRAIL"))},
            "SUPABASE_URL": self.stack.url,
            "SUPABASE_PUBLISHABLE_KEY": self.stack.publishable_key,
            "SUPABASE_JWT_SECRET": self.stack.jwt_secret,
            "SIGTRAIL_MASTER_KEY": self.master_key,
            "SIGTRAIL_VENUE_RESOLVER": self.venue.resolver,
            "SIGTRAIL_VENUE_CA": str(self.venue.ca),
        }

    def journals(self, name: str) -> Path:
        """Where a bridge keeps its journals."""
        return self.folder / f"{name}-{self.tag}" / "journal"

    def log(self, name: str) -> str:
        """What a bridge wrote."""
        return (self.folder / f"{name}.log").read_text()

    async def stop(self) -> None:
        """Kill what is left."""
        for process in self.bridges.values():
            if process.returncode is None:
                process.send_signal(signal.SIGCONT)
                process.kill()
            await process.wait()

    async def fire(self, symbol: str) -> None:
        """A ready signal for every trader, now."""
        self.world.clock = MarketClock(datetime.now(UTC).replace(microsecond=0))
        price = PRICES[symbol]
        for trader in self.traders:
            await self.world.make_ready(
                symbol,
                entry=str(price),
                stop=str(price * 0.98),
                target=str(price * 1.04),
                trader=trader,
            )

    async def holders(self) -> Counter[str]:
        """How many accounts each bridge has, by its name."""
        rows = await self.world.fetch(
            """
            select split_part(lease_machine, '-', 1) as name from public.exchange_accounts
            where id = any (%s) and leased_until > clock_timestamp()
            """,
            self.accounts,
        )
        return Counter(row["name"] for row in rows)

    async def protected(self, positions: int) -> bool:
        """Whether so many positions are open, all of them with a confirmed stop."""
        rows = await self.world.fetch(
            "select from public.positions where user_id = %s and status = 'open'", self.world.user
        )
        return len(rows) == positions and not await self.world.unprotected()

    async def check_venue(self, entries: int) -> None:
        """The venue has each order once, and holds what is recorded."""
        recorded: Counter[tuple[str, str]] = Counter()
        for row in await self.world.fetch(
            """
            select a.name, p.normalised_symbol, p.amount::text as amount from public.positions p
            join public.exchange_accounts a on a.id = p.account_id where p.user_id = %s
            """,
            self.world.user,
        ):
            recorded[row["name"], f"{row['normalised_symbol']} {float(row['amount']):g}"] += 1
        held: Counter[tuple[str, str]] = Counter()
        for number, key in enumerate(self.keys):
            truth = await self.venue("truth", key=key, market="usdm")
            ids = Counter(order["request"]["client_id"] for order in truth["orders"])
            assert not [one for one, times in ids.items() if one and times > 1]
            opened = [one for one in truth["orders"] if not one["request"]["reduce_only"]]
            assert len(opened) == entries, opened
            for position in truth["positions"]:
                held[f"Bybit {number}", f"{position['symbol']} {float(position['amount']):g}"] += 1
        assert held == recorded
