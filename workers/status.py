"""What a machine knows of itself, for `up` to show and for its heartbeat to tell."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from shared.metrics import Histogram, histogram

State = Literal["starting", "running", "draining", "stopped"]
KEPT_ERRORS = 100
KEPT_LATENCIES = 100_000


class Latencies:
    """Milliseconds from trigger to subscriber: all are counted, the last KEPT_LATENCIES are kept."""

    def __init__(self) -> None:
        self._kept: deque[float] = deque(maxlen=KEPT_LATENCIES)
        self.count = 0

    def add(self, milliseconds: float) -> None:
        """Note one arrival."""
        self.count += 1
        self._kept.append(milliseconds)

    def percentile(self, share: float) -> float | None:
        """The value that `share` (0..1) of those kept do not exceed; None without any."""
        if not self._kept:
            return None
        ordered = sorted(self._kept)
        return ordered[min(int(share * len(ordered)), len(ordered) - 1)]

    def to_json(self) -> dict[str, Any]:
        """p50 and p95, rounded to a tenth of a millisecond."""
        halves = {"p50": self.percentile(0.5), "p95": self.percentile(0.95)}
        return {name: None if value is None else round(value, 1) for name, value in halves.items()}


@dataclass(slots=True)
class Status:
    """Counts since the machine started. `steps` and `done` are by role; `counts` are the roles' own counters,
    which they keep up to date themselves."""

    machine_id: str
    replay: bool
    state: State = "starting"
    version: str = ""
    candles: int = 0
    market_time: datetime | None = None
    steps: Counter[str] = field(default_factory=Counter)
    done: Counter[str] = field(default_factory=Counter)
    waits: Counter[str] = field(default_factory=Counter)
    counts: dict[str, Mapping[str, int]] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)
    error_count: int = 0
    latency: Latencies = field(default_factory=Latencies)
    # Of the monotonic clock: when the machine was made, when a candle came last, and since when each role has
    # been in the step that is under way.
    made_at: float = field(default_factory=time.monotonic)
    heard_at: float = field(default_factory=time.monotonic)
    begun: dict[str, float] = field(default_factory=dict)
    step_seconds: Histogram = field(
        default_factory=lambda: histogram(
            "sigtrail_step_seconds",
            "A step of any role that did something.",
            (0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 30.0, 120.0),
        )
    )
    # How the venues stand that this machine trades at: breakers and clocks.
    venues: Callable[[], Mapping[str, Any]] = dict
    # Accounts that a person should look at: a desk that hangs, a journal that cannot be written.
    desks: Callable[[], Mapping[str, Any]] = dict
    # Who judges signals here, and what is wrong with whom it asks.
    analyst: Callable[[], Mapping[str, Any]] = dict

    # For how many seconds the tokens last that this machine was given, by database role.
    tokens: Callable[[], Mapping[str, float]] = dict

    def note_error(self, role: str, error: BaseException) -> None:
        """Count an error and keep its text, once for each text."""
        self.error_count += 1
        text = f"{role}: {error or type(error).__name__}"
        if text not in self.errors and len(self.errors) < KEPT_ERRORS:
            self.errors.append(text)

    def steps_under_way(self, now: float) -> dict[str, float]:
        """For how many seconds each role has been in its step; 0 between steps."""
        return {role: now - self.begun.get(role, now) for role in self.steps}

    def count(self, role: str, name: str) -> int:
        """One of a role's own counts, 0 when it has none by that name."""
        return int(self.counts.get(role, {}).get(name, 0))

    def to_json(self) -> dict[str, Any]:
        """Everything, as plain data."""
        return {
            "machine_id": self.machine_id,
            "state": self.state,
            "replay": self.replay,
            "candles": self.candles,
            "market_time": None if self.market_time is None else self.market_time.isoformat(),
            "steps": dict(self.steps),
            "done": dict(self.done),
            "waits": dict(self.waits),
            "counts": {role: dict(counts) for role, counts in self.counts.items()},
            "errors": list(self.errors),
            "error_count": self.error_count,
            "trigger_to_subscriber_ms": self.latency.to_json(),
            "venues": dict(self.venues()),
            "desks": dict(self.desks()),
            "analyst": dict(self.analyst()),
        }
