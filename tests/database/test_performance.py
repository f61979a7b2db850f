"""What strategies were worth: counted like by hand, once, and shown to their owner only."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg.rows import dict_row

from tests.database.stage import Stage, ingest, noon, one, row

Row = dict[str, Any]
profits = st.decimals(-10_000, 10_000, allow_nan=False, allow_infinity=False, places=4)


def ask(connection: psycopg.Connection[Any], query: str, *arguments: Any) -> list[Row]:
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(query, arguments or None).fetchall()


def open_days(stage: Stage, first: str, last: str) -> None:
    stage.operator.execute("select private.open_partitions(%s, %s)", (first, last))


def refresh(stage: Stage) -> None:
    """What the jobs do by themselves within minutes."""
    stage.operator.execute("select private.roll_up()")
    report = one(stage.operator, "select private.run_job('analytics')")
    assert report["ok"], report


def make_account(stage: Stage, user: UUID) -> UUID:
    account = uuid4()
    stage.operator.execute(
        "insert into public.exchange_accounts (id, user_id, name, venue, market, permissions)"
        " values (%s, %s, 'Paper', 'paper', 'usdm', 'trade')",
        (account, user),
    )
    return account


def close_position(
    stage: Stage, trader: UUID, signal: UUID, account: UUID, pnl: Decimal, at: datetime
) -> None:
    """A position that was open for an hour, entered at 100 with a stop at 98, and won `pnl`."""
    stage.operator.execute(
        "insert into public.positions (id, user_id, account_id, trader_id, signal_id, symbol,"
        " normalised_symbol, side, status, lot, stop_loss, initial_stop_loss, exit_reason, amount,"
        " entry_amount, entry_average,"
        " exit_amount, exit_average, fees, realized_pnl, opened_at, closed_at, status_at)"
        " select %s, t.user_id, %s, t.id, %s, 'BTCUSDT', 'BTC/USDT:USDT', 'long', 'closed', 0.001, 98, 98,"
        " 'take_profit', 0, 10, 100, 10, 101, 0.5, %s, %s, %s, %s from public.traders t where t.id = %s",
        (uuid4(), account, signal, pnl, at - timedelta(hours=1), at, at, trader),
    )


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(won=st.lists(profits, max_size=30))
def test_a_trader_is_judged_as_by_hand(stage: Stage, won: list[Decimal]) -> None:
    user = stage.user()
    trader, account = stage.trader(user), make_account(stage, user)
    for place, pnl in enumerate(won):
        close_position(stage, trader, uuid4(), account, pnl, noon() + timedelta(minutes=place))
    (found,) = ask(stage.person(user), "select * from public.trader_performance(%s)", trader)
    wins, losses = [pnl for pnl in won if pnl > 0], [pnl for pnl in won if pnl < 0]
    equity, height, fall = Decimal(0), Decimal(0), Decimal(0)
    for pnl in won:
        equity += pnl
        height = max(height, equity)
        fall = max(fall, height - equity)
    assert (found["trades"], found["wins"], found["losses"]) == (len(won), len(wins), len(losses))
    assert found["realized_pnl"] == sum(won)
    assert found["gross_profit"] == sum(wins)
    assert found["gross_loss"] == -sum(losses)
    assert found["max_drawdown"] == fall
    assert found["time_in_market"] == timedelta(hours=len(won))
    assert (found["best_trade"], found["worst_trade"]) == ((max(won), min(won)) if won else (None, None))
    if losses:
        assert abs(found["profit_factor"] - sum(wins) / -sum(losses)) <= Decimal("0.00005")
    else:
        assert found["profit_factor"] is None
    if won:
        assert abs(found["average_r"] - sum(won) / len(won) / 20) <= Decimal("0.0001")


def test_tallies_count_what_commits_late_and_nothing_twice(stage: Stage) -> None:
    user = stage.user()
    trader, machine = stage.trader(user), stage.machine("signal_worker")
    slow = stage.connect(autocommit=False)
    ingest(slow, [row(trader, "SLOW", noon() - timedelta(hours=3))])
    ingest(machine, [row(trader, "QUICK")])
    refresh(stage)
    assert by(stage.person(user), "symbol") == {}
    slow.commit()
    for _ in range(2):
        refresh(stage)
        assert {key: found["signals"] for key, found in by(stage.person(user), "symbol").items()} == {
            "SLOW": 1,
            "QUICK": 1,
        }


def test_each_dimension_adds_up_to_the_same(stage: Stage) -> None:
    user = stage.user()
    account = make_account(stage, user)
    traders, machine = [stage.trader(user) for _ in range(2)], stage.machine("signal_worker")
    for place, trader in enumerate(traders):
        ingest(machine, [row(trader, "BTCUSDT", noon() + timedelta(hours=n)) for n in range(place + 2)])
        (signal,) = stage.operator.execute(
            "select id from public.signals where trader_id = %s order by id limit 1", (trader,)
        ).fetchone() or (None,)
        for status in ("analyzing", "monitoring", "ready", "in_position"):
            stage.operator.execute("select private.move_signal(%s, %s, now())", (signal, status))
        close_position(stage, trader, UUID(str(signal)), account, Decimal(place * 2 - 1), noon())
    refresh(stage)
    person = stage.person(user)
    for dimension in ("trader", "symbol", "source", "hour", "outcome"):
        found = by(person, dimension).values()
        assert sum(one["signals"] for one in found) == 5, dimension
        assert sum(one["traded"] for one in found) == 2, dimension
        assert sum(one["trades"] for one in found) == 2, dimension
        assert sum(one["realized_pnl"] for one in found) == 0, dimension
    assert set(by(person, "hour")) == {"12", "13", "14"}
    assert all(key.startswith("cloud:test-") for key in by(person, "source"))
    trades = ask(person, "select * from public.traded_signals(now() - interval '3 days')")
    assert [one["realized_pnl"] for one in trades] == [-1, 1] or [one["realized_pnl"] for one in trades] == [
        1,
        -1,
    ]
    stranger = stage.person(stage.user())
    assert ask(stranger, "select * from public.traded_signals(now() - interval '3 days')") == []
    assert by(stranger, "trader") == {}


def by(person: psycopg.Connection[Any], dimension: str) -> dict[str, Row]:
    found = ask(person, "select * from public.performance_by(%s)", dimension)
    return {one["key"]: one for one in found}


def test_a_compacted_day_is_counted_from_its_tally(stage: Stage) -> None:
    user = stage.user()
    trader, machine = stage.trader(user), stage.machine("signal_worker")
    open_days(stage, "2024-02-01", "2024-02-02")
    day = datetime(2024, 2, 1, 10, tzinfo=UTC)
    ingest(machine, [row(trader, f"S{n}", day) for n in range(3)])
    ingest(machine, [row(trader, f"S{n}", day + timedelta(days=1)) for n in range(2)])
    stage.operator.execute("select private.roll_up()")
    stage.operator.execute("update private.partition_days set compacted_at = now() where day = '2024-02-01'")
    ask_all = "select signals from public.trader_performance(%s, '2024-01-01', '2024-03-01')"
    person = stage.person(user)
    assert one(person, ask_all, trader) == 5
    # What a compaction takes out is counted all the same.
    stage.operator.execute(
        "delete from public.signals where trader_id = %s and triggered_at = %s", (trader, day)
    )
    assert one(person, ask_all, trader) == 5


def test_days_are_those_of_the_time_zone(stage: Stage) -> None:
    user = stage.user()
    trader, machine = stage.trader(user), stage.machine("signal_worker")
    open_days(stage, "2025-03-28", "2025-04-02")
    # Berlin goes from UTC+1 to UTC+2 on 30 March: that day has 23 hours.
    times = [
        "2025-03-29T22:59",
        "2025-03-29T23:00",
        "2025-03-30T21:59",
        "2025-03-30T22:00",
        "2025-03-31T21:59",
    ]
    ingest(machine, [row(trader, at=datetime.fromisoformat(f"{time}+00:00")) for time in times])
    connection = stage.person(user)
    connection.execute("set time zone 'Asia/Kathmandu'")
    found = ask(
        connection,
        "select bucket_end - bucket_start as length, signals from public.signal_series("
        " '2025-03-28T23:00Z', '2025-04-01T22:00Z', '1 day', 2, time_zone => 'Europe/Berlin')",
    )
    assert [(one["length"].total_seconds() / 3600, one["signals"]) for one in found] == [
        (24, 1), (23, 2), (24, 2), (24, 0)
    ]  # fmt: skip


def test_series_have_empty_buckets_and_moving_averages(stage: Stage) -> None:
    user = stage.user()
    trader, machine = stage.trader(user), stage.machine("signal_worker")
    start = noon()
    for hour, count in ((0, 3), (2, 6)):
        ingest(machine, [row(trader, f"S{n}", start + timedelta(hours=hour)) for n in range(count)])
    found = ask(
        stage.person(user),
        "select signals, average_signals from public.signal_series(%s, %s, '1 hour', 2)",
        start,
        start + timedelta(hours=4),
    )
    assert [tuple(one.values()) for one in found] == [(3, 3), (0, Decimal("1.5")), (6, 3), (0, 3)]


def test_traders_that_fire_together_are_alike(stage: Stage) -> None:
    user = stage.user()
    twin, other, loner = sorted(stage.trader(user) for _ in range(3))
    machine = stage.machine("signal_worker")
    start = noon()
    for hour in (0, 3, 4):
        for trader in (twin, other):
            ingest(machine, [row(trader, at=start + timedelta(hours=hour))])
    ingest(machine, [row(loner, at=start + timedelta(hours=hour)) for hour in (1, 2, 5)])
    found = {
        (one["first_trader_id"], one["second_trader_id"]): one
        for one in ask(
            stage.person(user),
            "select * from public.trader_correlation(%s, %s, %s, '1 hour')",
            [twin, other, loner],
            start,
            start + timedelta(hours=6),
        )
    }
    assert (found[twin, other]["signal_correlation"], found[twin, other]["overlap"]) == (1, 1)
    assert (found[twin, loner]["signal_correlation"], found[twin, loner]["overlap"]) == (-1, 0)
    assert found[twin, other]["buckets"] == 6


def test_sources_and_machines_are_told_apart(stage: Stage) -> None:
    user = stage.user()
    trader, machine = stage.trader(user), stage.machine("signal_worker")
    ingest(machine, [row(trader, f"S{n}") for n in range(3)])
    ingest(stage.person(user), [row(trader, "MINE")])
    cloud = one(
        stage.operator, "select id from public.signals where trader_id = %s and symbol = 'S0'", trader
    )
    close_position(stage, trader, cloud, make_account(stage, user), Decimal("2.5"), noon())
    stage.operator.execute("select private.roll_up()")
    person = stage.person(user)
    sources = ask(
        person, "select source, signals, traders, wins, realized_pnl from public.source_comparison()"
    )
    assert [tuple(one.values()) for one in sources] == [
        ("local", 1, 1, 0, 0), ("cloud", 3, 1, 1, Decimal("2.5"))
    ]  # fmt: skip
    (made,) = ask(person, "select * from public.machine_attribution()")
    assert (made["signals"], made["traders"], made["region"], made["last_day"]) == (
        3,
        1,
        "here",
        noon().date(),
    )
    stranger = stage.person(stage.user())
    assert ask(stranger, "select * from public.machine_attribution()") == []
    assert all(one["signals"] == 0 for one in ask(stranger, "select * from public.source_comparison()"))


@pytest.mark.parametrize(
    ("query", "problem"),
    [
        ("select * from public.signal_series(now(), now() - interval '1 day')", "must lie after"),
        ("select * from public.signal_series(now() - interval '1 day', now(), '1 month')", "whole days"),
        ("select * from public.signal_series(now() - interval '1 day', now(), '36 hours')", "whole days"),
        ("select * from public.signal_series(now() - interval '1 day', now(), '1 second')", "too many"),
        (
            "select * from public.signal_series(now() - interval '1 day', now(), time_zone => 'Mars')",
            "no time zone Mars",
        ),
        ("select * from public.signal_series('-infinity', now())", "needs from_time"),
        ("select * from public.source_comparison('2025-01-02', '2025-01-01')", "must not be after"),
        ("select * from public.machine_attribution('2025-01-02', null)", "must not be after"),
        ("select * from public.performance_by('moon')", "trader, symbol, source, hour or outcome"),
        ("select * from public.performance_by('hour', '2025-01-02', '2025-01-01')", "must not be after"),
        ("select * from public.trader_correlation(array[gen_random_uuid()])", "2 to 20 traders"),
        (
            "select * from public.trader_correlation(array[gen_random_uuid(), gen_random_uuid()])",
            "there is no trader",
        ),
        ("select * from public.traded_signals(most => 0)", "1 to 1000"),
    ],
)
def test_what_cannot_be_answered_says_why(stage: Stage, query: str, problem: str) -> None:
    with pytest.raises(psycopg.Error, match=problem):
        ask(stage.person(stage.user()), query)


def test_performance_of_others_is_out_of_reach(stage: Stage) -> None:
    user = stage.user()
    trader, machine = stage.trader(user), stage.machine("signal_worker")
    ingest(machine, [row(trader)])
    signal = one(stage.operator, "select id from public.signals where trader_id = %s", trader)
    stranger = stage.person(stage.user())
    assert ask(stranger, "select * from public.trader_performance(%s)", trader) == []
    assert ask(stranger, "select * from public.signal_performance(%s)", signal) == []
    assert len(ask(stage.person(user), "select * from public.signal_performance(%s)", signal)) == 1
    with pytest.raises(psycopg.errors.NoDataFound):
        ask(
            stranger,
            "select * from public.trader_correlation(%s)",
            [trader, stage.trader(user)],
        )
    for machine_role in (machine, stage.machine("analyst")):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            ask(machine_role, "select * from public.performance_by('trader')")
    nobody = stage.connect()
    nobody.execute("set role anon")
    for query in (
        "select * from public.performance_by('trader')",
        "select * from analytics.trader_performance",
    ):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            ask(nobody, query)
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        ask(stage.person(user), "select * from analytics.trader_performance")
