"""A backtest and the same candles through the database come to the same, whatever traders ask for."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from tests.acceptance.backtests import play, read_traders, recorded, told
from tests.acceptance.conftest import SYMBOLS
from tests.acceptance.journey import add_trader, read_record, up
from tests.stacks import Stack

# Beside the busy one, which has its protection attached to its entries.
OTHERS: dict[str, dict[str, Any]] = {
    "trailing": {"trailing_stop_type": "percentage", "trailing_stop_value": "0.3"},
    "timed": {"max_holding_seconds": 900, "max_concurrent_positions": 1},
    "limited": {"ai_analysis_limit": 3, "interval": "5m", "min_confidence": "0.6"},
    "short": {
        "side": "short",
        "conditions": ["RSI(14) > 62"],
        "stop_loss_type": "atr",
        "stop_loss_value": "1.5",
        "position_size_type": "risk_based",
        "position_size_value": "1",
    },
}


async def test_all_that_traders_can_ask_for_comes_to_what_the_database_recorded(
    project: Stack, busy_candles: Path, tmp_path: Path
) -> None:
    add_trader(project, "busy", SYMBOLS)
    user, account = (uuid5(NAMESPACE_URL, f"https://example.com/{kind}/busy") for kind in "ua")
    shared = {"user_id": user, "default_exchange_account_id": account}
    for name, columns in OTHERS.items():
        add_trader(project, name, SYMBOLS, "busy@example.com", **shared, **columns)
    summary = up(project, tmp_path, "--candles", str(busy_candles))
    assert summary["errors"] == []
    result = await play(read_traders(project), busy_candles)
    assert told(result) == recorded(read_record(project))
    outcomes = {one.outcome_code for one in result.record.signals.ended.values()}
    assert {"trailing_stop", "time_exit", "analysis_limit", "stop_loss"} <= outcomes
