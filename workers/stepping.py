"""One step of a role, and what its errors mean for the machine."""

from __future__ import annotations

import asyncio
import random
import time

import structlog

from shared.errors import ConfigurationError, NotAllowed, NotFound, SigtrailError, Unavailable
from shared.role import Role
from workers.status import Status

log = structlog.get_logger(__name__)

# These do not heal by waiting: the machine stops and says so.
FATAL = (ConfigurationError, NotAllowed, NotFound)
FIRST_PAUSE = 0.25
LONGEST_PAUSE = 5.0
MOST_FAILURES = 5


class Stopped(Exception):
    """The machine was told to stop while a step could not be finished."""


class Stepping:
    """Takes steps for the loops, and waits while the database is away.

    Only Sigtrail's own errors are survived. Anything else is a defect and rises: the machine stops cleanly,
    and its next start reconciles.
    """

    def __init__(self, status: Status, stopping: asyncio.Event, *, first_pause: float = FIRST_PAUSE) -> None:
        self._first_pause = first_pause
        self._status = status
        self._stopping = stopping
        self._pauses: dict[str, float] = {}
        self._failure: SigtrailError | None = None

    async def take(self, role: Role) -> int | None:
        """Take one step: how many things it did, None when it failed and has to be taken again after a wait.

        Raises what no waiting heals.
        """
        self._status.steps[role.name] += 1
        try:
            done = await self._timed(role)
        except FATAL:
            raise
        except Unavailable as error:
            self._status.waits[role.name] += 1
            if role.name not in self._pauses:
                log.warning("database_away", role=role.name, error=str(error))
            await self._pause(role.name)
            return None
        except SigtrailError as error:
            self._status.note_error(role.name, error)
            log.exception("step_failed", role=role.name)
            self._failure = error
            await self._pause(role.name)
            return None
        if self._pauses.pop(role.name, None) is not None:
            log.info("step_recovered", role=role.name)
        self._status.done[role.name] += done
        return done

    async def finish(self, role: Role) -> int:
        """Take a step until it succeeds: in a replay nothing may be skipped.

        Waits for an absent database as long as it takes; raises an error that came MOST_FAILURES times in a
        row, and Stopped when the machine was told to stop meanwhile.
        """
        failures = 0
        while True:
            done = await self.take(role)
            if done is not None:
                return done
            failure, self._failure = self._failure, None
            failures = 0 if failure is None else failures + 1
            if failure is not None and failures >= MOST_FAILURES:
                raise failure
            if self._stopping.is_set():
                raise Stopped(f"told to stop while {role.name} could not finish its step")

    async def _timed(self, role: Role) -> int:
        began = self._status.begun[role.name] = time.monotonic()
        try:
            done = await role.step()
        finally:
            del self._status.begun[role.name]
        if done:
            self._status.step_seconds.observe(time.monotonic() - began)
        return done

    async def _pause(self, name: str) -> None:
        pause = self._pauses.get(name, self._first_pause)
        self._pauses[name] = min(pause * 2, LONGEST_PAUSE)
        try:
            async with asyncio.timeout(pause * random.uniform(0.5, 1.0)):  # noqa: S311
                await self._stopping.wait()
        except TimeoutError:
            return
