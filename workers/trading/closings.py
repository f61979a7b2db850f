"""Closing the venues of desks that are given up: side by side, and none is waited for that takes long.

A venue that is gone does not answer a goodbye either. Nothing leaves any more for these accounts, so their
sockets may take the time that they take, while other desks go on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

import structlog

from workers.trading.desk import Desk

log = structlog.get_logger(__name__)


class Closings:
    """Those that are under way."""

    def __init__(self) -> None:
        self._late: set[asyncio.Task[None]] = set()

    async def close(self, desks: Iterable[Desk], seconds: float) -> None:
        """Close their venues; those that take longer than `seconds` go on by themselves. Raises what the
        first one raised, after all of them."""
        tasks = [asyncio.create_task(desk.close(), name=f"closing {desk.account.id}") for desk in desks]
        if not tasks:
            return
        done, late = await asyncio.wait(tasks, timeout=seconds)
        self._late |= late
        for task in late:
            task.add_done_callback(self._end)
        errors = [error for task in tasks if task in done and (error := task.exception()) is not None]
        for error in errors[1:]:
            log.error("venue_not_closed", error=repr(error))
        if errors:
            raise errors[0]

    async def give_up(self) -> None:
        """Cut off what is still under way."""
        late = list(self._late)
        for task in late:
            log.warning("venue_left_open", task=task.get_name())
            task.cancel()
        if late:
            await asyncio.wait(late)

    def _end(self, task: asyncio.Task[None]) -> None:
        self._late.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("venue_not_closed", task=task.get_name(), error=repr(error))
