"""Evaluation: a trader fires when its condition becomes true, on the numbers that TA-Lib's batch gives."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import numpy as np
import pytest
import talib
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.candles import MINUTE_MS, Candle
from shared.identity import signal_id
from shared.market import Market
from shared.models import Signal, Trader
from tests.signals.recordings import DAY, make, needs_recordings, recorded, trader, trader_id
from workers.signals.condition import (
    Arithmetic,
    Comparison,
    Cross,
    Every,
    Negation,
    Negative,
    Number,
    Read,
    Some,
    move_back,
)
from workers.signals.evaluator import Evaluator
from workers.signals.indicators import FIELDS, INDICATORS, Reading, Term
from workers.signals.parser import parse, parse_all

Array = np.ndarray[Any, Any]


def play(
    traders: list[Trader], candles: list[Candle] | tuple[Candle, ...], market: Market | None = None
) -> list[Signal]:
    """The signals of these traders over these candles."""
    market = market or Market()
    evaluator = Evaluator(market)
    assert evaluator.assign(traders) == []
    signals: list[Signal] = []
    market.subscribe(lambda candle: signals.extend(evaluator.evaluate(candle)), aggregated=True)
    for candle in candles:
        market.publish(candle)
    return signals


def fired(signals: list[Signal]) -> list[int]:
    """The minutes of the day at whose close they fired."""
    return [(signal.triggered_ms - DAY) // MINUTE_MS - 1 for signal in signals]


# When it fires ---------------------------------------------------------------------------------------------


def test_fires_when_the_condition_becomes_true_and_not_again_while_it_stays() -> None:
    closes = [101, 99, 98, 97, 101, 99, 99, 101]
    signals = play([trader("close < 100")], [make(minute, close) for minute, close in enumerate(closes)])
    assert fired(signals) == [1, 5]


def test_a_condition_that_is_true_when_first_seen_does_not_fire() -> None:
    signals = play(
        [trader("close < 100")], [make(minute, close) for minute, close in enumerate([99, 99, 101, 99])]
    )
    assert fired(signals) == [3]


def test_does_not_fire_before_its_indicators_are_warm() -> None:
    # SMA(3) is known from the third candle on; there it is true already, so the next rise fires.
    closes = [101, 99, 105, 99, 105]
    candles = [make(minute, close) for minute, close in enumerate(closes)]
    assert fired(play([trader("not (close < SMA(3))")], candles)) == [4]
    assert fired(play([trader("close > SMA(3)")], candles)) == [4]
    assert play([trader("close > SMA(6)")], candles) == []


def test_an_offset_is_not_known_before_it_was_seen() -> None:
    closes = [105, 100, 101, 99, 104]
    candles = [make(minute, close) for minute, close in enumerate(closes)]
    assert fired(play([trader("close > close[1]")], candles)) == [2, 4]
    assert fired(play([trader("close > close[3]")], candles)) == [4]
    assert fired(play([trader("crosses_above(close, 100.5)")], candles)) == [2, 4]


def test_a_division_by_zero_is_not_true() -> None:
    candles = [make(minute, 101, volume=volume) for minute, volume in enumerate([5.0, 0.0, 20.0, 0.0])]
    market = Market()
    evaluator = Evaluator(market)
    evaluator.assign([trader("100 / volume < 10")])
    signals: list[Signal] = []
    market.subscribe(lambda candle: signals.extend(evaluator.evaluate(candle)))
    for candle in candles:
        market.publish(candle)
    assert fired(signals) == [2]
    assert evaluator.undefined == 2


def test_a_signal_records_what_the_trader_saw() -> None:
    closes = [101.5, 99.25]
    one = trader("close < 100 and volume > 5", "SMA(2) > 1", name="a", side="short")
    candles = [make(minute, close) for minute, close in enumerate(closes)]
    candles = [make(-1, 101.5), *candles]
    (signal,) = play([one], candles)
    closed = DAY + 2 * MINUTE_MS
    assert signal.id == signal_id(one.id, "BTCUSDT", "1m", closed)
    assert signal.name == f"BTCUSDT-{closed}"
    assert signal.row() == {
        "id": str(signal.id),
        "trader_id": str(one.id),
        "symbol": "BTCUSDT",
        "normalised_symbol": "BTC/USDT:USDT",
        "interval": "1m",
        "triggered_at": closed,
        "price": "99.25",
        "side": "short",
        "matched_conditions": [
            {"text": "close < 100", "values": {"close": 99.25}},
            {"text": "volume > 5", "values": {"volume": 10.0}},
            {"text": "SMA(2) > 1", "values": {"SMA(2)": 100.375}},
        ],
        "original_signal": {
            "candle": {
                "open_time": DAY + MINUTE_MS,
                "open": "100.0",
                "high": "100.0",
                "low": "99.25",
                "close": "99.25",
                "volume": "10.0",
            },
            "condition": "(close < 100 and volume > 5) and (SMA(2) > 1)",
            "indicators": {"SMA(2)": 100.375},
        },
    }


def test_a_tiny_price_is_written_without_an_exponent() -> None:
    opened = DAY + MINUTE_MS
    tiny = Candle("PEPEUSDT", "1m", opened, opened + MINUTE_MS, 2e-7, 2e-7, 1.1e-7, 1.1e-7, 1.0)
    first = Candle("PEPEUSDT", "1m", DAY, opened, 2e-7, 2e-7, 2e-7, 2e-7, 1.0)
    (signal,) = play([trader("close < 0.00000015", symbols=("PEPEUSDT",))], [first, tiny])
    assert signal.row()["price"] == "0.00000011"
    assert signal.price == Decimal("0.00000011")


def test_traders_fire_on_their_own_symbols_intervals_and_sides() -> None:
    traders = [
        trader("close < 100", name="both", symbols=("BTCUSDT", "ETHUSDT")),
        trader("close < 100", name="eth", symbols=("ETHUSDT", "ETHUSDT"), side="short"),
        trader("close < 100", name="slow", interval="3m"),
    ]
    candles = [
        make(minute, close, symbol)
        for minute, close in enumerate([101, 101, 101, 99, 99, 99])
        for symbol in ("BTCUSDT", "ETHUSDT")
    ]
    signals = play(traders, candles)
    names = {trader_id(one.name): one.name for one in traders}
    assert sorted((names[one.trader_id], one.symbol, one.interval, one.side) for one in signals) == [
        ("both", "BTCUSDT", "1m", "long"),
        ("both", "ETHUSDT", "1m", "long"),
        ("eth", "ETHUSDT", "1m", "short"),
        ("slow", "BTCUSDT", "3m", "long"),
    ]


def test_a_trader_of_another_market_is_left_alone() -> None:
    spot = Trader(**(trader("close < 100").model_dump() | {"market": "spot"}))
    candles = [make(0, 101), make(1, 99)]
    assert play([spot], candles) == []
    assert len(play([spot], candles, Market("spot"))) == 1


def test_a_wrong_trader_is_named_and_the_others_go_on() -> None:
    market = Market()
    evaluator = Evaluator(market)
    unfit = evaluator.assign(
        [trader("RSI(14) <", name="bad"), trader(name="none"), trader("close < 100", name="good")]
    )
    assert {one.name: one.reason for one in unfit} == {
        "bad": "column 10: this does not parse: invalid syntax",
        "none": "column 1: there is no condition",
    }
    market.publish(make(0, 101))
    evaluator.evaluate(make(0, 101))
    assert len(evaluator.evaluate(make(1, 99))) == 1


# Traders that come and go ----------------------------------------------------------------------------------


def test_traders_change_while_candles_come() -> None:
    market = Market()
    evaluator = Evaluator(market)
    heard: list[tuple[str, int]] = []
    first, second = trader("close < SMA(2)", name="a"), trader("close < SMA(2)[1]", "close < 100", name="b")
    names = {first.id: "a", second.id: "b"}

    def hear(candle: Candle) -> None:
        heard.extend(
            (names[one.trader_id], minute) for one in evaluator.evaluate(candle) for minute in fired([one])
        )

    market.subscribe(hear)
    for minute, close in enumerate([101, 102, 99, 103, 98, 104, 97]):
        if minute == 0:
            evaluator.assign([first])
        if minute == 4:
            evaluator.assign([first, second])
        if minute == 6:
            evaluator.assign([second])
        market.publish(make(minute, close))
    # `b` came with minute 4: SMA(2)[1] is not known there, so its first chance is minute 6.
    assert heard == [("a", 2), ("a", 4), ("b", 6)]


def test_a_trader_that_comes_late_finds_its_indicators_warm_and_does_not_fire_on_what_is() -> None:
    market = Market()
    evaluator = Evaluator(market)
    for minute in range(10):
        market.publish(make(minute, 99))
    evaluator.assign([trader("close < 100 and SMA(5) < 100", name="a"), trader("close > SMA(5)", name="b")])
    market.publish(make(10, 99.5))
    (signal,) = evaluator.evaluate(make(10, 99.5))
    assert signal.trader_id == trader_id("b")


def test_a_trader_that_comes_late_knows_the_fields_of_earlier_candles() -> None:
    market = Market()
    evaluator = Evaluator(market)
    for minute, close in enumerate([101, 103, 99]):
        market.publish(make(minute, close))
    evaluator.assign([trader("close > close[2]")])
    market.publish(make(3, 104))
    assert len(evaluator.evaluate(make(3, 104))) == 1


def test_what_nobody_reads_any_more_is_not_computed() -> None:
    market = Market()
    evaluator = Evaluator(market)
    evaluator.assign([trader("EMA(3) > 1 and MACD() > 1", name="a"), trader("close < SMA(2)", name="b")])
    for minute in range(50):
        market.publish(make(minute, 101))
        evaluator.evaluate(make(minute, 101))
    evaluator.assign([trader("close < SMA(2)", name="b")])
    (watch,) = evaluator._watches.values()
    assert [reading.function for reading in watch.series._handles] == ["SMA"]
    market.publish(make(50, 99))
    assert len(evaluator.evaluate(make(50, 99))) == 1


def test_a_reload_without_changes_changes_nothing() -> None:
    candles = [make(minute, 100 + (minute * 7919 % 13) - 6) for minute in range(200)]
    traders = [
        trader("crosses_above(EMA(3), EMA(5)) and close[2] < close", name="a"),
        trader("RSI(5) < 40", name="b"),
    ]
    expected = play(traders, candles)
    market = Market()
    evaluator = Evaluator(market)
    signals: list[Signal] = []
    market.subscribe(lambda candle: signals.extend(evaluator.evaluate(candle)))
    for candle in candles:
        evaluator.assign(traders)
        market.publish(candle)
    assert signals == expected
    assert expected


# The same as a batch ---------------------------------------------------------------------------------------


def compute(term: Term, columns: dict[str, Array]) -> Array:
    """A term over all candles at once, by TA-Lib's batch functions."""
    if isinstance(term.source, Reading):
        function = getattr(talib, term.source.function)
        answer = function(*[columns[name] for name in term.source.inputs], **term.source.keywords)
        whole = answer if term.output is None else answer[term.output]
    else:
        whole = columns[term.source]
    return np.concatenate([np.full(term.offset, np.nan), whole[: len(whole) - term.offset]])


