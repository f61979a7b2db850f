"""Whether an account is still this process's to trade, known without asking anybody.

The database refuses a write with an old fence, but no venue knows of fences: a process that was stopped and
wakes up would send. So a command leaves only while its lease certainly lasts, by a clock that goes on while
the machine sleeps, and it is signed with a receive window that ends before the lease can: whatever is still
under way when another process takes the account is refused by the venue as too old. Where a venue has no
such window, the look before the socket is all there is; docs/accounts.md says which.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from ccxt.base.errors import OperationFailed

from workers.trading.traffic.traffic import Withheld
from workers.trading.traffic.venue_clock import AHEAD_MS

# How long a venue may take a command after the time in its signature.
RECEIVE_WINDOW_MS = 2_500
# Clocks run unequally fast, by far less than this within a lease.
DRIFT_SECONDS = 0.1
# What has to be left of a lease when a command leaves, and nothing is known of the venue's clock: a signature
# by a clock that is ahead is good for so much longer, and venues take one that is up to AHEAD_MS ahead.
MARGIN_SECONDS = (RECEIVE_WINDOW_MS + AHEAD_MS) / 1000 + DRIFT_SECONDS
# Venues that know no window, but take the end of an order in a header that is not signed (ccxt's ids).
END_HEADERS: Mapping[str, str] = {"okx": "expTime", "gate": "x-gate-exptime"}


def awake_seconds() -> float:
    """Seconds since the machine started, those asleep included."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class Lease:
    """The lease of one account. Lasts from before it was asked for, never from when the answer came."""

    def __init__(self, now: Callable[[], float] = awake_seconds) -> None:
        self._now = now
        self._ends = float("-inf")
        self._is_over = False
        self._ahead: Callable[[], float] = lambda: AHEAD_MS / 1000

    def heed(self, ahead: Callable[[], float]) -> None:
        """`ahead` answers by how many seconds the clock that signs may at most be ahead of the venue's."""
        self._ahead = ahead

    def extend(self, asked_at: float, seconds: float) -> None:
        """The database granted `seconds`, asked for at `asked_at` by the lease's own clock. A lease that was
        ended stays so: the answer may have been overtaken on its way."""
        if not self._is_over:
            self._ends = max(self._ends, asked_at + seconds)

    def end(self) -> None:
        """It is somebody else's now, or nobody's, for good: whoever gets the account again has a new one."""
        self._is_over = True
        self._ends = float("-inf")

    @property
    def holds(self) -> bool:
        """Whether a command that leaves now arrives while the lease lasts."""
        margin = RECEIVE_WINDOW_MS / 1000 + self._ahead() + DRIFT_SECONDS
        return self._now() + margin < self._ends

    def check(self) -> None:
        """Raise Withheld when nothing may be sent any more."""
        if not self.holds:
            raise Withheld(
                "the lease of the account may be over: nothing is sent before it is renewed",
                code="lease_over",
            )


def _wall_ms() -> int:
    return time.time_ns() // 1_000_000


def require_lease(exchange: Any, lease: Lease, wall_ms: Callable[[], int] = _wall_ms) -> None:
    """Let no command of this ccxt exchange leave without its lease, looked at after the request was signed.

    A process that is stopped before this look wakes up to be refused here; one that is stopped after it, to
    be refused by the venue, since the signature or a header carries the time.
    """
    send: Callable[..., Awaitable[Any]] | None = getattr(exchange, "fetch", None)
    if send is None or exchange.id == "paper":
        return
    end_header = END_HEADERS.get(exchange.id)

    async def fetch(
        url: str, method: str = "GET", headers: Any = None, body: Any = None, *more: Any, **named: Any
    ) -> Any:
        # A stream is kept alive by commands too, and trades nothing.
        if method != "GET" and "listenKey" not in url:
            if end_header is not None:
                # Before the look: a stop in between makes the end come sooner, never later.
                headers = {**(headers or {}), end_header: str(wall_ms() + RECEIVE_WINDOW_MS)}
            lease.check()
        return await send(url, method, headers, body, *more, **named)

    exchange.fetch = fetch
    if "recvWindow" in exchange.options:
        exchange.options["recvWindow"] = min(int(exchange.options["recvWindow"]), RECEIVE_WINDOW_MS)


def is_lease_over(error: BaseException) -> bool:
    """Whether a request was held back because the lease may be over."""
    return isinstance(error, OperationFailed) and getattr(error, "code", None) == "lease_over"
