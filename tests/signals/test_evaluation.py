"""Evaluation: a trader fires when its condition becomes true, on the numbers that TA-Lib's batch gives."""

from __future__ import annotations

from decimal import Decimal

from shared.candles import MINUTE_MS, Candle
from shared.identity import signal_id
from shared.market import Market
from shared.models import Signal, Trader
from tests.signals.recordings import DAY, make, trader, trader_id
from workers.signals.evaluator import Evaluator


def play(
    traders: list[Trader], candles: list[Candle] | tuple[Candle, ...], market: Market | None = None
) -> list[Signal]:
    """The signals of these traders over these candles."""
    market = market or Market()
    evaluator = Evaluator(market)
    assert evaluator.assign(traders) == []
    signals: list[Signal] = []
    market.subscribe(evaluator.hear, aggregated=True)
    for candle in candles:
        market.publish(candle)
        signals += evaluator.evaluate()
    return signals


def close(evaluator: Evaluator, market: Market, candle: Candle) -> list[Signal]:
    """Publish one candle to a market that the evaluator does not listen to, and evaluate it."""
    market.publish(candle)
    evaluator.hear(candle)
    return evaluator.evaluate()


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
    candles = [make(minute, 101, volume=volume) for minute, volume in enumerate([5.0, 0.0, 20.0, 0.0, 4.0])]
    assert fired(play([trader("100 / volume < 10")], candles)) == [2]
    # And neither is its contrary, nor does it spoil an alternative.
    assert fired(play([trader("not (100 / volume < 10)")], candles)) == [4]
    assert fired(play([trader("100 / volume != 5")], candles)) == [4]
    assert fired(play([trader("100 / volume > 10 or volume == 0")], candles)) == [3]
    assert fired(play([trader("100 / volume == 5 or volume == 0")], candles)) == [1]


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
        "bad": "column 10: this does not parse: something is missing at its end",
        "none": "column 1: there is no condition",
    }
    assert close(evaluator, market, make(0, 101)) == []
    assert len(close(evaluator, market, make(1, 99))) == 1


# Traders that come and go ----------------------------------------------------------------------------------


def test_traders_change_while_candles_come() -> None:
    market = Market()
    evaluator = Evaluator(market)
    heard: list[tuple[str, int]] = []
    first, second = trader("close < SMA(2)", name="a"), trader("close < SMA(2)[1]", "close < 100", name="b")
    names = {first.id: "a", second.id: "b"}

    for minute, price in enumerate([101, 102, 99, 103, 98, 104, 97]):
        if minute == 0:
            evaluator.assign([first])
        if minute == 4:
            evaluator.assign([first, second])
        if minute == 6:
            evaluator.assign([second])
        signals = close(evaluator, market, make(minute, price))
        heard += [(names[one.trader_id], minute) for one in signals]
    # `b` came before minute 4: SMA(2)[1] was known then, from the market's memory.
    assert heard == [("a", 2), ("a", 4), ("b", 4), ("b", 6)]


def test_a_trader_that_comes_late_finds_its_indicators_warm_and_does_not_fire_on_what_is() -> None:
    market = Market()
    evaluator = Evaluator(market)
    for minute in range(10):
        market.publish(make(minute, 99))
    evaluator.assign([trader("close < 100 and SMA(5) < 100", name="a"), trader("close > SMA(5)", name="b")])
    (signal,) = close(evaluator, market, make(10, 99.5))
    assert signal.trader_id == trader_id("b")


def test_a_trader_that_comes_late_knows_the_fields_of_earlier_candles() -> None:
    market = Market()
    evaluator = Evaluator(market)
    for minute, price in enumerate([101, 103, 99]):
        market.publish(make(minute, price))
    evaluator.assign([trader("close > close[2]")])
    assert len(close(evaluator, market, make(3, 104))) == 1


def test_what_nobody_reads_any_more_is_not_computed() -> None:
    market = Market()
    evaluator = Evaluator(market)
    evaluator.assign([trader("EMA(3) > 1 and MACD() > 1", name="a"), trader("close < SMA(2)", name="b")])
    for minute in range(50):
        close(evaluator, market, make(minute, 101))
    memory = evaluator.memory
    evaluator.assign([trader("close < SMA(2)", name="b")])
    assert evaluator.memory < memory
    assert len(close(evaluator, market, make(50, 99))) == 1


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
    for candle in candles:
        evaluator.assign(traders)
        signals += close(evaluator, market, candle)
    assert signals == expected
    assert expected


# What it takes ---------------------------------------------------------------------------------------------


def test_a_trader_beyond_the_memory_is_refused_and_those_before_it_go_on() -> None:
    market = Market()
    evaluator = Evaluator(market, most=1_000_000)
    symbols = ("BTCUSDT", *(f"S{number}USDT" for number in range(400)))
    wide = trader("close > SMA(900)", name="wide", symbols=symbols)
    evaluator.assign([trader("close < 100", name="small")])
    evaluator.change([wide])
    (unfit,) = evaluator.unfit
    assert unfit.trader_id == wide.id
    assert (
        "its indicators take 6.0 MB more, and what this machine has for all traders is 1 MB" in unfit.reason
    )
    assert close(evaluator, market, make(0, 101)) == []
    assert len(close(evaluator, market, make(1, 99))) == 1
    evaluator.change([wide.model_copy(update={"symbols": ("BTCUSDT",)})])
    assert evaluator.unfit == []


def test_more_symbols_than_a_machine_watches_are_refused() -> None:
    evaluator = Evaluator(Market())
    every = [trader("close < 1", name=str(part), symbols=tuple(f"{part}S{number}" for number in range(500)))
             for part in range(9)]  # fmt: skip
    evaluator.assign(every)
    (unfit,) = evaluator.unfit
    assert unfit.reason == "the traders of this machine name more than 4096 symbols together"
    fitting = next(one for one in every if one.id != unfit.trader_id)
    for _ in range(2):
        evaluator.assign([one for one in every if one is not fitting])
    assert evaluator.unfit == [], "what was named before is free at the next reading"


def test_a_symbol_that_is_late_is_evaluated_by_itself_and_several_closes_in_their_order() -> None:
    one = trader("crosses_above(close, SMA(3))", symbols=("BTCUSDT", "ETHUSDT"))
    closes = [101, 99, 103, 98, 104, 97, 105, 104, 96, 107]
    candles = {symbol: [make(minute, price, symbol) for minute, price in enumerate(closes)]
               for symbol in one.symbols}  # fmt: skip
    together = play([one], [candle for pair in zip(*candles.values(), strict=True) for candle in pair])
    market = Market()
    evaluator = Evaluator(market)
    evaluator.assign([one])
    market.subscribe(evaluator.hear)
    apart: list[Signal] = []
    for candle in candles["BTCUSDT"]:
        market.publish(candle)
        apart += evaluator.evaluate()
    for candle in candles["ETHUSDT"]:
        market.publish(candle)
    assert evaluator.waiting == len(closes)
    apart += evaluator.evaluate()
    assert sorted(apart, key=lambda each: each.id) == sorted(together, key=lambda each: each.id)
    assert len(apart) == 6