def calculate(node: Any, columns: dict[str, Array]) -> Any:
    match node:
        case Number(value):
            return np.full(len(columns["close"]), value)
        case Read(term):
            return compute(term, columns)
        case Negative(operand):
            return -calculate(operand, columns)
        case Arithmetic(operator, left, right):
            operation = {"+": np.add, "-": np.subtract, "*": np.multiply, "/": np.divide}[operator]
            return operation(calculate(left, columns), calculate(right, columns))
        case Comparison(operands, operators):
            sides = [calculate(one, columns) for one in operands]
            operations = {
                "<": np.less, "<=": np.less_equal, ">": np.greater, ">=": np.greater_equal,
                "==": np.equal, "!=": np.not_equal,
            }  # fmt: skip
            pairs = [
                operations[operator](left, right)
                for operator, left, right in zip(operators, sides, sides[1:], strict=False)
            ]
            return np.logical_and.reduce(pairs)
        case Cross(left, right, upward):
            now, before = (np.greater, np.less_equal) if upward else (np.less, np.greater_equal)
            earlier = before(calculate(move_back(left, 1), columns), calculate(move_back(right, 1), columns))
            return now(calculate(left, columns), calculate(right, columns)) & earlier
        case Negation(operand):
            return ~calculate(operand, columns)
        case Every(operands):
            return np.logical_and.reduce([calculate(one, columns) for one in operands])
        case Some(operands):
            return np.logical_or.reduce([calculate(one, columns) for one in operands])
    raise AssertionError(node)


