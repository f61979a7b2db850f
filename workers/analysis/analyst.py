"""What an analyst is, and what it may raise."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol

from shared.candles import Candle
from shared.clock import Clock
from shared.errors import SigtrailError
from shared.metrics import Metric
from shared.role import Call
from shared.work import Work
from workers.analysis.verdict import Verdict


class NotEnoughHistory(SigtrailError):
    """There are too few candles to judge by: `have` of `need` of this interval. More will come with time."""

    def __init__(self, have: int, need: int, interval: str) -> None:
        super().__init__(f"not_enough_history: {have} of {need} candles of {interval}")
        self.have = have
        self.need = need


class AnalystAway(SigtrailError):
    """Whoever was asked gave no answer that can be used; the same question may be answered later."""


class Unanswerable(SigtrailError):
    """Whoever was asked will never answer this question."""


class LeaseLost(SigtrailError):
    """Somebody else has the signal by now: there is nothing to say about it."""


class Analyst(Protocol):
    """Judges one signal. The rule-based analyst is one; another asks a language model."""

    @property
    def name(self) -> str:
        """Recorded with each verdict."""
        ...

    @property
    def candles_needed(self) -> int:
        """How many closed candles of the signal's interval it wants to see, at most."""
        ...

    @property
    def batch(self) -> int:
        """How many signals it judges at once, well within `lease_seconds`."""
        ...

    @property
    def lease_seconds(self) -> int:
        """How long a claim must last for a batch to be judged."""
        ...

    @property
    def is_remote(self) -> bool:
        """Whether it asks somebody else, which takes seconds: then one step of the role is one batch."""
        ...

    def is_open(self) -> bool:
        """Whether it can be asked now; while it cannot, signals are left in the queue."""
        ...

    def report(self) -> dict[str, Any]:
        """How it fares, for the machine's heartbeat: `trouble` says what a person has to look at."""
        ...

    def measure(self) -> Iterable[Metric]:
        """What it tells Prometheus beside the role's own counts."""
        ...

    async def analyse(self, one: Work, candles: Sequence[Candle]) -> Verdict:
        """The verdict on a claimed signal, by `candles` of its interval up to now, oldest first.

        Raises NotEnoughHistory when they are too few, AnalystAway when it may be asked again later,
        Unanswerable when it may not, LeaseLost when somebody else has the signal, and Unavailable when the
        database cannot be reached. Any other SigtrailError fails this
        signal's analysis for now and no other's.
        """
        ...

    async def close(self) -> None:
        """Close what it opened."""
        ...


# Makes the analyst of a machine, which may write down in the database what it asks.
Choice = Callable[[Call, Clock], Analyst]
