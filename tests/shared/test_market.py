"""What all roles see of the market: candles in order, a short history, longer candles, sound ones only."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.aggregation import Aggregation, join
from shared.candles import INTERVALS, MINUTE_MS, Candle, Gap, Gate, Refusal, exact, interval_ms
from shared.market import Market

DAY = 1746316800000  # 2025-05-04 00:00 UTC


def make(minute: int, close: float = 100.0, symbol: str = "BTCUSDT", volume: float = 1.0) -> Candle:
    opened = DAY + minute * MINUTE_MS
    return Candle(
        symbol, "1m", opened, opened + MINUTE_MS, 100.0, max(close, 100.0), min(close, 100.0), close, volume
    )


# The gate --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"close": math.nan}, "bad_number"),
        ({"volume": math.nan}, "bad_number"),
        ({"high": math.inf}, "bad_number"),
        ({"volume": math.inf}, "bad_number"),
        ({"open": 0.0}, "bad_price"),
        ({"low": 0.0}, "bad_price"),
        ({"close": -1.0}, "bad_price"),
        ({"volume": -1.0}, "bad_volume"),
        ({"high": 90.0}, "bad_range"),
        ({"low": 101.0}, "bad_range"),
        ({"close": 102.0}, "bad_range"),
        ({"open": 99.0}, "bad_range"),
        ({"open_ms": DAY + 1}, "bad_time"),
        ({"close_ms": DAY}, "bad_time"),
        ({"interval": "7m"}, "bad_time"),
        ({"open_ms": -MINUTE_MS, "close_ms": 0}, "bad_time"),
        ({"open_ms": 0, "close_ms": MINUTE_MS}, "bad_time"),
        ({"open_ms": DAY * 1000, "close_ms": DAY * 1000 + MINUTE_MS}, "bad_time"),
    ],
)
def test_a_bad_candle_is_refused_with_its_reason(change: dict[str, Any], reason: str) -> None:
    gate = Gate()
    assert not gate.admit(replace(make(0), **change))
    assert gate.refused == Counter({reason: 1})
    assert gate.admitted == 0
    refusal = gate.refusals[0]
    assert (refusal.symbol, refusal.reason) == ("BTCUSDT", reason)
    assert refusal.detail
    assert gate.admit(make(0)), "a refused candle leaves no trace: the sound one for that minute passes"


def test_doubled_and_late_candles_are_refused_and_gaps_reported() -> None:
    heard: list[Refusal] = []
    gaps: list[Gap] = []
    gate = Gate(on_refusal=heard.append, on_gap=gaps.append)
    answers = [gate.admit(make(minute)) for minute in (0, 1, 1, 0, 5, 4, 6)]
    assert answers == [True, True, False, False, True, False, True]
    assert gate.refused == Counter(doubled=1, out_of_order=2)
    assert [one.reason for one in heard] == ["doubled", "out_of_order", "out_of_order"]
    assert gaps == [Gap("BTCUSDT", "1m", DAY + MINUTE_MS, DAY + 5 * MINUTE_MS, 3)]
    assert gate.missing == 3
    assert gate.admit(make(0, symbol="ETHUSDT")), "each symbol has an order of its own"


def test_counts_go_on_when_the_details_are_full() -> None:
    gate = Gate(keep=2)
    for _ in range(5):
        gate.admit(replace(make(0), close=math.nan))
    assert gate.refused["bad_number"] == 5
    assert len(gate.refusals) == 2


anything = st.floats(allow_nan=True, allow_infinity=True)


@given(anything, anything, anything, anything, anything, st.integers(-3, 3))
def test_what_passes_the_gate_is_sound(
    o: float, h: float, low: float, c: float, v: float, minute: int
) -> None:
    opened = DAY + minute * MINUTE_MS
    gate = Gate()
    if gate.admit(Candle("X", "1m", opened, opened + MINUTE_MS, o, h, low, c, v)):
        assert all(map(math.isfinite, (o, h, low, c, v)))
        assert 0 < low <= min(o, c) <= max(o, c) <= h
        assert v >= 0
    else:
        assert sum(gate.refused.values()) == 1


def test_money_keeps_the_digits_of_the_venue() -> None:
    assert exact(0.1) == Decimal("0.1")
    assert exact(95481.8) == Decimal("95481.8")
    assert make(0, 100.7).price == Decimal("100.7")


# The market ------------------------------------------------------------------------------------------------


def test_latest_price_and_history() -> None:
    market = Market(depth=3)
    assert market.latest("BTCUSDT") is None
    assert market.price("BTCUSDT") is None
    assert market.history("BTCUSDT") == []
    candles = [make(minute, 100.0 + minute) for minute in range(5)]
    for candle in candles:
        market.publish(candle)
    assert market.latest("BTCUSDT") == candles[-1]
    assert market.price("BTCUSDT") == Decimal("104.0")
    assert market.history("BTCUSDT") == candles[2:]
    assert market.history("BTCUSDT", "1m", 2) == candles[3:]
    assert market.history("BTCUSDT", count=0) == []
    assert market.symbols == ("BTCUSDT",)
    assert market.base_interval("BTCUSDT") == "1m"


def test_listeners_hear_what_they_asked_for() -> None:
    market = Market()
    market.follow("3m")
    fed: list[str] = []
    every: list[str] = []
    leave = market.subscribe(lambda one: fed.append(one.interval))
    market.subscribe(lambda one: every.append(one.interval), aggregated=True)
    for minute in range(3):
        market.publish(make(minute))
    assert fed == ["1m"] * 3
    assert every == ["1m", "1m", "1m", "3m"]
    leave()
    leave()
    market.publish(make(3))
    assert fed == ["1m"] * 3


def test_history_from_before_the_start_is_known_but_not_heard() -> None:
    market = Market()
    market.follow("3m")
    heard: list[Candle] = []
    market.subscribe(heard.append, aggregated=True)
    market.seed(make(minute) for minute in range(3))
    assert heard == []
    assert len(market.history("BTCUSDT")) == 3
    assert len(market.history("BTCUSDT", "3m")) == 1


def test_who_follows_late_gets_what_history_allows() -> None:
    market = Market()
    for minute in range(7):
        market.publish(make(minute))
    market.follow("3m")
    assert [one.open_ms for one in market.history("BTCUSDT", "3m")] == [DAY, DAY + 3 * MINUTE_MS]
    for minute in (7, 8):
        market.publish(make(minute))
    latest = market.latest("BTCUSDT", "3m")
    assert latest is not None
    assert latest.open_ms == DAY + 6 * MINUTE_MS


def test_longer_candles_that_close_together_come_the_shortest_first() -> None:
    market = Market()
    heard: list[str] = []
    market.subscribe(lambda one: heard.append(one.interval), aggregated=True)
    market.follow("15m")
    for minute in range(14):
        market.publish(make(minute))
    market.follow("3m")
    market.follow("5m")
    heard.clear()
    market.publish(make(14))
    assert heard == ["1m", "3m", "5m", "15m"]


def test_following_while_a_candle_is_being_heard_counts_it_once() -> None:
    market = Market()
    market.subscribe(lambda one: market.follow("3m"))
    for minute in range(3):
        market.publish(make(minute, volume=2.0))
    latest = market.latest("BTCUSDT", "3m")
    assert latest is not None
    assert latest.volume == 6.0


def test_hourly_candles_make_longer_ones_and_no_shorter() -> None:
    market = Market("spot")
    market.follow("4h")
    market.follow("5m")
    hour = INTERVALS["1h"]
    for number in range(4):
        opened = DAY + number * hour
        market.publish(Candle("BTCUSDT", "1h", opened, opened + hour, 1.0, 2.0, 0.5, 1.5, 1.0))
    assert [one.close_ms for one in market.history("BTCUSDT", "4h")] == [DAY + 4 * hour]
    assert market.history("BTCUSDT", "5m") == []


def test_the_market_takes_no_candle_that_is_not_newer() -> None:
    market = Market()
    market.publish(make(1))
    with pytest.raises(ValueError, match="not newer"):
        market.publish(make(1))


def test_an_unknown_interval_is_named() -> None:
    with pytest.raises(ValueError, match="'7m'; known are 1m"):
        interval_ms("7m")
    with pytest.raises(ValueError, match="'7m'"):
        Market().follow("7m")


# Longer candles --------------------------------------------------------------------------------------------


@given(
    st.sampled_from(["3m", "5m", "15m", "1h"]),
    st.sets(st.integers(0, 200)),
    st.lists(st.floats(1.0, 1e6), min_size=201, max_size=201),
)
def test_a_longer_candle_is_exactly_its_complete_bucket(
    interval: str, minutes: set[int], closes: list[float]
) -> None:
    length = INTERVALS[interval]
    fed = [make(minute, closes[minute], volume=float(minute)) for minute in sorted(minutes)]
    aggregation = Aggregation(interval)
    built = [one for candle in fed if (one := aggregation.add(candle)) is not None]
    buckets: dict[int, list[Candle]] = {}
    for candle in fed:
        buckets.setdefault(candle.open_ms // length * length, []).append(candle)
    whole = {at: parts for at, parts in buckets.items() if len(parts) * MINUTE_MS == length}
    assert [one.open_ms for one in built] == sorted(whole)
    for one in built:
        parts = whole[one.open_ms]
        assert (one.symbol, one.interval, one.close_ms) == ("BTCUSDT", interval, one.open_ms + length)
        assert (one.open, one.close) == (parts[0].open, parts[-1].close)
        assert one.high == max(part.high for part in parts)
        assert one.low == min(part.low for part in parts)
        assert one.volume == sum(part.volume for part in parts)
    # The last bucket may still be under way: it is no loss yet.
    open_at_end = bool(fed) and fed[-1].close_ms % length != 0
    assert aggregation.incomplete == len(buckets) - len(whole) - open_at_end


def test_a_corrected_candle_takes_the_place_of_the_one_that_was_published() -> None:
    market = Market()
    market.follow("5m")
    heard: list[Candle] = []
    market.subscribe(heard.append, aggregated=True)
    for number in range(7):
        market.publish(make(number, 100.0 + number))
    before = len(heard)
    for number in (3, 6):
        assert market.correct(make(number, 900.0))
    assert len(heard) == before
    assert [one.close for one in market.history("BTCUSDT")][3] == 900.0
    assert market.latest("BTCUSDT", "5m") == join(market.history("BTCUSDT")[:5], "5m")
    assert not market.correct(make(7, 900.0))
    for number in range(7, 10):
        market.publish(make(number, 100.0))
    assert heard[-1] == join(market.history("BTCUSDT")[5:], "5m")


def test_longer_candles_of_the_past_are_kept_beside_those_that_are_built() -> None:
    def hour(number: int, close: float = 100.0) -> Candle:
        opened = DAY + number * 60 * MINUTE_MS
        return replace(make(0, close), interval="1h", open_ms=opened, close_ms=opened + 60 * MINUTE_MS)

    short = [make(minute) for minute in range(-60, 30)]
    for is_followed_first in (True, False):
        market = Market()
        if is_followed_first:
            market.follow("1h")
        market.seed(short)
        market.seed_longer([hour(number) for number in (-3, -2, -1)])
        market.follow("1h")
        for minute in range(30, 60):
            market.publish(make(minute))
        built = join(short[:60], "1h")
        kept = built if is_followed_first else hour(-1)
        assert market.history("BTCUSDT", "1h")[:3] == [hour(-3), hour(-2), kept]
        assert market.history("BTCUSDT", "1h")[3].open_ms == DAY
        assert market.base_interval("BTCUSDT") == "1m"


@given(st.sets(st.integers(1, 28), max_size=12), st.data())
def test_what_came_late_leaves_the_history_as_if_it_had_come_in_time(
    late: set[int], data: st.DataObject
) -> None:
    """Also that of longer candles, whenever it came: before or after their end."""
    due = {minute: data.draw(st.integers(minute + 1, 29), label=f"{minute} comes with") for minute in late}
    whole, market = Market(), Market()
    heard: list[Candle] = []
    market.subscribe(heard.append)
    for one in (whole, market):
        one.follow("3m")
        one.follow("5m")
    for minute in range(30):
        whole.publish(make(minute, 100.0 + minute))
        if minute not in late:
            market.publish(make(minute, 100.0 + minute))
        latest = market.latest("BTCUSDT")
        newest = 0 if latest is None else latest.open_ms
        for came in sorted(at for at, to in due.items() if to <= minute and make(at).open_ms < newest):
            assert market.insert(make(came, 100.0 + came))
            assert not market.insert(make(came, 555.0)), "it is there"
            del due[came]
    assert not due
    for interval in ("1m", "3m", "5m"):
        assert market.history("BTCUSDT", interval) == whole.history("BTCUSDT", interval)
    assert not any(one.open_ms == make(minute).open_ms for one in heard for minute in late)


def test_what_came_late_is_no_news() -> None:
    market = Market(depth=3)
    assert not market.insert(make(1))
    for minute in (1, 3, 4):
        market.publish(make(minute))
    assert not market.insert(make(0)), "older than all"
    assert not market.insert(make(5)), "newer than all: to be published"
    assert market.insert(make(2))
    assert [one.open_ms for one in market.history("BTCUSDT")] == [make(n).open_ms for n in (2, 3, 4)]
