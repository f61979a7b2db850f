"""The indicators that a condition may name: every function of TA-Lib, as TA-Lib itself describes it.

Where TA-Lib has several outputs, a name is followed by one of theirs: `STOCH(5, 3).slowk`. A few names of our
own stand for one output of a function, with the arguments that people set: see `NAMES`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache, lru_cache

import talib
import talib.abstract

FIELDS = ("open", "high", "low", "close", "volume")
# A handle opens with at most this much history; the market keeps a little more. See shared/market.py.
MOST_HISTORY = 1000
MOST_OFFSET = 100
# Far beyond what any indicator means; what is larger is a slip or an attack.
LARGEST_ARGUMENT = 1e6
# These answer places in the array that they were given, which mean nothing for candles that go on for ever:
# here they say how many candles ago it was.
PLACES = frozenset({"MAXINDEX", "MININDEX", "MINMAXINDEX"})


@dataclass(frozen=True, slots=True)
class Parameter:
    """One argument of an indicator: TA-Lib's keyword and the default; `whole` for numbers of candles and the
    like. `twin` is a second keyword that takes the same value: the two sides of a band are equally wide."""

    keyword: str
    default: float
    whole: bool = True
    twin: str | None = None


@dataclass(frozen=True, slots=True)
class Indicator:
    """One name of the condition language.

    `inputs` are the fields that it reads unless others are named, `free` how many of them, from the first, a
    condition may name (a None among them it has to). `outputs` are TA-Lib's names of what it answers;
    `output` is which of them the bare name means, None where it has to be said.
    """

    name: str
    function: str
    group: str
    title: str
    inputs: tuple[str | None, ...]
    free: int
    parameters: tuple[Parameter, ...]
    outputs: tuple[str, ...]
    output: int | None

    @property
    def usage(self) -> str:
        """How it is written, with every default."""
        words = [one or "field" for one in self.inputs[: self.free]]
        words += [f"{one.keyword}={_show(one.default)}" for one in self.parameters]
        return f"{self.name}({', '.join(words)})"


# Our names: the function, the output that is meant, and its parameters where they are not all of TA-Lib's or
# begin at another value; `input` is the field that is read unless another one is named.
@dataclass(frozen=True, slots=True)
class _Name:
    function: str
    output: int
    parameters: tuple[Parameter, ...] | None = None
    input: str | None = None


_STOCH = (Parameter("fastk_period", 5), Parameter("slowk_period", 3), Parameter("slowd_period", 3))
_STOCHRSI = (Parameter("timeperiod", 14), Parameter("fastk_period", 5), Parameter("fastd_period", 3))
_BANDS = (Parameter("timeperiod", 20), Parameter("nbdevup", 2.0, whole=False, twin="nbdevdn"))
_TWENTY = (Parameter("timeperiod", 20),)
NAMES: Mapping[str, _Name] = {
    "MACD_SIGNAL": _Name("MACD", 1),
    "MACD_HIST": _Name("MACD", 2),
    "STOCHRSI_K": _Name("STOCHRSI", 0, _STOCHRSI),
    "STOCHRSI_D": _Name("STOCHRSI", 1, _STOCHRSI),
    "STOCH_K": _Name("STOCH", 0, _STOCH),
    "STOCH_D": _Name("STOCH", 1, _STOCH),
    "AROON_DOWN": _Name("AROON", 0),
    "AROON_UP": _Name("AROON", 1),
    "BBANDS_UPPER": _Name("BBANDS", 0, _BANDS),
    "BBANDS_MIDDLE": _Name("BBANDS", 1, _BANDS),
    "BBANDS_LOWER": _Name("BBANDS", 2, _BANDS),
    "HIGHEST": _Name("MAX", 0, _TWENTY, "high"),
    "LOWEST": _Name("MIN", 0, _TWENTY, "low"),
}
# The averages begin at 20 candles here, and so does the deviation that bands are made of.
_DEFAULTS = dict.fromkeys(("SMA", "EMA", "WMA", "DEMA", "TEMA", "STDDEV"), 20)
# Functions whose first output has the function's own name.
_FIRST = frozenset({"MACD", "SUPERTREND", "MAMA", "SMI"})


class _Indicators(Mapping[str, Indicator]):
    """All indicators by name. TA-Lib is asked for each when it is first named."""

    def __init__(self) -> None:
        self._names = dict.fromkeys(sorted({*talib.get_functions(), *NAMES}))  # type: ignore[no-untyped-call]

    def __getitem__(self, name: str) -> Indicator:
        if name not in self._names:
            raise KeyError(name)
        return _describe(name)

    def __contains__(self, name: object) -> bool:
        return name in self._names

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


INDICATORS: Mapping[str, Indicator] = _Indicators()


@cache
def _describe(name: str) -> Indicator:
    own = NAMES.get(name)
    function = own.function if own else name
    # The stubs leave the class out.
    info = talib.abstract.Function(function).info  # type: ignore[attr-defined]
    inputs: list[str | None] = []
    free = 0
    for kind, fields in info["input_names"].items():
        if kind == "prices":
            inputs += fields
        else:
            inputs.append(fields if fields in FIELDS else None)
            free += 1
    if own and own.input:
        inputs[0] = own.input
    parameters = tuple(
        Parameter(keyword, default, isinstance(default, int))
        for keyword, default in info["parameters"].items()
    )
    if name in _DEFAULTS:
        parameters = (replace(parameters[0], default=_DEFAULTS[name]), *parameters[1:])
    outputs = tuple(info["output_names"])
    named = own.output if own else 0 if len(outputs) == 1 or name in _FIRST else None
    return Indicator(
        name=name,
        function=function,
        group=info["group"],
        title=info["display_name"],
        inputs=tuple(inputs),
        free=free,
        parameters=own.parameters if own and own.parameters else parameters,
        outputs=outputs,
        output=named,
    )


@dataclass(frozen=True, slots=True)
class Reading:
    """One TA-Lib function on certain inputs with certain arguments: what one stream handle computes.

    An input is a field, or an output of another reading.
    """

    function: str
    inputs: tuple[str | Output, ...]
    arguments: tuple[tuple[str, float], ...]
    # How many candles pass before its own first value, once its inputs are known; how many candles of history
    # the first value takes, inputs and all; and 1 for an indicator of fields, one more for each within.
    lookback: int = field(init=False, repr=False, compare=False)
    needs: int = field(init=False, repr=False, compare=False)
    depth: int = field(init=False, repr=False, compare=False)
    # Asked for each symbol and condition: a tree of tuples is slow to hash again and again.
    _hash: int = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        inner = [one.reading for one in self.inputs if isinstance(one, Output)]
        lookback = _lookback(self.function, self.arguments)
        for name, value in (
            ("lookback", lookback),
            ("needs", lookback + 1 + max((one.needs - 1 for one in inner), default=0)),
            ("depth", 1 + max((one.depth for one in inner), default=0)),
            ("_hash", hash((self.function, self.inputs, self.arguments))),
        ):
            object.__setattr__(self, name, value)

    def __hash__(self) -> int:
        return self._hash

    @property
    def keywords(self) -> dict[str, float]:
        """The arguments as TA-Lib takes them."""
        return dict(self.arguments)

    @property
    def outputs(self) -> int:
        """How many numbers it answers."""
        return len(_describe(self.function).outputs)


@dataclass(frozen=True, slots=True)
class Output:
    """One of the numbers that a reading answers."""

    reading: Reading
    place: int


@dataclass(frozen=True, slots=True)
class Term:
    """One number that a condition reads: a field or an indicator's output, `offset` candles ago.

    `source` is the field's name or the reading with its output. `interval` is None for the trader's own.
    `beside` is set for a number as it was one candle before, where candles of several intervals meet: these
    are the intervals, and the candle is one of the shortest of them. `text` is the canonical form, with every
    argument spelt out; it tells nothing that the rest does not.
    """

    source: str | Output
    offset: int
    interval: str | None
    text: str = field(compare=False)
    beside: frozenset[str | None] | None = None

    def earlier(self, by: int) -> Term:
        """The same number, `by` candles before."""
        offset = self.offset + by
        stem = self.text[: self.text.rindex("[")] if self.offset else self.text
        return replace(self, offset=offset, text=f"{stem}[{offset}]" if offset else stem)

    def at(self, interval: str) -> Term:
        """The same number of another interval's candles."""
        return replace(self, interval=interval, text=f"{self.text}@{interval}")

    def before(self, beside: frozenset[str | None]) -> Term:
        """The same number as it was known one candle before, among numbers of these intervals."""
        if len(beside) == 1:
            return self.earlier(1)
        return replace(self, beside=beside, text=f"{self.text} before")


