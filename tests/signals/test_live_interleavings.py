"""Any interleaving of frames and faults on the wires: what the market publishes is each closed candle once,
in order, equal to the venue's REST history, or the gap is named. The same with frames that were recorded."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pyarrow.parquet
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scripts.fake_venue import Fault
from scripts.fake_venue.recording import Player, read_frames
from shared.candles import MINUTE_MS
from shared.clock import MarketClock
from shared.identity import from_ms
from shared.market import Market
from tests.signals.live import Scene, live_scene
from tests.waiting import until

DATA = Path(__file__).parents[2].parent / "shared" / "data"
RAW = DATA / "binance_raw_ws" / "spot_BTCUSDT_20240809.jsonl.gz"
TRADES = DATA / "binance_trades" / "spot_BTCUSDT_20240809_trades.parquet"

KINDS = (
    *("whole", "whole", "whole", "unheard", "missing", "doubled", "swapped", "lost", "corrected"),
    *("cut", "silence", "slow_rest", "limited_rest", "broken_rest"),
)
STEPS = st.lists(st.sampled_from(KINDS), min_size=3, max_size=12)


async def play(one: Scene, step: str, minute: int) -> int:
    """One step of the story; answers the minute that forms after it."""
    if step == "cut":
        await one.venue.cut_streams()
        one.venue.mend_streams()
    elif step == "silence":
        one.venue.silence_streams()
    elif step.endswith("_rest"):
        fault = {
            "slow_rest": Fault("drop_before", one.klines),
            "limited_rest": Fault("rate_limited", one.klines, retry_after=0),
            "broken_rest": Fault("error_before", one.klines, status=502),
        }[step]
        one.venue.faults.add(fault)
    elif step == "missing":
        one.pass_time(minute + 1)
        return minute + 1
    elif step == "corrected":
        if minute > 1:
            one.know("BTCUSDT", minute - 2, 300.0 + minute)
            one.tell("BTCUSDT", minute - 2, 300.0 + minute)
    else:
        one.form("BTCUSDT", minute, 555.0)
        if step in ("doubled", "swapped", "lost"):
            one.venue.faults.add(Fault(step, "EVENT kline"))  # type: ignore[arg-type]
        one.pass_time(minute + 1)
        one.know("BTCUSDT", minute, 101.0 + minute)
        if step != "unheard":
            one.tell("BTCUSDT", minute, 101.0 + minute)
        return minute + 1
    return minute


@pytest.mark.parametrize("name", ["binance", "bybit"])
@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS, pauses=st.lists(st.booleans(), min_size=12, max_size=12))
def test_each_candle_once_in_order_as_the_venue_has_it(
    name: str, steps: list[str], pauses: list[bool]
) -> None:
    asyncio.run(_check(name, steps, pauses))


async def _check(name: str, steps: list[str], pauses: list[bool]) -> None:
    async with live_scene(name, symbols=("BTCUSDT",)) as one:
        await one.start()
        market = Market("usdm")
        one.feed.on_correction = market.correct
        seen = 0
        minute = 0
        for step, pause in zip(steps, pauses, strict=False):
            minute = await play(one, step, minute)
            if pause:
                await one.venue.exchanges[name].streams.told()
            for candle in one.got["BTCUSDT"][seen:]:
                market.publish(candle)
            seen = len(one.got["BTCUSDT"])
        one.venue.faults.clear()
        one.feed.reconnect("the story is over")
        await until(lambda: one.subscriptions() == 1)
        # One more that no frame tells of: REST is asked, and what was corrected unheard is found with it.
        one.know("BTCUSDT", minute, 900.0)
        one.pass_time(minute + 1.1)
        await until(lambda: [c.open_ms for c in one.got["BTCUSDT"][-1:]] == [one.at(minute)])
        one.close("BTCUSDT", minute + 1, 901.0)
        one.pass_time(minute + 2.1)
        await until(lambda: [c.open_ms for c in one.got["BTCUSDT"][-1:]] == [one.at(minute + 1)])
        for candle in one.got["BTCUSDT"][seen:]:
            market.publish(candle)
        published = [(candle.open_ms, candle.close) for candle in market.history("BTCUSDT")]
        assert published == one.truth("BTCUSDT")
        assert [candle.open_ms for candle in one.got["BTCUSDT"]] == [at for at, _ in published]
        assert one.feed.gate.missing == minute + 2 - len(published)


@pytest.mark.skipif(not RAW.is_file(), reason=f"the recorded frames are not there: {RAW}")
async def test_recorded_frames_make_the_candles_of_their_trades() -> None:
    async with live_scene("binance", "spot", ("BTCUSDT",), history=2) as one:
        frames = list(read_frames(RAW))
        first = next(event["T"] for _, event in frames if event.get("e") == "trade")
        one.venue.clock = MarketClock(from_ms(first // MINUTE_MS * MINUTE_MS))
        await one.start()
        player = Player(one.venue, "BTC/USDT", "spot")
        for number, (stream, event) in enumerate(frames):
            if event.get("e") == "trade" and event["T"] > one.venue.clock.millis():
                one.venue.clock.advance_ms(event["T"])
            player.play(stream, event)
            if number % 500 == 0:
                await one.venue.binance.streams.told()
        one.venue.clock.advance_ms(one.venue.clock.millis() // MINUTE_MS * MINUTE_MS + MINUTE_MS)
        player.finish()
        rows = pyarrow.parquet.read_table(TRADES).to_pydict()
        wanted = _candles_of(rows)
        await until(lambda: len(one.got["BTCUSDT"]) == len(wanted))
        assert player.played["trade"] == len(rows["ts"])
        got = {c.open_ms: (c.open, c.high, c.low, c.close, c.volume) for c in one.got["BTCUSDT"]}
        assert got == {at: pytest.approx(numbers, rel=1e-12) for at, numbers in wanted.items()}
        assert one.feed.counts["repairs"] < len(wanted)


def _candles_of(rows: dict[str, list[Any]]) -> dict[int, tuple[float, ...]]:
    prices: dict[int, list[tuple[float, float]]] = {}
    for at, price, amount in zip(rows["ts"], rows["price"], rows["amount"], strict=True):
        prices.setdefault(at // MINUTE_MS * MINUTE_MS, []).append((float(price), float(amount)))
    return {
        at: (
            trades[0][0],
            max(price for price, _ in trades),
            min(price for price, _ in trades),
            trades[-1][0],
            sum(amount for _, amount in trades),
        )
        for at, trades in prices.items()
    }
