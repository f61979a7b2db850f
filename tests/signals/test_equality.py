"""Evaluation candle by candle equals that over whole columns, for every indicator and many conditions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.candles import MINUTE_MS, Candle
from shared.market import Market
from shared.models import Signal, Trader
from tests.signals.plain import Columns, Plain
from tests.signals.recordings import DAY, needs_recordings, recorded, trader
from tests.signals.texts import Writer
from workers.signals.evaluator import Evaluator
from workers.signals.indicators import INDICATORS
from workers.signals.parser import LARGEST_NUMBER, parse


@cache
def generated(symbol: str, count: int) -> tuple[Candle, ...]:
    """A random walk; now and then nobody trades."""
    chance = np.random.default_rng(sum(symbol.encode()))
    candles, price = [], 100.0
    for minute in range(count):
        opened = DAY + minute * MINUTE_MS
        steps = price * (1 + np.cumsum(chance.normal(0, 0.002, 4)))
        volume = 0.0 if chance.random() < 0.05 else float(chance.gamma(2, 10))
        high, low = float(max(price, *steps)), float(min(price, *steps))
        candles.append(
            Candle(symbol, "1m", opened, opened + MINUTE_MS, price, high, low, float(steps[-1]), volume)
        )
        price = float(steps[-1])
    return tuple(candles)


def run(traders: Sequence[Trader], symbols: Mapping[str, Sequence[Candle]]) -> list[Signal]:
    """The signals of all traders together, all symbols of a close at once."""
    market = Market()
    evaluator = Evaluator(market)
    assert evaluator.assign(traders) == []
    signals: list[Signal] = []
    market.subscribe(evaluator.hear, aggregated=True)
    for closed in zip(*symbols.values(), strict=True):
        for candle in closed:
            market.publish(candle)
        signals += evaluator.evaluate()
    return signals


def check(traders: Sequence[Trader], symbols: Mapping[str, Sequence[Candle]]) -> int:
    """Compare every firing and every number that it reports; answers how many traders fired."""
    found: dict[tuple[str, str], list[Signal]] = {}
    for signal in run(traders, symbols):
        found.setdefault((str(signal.trader_id), signal.symbol), []).append(signal)
    fired = set()
    for symbol, candles in symbols.items():
        columns: dict[str, Columns] = {}
        for one in traders:
            plain = Plain(one, candles, columns)
            signals = found.get((str(one.id), symbol), [])
            assert [signal.triggered_ms for signal in signals] == plain.fired(), one.conditions
            if signals:
                fired.add(one.id)
                last = signals[-1]
                place = int(np.searchsorted(plain.closes, last.triggered_ms))
                expected = {term.text: plain.read(term)[place] for term in plain.condition.terms}
                for match in last.matched_conditions:
                    assert match["values"] == {name: expected[name] for name in match["values"]}, "bit by bit"
    return len(fired)


def every_indicator(candles: Sequence[Candle]) -> list[Trader]:
    """For each output of each indicator a trader that fires when it crosses its median."""
    columns: dict[str, Columns] = {}
    traders = []
    for name, indicator in INDICATORS.items():
        inputs = "close, volume" if None in indicator.inputs else ""
        outputs = [f".{one}" for one in indicator.outputs] if indicator.output is None else [""]
        for output in outputs:
            text = f"{name}({inputs}){output}"
            plain = Plain(trader(f"{text} > 0"), candles, columns)
            numbers = plain.read(parse(f"{text} > 0").terms[0])
            known = numbers[np.isfinite(numbers)]
            middle = min(float(np.median(known)) if len(known) else 0.0, LARGEST_NUMBER)
            traders.append(trader(f"{text} > {middle!r} or {text} == 100", name=text))
    return traders


def random_traders(count: int, seed: int, symbols: tuple[str, ...]) -> list[Trader]:
    write = Writer(seed)
    return [
        trader(
            *(write.sound() for _ in range(write.chance.choice([1, 1, 2]))),
            name=f"{seed} {number}",
            symbols=symbols,
            interval=write.chance.choice(["1m", "1m", "1m", "5m", "15m"]),
        )
        for number in range(count)
    ]


@needs_recordings
def test_every_indicator_is_bit_identical_to_its_batch_on_recorded_candles() -> None:
    candles = recorded("ETHUSDT", 600)
    traders = [one.model_copy(update={"symbols": ("ETHUSDT",)}) for one in every_indicator(candles)]
    assert len(traders) > len(INDICATORS)
    # ACOS and ASIN have no number for a price, and some patterns do not occur.
    assert check(traders, {"ETHUSDT": candles}) > 180


def test_every_indicator_is_bit_identical_to_its_batch() -> None:
    candles = generated("BTCUSDT", 400)
    assert check(every_indicator(candles), {"BTCUSDT": candles}) > 180


@needs_recordings
def test_a_thousand_conditions_fire_as_whole_columns_say_on_recorded_candles() -> None:
    symbols = ("SOLUSDT", "XRPUSDT")
    # The recordings begin minutes apart.
    first = max(recorded(one, 320)[0].open_ms for one in symbols)
    candles = {
        one: [candle for candle in recorded(one, 320) if candle.open_ms >= first][:300] for one in symbols
    }
    assert check(random_traders(1000, 1, symbols), candles) > 200


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 1_000_000))
def test_any_conditions_fire_as_whole_columns_say(seed: int) -> None:
    check(random_traders(25, seed, ("BTCUSDT",)), {"BTCUSDT": generated("BTCUSDT", 200)})


def test_many_traders_together_fire_as_each_alone() -> None:
    candles = {"BTCUSDT": generated("BTCUSDT", 200)}
    traders = random_traders(20, 7, ("BTCUSDT",))
    together = {one.id for one in run(traders, candles)}
    alone = {signal.id for one in traders for signal in run([one], candles)}
    assert together == alone
    assert together


@pytest.mark.parametrize("seed", range(3))
def test_traders_that_come_and_go_leave_the_others_signals_alone(seed: int) -> None:
    """Whatever is added, changed and removed while candles come, the others fire as if nothing had been."""
    candles = {symbol: generated(symbol, 240) for symbol in ("BTCUSDT", "ETHUSDT")}
    staying = random_traders(20, seed, tuple(candles))
    passing = random_traders(40, seed + 100, tuple(candles))
    expected = [one.id for one in run(staying, candles)]
    write = Writer(seed)
    market = Market()
    evaluator = Evaluator(market)
    evaluator.assign(staying)
    names = {one.id for one in staying}
    signals: list[Signal] = []
    market.subscribe(evaluator.hear, aggregated=True)
    for minute, closed in enumerate(zip(*candles.values(), strict=True)):
        for candle in closed:
            market.publish(candle)
            if minute % 3 == 0 and write.chance.random() < 0.5:
                here = write.chance.sample(passing, 5)
                evaluator.change(here[:3], [one.id for one in here[3:]])
        signals += evaluator.evaluate()
    assert sorted(one.id for one in signals if one.trader_id in names) == sorted(expected)
    assert expected
