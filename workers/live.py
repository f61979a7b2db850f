"""The live loop: each role takes a step when it is woken, and now and then without being woken."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from shared.role import Role
from shared.wakes import Wakes
from workers.stepping import Stepping

# How long a lost message may cost.
POLL_SECONDS = 5.0


async def live(
    roles: Sequence[Role],
    wakes: Wakes,
    stepping: Stepping,
    stopping: asyncio.Event,
    *,
    poll_seconds: float = POLL_SECONDS,
) -> None:
    """Run every role in a task of its own until `stopping` is set; the step under way is finished.

    The first error that no waiting heals stops them all and is raised.
    """

    async def run(role: Role) -> None:
        while not stopping.is_set():
            if not await wakes.wait(role.name, poll_seconds):
                wakes.wake(role.name)
            if not stopping.is_set() and await stepping.take(role) is None:
                wakes.wake(role.name)

    async def rouse() -> None:
        await stopping.wait()
        for role in roles:
            wakes.nudge(role.name)

    tasks = [asyncio.create_task(run(role), name=f"role {role.name}") for role in roles]
    rousing = asyncio.create_task(rouse())
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
    finally:
        stopping.set()
        results = await asyncio.gather(*tasks, rousing, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result
