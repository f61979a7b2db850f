"""An order that the venue would never take: its signal ends with the reason, for everybody to read."""

from __future__ import annotations

import json
from pathlib import Path

from tests.acceptance.journey import add_trader, sigtrail, up, write_candles
from tests.stacks import Stack


async def test_an_order_under_the_least_notional_ends_its_signal_with_the_reason(
    project: Stack, tmp_path: Path
) -> None:
    add_trader(project, "small", ["XRPUSDT"], position_size_value="3")
    (tmp_path / "candles").mkdir()
    candles = await write_candles(tmp_path / "candles", ["XRPUSDT"], 600, seed=11)
    state = tmp_path / "state"
    summary = up(project, state, "--candles", str(candles))
    assert summary["signals_by_outcome"]["below_min_notional"] > 0
    assert summary["positions_closed"] == summary["positions_open"] == 0
    assert summary["errors"] == []
    listed = sigtrail(project, state, "signals", "list", "--outcome", "below_min_notional", "--json")
    signals = json.loads(listed.stdout)
    assert len(signals) == summary["signals_by_outcome"]["below_min_notional"]
    shown = sigtrail(project, state, "signals", "show", signals[0]["id"])
    assert shown.returncode == 0, shown.stderr
    assert "expired, below_min_notional" in shown.stdout
    assert "under the venue's least for XRP/USDT:USDT, 5 USDT" in shown.stdout
    (order,) = json.loads(sigtrail(project, state, "signals", "show", signals[0]["id"], "--json").stdout)[
        "orders"
    ]
    assert (order["status"], order["code"], order["filled"]) == ("denied", "below_min_notional", "0")
