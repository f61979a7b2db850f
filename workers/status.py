"""What a machine knows of itself, for `up` to show and for its heartbeat to tell."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

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
    candles: int = 0
    market_time: datetime | None = None
    steps: Counter[str] = field(default_factory=Counter)
    done: Counter[str] = field(default_factory=Counter)
    waits: Counter[str] = field(default_factory=Counter)
    counts: dict[str, Mapping[str, int]] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)
    error_count: int = 0
    latency: Latencies = field(default_factory=Latencies)
    # How the venues stand that this machine trades at: breakers and clocks.
    venues: Callable[[], Mapping[str, Any]] = dict
    # Accounts that a person should look at: a desk that hangs, a journal that cannot be written.
    desks: Callable[[], Mapping[str, Any]] = dict

    def note_error(self, role: str, error: BaseException) -> None:
        """Count an error and keep its text, once for each text."""
        self.error_count += 1
        text = f"{role}: {error or type(error).__name__}"
        if text not in self.errors and len(self.errors) < KEPT_ERRORS:
            self.errors.append(text)

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
        }
