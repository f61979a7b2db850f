"""A small world to trade in: one user, one account, one trader, a market whose candles the test makes."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import psycopg

from shared.candles import MINUTE_MS, Candle
from shared.clock import MarketClock
from shared.errors import NotAllowed, Refused
from shared.identity import floor_ms, signal_id
from shared.market import Market
from shared.money import money, text
from shared.wakes import Wakes
from workers.trading.paper import PaperExchange
from workers.trading.policy import Policy
from workers.trading.role import TradingRole

# Parameters that are no JSON, by function.
CASTS = {("claim_accounts", "accounts"): "uuid[]"}
SYMBOL = "BTCUSDT"
Sql = psycopg.AsyncConnection[Any]


class SqlCall:
    """Calls the schema's functions as the bridge of one machine, straight in the database."""

    def __init__(self, connection: Sql, machine_id: str) -> None:
        self.connection = connection
        self.claims = json.dumps({"role": "trading_bridge", "machine_id": machine_id})
        self.names: list[str] = []

    async def __call__(self, name: str, params: Mapping[str, Any], /) -> Any:
        self.names.append(name)
        arguments = ", ".join(f"{key} => %({key})s{_cast(name, key, value)}" for key, value in params.items())
        values = {key: _value(name, key, value) for key, value in params.items()}
        one = f"public.{name}({arguments})"
        query = f"select to_jsonb(r) from {one} r" if name == "claim_work" else f"select to_jsonb({one})"
        try:
            async with self.connection.transaction():
                await self.connection.execute(
                    "select set_config('request.jwt.claims', %s, true)", (self.claims,)
                )
                await self.connection.execute("set local role trading_bridge")
                cursor = await self.connection.execute(query, values)
                rows = [row["to_jsonb"] for row in await cursor.fetchall()]
        except psycopg.errors.InsufficientPrivilege as error:
            raise NotAllowed(str(error), code=error.sqlstate) from error
        except psycopg.Error as error:
            raise Refused(str(error), code=error.sqlstate) from error
        return rows if name == "claim_work" else rows[0]


class Connection:
    """What the role takes for a connection; `call` may be replaced by a test's own."""

    def __init__(self, call: Any) -> None:
        self.call = call