def take_field(name: str) -> Term:
    """The term of a candle's own number."""
    return Term(name, 0, None, name)


def take_output(term: Term, name: str, output: str) -> Term:
    """The output of this name of the indicator `name`, whose term was made without one.

    Raises ValueError for an output that it does not have.
    """
    indicator = INDICATORS[name]
    if name in NAMES or len(indicator.outputs) == 1:
        raise ValueError(f"{name} is one number: nothing follows it but @ and [n]")
    if output not in indicator.outputs or not isinstance(term.source, Output):
        raise ValueError(f"{name} has no output {output!r}; it has {', '.join(indicator.outputs)}")
    source = Output(term.source.reading, indicator.outputs.index(output))
    return replace(term, source=source, text=f"{term.text}.{output}")


def take_reading(
    name: str, inputs: tuple[Term, ...], values: tuple[float, ...], named: Mapping[str, float] | None = None
) -> Term:
    """The term of the indicator `name`: of these inputs (else its own), with these arguments by place and by
    keyword; those that are left out take their defaults.

    Raises ValueError that says what is wrong with them, KeyError for an unknown name.
    """
    indicator = INDICATORS[name]
    sources = _choose_inputs(indicator, inputs)
    chosen = _choose_values(indicator, values, named or {})
    arguments: dict[str, float] = {}
    shown: list[str] = []
    fields = tuple(one.source for one in inputs)
    if inputs and fields != indicator.inputs[: len(inputs)]:
        shown += [one.text for one in inputs]
    elif name in ("HIGHEST", "LOWEST"):
        shown += [str(one) for one in sources]
    for parameter, value in zip(indicator.parameters, chosen, strict=True):
        arguments[parameter.keyword] = value
        shown.append(_show(value))
        if parameter.twin is not None:
            arguments[parameter.twin] = value
    one = Reading(indicator.function, sources, _complete(indicator.function, arguments))
    _check_bounds(indicator, one)
    return Term(Output(one, indicator.output or 0), 0, None, f"{name}({', '.join(shown)})")


