"""Conditions: what they may say, and that a wrong one is answered by naming its column."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.errors import InputError
from workers.signals.condition import Condition, ConditionError, compile_matches
from workers.signals.indicators import FIELDS, INDICATORS, reading
from workers.signals.parser import MOST_CHARACTERS, parse, parse_all
from workers.signals.series import Slots


def slots_of(condition: Condition) -> Slots:
    slots = Slots()
    for term in condition.terms:
        slots.place(term)
    return slots


def holds(text: str, **numbers: float) -> bool:
    """Whether a condition over fields and offsets holds for these numbers; close_1 is close[1]."""
    condition = parse(text)
    slots = slots_of(condition)
    values = [math.nan] * len(slots)
    for term in condition.terms:
        values[slots[term]] = numbers[term.text.replace("[", "_").rstrip("]")]
    return condition.compile(slots)(values)


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


@pytest.mark.parametrize("name", sorted(INDICATORS))
def test_every_indicator_has_defaults_that_work(name: str) -> None:
    condition = parse(f"{name}() > 1")
    assert condition.terms[0].text.startswith(f"{name}(")
    assert reading(name, None, ()) == condition.terms[0]


def test_precedence_is_that_of_arithmetic_and_logic() -> None:
    assert holds("close + open * 2 == 7", close=1, open=3)
    assert not holds("(close + open) * 2 == 7", close=1, open=3)
    assert holds("close > 1 or open > 1 and high > 9", close=2, open=2, high=0)
    assert holds("not close > 1 and open > 1", close=1, open=2)
    assert holds("close - open - high == 1", close=6, open=3, high=2)
    assert holds("close / open / 2 == 1", close=8, open=4)
    assert holds("1 < close < 3 < open", close=2, open=4)
    assert not holds("1 < close < 3 < open", close=2, open=3)


def test_crosses_looks_at_both_candles() -> None:
    def crosses(now: tuple[float, float], before: tuple[float, float], which: str) -> bool:
        text = f"crosses_{which}(close, 2 * open)"
        return holds(text, close=now[0], open=now[1], close_1=before[0], open_1=before[1])

    assert crosses((3, 1), (2, 1), "above")
    assert not crosses((3, 1), (3, 1), "above")
    assert not crosses((2, 1), (1, 1), "above")
    assert crosses((1, 1), (2, 1), "below")
    assert not crosses((3, 1), (2, 1), "below")


def test_all_conditions_of_a_trader_must_hold() -> None:
    condition = parse_all(["close > 1", "open > 1 or high > 1"])
    assert condition.text == "(close > 1) and (open > 1 or high > 1)"
    slots = slots_of(condition)
    test = condition.compile(slots)
    values = dict.fromkeys(FIELDS, 0.0)

    def given_numbers(**numbers: float) -> list[float]:
        return [float(one) for one in (values | numbers).values()]

    assert test(given_numbers(close=2, high=2))
    assert not test(given_numbers(close=2))
    assert not test(given_numbers(high=2))


def test_only_what_held_is_reported_with_its_values() -> None:
    condition = parse("close > 1 and (open > 5 or high > 5 and low > 5 or not (volume > 5))")
    slots = slots_of(condition)
    tell = compile_matches(condition.root, slots)

    def matches(*numbers: float) -> list[tuple[str, dict[str, float]]]:
        return [(match.text, match.values) for match in tell(list(numbers))]

    # in the order of the fields: open, high, low, close, volume
    assert matches(6, 0, 0, 2, 9) == [("close > 1", {"close": 2}), ("open > 5", {"open": 6})]
    assert matches(0, 6, 7, 2, 9) == [
        ("close > 1", {"close": 2}),
        ("high > 5", {"high": 6}),
        ("low > 5", {"low": 7}),
    ]
    assert matches(0, 6, 0, 2, 1) == [("close > 1", {"close": 2}), ("not (volume > 5)", {"volume": 1})]


def test_an_alternative_that_divides_by_zero_did_not_hold() -> None:
    condition = parse("close > 1 or high / low > 1")
    tell = compile_matches(condition.root, slots_of(condition))
    assert [match.text for match in tell([1.0, 1.0, 0.0, 2.0, 1.0])] == ["close > 1"]


# What is refused -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "column", "says"),
    [
        ("", 1, "empty"),
        ("   \n ", 1, "empty"),
        ("RSI(14) <", 10, "does not parse"),
        ("  close >", 10, "does not parse"),
        ("  close > oops", 11, "unknown name 'oops'"),
        ("close > FOO(3)", 9, "unknown indicator 'FOO'; known are AD, ADX"),
        ("RSI < 30", 1, "write RSI(…)"),
        ("RSI(14)", 1, "is a number"),
        ("close and open > 1", 1, "is a number"),
        ("not close", 5, "is a number"),
        ("(close > 1) + 2 > 3", 2, "true or false"),
        ("close > (open > high)", 10, "true or false"),
        ("1 < 2", 1, "names no price"),
        ("RSI(1) < 3", 1, "between 2 and"),
        ("RSI(2.5) < 3", 1, "whole number"),
        ("RSI(14, 3) < 3", 1, "at most 1 number"),
        ("RSI(-14) < 3", 5, "plain numbers"),
        ("RSI(close + 1, 14) < 3", 5, "at most one field, first"),
        ("RSI(14, close) < 3", 9, "at most one field, first"),
        ("RSI(EMA(3), 14) < 3", 5, "at most one field, first"),
        ("RSI(bananas, 14) < 3", 5, "unknown name 'bananas'"),
        ("ATR(close, 14) < 3", 1, "takes no other field"),
        ("RSI(timeperiod=14) < 3", 1, "by place"),
        ("SMA(5000) > 1", 1, "5000 candles of history; at most 1000"),
        ("BBANDS_UPPER(20, 0) > 1", 1, "between 0.001"),
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
        ("close > True", 9, "not a number"),
        ("close ** 2 > 1", 10, "calculate"),
        ("close // 2 > 1", 10, "calculate"),
        ("close % 2 > 1", 7, "'%' is not allowed"),
        ("close > 1 && open > 1", 11, "'&' is not allowed"),
        ("close > 1 if open > 1 else high > 1", 1, "not allowed"),
        ("close is open", 10, "compare"),
        ("close in open", 10, "compare"),
        ("close.real > 1", 1, "not allowed"),
        ("close = 1", 7, "does not parse"),
        ("close(1) > 1", 1, "unknown indicator 'close'"),
        ("RSI(14)(3) > 1", 1, "cannot be called"),
        ("RSI(*close) > 1", 5, "plain numbers"),
        ("crosses_above(close) and open > 1", 1, "takes two numbers"),
        ("crosses_above(1, 2)", 1, "two fixed numbers"),
        ("crosses_above(close, open) > 1", 1, "true or false"),
        ("crosses_above(close[100], open)", 1, "more than 100 candles"),
        ("close > 1\x00", 10, "not allowed"),
        ("сlose > 1", 1, "'с' is not allowed"),  # a Cyrillic letter that looks like c
    ],
)
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
    ],
)
def test_a_huge_condition_is_refused(text: str) -> None:
    with pytest.raises(ConditionError):
        parse(text)


def test_the_largest_condition_that_is_allowed_compiles() -> None:
    condition = parse(" and ".join(["close > 1"] * 124))
    assert condition.compile(slots_of(condition))([0.0, 0.0, 0.0, 2.0, 0.0])


def test_the_wrong_one_of_several_conditions_is_named() -> None:
    with pytest.raises(ConditionError, match=r"column 3: in condition 2 of 2: unknown name 'x'"):
        parse_all(["close > 1", "  x > 1"])
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
    condition.compile(slots_of(condition))
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
def test_what_is_compiled_means_what_python_means(chance: random.Random, numbers: list[float]) -> None:
    text = f"close >= 0 and {write_truth(chance, 3)}"
    condition = parse(text)
    test = condition.compile(slots_of(condition))
    try:
        expected = bool(eval(text, {"__builtins__": {}}, dict(zip(FIELDS, numbers, strict=True))))
    except ZeroDivisionError:
        with pytest.raises(ZeroDivisionError):
            test(numbers)
    else:
        assert test(numbers) == expected
