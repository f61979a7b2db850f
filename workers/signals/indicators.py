"""The indicators that a condition may name, and how TA-Lib is asked for each.

A name stands for one output: MACD has three, so there are MACD, MACD_SIGNAL and MACD_HIST, which share one
stream handle. Arguments follow the name in the order of `parameters`, whole numbers unless said.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

import talib.abstract

FIELDS = ("open", "high", "low", "close", "volume")
# A handle opens with at most this much history; the market keeps a little more. See shared/market.py.
MOST_HISTORY = 1000
MOST_OFFSET = 100


@dataclass(frozen=True, slots=True)
class Parameter:
    """One argument of an indicator: TA-Lib's keyword, the default, and the bounds, both included.

    `twin` is a second keyword that takes the same value: the two sides of a band are equally wide.
    """

    keyword: str
    default: float
    low: float
    high: float
    whole: bool = True
    twin: str | None = None


@dataclass(frozen=True, slots=True)
class Indicator:
    """One name of the condition language.

    `inputs` are fields; with `free` the first argument may name another one. `output` is which of TA-Lib's
    outputs it is, None where there is only one.
    """

    function: str
    inputs: tuple[str, ...]
    parameters: tuple[Parameter, ...]
    free: bool = False
    output: int | None = None


def _period(default: int, keyword: str = "timeperiod", low: int = 2) -> Parameter:
    return Parameter(keyword, default, low, 100_000)


def _factor(keyword: str, default: float, low: float = 0.001, high: float = 1000.0) -> Parameter:
    return Parameter(keyword, default, low, high, whole=False)


_CLOSE = ("close",)
_HL = ("high", "low")
_HLC = ("high", "low", "close")
_HLCV = ("high", "low", "close", "volume")
_MACD = (_period(12, "fastperiod"), _period(26, "slowperiod"), _period(9, "signalperiod", 1))
_STOCH = (_period(5, "fastk_period", 1), _period(3, "slowk_period", 1), _period(3, "slowd_period", 1))
_STOCHRSI = (_period(14), _period(5, "fastk_period", 1), _period(3, "fastd_period", 1))
_BANDS = (_period(20), Parameter("nbdevup", 2.0, 0.001, 1000.0, whole=False, twin="nbdevdn"))
_SUPERTREND = (_period(10), _factor("multiplier", 3.0))


def _of_series(function: str, default: int, low: int = 2) -> Indicator:
    return Indicator(function, _CLOSE, (_period(default, low=low),), free=True)


def _of_range(function: str, default: int, inputs: tuple[str, ...] = _HLC, low: int = 2) -> Indicator:
    return Indicator(function, inputs, (_period(default, low=low),))


INDICATORS: dict[str, Indicator] = {
    # averages
    "SMA": _of_series("SMA", 20),
    "EMA": _of_series("EMA", 20),
    "WMA": _of_series("WMA", 20),
    "DEMA": _of_series("DEMA", 20),
    "TEMA": _of_series("TEMA", 20),
    "KAMA": _of_series("KAMA", 30),
    "VWAP": Indicator("VWAP", _HLCV, ()),
    # momentum
    "RSI": _of_series("RSI", 14),
    "ROC": _of_series("ROC", 10, low=1),
    "MOM": _of_series("MOM", 10, low=1),
    "CMO": _of_series("CMO", 14),
    "TRIX": _of_series("TRIX", 30, low=1),
    "MACD": Indicator("MACD", _CLOSE, _MACD, free=True, output=0),
    "MACD_SIGNAL": Indicator("MACD", _CLOSE, _MACD, free=True, output=1),
    "MACD_HIST": Indicator("MACD", _CLOSE, _MACD, free=True, output=2),
    "STOCHRSI_K": Indicator("STOCHRSI", _CLOSE, _STOCHRSI, free=True, output=0),
    "STOCHRSI_D": Indicator("STOCHRSI", _CLOSE, _STOCHRSI, free=True, output=1),
    "STOCH_K": Indicator("STOCH", _HLC, _STOCH, output=0),
    "STOCH_D": Indicator("STOCH", _HLC, _STOCH, output=1),
    "CCI": _of_range("CCI", 14),
    "WILLR": _of_range("WILLR", 14),
    # trend
    "ADX": _of_range("ADX", 14),
    "PLUS_DI": _of_range("PLUS_DI", 14, low=1),
    "MINUS_DI": _of_range("MINUS_DI", 14, low=1),
    "AROON_DOWN": Indicator("AROON", _HL, (_period(14),), output=0),
    "AROON_UP": Indicator("AROON", _HL, (_period(14),), output=1),
    "SAR": Indicator("SAR", _HL, (_factor("acceleration", 0.02, 0.0), _factor("maximum", 0.2, 0.0))),
    "SUPERTREND": Indicator("SUPERTREND", _HLC, _SUPERTREND, output=0),
    # volatility and range
    "ATR": _of_range("ATR", 14, low=1),
    "NATR": _of_range("NATR", 14, low=1),
    "STDDEV": Indicator("STDDEV", _CLOSE, (_period(20), _factor("nbdev", 1.0)), free=True),
    "BBANDS_UPPER": Indicator("BBANDS", _CLOSE, _BANDS, free=True, output=0),
    "BBANDS_MIDDLE": Indicator("BBANDS", _CLOSE, _BANDS, free=True, output=1),
    "BBANDS_LOWER": Indicator("BBANDS", _CLOSE, _BANDS, free=True, output=2),
    "HIGHEST": Indicator("MAX", ("high",), (_period(20),), free=True),
    "LOWEST": Indicator("MIN", ("low",), (_period(20),), free=True),
    # volume
    "OBV": Indicator("OBV", ("close", "volume"), ()),
    "AD": Indicator("AD", _HLCV, ()),
    "MFI": _of_range("MFI", 14, _HLCV),
}


@dataclass(frozen=True, slots=True)
class Reading:
    """One TA-Lib function on certain fields with certain arguments: what one stream handle computes."""

    function: str
    inputs: tuple[str, ...]
    arguments: tuple[tuple[str, float], ...]

    @property
    def needs(self) -> int:
        """How many candles of history the first value takes."""
        return _lookback(self.function, self.arguments) + 1

    @property
    def keywords(self) -> dict[str, float]:
        """The arguments as TA-Lib takes them."""
        return dict(self.arguments)


@dataclass(frozen=True, slots=True)
class Term:
    """One number that a condition reads: a field or an indicator's output, `offset` candles ago.

    `source` is the field's name or the reading; `text` is the canonical form, with every argument spelt out.
    """

    source: str | Reading
    output: int | None
    offset: int
    text: str

    def earlier(self, by: int) -> Term:
        """The same number, `by` candles before."""
        offset = self.offset + by
        stem = self.text[: self.text.rindex("[")] if self.offset else self.text
        return Term(self.source, self.output, offset, f"{stem}[{offset}]" if offset else stem)


def field(name: str) -> Term:
    """The term of a candle's own number."""
    return Term(name, None, 0, name)


