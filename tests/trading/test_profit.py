"""Profit and loss in SQL against an independent sum in fractions, for any fills, fees and order."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any
from uuid import UUID, uuid4

import psycopg
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg.rows import dict_row

from shared.identity import floor_ms, signal_id
from shared.money import text
from tests.stacks import Stack
from workers.trading.orders import Leg, client_order_id

prices = st.decimals(min_value="0.0001", max_value="150000", places=4)
amounts = st.decimals(min_value="0.001", max_value="5000", places=3)
fees = st.decimals(min_value="-0.5", max_value="20", places=8)
rates = st.decimals(min_value="0.01", max_value="900", places=4)


@dataclass(frozen=True)
class Fill:
    """One fill of a leg. `fee` is in `currency`; `rate` is what one unit of a third currency is worth."""

    leg: Leg
    price: Decimal
    amount: Decimal
    fee: Decimal
    currency: str
    rate: Decimal

    def quote_value(self) -> Fraction:
        worth = {"USDT": Fraction(1), "BTC": Fraction(self.price), "BNB": Fraction(self.rate)}
        return Fraction(self.fee) * worth[self.currency]


@st.composite
def trades(draw: st.DrawFn) -> tuple[str, list[Fill]]:
    """Fills that open a position and close it to nothing."""
    side = draw(st.sampled_from(["long", "short"]))
    fills: list[Fill] = []
    held = Fraction(0)
    for _ in range(draw(st.integers(1, 4))):
        one = draw(fill(Leg.ENTRY, side))
        fills.append(one)
        held += base_change(one, side)
    while held > 0:
        whole = len(fills) > 6 or draw(st.booleans())
        part = Decimal(held.numerator) / Decimal(held.denominator)
        amount = part if whole or part < 1 else (part / 2).quantize(Decimal("0.001"))
        leg = draw(st.sampled_from([Leg.STOP_LOSS, Leg.TAKE_PROFIT, Leg.EXIT]))
        one = draw(fill(leg, side, amount))
        fills.append(one)
        held -= base_change(one, side)
    return side, fills


@st.composite
def fill(draw: st.DrawFn, leg: Leg, side: str, amount: Decimal | None = None) -> Fill:
    size = draw(amounts) if amount is None else amount
    # Venues take a fee in base only of a buy that opens; there it is a small part of what was bought.
    opens_long = leg is Leg.ENTRY and side == "long"
    currency = draw(st.sampled_from(["USDT", "BNB", "BTC"] if opens_long else ["USDT", "BNB"]))
    fee = (size / 1000).quantize(Decimal("0.000001")) if currency == "BTC" else draw(fees)
    return Fill(leg, draw(prices), size, fee, currency, draw(rates))


def base_change(one: Fill, side: str) -> Fraction:
    """How much of the base currency a fill moves, towards the position for an entry and away for an exit."""
    taken = Fraction(one.fee) if one.currency == "BTC" else Fraction(0)
    return Fraction(one.amount) - taken


def expected(side: str, fills: list[Fill]) -> tuple[Fraction, Fraction]:
    """Profit and fees in quote currency: what came in, less what went out."""
    profit = Fraction(0)
    for one in fills:
        buys = (side == "long") is (one.leg is Leg.ENTRY)
        cost = Fraction(one.price) * Fraction(one.amount)
        profit += -cost if buys else cost
        # A fee in base was paid by having less to sell.
        profit -= Fraction(0) if one.currency == "BTC" else one.quote_value()
    return profit, sum((one.quote_value() for one in fills), Fraction(0))


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
@given(trades(), st.randoms(use_true_random=False))
def test_recorded_profit_is_exactly_what_the_fills_moved(
    stack: Stack, trade: tuple[str, list[Fill]], chance: Any
) -> None:
    side, fills = trade
    with told(stack.db_url) as bridge:
        signal = bridge.signal(side)
        bridge.intend(signal, side, fills)
        order = list(enumerate(fills))
        # The entry comes first, or there is no position; after that in any order, some twice.
        rest = order[1:] + chance.sample(order, chance.randint(0, len(order)))
        chance.shuffle(rest)
        for number, one in [order[0], *rest]:
            bridge.tell(fills=[bridge.fill(signal, number, one)])
        bridge.end(signal)
        position = bridge.rows("select * from public.positions where signal_id = %s", signal)[0]
        profit, costs = expected(side, fills)
        assert position["status"] == "closed"
        assert Fraction(position["realized_pnl"]) == profit
        assert Fraction(position["fees"]) == costs
        assert Fraction(position["gross_pnl"]) == profit + costs
        assert position["amount"] == 0
        recomputed = bridge.rows(
            "select sum(quote_change) as pnl, count(*) as n from public.trade_executions x"
            " where x.signal_id = %s",
            signal,
        )[0]
        assert recomputed["pnl"] == position["realized_pnl"]
        assert recomputed["n"] == len(fills)
        assert bridge.rows("select total_pnl from public.signals where id = %s", signal)[0] == {
            "total_pnl": position["realized_pnl"]
        }


class Bridge:
    """Tells the database facts, inside one transaction that is rolled back."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self.connection = connection
        self.user, self.account, self.trader = uuid4(), uuid4(), uuid4()
        self.now = datetime.now(UTC).replace(microsecond=0)

    def rows(self, query: str, *values: Any) -> list[dict[str, Any]]:
        return list(self.connection.execute(query, values).fetchall())

    def set_up(self) -> None:
        run = self.connection.execute
        run("insert into auth.users (id, email) values (%s, %s)", (self.user, f"{self.user}@trading.test"))
        run("update public.users set tier = 'elite' where id = %s", (self.user,))
        run(
            "insert into public.exchange_accounts (id, user_id, name, venue, market, permissions,"
            " lease_machine, lease_fence, leased_until)"
            " values (%s, %s, 'P', 'paper', 'usdm', 'trade', 'test-profit', 1, 'infinity')",
            (self.account, self.user),
        )
        run(
            "insert into public.traders (id, user_id, name, symbols, conditions,"
            ' default_exchange_account_id, side, "interval", position_size_value)'
            " values (%s, %s, %s, %s, %s, %s, %s, %s, 1)",
            (self.trader, self.user, "T", ["BTCUSDT"], ["close > 0"], self.account, "long", "1m"),
        )

    def signal(self, side: str) -> UUID:
        signal = signal_id(self.trader, "BTCUSDT", "1m", floor_ms(self.now))
        row = {
            "trader_id": str(self.trader),
            "symbol": "BTCUSDT",
            "interval": "1m",
            "side": side,
            "price": "100",
        }
        row["triggered_at"] = self.now.isoformat()
        self.rows("select private.ingest_signals(%s::json, null)", json.dumps([row]))
        self.rows("select private.move_signal(%s, 'analyzing', %s)", signal, self.now)
        self.connection.execute(
            "update public.signals set analysis_trade_plan = '{}' where id = %s", (signal,)
        )
        for status in ("monitoring", "ready"):
            self.rows("select private.move_signal(%s, %s, %s)", signal, status, self.now)
        return signal

    def intend(self, signal: UUID, side: str, fills: list[Fill]) -> None:
        buys = side == "long"
        intents = []
        for leg in Leg:
            amount = sum((one.amount for one in fills if one.leg is leg), Decimal(0))
            if not amount:
                continue
            intent: dict[str, Any] = {
                "signal_id": str(signal),
                "leg": leg.value,
                "attempt": 1,
                "amount": text(amount),
            }
            intent["side"] = "buy" if buys is (leg is Leg.ENTRY) else "sell"
            kinds = {Leg.STOP_LOSS: "stop", Leg.TAKE_PROFIT: "take_profit"}
            intent["kind"] = kinds.get(leg, "market")
            if leg is Leg.ENTRY:
                intent |= {"lot": "0.0000000001", "stop_loss": "1"}
            else:
                intent["reduce_only"] = True
            if leg in kinds:
                intent["trigger_price"] = "1"
            intents.append(intent)
        self.tell(intents=intents)

    def fill(self, signal: UUID, number: int, one: Fill) -> dict[str, Any]:
        told = {
            "client_order_id": client_order_id(signal, one.leg, 1),
            "venue_trade_id": f"t{number}",
            "venue_order_id": f"v-{one.leg.value}",
            "price": text(one.price),
            "amount": text(one.amount),
            "fee_cost": text(one.fee),
            "fee_currency": one.currency,
            "executed_at": (self.now + timedelta(seconds=number)).isoformat(),
        }
        return told | ({"fee_rate": text(one.rate)} if one.currency == "BNB" else {})

    def end(self, signal: UUID) -> None:
        live = self.rows("select client_order_id from public.orders where signal_id = %s and is_live", signal)
        self.tell(outcomes=[{**row, "outcome": "canceled"} for row in live])

    def tell(self, **facts: list[dict[str, Any]]) -> None:
        self.connection.execute(
            "select set_config('request.jwt.claims', %s, true)",
            (json.dumps({"role": "trading_bridge", "machine_id": "test-profit"}),),
        )
        self.connection.execute("set local role trading_bridge")
        answer = self.rows(
            "select public.record_trading(%s, 1, %s::jsonb, %s) as a",
            self.account,
            json.dumps(facts),
            self.now,
        )[0]["a"]
        self.connection.execute("set local role postgres")
        assert answer["refused"] == []


@contextmanager
def told(db_url: str) -> Iterator[Bridge]:
    with psycopg.connect(db_url, row_factory=dict_row) as connection:
        bridge = Bridge(connection)
        bridge.set_up()
        yield bridge
        connection.rollback()
