"""Traders that cannot be: refused where they are written, and left aside where they slipped through."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.acceptance.conftest import SYMBOLS
from tests.acceptance.journey import BUSY, add_trader, ask, running, sigtrail
from tests.stacks import Stack

WRONG_CONDITIONS = {
    "RSI(14) <": "column 10: this does not parse",
    "RSI(14) < 30 and FOO(3) > 1": "column 18: unknown indicator 'FOO'",
    "__import__('os').system('touch /tmp/owned') > 0": 'the character "\'" is not allowed',
    "RSI(14) < 30" + " and RSI(14) < 30" * 5000: "at most 2000 are read",
    "(" * 300 + "close" + ")" * 300 + " > 1": "column 101: the condition is nested too deeply",
    "volume ** volume ** volume > 1": "column 8: only + - * and / calculate",
}


@pytest.mark.parametrize("condition", WRONG_CONDITIONS, ids=lambda text: text[:30])
def test_a_condition_that_cannot_be_is_one_sentence_with_its_column(
    busy_stack: Stack, tmp_path: Path, condition: str
) -> None:
    done = sigtrail(busy_stack, tmp_path, "traders", "check", "--", condition)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("sigtrail: ")
    assert WRONG_CONDITIONS[condition] in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert len(done.stderr) < 500


WRONG_TRADERS: dict[str, tuple[dict[str, Any], int, str]] = {
    "hostile": (
        {"conditions": ["close > 1", "().__class__ > 1"]},
        2,
        "column 2: in condition 2 of 2: this does not parse: ')' cannot stand here",
    ),
    "conditions in a text": ({"conditions": "close > 1"}, 2, "conditions must be a list of texts"),
    "no size": ({"position_size_value": "0"}, 1, "a position size is above zero and finite"),
    "more than there is": (
        {"position_size_type": "percentage", "position_size_value": "101"},
        1,
        "a percentage size is at most 100 percent of the equity",
    ),
    "risk without a stop": (
        {"position_size_type": "risk_based", "position_size_value": "1", "stop_loss_type": None}
        | {"stop_loss_value": None},
        1,
        "a risk_based size needs a stop loss",
    ),
    "a column that is not there": ({"leverage": 100}, 1, "leverage"),
}


@pytest.mark.parametrize("name", WRONG_TRADERS)
def test_a_trader_that_cannot_be_is_not_made(busy_stack: Stack, tmp_path: Path, name: str) -> None:
    with psycopg.connect(busy_stack.db_url, autocommit=True) as connection:
        connection.execute(
            "insert into auth.users (id, email) values (gen_random_uuid(), 'wrong@example.com')"
            " on conflict do nothing"
        )
    columns, status, says = WRONG_TRADERS[name]
    file = tmp_path / "trader.json"
    file.write_text(json.dumps(BUSY | {"name": name, "symbols": ["BTCUSDT"]} | columns))
    done = sigtrail(busy_stack, tmp_path, "traders", "add", str(file), "--user", "wrong@example.com")
    assert (done.returncode, done.stdout) == (status, "")
    assert says in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert ask(busy_stack, "select id from public.traders where name = %s", name) == []


def test_a_stored_trader_that_cannot_be_evaluated_is_named_and_stops_nobody(
    project: Stack, busy_candles: Path, tmp_path: Path
) -> None:
    """Whoever writes past the command line may store a condition that does not compile."""
    add_trader(project, "busy", SYMBOLS)
    hostile = add_trader(project, "hostile", SYMBOLS, conditions=["__import__('os') > 1"])
    words = ("--candles", str(busy_candles), "--until", "2025-05-04T04:00")
    with running(project, tmp_path, *words) as run:
        summary, told = run.end()
    assert summary["traders_unfit"] == 1
    assert summary["errors"] == []
    assert summary["signals"] > 3
    assert ask(
        project, "select distinct t.name from public.signals s join public.traders t on t.id = s.trader_id"
    ) == [("busy",)]
    (line,) = [one for one in told.splitlines() if "trader_unfit" in one]
    assert str(hostile) in line
    assert "is not allowed" in line
