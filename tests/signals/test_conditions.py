"""Conditions: what they may say, and that a wrong one is answered by naming its column."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.errors import InputError
from workers.signals.condition import ConditionError, holds, prepare_matches
from workers.signals.indicators import FIELDS, INDICATORS, Term
from workers.signals.parser import MOST_CHARACTERS, parse, parse_all


def is_true(text: str, **numbers: float) -> bool | None:
    """Whether a condition over fields and offsets holds for these numbers; close_1 is close[1]."""
    return holds(parse(text).root, look_up(numbers))


def look_up(numbers: dict[str, float]) -> Callable[[Term], float]:
    return lambda term: numbers[term.text.replace("[", "_").rstrip("]")]


# What they may say -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        (
            "RSI(14) < 30 and volume > 2 * SMA(volume, 20)",
            ["RSI(14)", "volume", "SMA(volume, 20)"],
        ),
        ("close>open", ["close", "open"]),
        ("20 < rsi(7) <= 30", ["RSI(7)"]),
        ("close > HIGHEST(high, 20)[1]", ["close", "HIGHEST(high, 20)[1]"]),
        ("HIGHEST(20) == HIGHEST(high,20)", ["HIGHEST(high, 20)"]),
        ("LOWEST() < low[3]", ["LOWEST(low, 20)", "low[3]"]),
        ("close[0] > close[1][2]", ["close", "close[3]"]),
        (
            "MACD(12, 26, 9) > MACD_SIGNAL() and MACD_HIST(12) > 0",
            ["MACD(12, 26, 9)", "MACD_SIGNAL(12, 26, 9)", "MACD_HIST(12, 26, 9)"],
        ),
        ("close < BBANDS_LOWER(20, 2.5)", ["close", "BBANDS_LOWER(20, 2.5)"]),
        ("not (ADX(14) < 25 or -close > -1e5)", ["ADX(14)", "close"]),
        (
            "crosses_above(EMA(12), EMA(26))",
            ["EMA(12)", "EMA(26)", "EMA(12)[1]", "EMA(26)[1]"],
        ),
        ("  OBV() > 0\n and close > 1\t", ["OBV()", "close"]),
        ("EMA(open, 5) != ATR(14)", ["EMA(open, 5)", "ATR(14)"]),
    ],
)
def test_reads(text: str, terms: list[str]) -> None:
    assert [term.text for term in parse(text).terms] == terms


def write_default(name: str) -> str:
    """An indicator with all its defaults, and an output where that has to be said."""
    indicator = INDICATORS[name]
    inputs = "close, volume" if None in indicator.inputs else ""
    return f"{name}({inputs})" + ("" if indicator.output is not None else f".{indicator.outputs[0]}")


@pytest.mark.parametrize("name", sorted(INDICATORS))
def test_every_indicator_has_defaults_that_work(name: str) -> None:
    condition = parse(f"{write_default(name)} > 1")
    assert condition.terms[0].text.startswith(f"{name}(")


def test_precedence_is_that_of_arithmetic_and_logic() -> None:
    assert is_true("close + open * 2 == 7", close=1, open=3)
    assert not is_true("(close + open) * 2 == 7", close=1, open=3)
    assert is_true("close > 1 or open > 1 and high > 9", close=2, open=2, high=0)
    assert is_true("not close > 1 and open > 1", close=1, open=2)
    assert is_true("close - open - high == 1", close=6, open=3, high=2)
    assert is_true("close / open / 2 == 1", close=8, open=4)
    assert is_true("1 < close < 3 < open", close=2, open=4)
    assert not is_true("1 < close < 3 < open", close=2, open=3)


def test_crosses_looks_at_both_candles() -> None:
    def crosses(now: tuple[float, float], before: tuple[float, float], which: str) -> bool | None:
        text = f"crosses_{which}(close, 2 * open)"
        return is_true(text, close=now[0], open=now[1], close_1=before[0], open_1=before[1])

    assert crosses((3, 1), (2, 1), "above")
    assert not crosses((3, 1), (3, 1), "above")
    assert not crosses((2, 1), (1, 1), "above")
    assert crosses((1, 1), (2, 1), "below")
    assert not crosses((3, 1), (2, 1), "below")


def test_all_conditions_of_a_trader_must_hold() -> None:
    condition = parse_all(["close > 1", "open > 1 or high > 1"])
    assert condition.text == "(close > 1) and (open > 1 or high > 1)"

    def test(**numbers: float) -> bool | None:
        return holds(condition.root, look_up(dict.fromkeys(FIELDS, 0.0) | numbers))

    assert test(close=2, high=2)
    assert not test(close=2)
    assert not test(high=2)


def test_only_what_held_is_reported_with_its_values() -> None:
    condition = parse("close > 1 and (open > 5 or high > 5 and low > 5 or not (volume > 5))")
    tell = prepare_matches(condition)

    def matches(*numbers: float) -> list[tuple[str, dict[str, float]]]:
        look = look_up(dict(zip(FIELDS, numbers, strict=True)))
        return [(match.text, match.values) for match in tell([look(term) for term in condition.terms])]

    # in the order of the fields: open, high, low, close, volume
    assert matches(6, 0, 0, 2, 9) == [("close > 1", {"close": 2}), ("open > 5", {"open": 6})]
    assert matches(0, 6, 7, 2, 9) == [
        ("close > 1", {"close": 2}),
        ("high > 5", {"high": 6}),
        ("low > 5", {"low": 7}),
    ]
    assert matches(0, 6, 0, 2, 1) == [("close > 1", {"close": 2}), ("not (volume > 5)", {"volume": 1})]


def test_what_divides_by_zero_neither_holds_nor_fails() -> None:
    zero = {"high": 1.0, "low": 0.0, "close": 2.0}
    assert is_true("high / low > 1", **zero) is None
    assert is_true("not high / low > 1", **zero) is None
    assert is_true("high / low > 1 and close < 1", **zero) is False
    assert is_true("close > 1 or high / low > 1", **zero) is True
    condition = parse("close > 1 or high / low > 1")
    numbers = [look_up(zero)(term) for term in condition.terms]
    assert [match.text for match in prepare_matches(condition)(numbers)] == ["close > 1"]


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("RSI(14)@1h < 30", ["RSI(14)@1h"]),
        ("close@4h[2] > close @15m", ["close@4h[2]", "close@15m"]),
        ("MACD(12, 26).macdsignal > 0", ["MACD(12, 26, 9).macdsignal"]),
        ("stoch(14, slowk_period=2).SlowD@1d[1] > 0", ["STOCH(14, 2, 0, 3, 0).slowd@1d[1]"]),
        ("RSI(timeperiod=7) > RSI(volume, timeperiod=7)", ["RSI(7)", "RSI(volume, 7)"]),
        ("SMA(RSI(14), 9) > RSI(14)", ["SMA(RSI(14), 9)", "RSI(14)"]),
        ("EMA(MACD().macdhist, 5)@1h > 0", ["EMA(MACD(12, 26, 9).macdhist, 5)@1h"]),
        ("CORREL(close, volume, 30) > 0", ["CORREL(close, volume, 30)"]),
        ("MAVP(close, ADX(14), 5, 20) > 0", ["MAVP(close, ADX(14), 5, 20, 0)"]),
        ("SAREXT(-1.5) > 0", ["SAREXT(-1.5, 0, 0.02, 0.02, 0.2, 0.02, 0.02, 0.2)"]),
        ("CDLENGULFING() == 100", ["CDLENGULFING()"]),
        ("SUB(close, open) > 0", ["SUB(close, open)"]),
        # A cross is one of the shortest candles that it reads.
        ("crosses_above(EMA(12)@1h, 3)", ["EMA(12)@1h", "EMA(12)@1h[1]"]),
        ("crosses_above(close, SMA(20)@1h)", ["close", "SMA(20)@1h", "close before", "SMA(20)@1h before"]),
    ],
)
def test_reads_outputs_intervals_and_indicators_of_indicators(text: str, terms: list[str]) -> None:
    assert [term.text for term in parse(text).terms] == terms


def test_what_is_the_same_is_one_term_however_it_is_written() -> None:
    for one, other in (
        ("RSI(14)", "rsi(close, timeperiod=14)"),
        ("STOCH_K(14, 3, 3)", "STOCH(14, 3, 0, 3, 0).slowk"),
        ("MACD_SIGNAL(12, 26, 9)", "MACD().macdsignal"),
        ("HIGHEST(20)", "MAX(high, 20)"),
        ("close[1][2]", "close[3]"),
        ("(close)@1h[0]", "close@1h"),
    ):
        assert parse(f"{one} > 0").terms == parse(f"{other} > 0").terms
    assert parse("RSI(14)@1h > 0").terms != parse("RSI(14) > 0").terms


# What is refused -------------------------------------------------------------------------------------------


REFUSED = [
    ("", 1, "empty"),
    ("   \n ", 1, "empty"),
    ("RSI(14) <", 10, "does not parse"),
    ("  close >", 10, "does not parse"),
    ("  close > oops", 11, "unknown name 'oops'"),
    ("close > QQQQ(3)", 9, "unknown indicator 'QQQQ'; `sigtrail strategies indicators` lists them"),
    ("close > BANDS(3)", 9, "unknown indicator 'BANDS'; did you mean BBANDS?"),
    ("RSI < 30", 1, "write RSI(…)"),
    ("RSI(14)", 1, "is a number"),
    ("close and open > 1", 1, "is a number"),
    ("not close", 5, "is a number"),
    ("(close > 1) + 2 > 3", 2, "true or false"),
    ("close > (open > high)", 10, "true or false"),
    ("1 < 2", 1, "names no price"),
    ("RSI(1) < 3", 1, "timeperiod is 1; it begins at 2"),
    ("RSI(2.5) < 3", 1, "whole number"),
    ("RSI(14, 3) < 3", 1, "at most 1 number"),
    ("RSI(-14) < 3", 1, "timeperiod is -14; it begins at 2"),
    ("RSI(close + 1, 14) < 3", 5, "fields or indicators first"),
    ("RSI(14, close) < 3", 9, "fields or indicators first"),
    ("RSI(EMA(3)[1], 14) < 3", 5, "fields or indicators first"),
    ("RSI(bananas, 14) < 3", 5, "unknown name 'bananas'"),
    ("ATR(close, 14) < 3", 1, "takes no other field"),
    ("RSI(period=14) < 3", 1, "no argument 'period'; it has timeperiod"),
    ("RSI(14, timeperiod=14) < 3", 1, "takes timeperiod twice"),
    ("RSI(**close) < 3", 5, "calculate"),
    ("SMA(5000) > 1", 1, "5000 candles of history; at most 1000"),
    ("BBANDS_UPPER(20, 1e7) > 1", 1, "at most 1e+06"),
    ("SAR(-1) > 1", 1, "acceleration cannot be -1"),
    ("MA(20, 99) > 1", 1, "matype cannot be 99"),
    ("EMA(SMA(600), 600) > 1", 1, "1199 candles of history; at most 1000"),
    ("AROON(14) > 1", 1, "several outputs: write AROON(…).aroondown or .aroonup"),
    ("AROON(14).up > 1", 1, "has no output 'up'; it has aroondown, aroonup"),
    ("RSI(14).real > 1", 1, "is one number"),
    ("close > MAVP(close, 3)", 9, "needs its 2 inputs"),
    ("close > MAVP(volume, 3, 9)", 9, "needs its 2 inputs"),
    ("close > RSI(open, high, 14)", 9, "takes at most one other field"),
    ("close > SMA(SMA(SMA(SMA(SMA(SMA(3), 3), 3), 3), 3), 3)", 29, "more than 4 deep"),
    ("close@1h > close@2h", 17, "unknown interval '2h'; known are 1m, 3m"),
    ("close@ > 1", 6, "after @ comes an interval"),
    ("close > open@h1", 13, "after @ comes an interval"),
    ("close[1]@1h > 1", 1, "after a field or an indicator, before [n]"),
    ("close@1h@4h > 1", 1, "after a field or an indicator, before [n]"),
    ("(close + open)@1h > 1", 1, "after a field or an indicator, before [n]"),
    ("close > RSI(close@1h, 14)", 13, "belongs after RSI(…), not within"),
    ("close > RSI(EMA(3)@1h, 14)", 13, "belongs after RSI(…), not within"),
    ("RSI(14).bh > 1", 1, "is one number"),
    ("close[-1] > 1", 7, "whole number of candles ago"),
    ("close[1.5] > 1", 7, "whole number of candles ago"),
    ("close[open] > 1", 7, "whole number of candles ago"),
    ("close[101] > 1", 7, "at most 100 candles ago"),
    ("close[60][60] > 1", 11, "at most 100 candles ago"),
    ("(close + 1)[1] > 1", 1, "after a field"),
    ("close > 1e16", 9, "larger than"),
    ("close > 1e999", 9, "larger than"),
    (f"close > {'9' * 400}", 9, "larger than"),
    ("close > 1j", 9, "not a number"),
    ("close > True", 9, "unknown name 'True'"),
    ("close ** 2 > 1", 7, "calculate"),
    ("close // 2 > 1", 7, "calculate"),
    ("close % 2 > 1", 7, "'%' is not allowed"),
    ("close > 1 && open > 1", 11, "'&' is not allowed"),
    ("close > 1 if open > 1 else high > 1", 11, "'if' cannot stand here"),
    ("close is open", 7, "compare"),
    ("close in open", 7, "compare"),
    ("close.real > 1", 1, "not allowed"),
    ("close = 1", 7, "does not parse"),
    ("close(1) > 1", 1, "unknown indicator 'close'"),
    ("RSI(14)(3) > 1", 1, "cannot be called"),
    ("RSI(*close) > 1", 5, "'*' cannot stand here"),
    ("RSI(14, timeperiod=3, 5) > 1", 23, "by name come last"),
    ("RSI(timeperiod=3, timeperiod=3) > 1", 1, "takes timeperiod twice"),
    ("close > 1 AND open > 1", 11, "write and in small letters"),
    ("(close > 1", 11, ") is missing at its end"),
    ("close > not open", 9, "'not' cannot stand here"),
    ("crosses_above(close) and open > 1", 1, "takes two numbers"),
    ("crosses_above(1, 2)", 1, "two fixed numbers"),
    ("crosses_above(close, open) > 1", 1, "true or false"),
    ("crosses_above(close[100], open)", 1, "more than 100 candles"),
    ("close > 1\x00", 10, "not allowed"),
    ("сlose > 1", 1, "'с' is not allowed"),  # a Cyrillic letter that looks like c
]


@pytest.mark.parametrize(("text", "column", "says"), REFUSED)
def test_a_wrong_condition_names_its_column(text: str, column: int, says: str) -> None:
    with pytest.raises(ConditionError) as caught:
        parse(text)
    assert says in str(caught.value)
    assert caught.value.column == column
    assert str(caught.value).startswith(f"column {column}: ")


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os').system('true') > 1",
        "().__class__.__bases__[0].__subclasses__() > 1",
        "open('/etc/passwd').read() > 1",
        "eval('1') > close",
        "exec > close",
        "print(1) > close",
        "close.__class__ > 1",
        "[close for close in close] > 1",
        "(lambda: close)() > 1",
        "{**close} > 1",
        'f"{close}" > 1',
        "(x := close) > 1",
        "close > 9**9**9**9",
        "close > 1 << 100",
        "close @ close > 1",
        "close.bh > 1",
        "yield close",
        "await close > 1",
        "close; open",
        "close > 1\nimport os",
        "close,open",
        "close > ...",
        "globals() > close",
        "SMA.__init__.__globals__ > 1",
        "v[0] > close",
    ],
)
def test_a_hostile_condition_is_refused(text: str) -> None:
    with pytest.raises(ConditionError):
        parse(text)


@pytest.mark.parametrize(
    "text",
    [
        "close > 1 and " * 200 + "close > 1",
        "(" * 500 + "close" + ")" * 500 + " > 1",
        "not " * 450 + "close > 1",
        "close > " + "-" * 1900 + "1",
        "close > 1" + " + 1" * 400,
        "close" + "[1]" * 300 + " > 1",
        "close>1" + "<1" * 600,
        "x" * (MOST_CHARACTERS + 1),
        "RSI(" * 300 + "14" + ")" * 300 + " > 1",
        " or ".join(f"RSI({period}) > 1" for period in range(2, 60)),
        " or ".join(f"{field}[90] > 1" for field in FIELDS),
    ],
)
def test_a_huge_condition_is_refused(text: str) -> None:
    with pytest.raises(ConditionError):
        parse(text)


def test_the_largest_condition_that_is_allowed_is_read() -> None:
    condition = parse(" and ".join(["close > 1"] * 124))
    assert holds(condition.root, look_up({"close": 2.0}))


def test_the_wrong_one_of_several_conditions_is_named() -> None:
    with pytest.raises(ConditionError, match=r"column 3: in condition 2 of 2: unknown name 'x'"):
        parse_all(["close > 1", "  x > 1"])
    with pytest.raises(ConditionError, match=r"column 151: in condition 2 of 2: more than 40 indicators"):
        parse_all(
            [" or ".join(f"{name}({period}) > 1" for period in range(10, 40)) for name in ("RSI", "EMA")]
        )
    with pytest.raises(InputError, match="there is no condition"):
        parse_all([])


words = [
    "(",
    ")",
    "[",
    "]",
    "<",
    ">",
    "<=",
    "==",
    "=",
    "!",
    "+",
    "-",
    "*",
    "/",
    "**",
    ",",
    ".",
    "_",
    ":",
    "@",
    "@1h",
    "@15m",
    ".macd",
    ":=",
    ";",
    "#",
    "'",
    '"',
    "\\",
    "and",
    "or",
    "not",
    "if",
    "else",
    "lambda",
    "is",
    "in",
    "for",
    "True",
    "None",
    "0",
    "1",
    "14",
    "1e9",
    "0x",
    "1_0",
    "__class__",
    "crosses_above",
    "é",
    "\x00",
    "\u2028",
]
pieces = st.sampled_from([*FIELDS, *sorted(INDICATORS), *words, " ", "\n"])


@settings(max_examples=600)
@given(
    st.one_of(
        st.text(max_size=60),
        st.lists(pieces, max_size=40).map(" ".join),
        st.lists(pieces, max_size=40).map("".join),
    )
)
def test_no_text_raises_anything_but_a_condition_error(text: str) -> None:
    error: ConditionError | None = None
    try:
        condition = parse(text)
    except ConditionError as raised:
        error = raised
    if error is not None:
        assert 1 <= error.column <= len(text) + 1
        return
    assert parse(condition.text).root == condition.root


def write_number(chance: random.Random, depth: int) -> str:
    kind = chance.randrange(4 if depth else 2)
    if kind == 0:
        return chance.choice(FIELDS)
    if kind == 1:
        return str(chance.choice([0, 1, 2.5, 100]))
    left, right = write_number(chance, depth - 1), write_number(chance, depth - 1)
    return f"-({left})" if kind == 2 else f"({left} {chance.choice('+-*/')} {right})"


def write_truth(chance: random.Random, depth: int) -> str:
    if not depth or chance.random() < 0.3:
        symbol = chance.choice(["<", "<=", ">", ">=", "==", "!="])
        return f"{write_number(chance, 2)} {symbol} {write_number(chance, 2)}"
    if chance.random() < 0.2:
        return f"not ({write_truth(chance, depth - 1)})"
    word = chance.choice([" and ", " or "])
    return f"({word.join(write_truth(chance, depth - 1) for _ in range(2))})"


@given(
    st.randoms(use_true_random=False),
    st.lists(st.sampled_from([0.0, 1.0, 2.0, 99.5]), min_size=5, max_size=5),
)
def test_what_is_read_means_what_python_means(chance: random.Random, numbers: list[float]) -> None:
    text = f"close >= 0 and {write_truth(chance, 3)}"
    found = is_true(text, **dict(zip(FIELDS, numbers, strict=True)))
    try:
        expected = bool(eval(text, {"__builtins__": {}}, dict(zip(FIELDS, numbers, strict=True))))
    except ZeroDivisionError:
        return
    assert found in (expected, None)
    if "/" not in text:
        assert found is expected