def expect(one: Trader, candles: tuple[Candle, ...]) -> tuple[list[int], dict[str, Array]]:
    """When a trader should fire, as places in the candles, and its terms over all of them."""
    columns = {name: np.array([getattr(candle, name) for candle in candles]) for name in FIELDS}
    condition = parse_all(one.conditions)
    terms = {term.text: compute(term, columns) for term in condition.terms}
    known = np.logical_and.reduce([np.isfinite(numbers) for numbers in terms.values()])
    with np.errstate(invalid="ignore"):
        held = calculate(condition.root, columns) & known
    rises = [
        place for place in range(1, len(candles)) if held[place] and known[place - 1] and not held[place - 1]
    ]
    return rises, terms


def check(one: Trader, candles: tuple[Candle, ...]) -> int:
    one = one.model_copy(update={"symbols": (candles[0].symbol,)})
    rises, terms = expect(one, candles)
    signals = play([one], candles)
    closes = {candle.close_ms: place for place, candle in enumerate(candles)}
    assert [closes[signal.triggered_ms] for signal in signals] == rises
    for signal in signals:
        for match in signal.matched_conditions:
            for name, value in match["values"].items():
                assert value == terms[name][closes[signal.triggered_ms]], "bit by bit"
    return len(signals)


@needs_recordings
@pytest.mark.parametrize(
    "condition",
    [
        "RSI(14) < 30 and volume > 2 * SMA(volume, 20)",
        "crosses_above(EMA(12), EMA(26)) and ADX(14) > 20",
        "close > HIGHEST(high, 20)[1] and not (ATR(14) / close > 0.01)",
        "crosses_below(MACD(), MACD_SIGNAL()) or STOCH_K(14, 3, 3) < STOCH_D(14, 3, 3) - 10",
        "BBANDS_LOWER(20, 2.5) > close and MFI(14) < 25",
        "EMA(200) < close < EMA(50) and close[5] > close",
    ],
)
def test_recorded_candles_fire_as_a_batch_evaluation_says(condition: str) -> None:
    assert check(trader(condition), recorded("BTCUSDT")) > 0


