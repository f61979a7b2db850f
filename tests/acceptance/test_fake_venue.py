"""The main job on a venue behind real sockets comes to the same orders and fills as on paper."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cli.demo import EMAIL
from scripts.fake_venue.process import read_card
from tests.acceptance.journey import Row, add_trader, ask, empty, read_record, sigtrail, up
from tests.stacks import Stack

SYMBOLS = ("BTCUSDT", "ETHUSDT")
UNTIL = "2025-05-04T03:30"
MASTER_KEY = {"SIGTRAIL_MASTER_KEY": base64.b64encode(bytes(32)).decode()}
# Long and short side by side, in every way to size; stops near enough to be met.
TRADERS: Mapping[str, Mapping[str, Any]] = {
    "longs": {"conditions": ["RSI(14) < 40"]},
    "shorts": {
        "side": "short",
        "conditions": ["RSI(14) > 60"],
        "position_size_type": "risk_based",
        "position_size_value": "0.3",
    },
    "trailing": {
        "conditions": ["RSI(14) < 45"],
        "position_size_type": "percentage",
        "position_size_value": "4",
        "trailing_stop_type": "percentage",
        "trailing_stop_value": "0.5",
    },
}
# What names a fill or an order at its venue: these alone are a venue's own.
VENUES_OWN = ("venue_order_id", "venue_trade_id")


def test_it_comes_to_the_same_orders_and_fills_as_on_paper(
    project: Stack, busy_candles: Path, tmp_path: Path
) -> None:
    on_paper = run_on(project, "paper", busy_candles, tmp_path)
    paper = read_record(project)
    empty(project)
    over_sockets = run_on(project, "fake-binance", busy_candles, tmp_path)
    fake = read_record(project)

    assert differences(paper, fake) == []
    sides = {row[2] for row in paper["positions"]}
    assert sides == {"long", "short"}
    assert len(paper["fills"]) >= 12
    for name in ("orders", "positions_closed", "realized_pnl", "fees", "signals_by_status"):
        assert over_sockets[name] == on_paper[name], name
    # It went over the wire: the fills carry the numbers of Binance's kind, the account its sealed keys.
    assert all("#" in row[0] for row in fake["fills"])
    account = "select venue, sandbox, ciphertext is not null from public.exchange_accounts"
    assert ask(project, account) == [("binanceusdm", True, True)]
    # Nothing of the venue outlives the command that started it.
    assert list(tmp_path.rglob("venue.json")) == []


def test_a_venue_that_is_none_is_one_sentence_that_names_what_there_is(
    project: Stack, busy_candles: Path, tmp_path: Path
) -> None:
    done = sigtrail(project, tmp_path, "up", "--venue", "nonsense", "--candles", str(busy_candles))
    assert done.returncode == 2
    assert done.stdout == ""
    assert "'nonsense'" in done.stderr
    assert "paper, fake-binance" in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr
    assert read_card(tmp_path) is None


def run_on(stack: Stack, venue: str, candles: Path, folder: Path) -> dict[str, Any]:
    """The main job of one user's traders on a venue, from its beginning to its end."""
    for name, columns in TRADERS.items():
        add_trader(stack, name, SYMBOLS, owner=EMAIL, **columns)
    words = ("--venue", venue, "--candles", str(candles), "--until", UNTIL)
    summary = up(stack, folder / venue, *words, more=MASTER_KEY)
    assert summary["errors"] == []
    assert summary["positions_unprotected"] == summary["orders_unresolved"] == 0
    return summary


def differences(one: Mapping[str, Sequence[Row]], other: Mapping[str, Sequence[Row]]) -> list[str]:
    """Where two records say different things; what only names a thing at its venue is left out."""
    found = []
    for table in one:
        rows, others = shared(table, one[table]), shared(table, other[table])
        if len(rows) != len(others):
            found.append(f"{table}: {len(rows)} rows on one, {len(others)} on the other")
        for number, (row, its_like) in enumerate(zip(rows, others, strict=False)):
            columns = [n for n, pair in enumerate(zip(row, its_like, strict=True)) if pair[0] != pair[1]]
            found += [f"{table} {number}, column {n}: {row[n]!r} and {its_like[n]!r}" for n in columns]
    return found


def shared(table: str, rows: Sequence[Row]) -> list[Row]:
    """The rows without the names that a venue gave."""
    if table == "fills":
        return sorted(row[1:] for row in rows)
    return [tuple(_without_names(value) for value in row) for row in rows]


def _without_names(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: one for name, one in value.items() if name not in VENUES_OWN}
    return value
