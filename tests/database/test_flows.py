"""What the record says of each wallet is kept as a running sum: always the sum of all fills and incomes."""

from __future__ import annotations

import json
from collections import defaultdict
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.database.stage import Stage, ingest, row

amounts = st.decimals("0.00000001", 1_000_000, allow_nan=False, allow_infinity=False, places=8)
FILLS = st.lists(
    st.fixed_dictionaries(
        {
            # Few ids, so that some are told twice: the second time counts for nothing.
            "trade": st.integers(0, 12),
            "symbol": st.sampled_from(["BTC/USDT:USDT", "ETH/USDC:USDC", "BTC/USDT", "ETH/BTC"]),
            "side": st.sampled_from(["buy", "sell"]),
            "price": amounts,
            "amount": amounts,
            "fee": st.one_of(st.just(Decimal(0)), amounts, amounts.map(lambda one: -one)),
            "fee_currency": st.sampled_from([None, "USDT", "BNB", "BTC"]),
        }
    ),
    max_size=8,
)
INCOMES = st.lists(
    st.fixed_dictionaries(
        {
            "income": st.integers(0, 8),
            "amount": amounts.flatmap(lambda one: st.sampled_from([one, -one])),
            "currency": st.sampled_from(["USDT", "BNB"]),
        }
    ),
    max_size=5,
)
INSERT_ORDER = """
insert into public.orders (id, user_id, account_id, trader_id, signal_id, client_order_id, leg, symbol,
  normalised_symbol, side, kind, amount, lot, stop_loss, intended_at, status_at)
select %(order)s, user_id, %(account)s, trader_id, id, private.client_order_id(id, 'entry', 1), 'entry', 'X',
  'X/Y', 'buy', 'market', 1, 1, 1, now(), now() from public.signals where trader_id = %(trader)s
"""
INSERT_POSITION = """
insert into public.positions (id, user_id, account_id, trader_id, signal_id, symbol, normalised_symbol, side,
  lot, stop_loss, initial_stop_loss, opened_at, status_at)
select gen_random_uuid(), user_id, account_id, trader_id, signal_id, 'X', 'X/Y', 'long', 1, 1, 1, now(), now()
from public.orders where id = %(order)s
"""
INSERT_FILL = """
insert into public.trade_executions (id, user_id, account_id, order_id, position_id, signal_id,
  venue_trade_id, symbol, normalised_symbol, leg, side, price, amount, fee_cost, fee_currency, executed_at)
select gen_random_uuid(), o.user_id, o.account_id, o.id, p.id, o.signal_id, i ->> 'trade', 'X',
  i ->> 'symbol', 'entry', i ->> 'side', (i ->> 'price')::numeric, (i ->> 'amount')::numeric,
  (i ->> 'fee')::numeric, i ->> 'fee_currency', now()
from jsonb_array_elements(%s::jsonb) i, public.orders o join public.positions p using (signal_id)
where o.id = %s
on conflict do nothing
"""
INSERT_INCOME = """
insert into public.account_incomes (id, user_id, account_id, venue_income_id, kind, amount, currency,
  amount_quote, occurred_at)
select gen_random_uuid(), o.user_id, o.account_id, i ->> 'income', 'funding', (i ->> 'amount')::numeric,
  i ->> 'currency', 0, now()
from jsonb_array_elements(%s::jsonb) i, public.orders o where o.id = %s
on conflict do nothing
"""


class Account:
    """An account with one order and its position, to hang fills on; `told` is what was recorded, by hand."""

    def __init__(self, stage: Stage, market: str) -> None:
        self.stage, self.market = stage, market
        self.id, self.order = uuid4(), uuid4()
        user = stage.user()
        trader = stage.trader(user)
        ingest(stage.machine("signal_worker"), [row(trader)])
        stage.operator.execute(
            "insert into public.exchange_accounts (id, user_id, name, venue, market, permissions)"
            " values (%s, %s, 'Paper', 'paper', %s, 'trade')",
            (self.id, user, market),
        )
        words = {"order": self.order, "account": self.id, "trader": trader}
        stage.operator.execute(INSERT_ORDER, words)
        stage.operator.execute(INSERT_POSITION, words)
        self.told: defaultdict[str, Decimal] = defaultdict(Decimal)
        self._known: set[object] = set()

    def fill(self, fills: list[dict[str, Any]]) -> None:
        self._insert(INSERT_FILL, fills)
        for one in fills:
            if (known := (one["symbol"], one["trade"])) in self._known:
                continue
            self._known.add(known)
            base, quote = one["symbol"].partition(":")[0].split("/")
            bought = one["amount"] if one["side"] == "buy" else -one["amount"]
            self.told[quote] -= bought * one["price"]
            if self.market == "spot":
                self.told[base] += bought
            if one["fee"]:
                self.told[one["fee_currency"] or quote] -= one["fee"]

    def earn(self, incomes: list[dict[str, Any]]) -> None:
        self._insert(INSERT_INCOME, incomes)
        for one in incomes:
            if one["income"] not in self._known:
                self._known.add(one["income"])
                self.told[one["currency"]] += one["amount"]

    def flows(self) -> dict[str, Decimal]:
        rows = self.stage.operator.execute(
            "select currency, amount from private.recorded_flows where account_id = %s", (self.id,)
        )
        return dict(rows.fetchall())

    def _insert(self, statement: str, items: list[dict[str, Any]]) -> None:
        self.stage.operator.execute(statement.encode(), (json.dumps(items, default=str), self.order))


@pytest.mark.parametrize("market", ["usdm", "spot"])
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(batches=st.lists(st.tuples(FILLS, INCOMES), max_size=4))
def test_the_running_sum_is_the_sum(
    stage: Stage, market: str, batches: list[tuple[list[dict[str, Any]], list[dict[str, Any]]]]
) -> None:
    account = Account(stage, market)
    for fills, incomes in batches:
        account.fill(fills)
        account.earn(incomes)
        assert account.flows() == dict(account.told)


def test_what_is_rolled_back_counts_for_nothing(stage: Stage) -> None:
    account = Account(stage, "usdm")
    income = [{"income": 1, "amount": Decimal(5), "currency": "USDT"}]
    with stage.operator.transaction(force_rollback=True):
        account._insert(INSERT_INCOME, income)
        assert account.flows() == {"USDT": 5}
    assert account.flows() == {}


def test_a_look_at_a_wallet_reads_no_fill(stage: Stage) -> None:
    """However many there are."""
    machine = stage.machine("trading_bridge")
    account = Account(stage, "usdm")
    fills = [
        {
            "trade": n,
            "symbol": "BTC/USDT:USDT",
            "side": "buy",
            "price": 1,
            "amount": 1,
            "fee": 0,
            "fee_currency": None,
        }
        for n in range(50)
    ]
    account._insert(INSERT_FILL, fills)
    fence = _claim(machine, account.id)
    read = (
        b"select pg_stat_get_xact_tuples_returned(c) + pg_stat_get_xact_tuples_fetched(c)"
        b" from (values ('public.trade_executions'::regclass)) t (c)"
    )
    with machine.transaction():
        machine.execute("select public.tell_wallet(%s, %s, '[]')", (account.id, fence))
        (count,) = machine.execute(read).fetchone() or (None,)
    assert count == 0


def _claim(machine: Any, account: UUID) -> int:
    (fence,) = machine.execute(
        "select public.claim_accounts(accounts => array[%s]::uuid[]) -> 0 ->> 'fence'", (account,)
    ).fetchone()
    return int(fence)
