"""A backtest is the same every time, however it is played, and begins with the history that it has."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.candles import MINUTE_MS
from shared.errors import InputError
from shared.money import add, money
from tests.backtest.scene import chart, play, strategy, write
from tests.charts import START_MS
from workers.backtest.report import make_report
from workers.backtest.run import Result, Terms, find_missing
from workers.signals.feeds.recorded import RecordedFeed

VARIANTS: tuple[dict[str, Any], ...] = (
    {},
    {"trailing_stop_type": "percentage", "trailing_stop_value": "0.3"},
    {"max_holding_seconds": 600},
    {"side": "short", "conditions": ["RSI(14) > 58"]},
    {"interval": "5m", "stop_loss_type": "atr", "stop_loss_value": "1.5", "ai_analysis_limit": 4},
    {"position_size_type": "risk_based", "position_size_value": "2", "max_concurrent_positions": 1},
)


async def report(result: Result, folder: Path) -> dict[str, Any]:
    """The document of a backtest."""
    feed = RecordedFeed(folder)
    await feed.open()
    return make_report(result, feed)


@settings(max_examples=6)
@given(
    seed=st.integers(0, 10_000),
    attached=st.booleans(),
    variants=st.lists(st.sampled_from(VARIANTS), min_size=1, max_size=3, unique_by=repr),
)
async def test_a_desk_that_is_left_alone_while_all_rests_comes_to_the_same(
    seed: int, attached: bool, variants: list[dict[str, Any]]
) -> None:
    terms = Terms(attached=attached)
    traders = [strategy(name=f"Trader {place}", **one) for place, one in enumerate(variants)]
    with TemporaryDirectory() as name:
        folder = write(Path(name) / "charts", chart(240, seed))
        spared = await report(await play(folder, *traders, terms=terms), folder)
        whole = await report(await play(folder, *traders, terms=terms, spares=False), folder)
    assert spared == whole


async def test_what_the_venue_does_not_hold_is_written_off_while_an_order_of_it_rests(
    tmp_path: Path,
) -> None:
    """An exit and a stop that fill within one candle sell what another trader holds."""
    folder = write(tmp_path / "charts", chart(300, seed=633))
    traders = [strategy(name="Trader 0"), strategy(name="Trader 1", max_holding_seconds=600)]
    result = await play(folder, *traders, terms=Terms(attached=False))
    lost = [one for one in result.record.trades.positions if one.written_off > 0]
    assert [(one.is_open, one.exit_reason) for one in lost] == [(False, "venue_closed")] * len(lost)
    assert lost


async def test_two_runs_are_alike_and_the_parts_are_the_whole(tmp_path: Path) -> None:
    folder = write(tmp_path / "charts", chart(400, seed=5))
    traders = [strategy(name=f"Trader {place}", **one) for place, one in enumerate(VARIANTS)]
    one, other = [await report(await play(folder, *traders), folder) for _ in range(2)]
    assert one == other
    figures = one["figures"]
    assert figures["trades"] == sum(part["figures"]["trades"] for part in one["traders"]) > 40
    for name in ("profit", "realized_pnl", "open_pnl", "fees", "slippage", "gross_profit", "gross_loss"):
        assert money(figures[name]) == add(*(money(part["figures"][name]) for part in one["traders"])), name
    assert figures["signals"] == sum(figures["signals_by_status"].values())
    assert money(figures["fees"]) > 0
    last = one["equity"]["points"][-1]
    assert money(last["equity"]) == add(money(one["terms"]["equity"]), money(figures["profit"]))
    assert (last["open"], last["at"]) == (figures["open"], one["ends_at"])


async def test_profit_is_what_the_paper_account_has_more(tmp_path: Path) -> None:
    """The record's arithmetic and that of the exchange are two; both say the same."""
    folder = write(tmp_path / "charts", chart(600, seed=6))
    result = await play(folder, strategy())
    engine = result.exchange.paper_engine
    assert add(engine.ledger.balances["USDT"], engine.gains("USDT")) == result.curve.total.equity
    assert len(result.record.trades.positions) > 20


async def test_one_that_begins_later_knows_what_was_before(tmp_path: Path) -> None:
    folder = write(tmp_path / "charts", chart(600, seed=7))
    since = START_MS + 300 * MINUTE_MS
    late = await play(folder, strategy(), since_ms=since)
    assert late.range.start_ms == since
    assert late.range.candles == 600
    outcomes = {one.outcome_code for one in late.record.signals.ended.values()}
    # The analyst has its candles from the first signal on.
    assert "analysis_failed" not in outcomes
    assert min(one.opened_at for one in late.record.trades.positions).timestamp() * 1000 > since


async def test_without_candles_in_the_range_it_says_so(tmp_path: Path) -> None:
    folder = write(tmp_path / "charts", chart(60, seed=1))
    with pytest.raises(InputError, match="reach from 2025-05-04T15:33:00"):
        await play(folder, strategy(), since_ms=START_MS + 61 * MINUTE_MS)
    with pytest.raises(InputError, match="no candles to play"):
        await play(folder, strategy(), until_ms=START_MS - MINUTE_MS)


def test_an_interval_that_the_candles_cannot_make_is_named() -> None:
    wanted = strategy(name="Fine", conditions=["close@5m > SMA(20)"])
    assert find_missing([wanted], {"BTCUSDT": "1m", "ETHUSDT": "1m"}) is None
    missing = find_missing([wanted], {"BTCUSDT": "1m", "ETHUSDT": "1h"})
    assert missing is not None
    assert "trader Fine reads candles of 1m, and those of ETHUSDT are of 1h" in missing


async def test_more_equity_and_worse_fills_are_heard_of(tmp_path: Path) -> None:
    folder = write(tmp_path / "charts", chart(300, seed=8))
    usual = await play(folder, strategy())
    worse = await play(folder, strategy(), terms=Terms(equity=money("20000"), slippage=money("0.001")))
    assert worse.curve.total.equity > usual.curve.total.equity
    costs = [add(*(one.slippage for one in r.record.trades.positions)) for r in (usual, worse)]
    assert costs[1] > 2 * costs[0] > 0
