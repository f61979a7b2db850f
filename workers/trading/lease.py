"""Whether an account is still this process's to trade, known without asking anybody.

The database refuses a write with an old fence, but no venue knows of fences: a process that was stopped and
wakes up would send. So a command leaves only while its lease certainly lasts, by a clock that goes on while
the machine sleeps, and it is signed with a receive window that ends before the lease can: whatever is still
under way when another process takes the account is refused by the venue as too old.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import Any

from ccxt.base.errors import OperationFailed

from workers.trading.traffic.traffic import Withheld

# How long a venue may take a command after it was signed, and what clocks may be apart.
RECEIVE_WINDOW_MS = 2_500
MARGIN_SECONDS = RECEIVE_WINDOW_MS / 1000 + 0.5


def awake_seconds() -> float:
    """Seconds since the machine started, those asleep included."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class Lease:
    """The lease of one account. Lasts from before it was asked for, never from when the answer came."""

    def __init__(self, now: Callable[[], float] = awake_seconds, margin: float = MARGIN_SECONDS) -> None:
        self._now = now
        self._margin = margin
        self._ends = float("-inf")

    def extend(self, asked_at: float, seconds: float) -> None:
        """The database granted `seconds`, asked for at `asked_at` by the lease's own clock."""
        self._ends = max(self._ends, asked_at + seconds)

    def end(self) -> None:
        """It is somebody else's now, or nobody's."""
        self._ends = float("-inf")

    @property
    def holds(self) -> bool:
        """Whether a command that leaves now arrives while the lease lasts."""
        return self._now() + self._margin < self._ends

    def check(self) -> None:
        """Raise Withheld when nothing may be sent any more."""
        if not self.holds:
            raise Withheld(
                "the lease of the account may be over: nothing is sent before it is renewed",
                code="lease_over",
            )


def guard(exchange: Any, lease: Lease) -> None:
    """Let no command of this ccxt exchange leave without its lease, looked at after the request was signed.

    A process that is stopped before this look wakes up to be refused here; one that is stopped after it, to
    be refused by the venue, since the signature carries the time.
    """
    send: Callable[..., Awaitable[Any]] | None = getattr(exchange, "fetch", None)
    if send is None or exchange.id == "paper":
        return

    async def fetch(
        url: str, method: str = "GET", headers: Any = None, body: Any = None, *more: Any, **named: Any
    ) -> Any:
        # A stream is kept alive by commands too, and trades nothing.
        if method != "GET" and "listenKey" not in url:
            lease.check()
        return await send(url, method, headers, body, *more, **named)

    exchange.fetch = fetch
    if "recvWindow" in exchange.options:
        exchange.options["recvWindow"] = min(int(exchange.options["recvWindow"]), RECEIVE_WINDOW_MS)


def is_lease_over(error: BaseException) -> bool:
    """Whether a request was held back because the lease may be over."""
    return isinstance(error, OperationFailed) and getattr(error, "code", None) == "lease_over"
