"""What stands between the bridge and a venue's network: whether a request may leave now, and what came back.

Every request of a `Venue` runs inside `turn`; the limiter, the circuit breaker and the venue's clock live
behind it. Without one of them every request leaves at once.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from contextvars import ContextVar
from typing import Literal, Protocol

from ccxt.base.errors import OperationFailed

# An `order` opens something or takes a profit, a `stop` protects what is open or closes it at the market, a
# `cancel` takes an order back, a `read` only asks, because of something that happened, and a `routine`
# question is asked again and again although nothing did. Each leaves something of a venue's budget to those
# before it, in this order: stops and cancels, orders, reads, routine.
Turn = Literal["order", "cancel", "stop", "read", "routine"]

# The code of a routine question that was not asked because others come first.
PUT_OFF = "put_off"

# What the questions of this task count as.
_asking: ContextVar[Turn] = ContextVar("asking", default="read")


@contextmanager
def asking(turn: Turn) -> Iterator[None]:
    """Questions within the block count as `turn`: what an entry has to know as an `order`, so that it never
    waits behind other questions, and what may be asked later as `routine`."""
    mark = _asking.set(turn)
    try:
        yield
    finally:
        _asking.reset(mark)


def counts_as(kind: Turn) -> Turn:
    """How a request stands in the line: a question as whoever asks said."""
    return _asking.get() if kind == "read" else kind


class Withheld(OperationFailed):  # type: ignore[misc]
    """The request was not sent: nothing can have happened at the venue. `code` says what held it back.

    Like every failed operation it is tried again; unlike the others it leaves nothing to ask about.
    """

    def __init__(self, message: str, *, code: str = "withheld") -> None:
        super().__init__(message)
        self.code = code


class Traffic(Protocol):
    """The way to one venue for one account."""

    def turn(self, kind: Turn, name: str) -> AbstractAsyncContextManager[None]:
        """Around one request, `name` is ccxt's method. Entering waits for the request's turn, and raises
        Withheld when it must not be sent; what the request raised passes through, seen by the breaker."""

    def leave(self) -> None:
        """The request under way leaves only now: it was made ready within its turn, and held back since.
        Raises Withheld when it must not be sent any more."""

    def hear(self, status: int, headers: Mapping[str, str]) -> None:
        """Every HTTP answer of the venue, before it is judged: its status, and its headers by lower-case
        name (`retry-after`, `date`, used weights)."""


class FreeTraffic:
    """Lets every request leave at once."""

    @asynccontextmanager
    async def turn(self, kind: Turn, name: str) -> AsyncIterator[None]:
        """Nothing holds a request back."""
        yield

    def leave(self) -> None:
        """Nothing holds it back."""

    def hear(self, status: int, headers: Mapping[str, str]) -> None:
        """Nothing is learned."""