def find_lowest(name: str, keyword: str) -> int:
    """The least that TA-Lib takes for a whole argument, the others being at their defaults."""
    indicator = INDICATORS[name]
    standing = [(one.keyword, one.default) for one in indicator.parameters if one.keyword != keyword]
    for lowest in range(MOST_HISTORY):
        if _lookback(indicator.function, (*standing, (keyword, lowest))) >= 0:
            return lowest
    raise ValueError(f"{name} takes no {keyword}")


# Where TA-Lib's arguments that are no whole numbers begin or end, apart from those that may be anything; the
# last kind of moving average; and the longest period.
_BOUNDS = (-LARGEST_ARGUMENT, 0.0, 0.01, 0.99, 1.0, 100.0, LARGEST_ARGUMENT)
_KINDS, _PERIODS = 13, 100_000


def find_bounds(name: str, keyword: str) -> tuple[float, float]:
    """The least and the most that TA-Lib takes for an argument, the others being at their defaults."""
    indicator = INDICATORS[name]
    parameter = next(one for one in indicator.parameters if one.keyword == keyword)
    standing = [(one.keyword, one.default) for one in indicator.parameters if one is not parameter]

    def is_taken(value: float) -> bool:
        return _lookback(indicator.function, (*standing, (keyword, value))) >= 0

    if parameter.whole:
        lowest = find_lowest(name, keyword)
        return lowest, _KINDS if keyword.endswith("matype") else _PERIODS
    taken = [value for value in _BOUNDS if is_taken(value)]
    return taken[0], taken[-1]


