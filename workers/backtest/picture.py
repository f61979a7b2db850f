"""The equity curve of a report as an SVG: equity above, drawdown below, one picture for light and dark.

Written by hand, since one picture is no reason for a plotting library. Every number in it is one of the
report; rounding to the picture's tenths of a pixel is all that floats do here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from itertools import count
from math import ceil, floor, log10
from typing import Any
from xml.sax.saxutils import escape

WIDTH, HEIGHT = 960, 480
LEFT, RIGHT = 76, 20
# Equity is drawn between the first two, drawdown between the others; dates stand below.
TOP, MIDDLE, FALL_TOP, FALL_BOTTOM = 72, 318, 346, 434
MOST_TICKS = 6
STYLE = """
svg { color-scheme: light dark; background: #ffffff; font: 12px system-ui, sans-serif; }
.title { font-size: 17px; font-weight: 600; }
.ink { fill: #1c2024; } .quiet { fill: #60646c; } .rule { stroke: #e0e1e6; }
.begin { stroke: #8b8d98; stroke-dasharray: 4 4; }
.equity { fill: none; stroke: #0d74ce; stroke-width: 1.8; stroke-linejoin: round; }
.range { fill: #0d74ce; opacity: 0.12; } .fall { fill: #ce2c31; opacity: 0.75; }
@media (prefers-color-scheme: dark) {
  svg { background: #111113; } .ink { fill: #edeef0; } .quiet { fill: #b0b4ba; } .rule { stroke: #2e3135; }
  .begin { stroke: #696e77; } .equity { stroke: #70b8ff; } .range { fill: #70b8ff; } .fall { fill: #ff9592; }
}
"""

Pair = tuple[float, float]


def draw(report: Mapping[str, Any]) -> str:
    """The picture of a report as SVG text."""
    begin, end = _moment(report["starts_at"]), _moment(report["ends_at"])
    equity = float(report["terms"]["equity"])
    points = report["equity"]["points"]
    times = [begin, *(_moment(one["at"]) for one in points)]
    worth = [equity, *(float(one["equity"]) for one in points)]
    lows = [equity, *(float(one["low"]) for one in points)]
    falls = [0.0, *(float(one["drawdown_percent"]) for one in points)]
    seconds = max((end - begin).total_seconds(), 1.0)
    across = [LEFT + (one - begin).total_seconds() / seconds * (WIDTH - LEFT - RIGHT) for one in times]

    ticks = choose_ticks(min(*lows, equity), max(*worth, equity))
    height = _scale(ticks[0], ticks[-1], MIDDLE, TOP)
    deepest = choose_ticks(0.0, max(max(falls), 0.1), 3)
    depth = _scale(0.0, deepest[-1], FALL_TOP, FALL_BOTTOM)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'aria-label="{_label(report)}">',
        f"<style>{STYLE}</style>",
        *_heading(report),
    ]
    for tick in ticks:
        parts += _line(height(tick), _amount(tick, ticks))
    for tick in deepest:
        parts += _line(depth(tick), f"-{_amount(tick, deepest)} %" if tick else "0 %")
    for moment in choose_dates(begin, end):
        x = LEFT + (moment - begin).total_seconds() / seconds * (WIDTH - LEFT - RIGHT)
        parts.append(_text(x, FALL_BOTTOM + 22, _date(moment, end - begin), "quiet", "middle"))
    upper = [(x, height(one)) for x, one in zip(across, worth, strict=True)]
    lower = [(x, height(one)) for x, one in zip(across, lows, strict=True)]
    parts += [
        _rule(height(equity), "begin"),
        f'<polygon class="range" points="{_points([*upper, *reversed(lower)])}"/>',
        f'<polyline class="equity" points="{_points(upper)}"/>',
        f'<polygon class="fall" points="{_points(_below(across, [depth(one) for one in falls]))}"/>',
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def choose_ticks(low: float, high: float, most: int = MOST_TICKS) -> list[float]:
    """Round numbers, evenly apart, that enclose low and high: steps of 1, 2 or 5 times a power of ten."""
    if high <= low:
        low, high = low - max(abs(low), 1.0) * 0.01, high + max(abs(high), 1.0) * 0.01
    power = floor(log10((high - low) / most)) - 1
    for exponent in count(power):
        for digit in (1, 2, 5):
            step = digit * 10.0**exponent
            first, last = floor(low / step), ceil(high / step)
            if last - first <= most:
                return [round(one * step, 10) for one in range(first, last + 1)]
    raise AssertionError("there is a power of ten above every number")


def choose_dates(begin: datetime, end: datetime) -> list[datetime]:
    """Whole hours, days or weeks within the span, at most ten."""
    hours = (1, 2, 4, 6, 12, 24, 48, 96, 168, 336, 672, 1344, 2688, 5376, 10752, 21504)
    span = (end - begin).total_seconds() / 3600
    length = next((one for one in hours if span / one <= 9), hours[-1])
    midnight = begin.replace(hour=0, minute=0, second=0, microsecond=0)
    found: list[datetime] = []
    moment = midnight
    while moment <= end and len(found) < 100:
        if moment >= begin:
            found.append(moment)
        moment += timedelta(hours=length)
    return found


def _heading(report: Mapping[str, Any]) -> list[str]:
    figures, currency = report["figures"], escape(report["terms"]["currency"])
    won = "–" if figures["win_rate"] is None else f"{float(figures['win_rate']) * 100:.1f} % won"
    told = [
        f"{float(figures['profit']):+,.2f} {currency} ({float(figures['return_percent']):+.2f} %)",
        f"{figures['trades']} trades, {won}",
        f"profit factor {figures['profit_factor'] or '–'}",
        f"drawdown {float(figures['max_drawdown_percent']):.2f} %",
        f"Sharpe {figures['sharpe'] or '–'}",
        f"in the market {float(figures['exposure']) * 100:.1f} %",
    ]
    return [
        f'<text class="ink title" x="{LEFT}" y="30">{escape(_title(report))}</text>',
        _text(LEFT, 52, " · ".join(told), "quiet"),
    ]


def _title(report: Mapping[str, Any]) -> str:
    symbols = report["symbols"]
    named = ", ".join(symbols) if len(symbols) <= 4 else f"{len(symbols)} symbols"
    return f"{report['name']}: {named}"


def _label(report: Mapping[str, Any]) -> str:
    text = f"Equity of {_title(report)} from {report['starts_at'][:10]} to {report['ends_at'][:10]}"
    return escape(text, {'"': "&quot;"})


def _line(y: float, label: str) -> list[str]:
    return [_rule(y, "rule"), _text(LEFT - 8, y + 4, label, "quiet", "end")]


def _rule(y: float, kind: str) -> str:
    return f'<line class="{kind}" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'


def _text(x: float, y: float, text: str, kind: str, anchor: str = "start") -> str:
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{text}</text>'


def _scale(low: float, high: float, bottom: float, top: float) -> Any:
    return lambda value: bottom + (value - low) / (high - low) * (top - bottom)


def _below(across: Sequence[float], depths: Sequence[float]) -> list[Pair]:
    line = list(zip(across, depths, strict=True))
    return [(across[0], FALL_TOP), *line, (across[-1], FALL_TOP)]


def _points(pairs: Sequence[Pair]) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in pairs)


def _amount(value: float, ticks: Sequence[float]) -> str:
    step = ticks[1] - ticks[0]
    return f"{value:,.{max(0, -floor(log10(step)))}f}"


def _date(moment: datetime, span: timedelta) -> str:
    if span > timedelta(days=400):
        return f"{moment:%Y-%m-%d}"
    return (
        f"{moment:%b} {moment.day}"
        if span > timedelta(days=3)
        else f"{moment:%b} {moment.day} {moment:%H:%M}"
    )


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)
