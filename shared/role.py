"""What a machine knows of a role."""

from __future__ import annotations

from collections.abc import Awaitable, Iterable, Mapping
from typing import Any, Protocol

from shared.metrics import Metric


class Role(Protocol):
    """One kind of work of a machine: signals, analysis, monitoring or trading.

    A role keeps what it holds in memory, finds out by itself what is due at its clock's now, and makes no
    database call in a step without due work: a replay takes a step for every candle close.
    """

    @property
    def name(self) -> str:
        """The role's name, which is also its stage in the work queue and its name among the wakes."""

    async def start(self) -> None:
        """Get ready to work: restore what a restart lost, reconcile. Called once, before any step."""

    async def step(self) -> int:
        """Do all work that is due at the clock's now, and answer how many things were done.

        A step is whole: when it returns, everything that it took was finished or given back. Raises
        `Unavailable` when the database cannot be reached; the machine takes the step again later.
        """

    async def stop(self) -> None:
        """Release what is held, so that another machine can take it at once. Nothing is lost."""


class Measured(Role, Protocol):
    """A role that tells Prometheus how it is."""

    def measure(self) -> Iterable[Metric]:
        """The families of this role as they stand now. Asks nobody, and takes no time."""


class Call(Protocol):
    """A call of one of the schema's functions: its name, and its named arguments ready for JSON."""

    def __call__(self, name: str, params: Mapping[str, Any], /) -> Awaitable[Any]: ...
