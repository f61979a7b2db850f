"""What keeps a paper account over restarts: one SQLite file, one transaction a change."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path

import orjson

from shared.errors import ConfigurationError
from workers.trading.paper.engine import Changes, Engine
from workers.trading.paper.order import (
    Order,
    Trade,
    order_from_json,
    position_from_json,
    to_json,
    trade_from_json,
)

_SCHEMA = """
create table if not exists orders (sequence integer primary key, record text not null);
create table if not exists trades (id integer primary key, record text not null);
create table if not exists positions (
  symbol text, side text, record text not null, primary key (symbol, side)
);
create table if not exists balances (currency text primary key, amount text not null);
create table if not exists symbols (
  symbol text primary key, seen_ms integer not null, last_price text not null
);
"""


class Store:
    """A file that holds orders, trades, positions and balances. Not safe for two processes at once."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._database = sqlite3.connect(path, isolation_level=None, timeout=0)
        try:
            # The file is locked for as long as it is open: two machines on one account would trade it twice.
            self._database.execute("pragma locking_mode = exclusive")
            self._database.execute("pragma journal_mode = wal")
            self._database.executescript(_SCHEMA)
        except sqlite3.OperationalError as error:
            self._database.close()
            raise ConfigurationError(
                f"the paper account {path} is in use by another machine: stop that one first ({error})"
            ) from error

    def load(self, engine: Engine) -> bool:
        """Fill an empty engine; False if the file holds no account yet."""
        rows = self._database.execute("select currency, amount from balances").fetchall()
        if not rows:
            return False
        engine.ledger.balances = {currency: Decimal(amount) for currency, amount in rows}
        for (record,) in self._database.execute("select record from orders order by sequence"):
            engine.restore(order_from_json(orjson.loads(record)))
        engine.trades = [
            trade_from_json(orjson.loads(record))
            for (record,) in self._database.execute("select record from trades order by id")
        ]
        engine.last_trade = max((trade.id for trade in engine.trades), default=0)
        for (record,) in self._database.execute("select record from positions order by symbol, side"):
            position = position_from_json(orjson.loads(record))
            engine.ledger.positions[position.symbol, position.side] = position
        for symbol, seen_ms, price in self._database.execute(
            "select symbol, seen_ms, last_price from symbols"
        ):
            engine.seen_ms[symbol] = seen_ms
            engine.last_price[symbol] = Decimal(price)
        return True

    def save(self, engine: Engine, changes: Changes | None = None) -> None:
        """Write what changed; without `changes` the balances alone, which is how an account begins."""
        with self._database:
            self._database.execute("begin immediate")
            self._write_balances(engine)
            if changes is None:
                return
            self._database.executemany(
                "insert or replace into orders values (?, ?)",
                [(order.sequence, orjson.dumps(to_json(order))) for order in changes.orders.values()],
            )
            self._database.executemany(
                "insert into trades values (?, ?)",
                [(trade.id, orjson.dumps(to_json(trade))) for trade in changes.trades],
            )
            self._write_positions(engine, {trade.symbol for trade in changes.trades})
            if changes.bar is not None:
                symbol = changes.bar.symbol
                seen = (symbol, engine.seen_ms.get(symbol, -1), str(engine.last_price[symbol]))
                self._database.execute("insert or replace into symbols values (?, ?, ?)", seen)

    def forget(self, orders: Iterable[Order], trades: Iterable[Trade]) -> None:
        """Delete what the engine let go of."""
        with self._database:
            self._database.execute("begin immediate")
            self._database.executemany(
                "delete from orders where sequence = ?", [(one.sequence,) for one in orders]
            )
            self._database.executemany("delete from trades where id = ?", [(one.id,) for one in trades])

    def _write_balances(self, engine: Engine) -> None:
        self._database.executemany(
            "insert or replace into balances values (?, ?)",
            [(currency, str(amount)) for currency, amount in engine.ledger.balances.items()],
        )

    def _write_positions(self, engine: Engine, symbols: set[str]) -> None:
        self._database.executemany(
            "insert or replace into positions values (?, ?, ?)",
            [
                (position.symbol, position.side, orjson.dumps(to_json(position)))
                for position in engine.ledger.positions.values()
                if position.symbol in symbols
            ],
        )

    def close(self) -> None:
        """Give the file free."""
        self._database.close()
