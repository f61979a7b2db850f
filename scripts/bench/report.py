"""What every benchmark prints: figures, each with its floor and its target, in one shape."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Result:
    """One figure.

    value: what was measured, in `unit`
    floor: the best that could be, measured in the same run in the same unit
    ratio: value against floor
    target: what must be reached, of the ratio where there is one, else of the value; a time that must not
    pass (at_most with of_value) is one of the value, whatever the ratio
    met: whether it was, None for a figure that has no target
    """

    name: str
    value: float
    unit: str
    floor: float | None = None
    ratio: float | None = None
    target: float | None = None
    met: bool | None = None


# Tells a person what is being done: long work shows that it goes on.
Progress = Callable[[str], None]


def at_least(name: str, value: float, unit: str, target: float, floor: float | None = None) -> Result:
    """A figure of which more is better. With a floor, the target is one of their ratio."""
    return _judge(name, value, unit, target, floor, lambda reached: reached >= target)


def at_most(
    name: str, value: float, unit: str, target: float, floor: float | None = None, *, of_value: bool = False
) -> Result:
    """A figure of which less is better. With a floor, the target is one of their ratio, unless it is one of
    the value and the floor stands there to compare with."""
    return _judge(name, value, unit, target, floor, lambda reached: reached <= target, of_value=of_value)


def exactly(name: str, value: float, unit: str, target: float) -> Result:
    """A figure that must be just that: nothing lost, nothing twice."""
    return _judge(name, value, unit, target, None, lambda reached: reached == target)


def figure(name: str, value: float, unit: str, floor: float | None = None) -> Result:
    """A figure without a target."""
    return Result(name, _round(value), unit, _rounded(floor), _ratio(value, floor))


def to_document(bench: str, results: Sequence[Result]) -> dict[str, Any]:
    """The one shape: {bench, machine, results: [{name, value, unit, floor, ratio, target, met}], met}."""
    return {
        "bench": bench,
        "machine": describe_machine(),
        "results": [asdict(result) for result in results],
        "met": all(result.met is not False for result in results),
    }


def describe_machine() -> str:
    """What ran it: processors, memory, system and how busy it was, so that figures can be compared."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1024**3
    return (
        f"{os.cpu_count()} × {_processor()}, {memory:.0f} GB, {platform.system()} {platform.release()}, "
        f"load {os.getloadavg()[0]:.1f}"
    )


def percentile(values: Sequence[float], part: float) -> float:
    """The value that `part` (0.95) of the values don't exceed. Raises ValueError without values."""
    if not values:
        raise ValueError("nothing was measured")
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(part * len(ordered)))]


def _judge(
    name: str,
    value: float,
    unit: str,
    target: float,
    floor: float | None,
    holds: Callable[[float], bool],
    *,
    of_value: bool = False,
) -> Result:
    ratio = _ratio(value, floor)
    reached = value if ratio is None or of_value else ratio
    return Result(name, _round(value), unit, _rounded(floor), ratio, target, holds(reached))


def _ratio(value: float, floor: float | None) -> float | None:
    return None if not floor else _round(value / floor)


def _rounded(value: float | None) -> float | None:
    return None if value is None else _round(value)


def _round(value: float) -> float:
    """Four digits that count: more would look more exact than any of this is."""
    return float(f"{value:.4g}") if abs(value) < 1000 else round(value)


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())
