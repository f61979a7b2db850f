"""Candles in, signals recorded, orders out: the main job from its command line, on a real stack."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest

from cli.demo import EMAIL
from tests.acceptance.backtests import play, read_traders, recorded, told
from tests.acceptance.journey import ask, read_record, sigtrail, up, write_candles
from tests.signals.recordings import RECORDED, needs_recordings
from tests.stacks import Stack, running_stack
from workers.backtest.run import Terms

SYMBOLS = ("BTCUSDT", "ETHUSDT", "SOLUSDT", "XRPUSDT", "LTCUSDT")
MINUTES = 2400


@pytest.fixture(scope="module")
def own_stack(state_folder: Path) -> Iterator[Stack]:
    with running_stack(state_folder / "main-job") as running:
        yield running


@pytest.fixture(scope="module")
async def candles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return await write_candles(tmp_path_factory.mktemp("candles"), SYMBOLS, MINUTES, seed=7)


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("state")


@pytest.fixture(scope="module")
def first_run(own_stack: Stack, candles: Path, state: Path) -> dict[str, Any]:
    return up(own_stack, state, "--candles", str(candles))


def test_a_replay_ends_with_everything_accounted_for(first_run: dict[str, Any]) -> None:
    assert first_run["candles"] == MINUTES * len(SYMBOLS)
    assert first_run["inserted"] == first_run["signals"] > 50
    assert first_run["duplicates"] == first_run["rejected"] == 0
    assert sum(first_run["signals_by_status"].values()) == first_run["signals"]
    assert len(first_run["signals_by_status"]) >= 3
    assert first_run["positions_closed"] >= 3
    assert Decimal(first_run["fees"]) > 0
    assert first_run["positions_unprotected"] == first_run["orders_unresolved"] == 0
    assert first_run["errors"] == []


def test_profit_and_loss_follows_from_the_fills_to_the_last_digit(
    first_run: dict[str, Any], own_stack: Stack
) -> None:
    """Recomputed without the columns that Sigtrail derives: from price, amount and fee of each fill alone."""
    recomputed = """
        select p.id, p.realized_pnl,
          sum(case e.side when 'sell' then e.price * e.amount else -e.price * e.amount end)
            - sum(case e.fee_currency when 'USDT' then e.fee_cost else e.fee_cost * e.price end) as expected,
          sum(e.fee_cost) as fees
        from public.positions p join public.trade_executions e on e.position_id = p.id
        where p.status = 'closed' group by p.id
    """
    with psycopg.connect(own_stack.db_url) as connection:
        rows = connection.execute(recomputed).fetchall()
        total = connection.execute(
            "select sum(total_pnl) from public.signals where status = 'closed'"
        ).fetchone()
    assert len(rows) == first_run["positions_closed"]
    assert [(row[0], row[1]) for row in rows] == [(row[0], row[2]) for row in rows]
    assert all(row[3] > 0 for row in rows)
    assert total is not None
    assert sum((row[1] for row in rows), Decimal(0)) == Decimal(first_run["realized_pnl"]) == total[0]


def test_the_events_of_every_signal_replay_to_its_status(first_run: dict[str, Any], own_stack: Stack) -> None:
    with psycopg.connect(own_stack.db_url) as connection:
        legal = set(
            connection.execute("select from_status, to_status from public.status_transitions").fetchall()
        )
        signals = {row[0]: row[1] for row in connection.execute("select id, status from public.signals")}
        events = connection.execute(
            "select signal_id, number, from_status, to_status from public.signal_events order by 1, 2"
        ).fetchall()
    reached: dict[Any, Any] = {}
    numbers: dict[Any, int] = {}
    for signal_id, number, before, after in events:
        assert number == numbers.get(signal_id, 0) + 1, f"{signal_id} skips an event"
        numbers[signal_id] = number
        if after is None:
            continue
        assert before == reached.get(signal_id)
        assert before is None or (before, after) in legal
        reached[signal_id] = after
    assert reached == signals
    assert len(events) == first_run["events"]


def test_the_same_candles_again_record_no_signal_twice(
    first_run: dict[str, Any], own_stack: Stack, candles: Path, state: Path
) -> None:
    before = read_record(own_stack)
    again = up(own_stack, state, "--candles", str(candles))
    assert (again["inserted"], again["duplicates"]) == (0, first_run["signals"])
    assert again["errors"] == []
    after = read_record(own_stack)
    assert [row[0] for row in after["signals"]] == [row[0] for row in before["signals"]]
    assert after["fills"] == before["fills"]
    assert after["orders"] == before["orders"]


def test_another_empty_project_comes_to_the_same_record_to_the_last_digit(
    first_run: dict[str, Any], own_stack: Stack, candles: Path, state_folder: Path, tmp_path: Path
) -> None:
    with running_stack(state_folder / "main-job-again") as other:
        second = up(other, tmp_path, "--candles", str(candles))
        expected, found = read_record(own_stack), read_record(other)
    assert second["realized_pnl"] == first_run["realized_pnl"]
    for name in ("fills", "orders", "positions", "signals", "snapshots", "events"):
        assert found[name] == expected[name], name


def test_a_replay_that_is_stopped_and_taken_up_again_comes_to_the_same_orders(
    first_run: dict[str, Any], own_stack: Stack, candles: Path, state_folder: Path, tmp_path: Path
) -> None:
    with running_stack(state_folder / "main-job-resumed") as other:
        part = up(other, tmp_path, "--candles", str(candles), "--until", "2025-05-05T02:00")
        assert 0 < part["signals"] < first_run["signals"]
        whole = up(other, tmp_path, "--candles", str(candles))
        expected, found = read_record(own_stack), read_record(other)
    assert whole["duplicates"] == part["signals"]
    assert [row[0] for row in found["signals"]] == [row[0] for row in expected["signals"]]
    assert found["fills"] == expected["fills"]


def test_a_backtest_is_kept_for_its_user(
    first_run: dict[str, Any], own_stack: Stack, candles: Path, state: Path, tmp_path: Path
) -> None:
    definition = tmp_path / "trader.json"
    shown = sigtrail(own_stack, state, "traders", "show", "Panic on a small frame")
    definition.write_text(shown.stdout)
    words = ("backtest", str(definition), "--candles", str(candles), "--json")
    done = sigtrail(own_stack, state, "strategies", *words, "--save", "--user", EMAIL)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    rows = ask(
        own_stack,
        "select b.id::text, b.name, b.figures, b.report, b.equity, b.trades from public.backtests b"
        " join public.users u on u.id = b.user_id where u.email = %s",
        EMAIL,
    )
    [(kept, name, figures, rest, equity, trades)] = rows
    assert f"kept as {kept}" in done.stderr
    assert (name, figures) == ("Panic on a small frame", report["figures"])
    assert {**rest, "equity": equity, "trades": trades} == report


def test_the_commands_show_the_record(first_run: dict[str, Any], own_stack: Stack, state: Path) -> None:
    for noun in ("users", "traders", "machines", "accounts", "signals", "orders", "positions", "partitions"):
        done = sigtrail(own_stack, state, noun, "list")
        assert done.returncode == 0, done.stderr
        assert len(done.stdout.splitlines()) > 1, noun
    signals = sigtrail(own_stack, state, "signals", "list", "--status", "closed", "--limit", "1")
    signal_id = signals.stdout.splitlines()[1].split()[-1]
    shown = sigtrail(own_stack, state, "signals", "show", signal_id)
    for word in (
        "signal_created",
        "position_opened",
        "position_closed",
        "entry",
        "stop_loss",
        "realized_pnl",
    ):
        assert word in shown.stdout
    well = sigtrail(own_stack, state, "doctor")
    assert well.returncode == 0, well.stdout


def test_a_wrong_folder_is_one_sentence_and_status_2(own_stack: Stack, state: Path, tmp_path: Path) -> None:
    done = sigtrail(own_stack, state, "up", "--candles", str(tmp_path), "--json")
    assert done.returncode == 2
    assert done.stdout == ""
    assert "no file named <SYMBOL>_<interval>.parquet or .csv" in done.stderr
    assert "Traceback" not in done.stderr


# The demo's account is asked to protect positions as Binance's futures do.
DEMO = Terms(attached=False)
RECORDED_UNTIL = "2025-05-06T09:00"


@pytest.fixture(scope="module")
def recorded_run(
    state_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[dict[str, Any], Mapping[str, Any]]:
    """The summary and the record of a run over recorded candles."""
    with running_stack(state_folder / "recorded") as other:
        words = ("--candles", str(RECORDED), "--until", RECORDED_UNTIL)
        ended = up(other, tmp_path_factory.mktemp("recorded"), *words)
        return ended, {**read_record(other), "traders": read_traders(other)}


@needs_recordings
def test_recorded_candles_give_signals_in_many_symbols_and_statuses(
    recorded_run: tuple[dict[str, Any], Mapping[str, Any]],
) -> None:
    ended, record = recorded_run
    assert len({row[1] for row in record["positions"]} | {row[1] for row in record["orders"]}) >= 5
    assert len(ended["signals_by_status"]) >= 4
    assert ended["positions_closed"] > 0
    assert ended["trigger_to_subscriber_ms"]["p50"] is not None


@needs_recordings
async def test_a_backtest_of_recorded_candles_is_what_the_database_recorded_to_the_last_digit(
    recorded_run: tuple[dict[str, Any], Mapping[str, Any]],
) -> None:
    record = recorded_run[1]
    result = await play(record["traders"], RECORDED, RECORDED_UNTIL, terms=DEMO)
    assert told(result) == recorded(record)
    assert len(result.record.trades.positions) > 10


async def test_a_backtest_of_a_simulated_market_is_what_the_database_recorded_to_the_last_digit(
    first_run: dict[str, Any], own_stack: Stack, candles: Path
) -> None:
    result = await play(read_traders(own_stack), candles, terms=DEMO)
    assert told(result) == recorded(read_record(own_stack))
    assert len(result.record.trades.positions) >= first_run["positions_closed"]
