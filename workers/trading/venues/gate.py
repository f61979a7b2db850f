"""The gate of an order that is made ready while the database takes its intent.

ccxt words, signs and serializes the request meanwhile, and then it waits here, before its first byte. The
gate is shut. It is opened by who has the intent in the record and has looked once more at all that sending
asks for, and only for a request that says what the recorded order says. What nobody lets out never left.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from workers.trading.lease import awake_seconds
from workers.trading.traffic.traffic import Withheld

# A signature that is older than this is made anew: venues take one for 2.5 s after its time.
MOST_SECONDS = 0.5


class NotLetOut(Withheld):
    """The request stayed at its gate: of this one nothing left."""

    def __init__(self, why: str) -> None:
        super().__init__(f"the request was not sent: {why}", code="not_let_out")


class Gate:
    """Of one request. Shut until it is opened, once."""

    def __init__(self, monotonic: Callable[[], float] = awake_seconds) -> None:
        self._monotonic = monotonic
        self._opened: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        # Whether the request waits here.
        self.is_reached = False

    def open(self) -> None:
        """Let it out."""
        if not self._opened.done():
            self._opened.set_result(True)

    def shut(self) -> None:
        """It must never leave."""
        if not self._opened.done():
            self._opened.set_result(False)

    async def wait(self) -> None:
        """Return once the request may leave. Raises NotLetOut when it must not, or is too old by then."""
        signed_at = self._monotonic()
        self.is_reached = True
        if not await self._opened:
            raise NotLetOut("its intent is not in the record as it was to be")
        if self._monotonic() - signed_at > MOST_SECONDS:
            raise NotLetOut("its signature is too old")


class Held:
    """An order's request behind its gate. `words` is what it says: ccxt's method and arguments."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate
        self._task: asyncio.Task[Any] | None = None
        self.words: tuple[Any, ...] | None = None

    def begin(self, task: asyncio.Task[Any]) -> None:
        """`task` makes it ready, waits at the gate, and sends it."""
        self._task = task

    @property
    def is_ready(self) -> bool:
        """Whether it waits at its gate, or has been there."""
        return self._gate.is_reached

    def says(self, words: tuple[Any, ...]) -> bool:
        """Whether it is under way, and says just this."""
        return self._task is not None and not self._task.done() and self.words == words

    async def let_out(self) -> Any:
        """Open the gate. Answers what the venue answers, and raises what ccxt raises; NotLetOut when nothing
        left."""
        if self._task is None:
            raise NotLetOut("it was never made")
        self._gate.open()
        return await self._task

    async def drop(self) -> None:
        """It never leaves, if it has not been let out. Waits until it is gone."""
        self._gate.shut()
        if self._task is None:
            return
        if not self._gate.is_reached:
            self._task.cancel()
        await asyncio.wait([self._task])
        if not self._task.cancelled():
            # Whoever let it out has heard of it.
            self._task.exception()


_gate: ContextVar[Gate | None] = ContextVar("gate", default=None)


@contextmanager
def behind(gate: Gate) -> Iterator[None]:
    """No request that is made within the block leaves before its gate is open."""
    mark = _gate.set(gate)
    try:
        yield
    finally:
        _gate.reset(mark)


def gate_of_request() -> Gate | None:
    """The gate that the request under way has to pass."""
    return _gate.get()
