"""A recorded market for whole runs of a machine, and what such a run leaves in the record."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg

from shared.identity import from_ms
from tests.charts import START_MS, draw
from tests.machine.scenes import Scene, settings_of
from tests.stacks import Stack
from workers.machine import Machine, build
from workers.signals.feeds.recorded import RecordedFeed

SYMBOLS = ("BTCUSDT", "ETHUSDT")
MINUTES = 480

RECORD = """
select
  (select count(*) from public.signals),
  (select md5(string_agg(concat_ws('|', id, status, outcome_code, status_at, initial_price,
    analysis_confidence, analysis_trade_plan, total_pnl), ',' order by id)) from public.signals),
  (select md5(string_agg(concat_ws('|', signal_id, number, event_type, from_status, to_status,
    occurred_at), ',' order by signal_id, number)) from public.signal_events),
  (select md5(string_agg(concat_ws('|', signal_id, number, action, price, confidence, indicators,
    occurred_at), ',' order by signal_id, number)) from public.signal_monitoring_snapshots),
  (select md5(string_agg(concat_ws('|', price, amount, fee_cost, executed_at), ','
    order by executed_at, price, amount)) from public.trade_executions),
  (select sum(realized_pnl) from public.positions)
"""


class Recording:
    """Files of drawn candles, a trader that fires often on them, and a paper account."""

    def __init__(self, stack: Stack, folder: Path) -> None:
        self.stack = stack
        self.folder = folder
        self.candles = folder / "candles_1m"
        self.candles.mkdir()
        for number, symbol in enumerate(SYMBOLS):
            rows = ["ts,open,high,low,close,volume"]
            rows += [
                f"{one.open_ms},{one.open},{one.high},{one.low},{one.close},{one.volume}"
                for one in draw(MINUTES, seed=40 + number, symbol=symbol, price=100.0, noise=0.0012)
            ]
            (self.candles / f"{symbol}_1m.csv").write_text("\n".join(rows))
        self.scene = Scene(
            stack,
            symbols=list(SYMBOLS),
            conditions=["RSI(14) < 38"],
            ai_analysis_limit=None,
            stop_loss_type="percentage",
            stop_loss_value="0.4",
            take_profit_type="percentage",
            take_profit_value="0.8",
            position_size_type="fixed",
            position_size_value="300",
            max_concurrent_positions=5,
        )
        self.scene.open_days(from_ms(START_MS), from_ms(START_MS + MINUTES * 60_000))
        with psycopg.connect(stack.db_url, autocommit=True) as database:
            others = "update public.traders set status = 'paused' where id <> %s"
            database.execute(others, [self.scene.trader_id])
            account = uuid4()
            database.execute(
                "insert into public.exchange_accounts"
                " (id, user_id, name, venue, market, permissions, settings)"
                " values (%s, %s, 'Paper', 'paper', 'usdm', 'trade', %s::text::jsonb)",
                [account, self.scene.user_id, '{"starting": {"USDT": "10000"}}'],
            )
            database.execute(
                "update public.traders set default_exchange_account_id = %s where id = %s",
                [account, self.scene.trader_id],
            )

    async def machine(self, name: str, **options: Any) -> Machine:
        """A machine with every role and a folder of its own, ready to replay the recording."""
        feed = RecordedFeed(self.candles, market="usdm")
        warm = await feed.open()
        settings = settings_of(self.stack)
        return await build(
            settings, feed=feed, warm=warm, replaying=True, state=self.folder / name, **options
        )

    def record(self) -> tuple[Any, ...]:
        """Everything that a run is about, in digests."""
        with psycopg.connect(self.stack.admin_db_url) as database:
            row = database.execute(RECORD).fetchone()
            assert row is not None
            return tuple(row)

    def outcomes(self) -> dict[str, int]:
        """How many signals ended where."""
        with psycopg.connect(self.stack.admin_db_url) as database:
            query = "select coalesce(outcome_code, status::text), count(*) from public.signals group by 1"
            return dict(database.execute(query).fetchall())

    def ask(self, query: str) -> list[tuple[Any, ...]]:
        """The rows of a query, as the superuser."""
        with psycopg.connect(self.stack.admin_db_url) as database:
            return database.execute(query.encode()).fetchall()