def reading(name: str, inputs: tuple[str, ...] | None, values: tuple[float, ...]) -> Term:
    """The term of the indicator `name`; values that are left out take their defaults.

    Raises ValueError that says what is wrong with the arguments, KeyError for an unknown name.
    """
    indicator = INDICATORS[name]
    if inputs is not None and not indicator.free:
        raise ValueError(f"{name} reads {', '.join(indicator.inputs)} and takes no other field")
    if len(values) > len(indicator.parameters):
        takes = len(indicator.parameters)
        raise ValueError(f"{name} takes at most {takes} number{'' if takes == 1 else 's'}, not {len(values)}")
    arguments: list[tuple[str, float]] = []
    shown: list[str] = []
    fields = inputs or indicator.inputs
    if indicator.free and fields != _CLOSE:
        shown += fields
    for place, parameter in enumerate(indicator.parameters):
        value = _check(name, parameter, values[place] if place < len(values) else parameter.default)
        arguments.append((parameter.keyword, value))
        shown.append(repr(value).removesuffix(".0"))
        if parameter.twin is not None:
            arguments.append((parameter.twin, value))
    one = Reading(indicator.function, fields, tuple(arguments))
    if one.needs > MOST_HISTORY:
        raise ValueError(f"{name} would need {one.needs} candles of history; at most {MOST_HISTORY} are kept")
    return Term(one, indicator.output, 0, f"{name}({', '.join(shown)})")


def _check(name: str, parameter: Parameter, value: float) -> float:
    if parameter.whole and not float(value).is_integer():
        raise ValueError(f"{name} takes a whole number of candles, not {value:g}")
    if not parameter.low <= value <= parameter.high or not math.isfinite(value):
        raise ValueError(
            f"{name}: {parameter.keyword} is {value:g}; it must lie between {parameter.low:g} "
            f"and {parameter.high:g}"
        )
    return int(value) if parameter.whole else float(value)


@cache
def _lookback(function: str, arguments: tuple[tuple[str, float], ...]) -> int:
    # The stubs leave the class out.
    one = talib.abstract.Function(function, **dict(arguments))  # type: ignore[attr-defined]
    return int(one.lookback)
