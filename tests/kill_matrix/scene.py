"""One case's world: an account at the fake venue, a trader, a signal, and a bridge that may die."""

from __future__ import annotations

import asyncio
import os
import signal as signals
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, cast
from uuid import UUID

import psycopg
from psycopg.rows import dict_row

from scripts.fake_venue.process import Remote
from shared.clock import MarketClock
from shared.identity import signal_id
from shared.vault import Vault
from tests.kill_matrix.lives import Life, Nursery
from tests.stacks import Stack
from tests.trading.world import World
from tests.waiting import until
from workers.trading.orders import Leg, client_order_id

LOOK = (Path(__file__).parent / "look.sql").read_text()
FINAL = ("closed", "rejected", "expired")
# The wires: ccxt's name of the venue, and the market.
WIRES = {"usdm": ("binanceusdm", "usdm"), "spot": ("binance", "spot"), "bybit": ("bybit", "usdm")}
STARTING = Decimal(100_000)
# Fees may be paid in BNB.
COINS, COIN_PRICE = Decimal(1), Decimal(600)
PATIENCE = 60.0
# As `bridge.NOT_DONE`, which nobody but the nursery may import; and how often somebody tries at most.
NOT_DONE = 3
AGAIN = 20


class Over(Exception):
    """The signal has ended: nothing more is to be played."""


class Died(AssertionError):
    """A bridge ended by itself."""


@dataclass(frozen=True)
class Ground:
    """What all cases share."""

    stack: Stack
    venue: Remote
    nursery: Nursery
    master_key: str
    folder: Path