class World:
    """See `open_world`."""

    def __init__(self, connection: Sql) -> None:
        self.sql = connection
        self.user, self.account, self.trader = uuid4(), uuid4(), uuid4()
        self.machine = f"test-{uuid4().hex[:8]}"
        start = datetime.now(UTC).replace(second=0, microsecond=0) - timedelta(hours=6)
        self.clock = MarketClock(start)
        self.market = Market("usdm")
        self.wakes = Wakes()
        self.call = SqlCall(connection, self.machine)
        self.exchange: Any = self.open_exchange()
        self.policy = Policy()
        # What leases run on, in seconds: stands still unless a test moves it.
        self.wall = 0.0
        self.signals: list[UUID] = []

    def open_exchange(self, **config: Any) -> PaperExchange:
        """The paper exchange of this world's account; options override its settings."""
        settings: dict[str, Any] = {"latency_ms": 50, "slippage": "0", "participation": "1"}
        return PaperExchange(
            {"clock": self.clock, "market": self.market, "account": "test", **settings, **config}
        )

    async def use_exchange(self, **config: Any) -> Any:
        """Trade on another paper exchange from now on; it sees one candle of each symbol."""
        await self.exchange.close()
        self.exchange = self.open_exchange(**config)
        self.still()
        return self.exchange

    async def use_spot(self) -> None:
        """Trade on spot from now on."""
        await self.sql.execute(
            "update public.exchange_accounts set market = 'spot' where id = %s", (self.account,)
        )
        await self.set_trader(market="spot")
        self.market.kind = "spot"
        await self.use_exchange()

    async def set_up(self, **trader: Any) -> None:
        """Make the rows of this world. `trader` overrides columns of the trader."""
        await self.sql.execute(
            "insert into auth.users (id, email) values (%s, %s)", (self.user, f"{self.user}@trading.test")
        )
        await self.sql.execute("update public.users set tier = 'elite' where id = %s", (self.user,))
        await self.sql.execute(
            "insert into public.exchange_accounts (id, user_id, name, venue, market, permissions)"
            " values (%s, %s, 'Paper', 'paper', 'usdm', 'trade')",
            (self.account, self.user),
        )
        first_day = self.clock.now().date()
        await self.sql.execute(
            "select private.open_partitions(%s, %s)", (first_day, datetime.now(UTC).date())
        )
        await self.sql.execute("insert into public.cloud_machines (machine_id) values (%s)", (self.machine,))
        await self.add_trader(self.trader, **trader)

    async def tear_down(self) -> None:
        """Leave nothing that the bridge of another world would take up."""
        await self.exchange.close()
        await self.sql.execute(
            """
            delete from public.signal_queue q using public.signals s
            where s.id = q.signal_id and s.user_id = %s
            """,
            (self.user,),
        )
        await self.sql.execute(
            "update public.exchange_accounts set permissions = 'read' where user_id = %s", (self.user,)
        )

    async def add_trader(self, trader_id: UUID, **columns: Any) -> None:
        """Another trader of the same user on the same account."""
        row: dict[str, Any] = {
            "id": trader_id,
            "user_id": self.user,
            "name": "Dips",
            "symbols": [SYMBOL, "ETHUSDT", "SOLUSDT"],
            "interval": "1m",
            "conditions": ["close > 0"],
            "default_exchange_account_id": self.account,
            "position_size_type": "fixed",
            "position_size_value": "1000",
            "max_concurrent_positions": 5,
            "stop_loss_type": "percentage",
            "stop_loss_value": "2",
            **columns,
        }
        names = ", ".join(f'"{name}"' for name in row)
        marks = ", ".join(f"%({name})s" for name in row)
        await self.sql.execute(f"insert into public.traders ({names}) values ({marks})", row)

    async def set_trader(self, **columns: Any) -> None:
        """Change columns of the trader."""
        changes = ", ".join(f"{name} = %({name})s" for name in columns)
        await self.sql.execute(
            f"update public.traders set {changes} where id = %(id)s", {**columns, "id": self.trader}
        )

    async def make_ready(
        self,
        symbol: str = SYMBOL,
        *,
        side: str = "long",
        entry: str = "100",
        stop: str | None = "98",
        target: str | None = "104",
        kind: str = "market",
        minutes: float = 30,
        trader: UUID | None = None,
    ) -> UUID:
        """A signal of the trader that is ready now, and the bridge woken for it."""
        at, owner = self.clock.now(), trader or self.trader
        signal = signal_id(owner, symbol, "1m", floor_ms(at))
        self.signals.append(signal)
        plan = {
            "side": side,
            "entry": entry,
            "entry_type": kind,
            "stop_loss": stop,
            "take_profit": target,
            "valid_until": (at + timedelta(minutes=minutes)).isoformat(),
            "reward_to_risk": "2",
        }
        row = {"trader_id": str(owner), "symbol": symbol, "interval": "1m", "side": side, "price": entry}
        row |= {"triggered_at": at.isoformat()}
        answer = await self.fetch("select private.ingest_signals(%s::json, null) as a", json.dumps([row]))
        assert answer[0]["a"]["rejected"] == [], answer
        for status in ("analyzing", "monitoring", "ready"):
            if status == "monitoring":
                await self.sql.execute(
                    "update public.signals set analysis_trade_plan = %s where id = %s",
                    (json.dumps(plan), signal),
                )
            await self.sql.execute("select private.move_signal(%s, %s, %s)", (signal, status, at))
        self.wakes.wake("trading")
        return signal

    def bridge(self, call: Any = None, exchange: Any = None, **options: Any) -> TradingRole:
        """A bridge of this world's machine, with options of its own. A new one after a crash is a restart."""
        chosen = self.exchange if exchange is None else exchange

        async def exchanges(_account: Any) -> Any:
            return chosen

        usual: dict[str, Any] = {
            "exchanges": exchanges,
            "policy": self.policy,
            "only": [self.account],
            "monotonic": lambda: self.wall,
        }
        return TradingRole(
            Connection(call or self.call), self.clock, self.market, self.wakes, **{**usual, **options}
        )

    def candle(
        self, o: str, h: str | None = None, low: str | None = None, c: str | None = None, symbol: str = SYMBOL
    ) -> None:
        """One minute passes, and its candle closes: open, high, low, close."""
        self.candles({symbol: (o, h or o, low or o, c or o)})

    def candles(self, prices: Mapping[str, tuple[str, str, str, str]], volume: float = 1e6) -> None:
        """One minute passes for several symbols at once."""
        opened = self.clock.millis()
        self.clock.advance_ms(opened + MINUTE_MS)
        for symbol, (o, h, low, c) in sorted(prices.items()):
            self.market.publish(
                Candle(
                    symbol, "1m", opened, opened + MINUTE_MS, float(o), float(h), float(low), float(c), volume
                )
            )

    def still(self) -> None:
        """A minute in which nothing moves."""
        flat = ("100", "100", "100", "100")
        self.candles({SYMBOL: flat, "ETHUSDT": flat, "SOLUSDT": flat})

    async def start(self, **overrides: Any) -> TradingRole:
        """A bridge that has started."""
        bridge = self.bridge(**overrides)
        await bridge.start()
        return bridge

    async def settle(self, role: TradingRole) -> int:
        """Take steps until there is nothing left to do at this moment."""
        total = 0
        for _ in range(50):
            done = await role.step()
            if not done:
                return total
            total += done
        raise AssertionError("the bridge went on finding work at one moment of market time")

    async def hold(self, bridge: TradingRole, **plan: Any) -> UUID:
        """A signal of the trader whose entry has filled, and whose position is protected."""
        signal = await self.make_ready(**plan)
        await self.settle(bridge)
        self.still()
        await self.settle(bridge)
        return signal

    async def fetch(self, query: str, *values: Any) -> list[dict[str, Any]]:
        """Rows, as postgres."""
        return list(await (await self.sql.execute(query, values)).fetchall())

    async def signal(self, signal: UUID) -> dict[str, Any]:
        return (await self.fetch("select * from public.signals where id = %s", signal))[0]

    async def position(self, signal: UUID) -> dict[str, Any]:
        return (await self.fetch("select * from public.positions where signal_id = %s", signal))[0]

    async def orders(self, signal: UUID) -> dict[tuple[str, int], dict[str, Any]]:
        """The orders of a signal by leg and attempt."""
        rows = await self.fetch("select * from public.orders where signal_id = %s", signal)
        return {(row["leg"], row["attempt"]): row for row in rows}

    async def events(self, signal: UUID) -> list[str]:
        """The trail of a signal, as the types of its events."""
        rows = await self.fetch(
            "select event_type from public.signal_events where signal_id = %s order by number", signal
        )
        return [row["event_type"] for row in rows]

    async def unprotected(self) -> list[dict[str, Any]]:
        """The open positions of this world without protection."""
        return await self.fetch(
            """
            select u.* from private.unprotected_positions() u join public.positions p on p.id = u.position_id
            where p.user_id = %s
            """,
            self.user,
        )

    async def check_record(self) -> None:
        """What holds at any time: profit follows from the fills, and events replay to the status."""
        wrong = await self.fetch(
            """
            select p.id, p.realized_pnl, sum(x.quote_change) as recomputed
            from public.positions p join public.trade_executions x on x.position_id = p.id
            where p.user_id = %s and p.status = 'closed'
            group by p.id having p.realized_pnl <> sum(x.quote_change)
            """,
            self.user,
        )
        assert wrong == []
        replayed = await self.fetch(
            """
            select s.id, s.status, last.to_status
            from public.signals s cross join lateral (
              select to_status from public.signal_events e
              where e.signal_id = s.id and to_status is not null order by number desc limit 1) last
            where s.user_id = %s and s.status <> last.to_status
            """,
            self.user,
        )
        assert replayed == []
        gaps = await self.fetch(
            """
            select signal_id from public.signal_events where user_id = %s
            group by signal_id having max(number) <> count(*)
            """,
            self.user,
        )
        assert gaps == []

    async def check_against_venue(self) -> None:
        """Every fill of the venue is recorded once, under its order, to the last digit; both hold alike."""
        recorded = await self.fetch(
            """
            select x.venue_trade_id, o.client_order_id, x.price, x.amount, x.fee_cost
            from public.trade_executions x join public.orders o on o.id = x.order_id
            where x.user_id = %s order by regexp_replace(x.venue_trade_id, '^.*#', '')::int
            """,
            self.user,
        )
        trades = self.exchange.paper_engine.trades
        # Where a venue numbers the fills of each symbol, the symbol is part of the number.
        for row in recorded:
            row["venue_trade_id"] = row["venue_trade_id"].rpartition("#")[2]
        assert [tuple(row.values()) for row in recorded] == [
            (str(t.id), t.client_id, t.price, t.amount, t.fee) for t in trades
        ]
        held = await self.fetch(
            """
            select normalised_symbol, side::text, sum(amount) as amount from public.positions
            where user_id = %s group by 1, 2 having sum(amount) <> 0
            """,
            self.user,
        )
        positions = self.exchange.paper_engine.ledger.positions
        at_venue = {key: one.amount for key, one in positions.items() if one.amount}
        if self.market.kind == "usdm":
            assert {(row["normalised_symbol"], row["side"]): row["amount"] for row in held} == at_venue

    def venue_profit(self) -> Decimal:
        """What the account won at the venue, fees taken off."""
        balance: Decimal = self.exchange.paper_engine.ledger.balances["USDT"]
        return balance - Decimal(10000)


@asynccontextmanager
async def open_world(connection: Sql, **trader: Any) -> AsyncIterator[World]:
    """A world of its own in this database, with a price of 100 for three symbols."""
    world = World(connection)
    await world.set_up(**trader)
    world.still()
    try:
        yield world
    finally:
        await world.tear_down()


def _cast(name: str, key: str, value: Any) -> str:
    cast = CASTS.get((name, key), "jsonb" if isinstance(value, dict | list) else "")
    return f"::{cast}" if cast else ""


def _value(name: str, key: str, value: Any) -> Any:
    if (name, key) in CASTS:
        return value
    return json.dumps(value) if isinstance(value, dict | list) else value


def plain(value: str | Decimal) -> str:
    """A number without trailing zeros, for comparing."""
    return text(money(value))