def find_lookback(name: str) -> int:
    """How many candles an indicator of fields looks back on with its defaults."""
    indicator = INDICATORS[name]
    defaults = {one.keyword: one.default for one in indicator.parameters}
    return _lookback(indicator.function, _complete(indicator.function, defaults))


def _choose_inputs(indicator: Indicator, inputs: tuple[Term, ...]) -> tuple[str | Output, ...]:
    if len(inputs) > indicator.free:
        reads = ", ".join(str(one) for one in indicator.inputs)
        if not indicator.free:
            raise ValueError(f"{indicator.name} reads {reads} and takes no other field")
        most = "one other field" if indicator.free == 1 else f"{indicator.free} other fields"
        raise ValueError(f"{indicator.name} reads {reads} and takes at most {most}")
    chosen = [one.source for one in inputs]
    for one in indicator.inputs[len(inputs) :]:
        if one is None:
            raise ValueError(f"{indicator.name} needs its {len(indicator.inputs)} inputs: {indicator.usage}")
        chosen.append(one)
    return tuple(chosen)


def _choose_values(
    indicator: Indicator, values: tuple[float, ...], named: Mapping[str, float]
) -> list[float]:
    parameters = indicator.parameters
    if len(values) > len(parameters):
        takes = f"{len(parameters)} number{'' if len(parameters) == 1 else 's'}"
        raise ValueError(f"{indicator.name} takes at most {takes}, not {len(values)}")
    chosen = {one.keyword: value for one, value in zip(parameters, values, strict=False)}
    for keyword, value in named.items():
        if keyword not in {one.keyword for one in parameters}:
            known = ", ".join(one.keyword for one in parameters) or "none"
            raise ValueError(f"{indicator.name} has no argument {keyword!r}; it has {known}")
        if keyword in chosen:
            raise ValueError(f"{indicator.name} takes {keyword} twice here")
        chosen[keyword] = value
    return [_check(indicator.name, one, chosen.get(one.keyword, one.default)) for one in parameters]


def _check(name: str, parameter: Parameter, value: float) -> float:
    if parameter.whole and not float(value).is_integer():
        raise ValueError(f"{name}: {parameter.keyword} is a whole number, not {value:g}")
    if not math.isfinite(value) or abs(value) > LARGEST_ARGUMENT:
        raise ValueError(
            f"{name}: {parameter.keyword} is {value:g}; at most {LARGEST_ARGUMENT:g} makes sense"
        )
    return int(value) if parameter.whole else float(value)


def _check_bounds(indicator: Indicator, one: Reading) -> None:
    """Refuse what TA-Lib would, and what would need more history than is kept, naming the argument."""
    if one.lookback < 0:
        for parameter in indicator.parameters:
            value = one.keywords[parameter.keyword]
            if _lookback(indicator.function, _complete(indicator.function, {parameter.keyword: value})) >= 0:
                continue
            if parameter.whole and value < (lowest := find_lowest(indicator.name, parameter.keyword)):
                raise ValueError(f"{indicator.name}: {parameter.keyword} is {value:g}; it begins at {lowest}")
            raise ValueError(f"{indicator.name}: {parameter.keyword} cannot be {value:g}")
        raise ValueError(f"{indicator.name}: these arguments do not go together")
    if one.needs > MOST_HISTORY:
        raise ValueError(
            f"{indicator.name} would need {one.needs} candles of history; at most {MOST_HISTORY} are kept"
        )


def _complete(function: str, arguments: Mapping[str, float]) -> tuple[tuple[str, float], ...]:
    """All arguments of a function in TA-Lib's order, so that what is the same is computed once."""
    every = _describe(function).parameters
    return tuple((one.keyword, arguments.get(one.keyword, one.default)) for one in every)


# Users choose the arguments: what is remembered has an end.
@lru_cache(maxsize=10_000)
def _lookback(function: str, arguments: tuple[tuple[str, float], ...]) -> int:
    """How many candles a function looks back on; below zero when it does not take these arguments."""
    return int(talib.abstract.Function(function, **dict(arguments)).lookback)  # type: ignore[attr-defined]


def _show(value: float) -> str:
    return repr(value).removesuffix(".0")
