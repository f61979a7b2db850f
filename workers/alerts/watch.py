"""What a machine says of itself when something is wrong: raised once it is, ended once it is over.

What only the record shows (silent machines, lost orders, losses) the database raises by itself. A machine
whose database is away cannot raise anything: `/healthz` and Prometheus see that.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import structlog

from shared.errors import SigtrailError, Unavailable
from shared.redaction import redact
from shared.role import Call
from workers.health import SPOOL, Bounds, Condition

log = structlog.get_logger(__name__)

SECONDS = 15.0
MOST_LETTERS = 200

# The kind of an alert, and what of it: a venue, or nothing.
Matter = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Signs:
    """What a machine knows of its troubles. Counts since its start; `refusals` are those of venues that let
    nothing more through."""

    errors: int = 0
    last_error: str = ""
    refusals: Mapping[str, int] = field(default_factory=dict)
    silent: float | None = None
    spool_age: float = 0.0
    spool_alarm: str = ""

    @classmethod
    def of(cls, it: Condition, errors: int, last_error: str, refusals: Mapping[str, int]) -> Signs:
        """From the condition that health is judged by."""
        silent = it.silent if it.state == "running" else None
        return cls(errors, last_error, dict(refusals), silent, it.spool_age, it.spool_alarm)


def find_matters(before: Signs, now: Signs, bounds: Bounds | None = None) -> dict[Matter, str]:
    """What is wrong now or happened since `before`, with a sentence each."""
    most = bounds or Bounds()
    found: dict[Matter, str] = {}
    if now.errors > before.errors:
        told = redact(now.last_error)[:MOST_LETTERS]
        found["machine_error", ""] = f"{now.errors - before.errors} errors, the last: {told}"
    for venue, count in sorted(now.refusals.items()):
        if count > before.refusals.get(venue, 0):
            found["rate_limited", venue] = f"{venue} refuses requests: too many were sent"
    if now.silent is not None and now.silent > most.silence:
        found["feed_silent", ""] = f"no candle has come for {now.silent:.0f} s"
    if now.spool_alarm:
        found["spool_alarm", ""] = SPOOL[now.spool_alarm]
    elif now.spool_age > most.spool:
        found["spool_alarm", ""] = f"the oldest signal in the spool has waited for {now.spool_age:.0f} s"
    return found


class Watch:
    """Looks every `seconds` and tells the database. What lasts is told again, so that it stays open."""

    name = "watch"

    def __init__(
        self, call: Call, machine_id: str, read: Callable[[], Signs], *, seconds: float = SECONDS
    ) -> None:
        self._call = call
        self._machine_id = machine_id
        self._read = read
        self._seconds = seconds
        self._before = read()
        self._standing: set[Matter] = set()

    async def run(self) -> None:
        """Look until it is cancelled. Nothing that goes wrong here may stop a machine that trades."""
        while True:
            await asyncio.sleep(self._seconds)
            try:
                await self.look()
            except Unavailable as error:
                log.info("alerts_wait", error=str(error))
            except SigtrailError as error:
                log.error("alerts_failed", error=str(error))  # noqa: TRY400

    async def look(self) -> None:
        """Raise what is wrong, end what is over. Raises Unavailable, and then tells all of it again."""
        signs = self._read()
        found = find_matters(self._before, signs)
        for (kind, key), told in found.items():
            title = f"machine {self._machine_id}: {told}"
            await self._call("raise_alert", {"kind": kind, "key": key, "title": title})
        for kind, key in sorted(self._standing - found.keys()):
            # Errors and refusals are moments: that there is none now does not end them.
            if kind in ("feed_silent", "spool_alarm"):
                await self._call("resolve_alert", {"kind": kind, "key": key})
        self._standing, self._before = set(found), signs

    async def close(self) -> None:
        """Nothing is held."""