@needs_recordings
@pytest.mark.parametrize("name", sorted(INDICATORS))
def test_every_indicator_is_bit_identical_to_its_batch(name: str) -> None:
    candles = recorded("ETHUSDT", 600)
    columns = {field: np.array([getattr(candle, field) for candle in candles]) for field in FIELDS}
    middle = float(np.nanmedian(compute(parse(f"{name}() > 0").terms[0], columns)))
    assert check(trader(f"{name}() > {middle!r}".replace("> -", "> 0 -")), candles) > 0


compared = st.one_of(
    st.sampled_from([*FIELDS, "close[1]", "volume[3]", "RSI(14)", "RSI(2)[2]", "EMA(9)", "EMA(open, 9)",
                     "MACD_HIST(5, 13, 4)", "STOCH_K()", "BBANDS_UPPER(10, 1)", "SMA(volume, 50)", "OBV()"]),
    st.floats(-100, 100_000).map(lambda one: f"(0 - {-one!r})" if one < 0 else repr(one)),
)  # fmt: skip
comparisons = st.builds(
    lambda left, symbol, right, scale: f"{left} {symbol} {scale} * {right}",
    compared,
    st.sampled_from(["<", "<=", ">", ">=", "!="]),
    compared,
    st.sampled_from(["1", "0.99", "1.01", "2"]),
)
crosses = st.builds(
    lambda which, left, right: f"crosses_{which}({left}, {right})",
    st.sampled_from(["above", "below"]),
    compared,
    st.just("close"),
)
truths = st.recursive(
    comparisons | crosses,
    lambda inner: st.one_of(
        st.builds(
            lambda one, other, word: f"({one} {word} {other})", inner, inner, st.sampled_from(["and", "or"])
        ),
        inner.map(lambda one: f"not ({one})"),
    ),
    max_leaves=5,
)


@needs_recordings
@settings(max_examples=60, deadline=None)
@given(truths)
def test_any_condition_fires_as_a_batch_evaluation_says(text: str) -> None:
    check(trader(f"({text}) and close > 0"), recorded("SOLUSDT", 400))


@needs_recordings
def test_many_traders_together_fire_as_each_alone() -> None:
    candles = recorded("BTCUSDT", 1500)
    texts = [
        "RSI(14) < 30",
        "RSI(14) > 70",
        "crosses_above(EMA(12), EMA(26))",
        "RSI(14) < 30 and close > SMA(50)",
    ]
    traders = [trader(text, name=f"{place}") for place, text in enumerate([*texts, *texts])]
    together = play(traders, candles)
    alone = [signal for one in traders for signal in play([one], candles)]
    assert sorted(together, key=lambda one: one.id) == sorted(alone, key=lambda one: one.id)
    assert len({one.id for one in together}) == len(together)