class Steady:
    """A connection to the database that is made anew when the database went away: what is asked through it
    changes nothing, or may be done twice."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._connection: psycopg.AsyncConnection[Any] | None = None

    async def execute(self, query: Any, params: Any = None) -> psycopg.AsyncCursor[Any]:
        """Run a statement, and once more when its connection broke."""

        async def attempt() -> psycopg.AsyncCursor[Any] | None:
            try:
                if self._connection is None:
                    self._connection = await psycopg.AsyncConnection.connect(
                        self._url, autocommit=True, row_factory=dict_row
                    )
                return await self._connection.execute(query, params)
            except psycopg.OperationalError:
                await self.close()
                return None

        return cast("psycopg.AsyncCursor[Any]", await until(attempt, timeout=PATIENCE, every=0.05))

    async def close(self) -> None:
        """Let go of it."""
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()


@dataclass(slots=True)
class Slot:
    """A place for one case at a time: a symbol of its own, whose price nobody else moves."""

    symbol: str
    sql: Steady
    unified: dict[str, str] = field(init=False)

    def __post_init__(self) -> None:
        base = self.symbol.removesuffix("USDT")
        self.unified = {"spot": f"{base}/USDT", "usdm": f"{base}/USDT:USDT"}


class Scene(World):
    """See the module. `lives` are the bridge's processes, the last is the one that trades."""

    def __init__(self, ground: Ground, slot: Slot, wire: str) -> None:
        super().__init__(slot.sql)  # type: ignore[arg-type]
        self.ground = ground
        self.slot = slot
        self.wire = wire
        self.venue_id, self.kind = WIRES[wire]
        self.exchange_name = "bybit" if wire == "bybit" else "binance"
        self.key = f"key-{self.user.hex[:12]}"
        self.folder = ground.folder / self.user.hex[:12]
        self.log = self.folder / "bridge.log"
        self.last_price = Decimal(100)
        self.lives: list[Life] = []
        self.closers: list[Life] = []
        self.id = UUID(int=0)
        # What is to happen in a process, until it has killed one.
        self.trap: dict[str, Any] = {}
        self.killed = False
        # Set when the signal is there.
        self.fired = asyncio.Event()
        # From when to when the bridge was stopped at its place until others were at theirs, in ms.
        self.kept: tuple[float, float] | None = None
        # Whether it lived on where others were killed.
        self.spared = False
        # Whether it is meant that no bridge runs.
        self.is_down = False

    @property
    def unified(self) -> str:
        """ccxt's name of the symbol."""
        return self.slot.unified[self.kind]

    async def set_up(self, **trader: Any) -> None:
        """The rows, and the account at the venue."""
        self.folder.mkdir(parents=True)
        self.clock = MarketClock(datetime.now(UTC))
        keys = {"apiKey": self.key, "secret": f"secret-{self.key}"}
        await self.venue("move", symbol=self.unified, price=str(self.last_price), exchange=self.exchange_name)
        await self.venue("offer", symbol=self.unified, amount=None, exchange=self.exchange_name)
        await self.venue(
            "open_account",
            venue_id=self.venue_id,
            key=keys["apiKey"],
            secret=keys["secret"],
            balances={"USDT": str(STARTING), "BNB": str(COINS)},
        )
        sealed = Vault.from_text(self.ground.master_key).seal(self.user, self.account, keys)
        await self.sql.execute(
            "insert into auth.users (id, email) values (%s, %s)", (self.user, f"{self.user}@trading.test")
        )
        await self.sql.execute("update public.users set tier = 'elite' where id = %s", (self.user,))
        await self.sql.execute(
            """
            insert into public.exchange_accounts
              (id, user_id, name, venue, market, sandbox, permissions, ciphertext, salt, key_version)
            values (%s, %s, 'Killed', %s, %s, false, 'trade', %s, %s, %s)
            """,
            (
                *(self.account, self.user, self.venue_id, self.kind),
                *(sealed.ciphertext, sealed.salt, sealed.key_version),
            ),
        )
        usual = {"market": self.kind, "symbols": [self.slot.symbol]}
        await self.add_trader(self.trader, **{**usual, **trader})

    async def tear_down(self) -> None:
        """End the bridge; what is left of the account disturbs nobody."""
        for life in self.lives + self.closers:
            if not life.ended.done():
                self.kill(life)
                await life.end()
        await self.exchange.close()
        await self.sql.execute(
            "update public.exchange_accounts set permissions = 'read' where user_id = %s", (self.user,)
        )

    @staticmethod
    def kill(life: Life) -> None:
        """SIGKILL."""
        if life.pid and not life.ended.done():
            os.kill(life.pid, signals.SIGKILL)

    # ---------------------------------------------------------------- the bridge

    def start_bridge(self) -> Life:
        """Start the bridge, or start it again; the trap is in it until it has struck."""
        settings = {
            "supabase_url": self.ground.stack.url,
            "SUPABASE_PUBLISHABLE_KEY": self.ground.stack.publishable_key,
            "supabase_jwt_secret": self.ground.stack.jwt_secret,
            "sigtrail_master_key": self.ground.master_key,
        }
        life = self.ground.nursery.begin(
            log=str(self.log),
            folder=str(self.folder),
            settings=settings,
            machine=f"killed-{self.user.hex[:12]}",
            account=str(self.account),
            market=self.kind,
            symbol=self.slot.symbol,
            price=float(self.last_price),
            resolver=self.ground.venue.resolver,
            ca=str(self.ground.venue.ca),
            caller=self.key,
            control=self.ground.venue.control,
            trap={} if self.killed else self.trap,
        )
        self.lives.append(life)
        return life

    async def close_by_journal(self, *, beside: bool = False) -> None:
        """The bridge is ended and stays down, everything is closed by its journal, and it starts again; or
        it lives on beside that."""
        if beside:
            for _ in range(AGAIN):
                if not (status := await self.start_closer().end()):
                    return
                # It says when the bridge is at work on the same exit: the command is given again.
                if status != NOT_DONE:
                    self.note_end(status)
            raise Died(f"an emergency close was not done after {AGAIN} times: {self.said()[-3000:]}")
        life = self.life
        self.is_down = True
        await life.ask_seen()
        self.kill(life)
        await life.end()
        while (status := await self.start_closer().end()) != 0:
            self.note_end(status)
        self.start_bridge()
        self.is_down = False

    def note_end(self, status: int) -> None:
        """A process ended. Raises Died unless it was the trap."""
        if status != -signals.SIGKILL or self.killed:
            raise Died(f"a process ended with {status}: {self.said()[-3000:]}")
        self.killed = True

    def start_closer(self) -> Life:
        """Close everything by the journal, in a process of its own; the trap is this one's."""
        environment = {
            "SUPABASE_URL": "http://127.0.0.1:9",
            "SUPABASE_PUBLISHABLE_KEY": "none",
            "SUPABASE_JWT_SECRET": self.ground.stack.jwt_secret,
            "SIGTRAIL_MASTER_KEY": self.ground.master_key,
            "SIGTRAIL_VENUE_RESOLVER": self.ground.venue.resolver,
            "SIGTRAIL_VENUE_CA": str(self.ground.venue.ca),
        }
        words = [
            "close",
            "--from-journal",
            "--journals",
            str(self.folder / "journal"),
            "--yes",
            "--also-moved",
        ]
        life = self.ground.nursery.begin(
            log=str(self.log),
            folder=str(self.folder),
            account=str(self.account),
            environment=environment,
            words=words,
            control=self.ground.venue.control,
            trap={} if self.killed else self.trap,
        )
        self.closers.append(life)
        return life

    @property
    def life(self) -> Life:
        """The process that trades now."""
        return self.lives[-1]

    @property
    def seen(self) -> dict[str, int]:
        """Where its processes have been."""
        return {spot: count for life in self.lives + self.closers for spot, count in life.seen.items()}

    def said(self) -> str:
        """What the bridge wrote."""
        return self.log.read_text() if self.log.exists() else ""

    # ---------------------------------------------------------------- what is played

    async def venue(self, command: str, **arguments: Any) -> Any:
        """Tell the fake venue."""
        return await self.ground.venue(command, **arguments)

    async def truth(self) -> dict[str, Any]:
        """The venue's own truth of the account."""
        told: dict[str, Any] = await self.venue("truth", key=self.key, market=self.kind)
        return told

    async def fire(
        self,
        *,
        symbol: str | None = None,
        answers: Mapping[Leg, str] | None = None,
        route: str = "POST *",
        **plan: Any,
    ) -> None:
        """A signal that is ready. `answers` are what the venue answers to the first order of each leg, or
        what becomes of its first event."""
        self.clock = MarketClock(datetime.now(UTC))
        symbol = symbol or self.slot.symbol
        self.id = signal_id(self.trader, symbol, "1m", self.clock.millis())
        for leg, answer in (answers or {}).items():
            named = client_order_id(self.id, leg, 1)
            await self.venue("fault", route=route, client_id=named, **answer_of(answer, self.wire))
        await self.make_ready(symbol, **plan)
        self.fired.set()
        self.life.tell(wake=True)

    async def fault(self, kind: str, route: str, **more: Any) -> None:
        """What the venue does with the next request of the bridge along this route."""
        await self.venue("fault", route=route, caller=self.key, **answer_of(kind, self.wire), **more)

    async def move(self, price: str | Decimal) -> None:
        """The price moves: at the venue first, then in the bridge's candles."""
        self.last_price = Decimal(price)
        await self.venue("move", symbol=self.unified, price=str(price), exchange=self.exchange_name)
        self.life.tell(symbol=self.slot.symbol, price=float(price))

    async def offer(self, amount: str | None) -> None:
        """No more than this can be bought or sold until the next offer."""
        await self.venue("offer", symbol=self.unified, amount=amount, exchange=self.exchange_name)

    async def look(self) -> dict[str, Any]:
        """The signal at a glance."""
        rows = await (await self.sql.execute(LOOK, (self.id,))).fetchall()
        return dict(rows[0])

    async def becomes(self, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Wait until the signal looks like this. Raises Over when it ended instead."""

        async def look() -> dict[str, Any]:
            found = await self.look()
            return found if wanted(found) or is_over(found) else {}

        found: dict[str, Any] = await until(look, timeout=PATIENCE, every=0.04)
        if not wanted(found):
            raise Over
        return found

    async def until_told(self, kind: str) -> None:
        """Wait until an income of this kind is in the record. Raises Over when the signal ended instead."""

        async def look() -> str | None:
            rows = await self.fetch(
                "select 1 from public.account_incomes where user_id = %s and kind = %s", self.user, kind
            )
            if rows:
                return "yes"
            return "over" if is_over(await self.look()) else None

        if await until(look, timeout=PATIENCE, every=0.04) == "over":
            raise Over


def answer_of(kind: str, wire: str) -> dict[str, Any]:
    """An answer as the venue's faults take it; a refusal names a reason."""
    if kind != "refused":
        return {"kind": kind}
    code = 110007 if wire == "bybit" else -2010
    return {"kind": kind, "code": code, "message": "The balance is not enough for this."}


def is_over(found: dict[str, Any]) -> bool:
    """Whether a signal has ended and nothing of it rests."""
    return found["status"] in FINAL and not found["live"]


def is_protected(found: dict[str, Any]) -> bool:
    """Whether what is held is covered and nothing is in doubt."""
    held, cover, lot = found["held"], found["cover"], found["lot"]
    return found["position"] == "open" and not found["doubtful"] and held > 0 and bool(cover > held - lot)


Play = Callable[[Scene], Awaitable[None]]
