"""What happens at the points of a process that trades: they are noted, a venue's answer is arranged, it dies.

A place is a point with the points of its callers, and with what it is about where that can be told: the stop
loss is sent by the same line as the take profit, and is another place.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import urllib.request
from collections import Counter
from collections.abc import AsyncIterator, Awaitable
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

_callers: ContextVar[tuple[str, ...]] = ContextVar("callers", default=())
SEPARATOR = " > "


@dataclass(slots=True)
class Trap:
    """What is to happen in this process.

    place, moment, later: where it dies, the first time or so many steps on; `hold` has it wait there instead,
    until somebody else ends it
    fault_place, fault: the venue's answer to the next request from there, as its control takes it
    """

    place: str | None = None
    moment: str = "before"
    later: int = 0
    hold: bool = False
    fault_place: str | None = None
    fault: dict[str, Any] | None = None
    control: str = ""
    channel: Any = None
    # What is written to the disk between two places makes them two.
    journal: str = ""
    seen: Counter[str] = field(default_factory=Counter)
    folded: set[str] = field(default_factory=set)
    # Steps taken since it came to its place.
    _steps: int = 0
    _before: dict[int, tuple[str, str, int]] = field(default_factory=dict)

    def strike(self, place: str, moment: str) -> None:
        """The process is at this place now."""
        spot = f"{moment} {place}"
        self.seen[spot] += 1
        self._fold(place, moment)
        if self.fault is not None and place == self.fault_place and moment == "before":
            told, self.fault = self.fault, None
            self._arrange(told)
        if self._steps or (place == self.place and moment == self.moment):
            self._steps += 1
            if self._steps <= self.later:
                return
            if self.hold:
                self.channel.sendall(b'{"held": true}\n')
                self.place, self._steps = None, 0
                os.kill(os.getpid(), signal.SIGSTOP)
                return
            os.kill(os.getpid(), signal.SIGKILL)

    def spots(self) -> dict[str, int]:
        """Where it has been, without what nobody outside could tell from the place before or after it."""
        return {spot: count for spot, count in self.seen.items() if spot not in self.folded}

    def _fold(self, place: str, moment: str) -> None:
        """Between an await and the one inside of it nothing happens that would be there after a death, unless
        something was written to the disk: the two are one spot, the inner one's."""
        task = id(asyncio.current_task())
        last, when, written = self._before.get(task, ("", "", 0))
        now = _size(self.journal)
        self._before[task] = (place, moment, now)
        if now != written or when != moment:
            return
        inner, outer = (place, last) if moment == "before" else (last, place)
        if inner.rpartition(SEPARATOR)[0] == outer and self.seen[f"{moment} {outer}"] == 1:
            self.folded.add(f"{moment} {outer}")

    def _arrange(self, fault: dict[str, Any]) -> None:
        body = json.dumps(fault).encode()
        request = urllib.request.Request(f"http://{self.control}/fault", data=body)
        with urllib.request.urlopen(request, timeout=10) as answer:
            answer.read()


TRAP = Trap()


async def pass_by(name: str, awaitable: Awaitable[Any]) -> Any:
    """Await something at a point."""
    outer = _callers.get()
    chain = (*outer, name + _about(sys._getframe(1)))
    place = SEPARATOR.join(chain)
    _callers.set(chain)
    TRAP.strike(place, "before")
    try:
        return await awaitable
    finally:
        _callers.set(outer)
        if not isinstance(sys.exception(), GeneratorExit):
            TRAP.strike(place, "after")


class Entered:
    """An async context manager at a point: entering it, and leaving it."""

    def __init__(self, name: str, manager: Any) -> None:
        self._name = name
        self._manager = manager

    async def __aenter__(self) -> Any:
        return await pass_by(self._name, self._manager.__aenter__())

    async def __aexit__(self, *error: Any) -> Any:
        return await pass_by(f"{self._name}.exit", self._manager.__aexit__(*error))


async def pass_each(name: str, items: Any) -> AsyncIterator[Any]:
    """An async iterator at a point: each wait for the next."""
    iterator = aiter(items)
    while True:
        try:
            item = await pass_by(name, anext(iterator))
        except StopAsyncIteration:
            return
        yield item


def _size(path: str) -> int:
    try:
        return os.stat(path).st_size
    except OSError:
        return 0


def _about(frame: Any) -> str:
    """Which order or facts the caller is busy with."""
    known = frame.f_locals
    order = known.get("order")
    if type(order).__name__ == "Order":
        return f"[{order.leg.value} {order.attempt}]"
    facts = known.get("facts")
    lists = getattr(facts, "to_json", None)
    if lists is not None and frame.f_code.co_name in ("record", "_record"):
        return f"[{' '.join(sorted(lists()))}]"
    return ""
