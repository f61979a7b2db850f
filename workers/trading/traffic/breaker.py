"""Leaves a venue alone that does not answer: one breaker a venue and process, and its state is there to see.

closed ──failures in a row──▶ open ──pause over──▶ half_open ──one request went well──▶ closed
                               ▲                        │
                               └───────it failed────────┘
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from ccxt.base.errors import (
    BaseError,
    DDoSProtection,
    InvalidNonce,
    OperationFailed,
    RateLimitExceeded,
)

State = Literal["closed", "open", "half_open"]


@dataclass(frozen=True, slots=True)
class BreakerState:
    """What a person wants to see: the state, for how many seconds, and what happened last."""

    state: State
    seconds: float
    failures: int
    why: str | None

    def to_json(self) -> dict[str, Any]:
        """As plain data."""
        return {
            "state": self.state,
            "seconds": round(self.seconds, 1),
            "failures": self.failures,
            "why": self.why,
        }


def counts_as_failure(error: BaseException) -> bool:
    """Whether this error says that the venue does not work: it timed out, broke off, or is down.

    A refusal is an answer; too much traffic and a wrong clock are ours to mend, and have their own gates.
    """
    if isinstance(error, DDoSProtection | RateLimitExceeded | InvalidNonce):
        return False
    return isinstance(error, OperationFailed)


class Breaker:
    """Counts failures of one venue. `limit` in a row open it for a pause drawn from up to `first` seconds,
    twice as long with each time that the venue failed again, at most `longest`."""

    def __init__(
        self,
        limit: int = 5,
        first: float = 2.0,
        longest: float = 60.0,
        *,
        now: Callable[[], float] = time.monotonic,
        chance: random.Random | None = None,
    ) -> None:
        self._limit = limit
        self._first = first
        self._longest = longest
        self._now = now
        self._chance = chance or random.Random()  # noqa: S311 - jitter is no secret
        self._state: State = "closed"
        self._since = now()
        self._failures = 0
        self._opened = 0
        self._look_at = 0.0
        self._looking = False
        self._why: str | None = None

    def admit(self, protects: bool) -> bool:
        """Whether a request may leave. What `protects` (a stop, a cancel) always may: it takes risk away, and
        nobody else will. While the breaker is half open, one other request may look."""
        if self._state == "closed" or protects:
            return True
        if self._state == "open" and self._now() >= self._look_at:
            self._become("half_open")
            self._looking = False
        if self._state == "half_open" and not self._looking:
            self._looking = True
            return True
        return False

    def forget(self) -> None:
        """A request that was admitted did not leave, or was broken off: whoever looked did not find out."""
        self._looking = False

    def hear(self, error: BaseError | None) -> None:
        """What a request came to: an error of the venue, or None."""
        if error is None or not counts_as_failure(error):
            self._failures, self._opened, self._looking, self._why = 0, 0, False, None
            if self._state != "closed":
                self._become("closed")
            return
        self._failures += 1
        self._why = type(error).__name__
        if self._state == "half_open" or (self._state == "closed" and self._failures >= self._limit):
            most = min(self._longest, self._first * 2**self._opened)
            self._opened = min(self._opened + 1, 16)
            # At least half of it, so that a venue that just broke is not asked at once; the rest by chance.
            self._look_at = self._now() + most * (0.5 + 0.5 * self._chance.random())
            self._looking = False
            self._become("open")

    @property
    def wait(self) -> float:
        """Seconds until a request may look at the venue again."""
        return max(0.0, self._look_at - self._now()) if self._state == "open" else 0.0

    def state(self) -> BreakerState:
        """How it stands now."""
        return BreakerState(self._state, self._now() - self._since, self._failures, self._why)

    def _become(self, state: State) -> None:
        self._state = state
        self._since = self._now()
