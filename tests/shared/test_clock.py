"""One clock: the market's stands still until it is moved, and wakes sleepers in order of time."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from shared.clock import MarketClock, WallClock
from tests.waiting import until

START = datetime(2025, 5, 4, 15, 33, tzinfo=UTC)


async def test_market_time_stands_still() -> None:
    clock = MarketClock(START)
    assert clock.now() == START
    clock.advance(START + timedelta(minutes=1))
    assert clock.now() == START + timedelta(minutes=1)
    assert clock.millis() == 1746372840000


async def test_sleepers_wake_in_order_of_time_once_it_is_reached() -> None:
    clock = MarketClock(START)
    woken: list[int] = []

    async def sleep(minutes: int) -> None:
        await clock.sleep_until(START + timedelta(minutes=minutes))
        woken.append(minutes)

    sleepers = [asyncio.create_task(sleep(minutes)) for minutes in (3, 1, 2, 9)]
    await until(lambda: clock.next_wake == START + timedelta(minutes=1))
    clock.advance(START + timedelta(minutes=3))
    await asyncio.gather(*sleepers[:3])
    assert woken == [1, 2, 3]
    assert not sleepers[3].done()
    assert clock.next_wake == START + timedelta(minutes=9)
    sleepers[3].cancel()
    await asyncio.wait([sleepers[3]])
    assert clock.next_wake is None


async def test_nobody_wakes_before_the_time_they_asked_for() -> None:
    clock = MarketClock(START)
    sleeper = asyncio.create_task(clock.sleep_until(START + timedelta(microseconds=1500)))
    await until(lambda: clock.next_wake is not None)
    clock.advance_ms(clock.millis() + 1)
    assert clock.next_wake == START + timedelta(milliseconds=2)
    clock.advance_ms(clock.millis() + 1)
    await sleeper


async def test_a_past_time_does_not_wait() -> None:
    clock = MarketClock(START)
    await clock.sleep_until(START)
    await clock.sleep_until(START - timedelta(days=1))
    await WallClock().sleep_until(START)


def test_market_time_never_runs_backwards() -> None:
    clock = MarketClock(START)
    with pytest.raises(ValueError, match="cannot go back"):
        clock.advance(START - timedelta(milliseconds=1))
    with pytest.raises(ValueError, match="cannot go back"):
        clock.advance_ms(clock.millis() - 1)
    assert clock.now() == START


async def test_the_wall_clock_is_aware_and_sleeps() -> None:
    clock = WallClock()
    before = clock.now()
    assert before.tzinfo is UTC
    await clock.sleep_until(before + timedelta(milliseconds=5))
    assert clock.now() >= before + timedelta(milliseconds=5)
    assert clock.millis() >= 1_700_000_000_000
