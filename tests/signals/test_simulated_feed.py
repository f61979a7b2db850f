"""The simulated market: the same seed gives the same candles, they are sound, and it says what it is."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from itertools import pairwise

import pytest

from shared.aggregation import join
from shared.candles import INTERVALS, MINUTE_MS, Candle, find_fault
from shared.errors import InputError
from shared.market import Market
from tests.signals.recordings import DAY
from tests.waiting import until
from workers.signals.feeds.simulated import BEGIN, SimulatedFeed


async def play(
    count: int, seed: int = 1, symbols: tuple[str, ...] = ("BTCUSDT", "ETHUSDT")
) -> list[list[Candle]]:
    feed = SimulatedFeed(symbols, start_ms=DAY + 1, count=count, seed=seed)
    assert await feed.open() == []
    batches = [batch async for batch in feed.batches()]
    assert sum(feed.gate.refused.values()) == 0
    assert feed.gate.missing == 0
    await feed.close()
    return batches


async def test_the_same_seed_gives_the_same_candles() -> None:
    one = await play(500)
    assert one == await play(500)
    assert one != await play(500, seed=2)
    alone = await play(500, symbols=("ETHUSDT",))
    assert [batch[0] for batch in alone] == [batch[1] for batch in one], (
        "a symbol does not depend on the others"
    )


async def test_candles_adjoin_and_come_together() -> None:
    batches = await play(300)
    assert all([one.symbol for one in batch] == ["BTCUSDT", "ETHUSDT"] for batch in batches)
    assert [batch[0].open_ms for batch in batches] == [DAY + (1 + place) * MINUTE_MS for place in range(300)]
    for before, after in pairwise(batches):
        assert [one.open for one in after] == [one.close for one in before]


async def test_the_market_moves_and_has_regimes() -> None:
    candles = [batch[0] for batch in await play(6000)]
    moves = [abs(one.close / one.open - 1) for one in candles]
    windows = [sum(moves[at : at + 60]) for at in range(0, len(moves), 60)]
    assert max(windows) > 3 * min(windows)
    assert all(one.volume > 0 for one in candles)


def test_it_has_a_past_of_every_interval_that_leads_to_its_first_candle() -> None:
    feed = SimulatedFeed(("BTCUSDT", "NEWUSDT"), start_ms=DAY, seed=3)
    past = feed.past(130)
    assert past == SimulatedFeed(("NEWUSDT", "BTCUSDT"), start_ms=DAY, seed=3).past(130)
    market = Market()
    market.seed(past.short)
    market.seed_longer(past.longer)
    assert market.symbols == feed.symbols
    for symbol, price in (("BTCUSDT", BEGIN["BTCUSDT"]), ("NEWUSDT", 100.0)):
        for interval in INTERVALS:
            candles = market.history(symbol, interval)
            assert len(candles) == 130
            assert all(find_fault(one) is None for one in candles)
            assert all(
                (after.open_ms, after.open) == (before.close_ms, before.close)
                for before, after in pairwise(candles)
            )
            assert (candles[-1].close_ms, candles[-1].close) == (DAY, price), interval


def test_longer_candles_of_the_past_are_made_of_its_shorter_ones() -> None:
    past = SimulatedFeed(("BTCUSDT",), start_ms=DAY).past(300)
    by_interval = {name: [one for one in past.longer if one.interval == name] for name in INTERVALS}
    by_interval["1m"] = list(past.short)
    for short, long in (("1m", "3m"), ("1m", "1h"), ("5m", "15m"), ("15m", "1h"), ("1h", "4h"), ("4h", "1d")):
        last = by_interval[long][-1]
        joined = join([one for one in by_interval[short] if one.open_ms >= last.open_ms], long)
        # Volumes that were added in another order differ in their last bits.
        assert replace(joined, volume=last.volume) == last
        assert joined.volume == pytest.approx(last.volume)


def test_it_says_that_it_is_simulated() -> None:
    feed = SimulatedFeed(start_ms=DAY)
    assert feed.kind == "simulated"
    assert "SIMULATED" in feed.description
    assert feed.start_ms == DAY
    with pytest.raises(InputError, match="at least one symbol"):
        SimulatedFeed((), start_ms=DAY)


async def test_without_a_count_it_goes_on_until_it_is_closed() -> None:
    feed = SimulatedFeed(("BTCUSDT",), start_ms=DAY)
    await feed.open()
    seen = 0
    async for _ in feed.batches():
        seen += 1
        if seen == 100:
            await feed.close()
    assert seen == 100


async def test_the_past_of_a_paced_market_comes_at_once_and_then_the_wall_decides() -> None:
    feed = SimulatedFeed(("BTCUSDT",), start_ms=DAY, speed=1.0, paced_from_ms=DAY + 30 * MINUTE_MS)
    await feed.open()
    seen: list[int] = []

    async def read() -> None:
        async for batch in feed.batches():
            seen.append((batch[0].close_ms - DAY) // MINUTE_MS)

    reading = asyncio.create_task(read())
    await until(lambda: len(seen) == 30)
    assert not reading.done(), "the next candle is a minute away"
    await feed.close()
    await asyncio.wait_for(reading, 10)
    assert seen == list(range(1, 31))
