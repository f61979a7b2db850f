"""The counters on traders take in each event once, whenever it is committed."""

from __future__ import annotations

from uuid import UUID

from tests.database.stage import Stage, ingest, one, row


def generated(stage: Stage, trader: UUID) -> int:
    stage.operator.execute("select private.roll_up()")
    return int(
        one(stage.operator, "select total_signals_generated from public.traders where id = %s", trader)
    )


def test_each_signal_counts_once(stage: Stage) -> None:
    trader, machine = stage.trader(stage.user()), stage.machine("signal_worker")
    ingest(machine, [row(trader, f"S{i}") for i in range(5)])
    assert generated(stage, trader) == 5
    assert generated(stage, trader) == 5
    ingest(machine, [row(trader, f"S{i}") for i in range(8)])
    assert generated(stage, trader) == 8


def test_what_commits_late_is_not_passed_over(stage: Stage) -> None:
    trader, machine = stage.trader(stage.user()), stage.machine("signal_worker")
    slow = stage.connect(autocommit=False)
    ingest(slow, [row(trader, "SLOW")])
    ingest(machine, [row(trader, "QUICK")])
    # The quick one is newer than a transaction that still runs: neither is counted yet.
    assert generated(stage, trader) == 0
    slow.commit()
    assert generated(stage, trader) == 2


def test_ways_and_profit_are_counted(stage: Stage) -> None:
    trader, machine = stage.trader(stage.user()), stage.machine("signal_worker")
    ingest(machine, [row(trader, f"S{i}") for i in range(3)])
    signals = [
        found
        for (found,) in stage.operator.execute(
            "select id from public.signals where trader_id = %s", (trader,)
        )
    ]
    for status in ("analyzing", "monitoring", "ready", "in_position"):
        for signal in signals:
            stage.operator.execute("select private.move_signal(%s, %s, now())", (signal, status))
    for signal, pnl in zip(signals, ("12.5", "-3.25", "0"), strict=True):
        stage.operator.execute("update public.signals set total_pnl = %s where id = %s", (pnl, signal))
        stage.operator.execute("select private.move_signal(%s, 'closed', now(), 'take_profit')", (signal,))
    stage.operator.execute("select private.roll_up()")
    row_of = stage.operator.execute(
        "select total_signals_generated, successful_signals, total_trades_executed, winning_trades,"
        " total_pnl::text from public.traders where id = %s",
        (trader,),
    ).fetchone()
    assert row_of == (3, 3, 3, 1, "9.25")


def test_a_roll_up_is_no_change_of_the_trader(stage: Stage) -> None:
    trader, machine = stage.trader(stage.user()), stage.machine("signal_worker")
    before = one(stage.operator, "select updated_at from public.traders where id = %s", trader)
    ingest(machine, [row(trader)])
    assert generated(stage, trader) == 1
    assert one(stage.operator, "select updated_at from public.traders where id = %s", trader) == before
