"""The line before the database: bounded, urgent ones first, and nobody's place is lost."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import uuid4

from hypothesis import given
from hypothesis import strategies as st

from tests.waiting import until
from workers.trading.ledger import Facts
from workers.trading.line import Line


@given(
    most=st.integers(1, 3),
    callers=st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=12),
)
def test_so_many_are_in_at_once_and_what_protects_goes_first(
    most: int, callers: list[tuple[bool, bool]]
) -> None:
    """Each caller is urgent or not, and gives up while it waits or not."""
    entered: list[tuple[bool, int]] = []
    inside = peak = 0

    async def call(line: Line, number: int, urgent: bool, door: asyncio.Event) -> None:
        nonlocal inside, peak
        async with line.turn(urgent=urgent):
            entered.append((urgent, number))
            inside += 1
            peak = max(peak, inside)
            await door.wait()
            inside -= 1

    async def run() -> None:
        line, door = Line(most), asyncio.Event()
        tasks = [
            asyncio.create_task(call(line, number, urgent, door))
            for number, (urgent, _) in enumerate(callers)
        ]
        await asyncio.sleep(0)
        first = len(entered)
        for task, (_, gives_up) in list(zip(tasks, callers, strict=True))[first:]:
            if gives_up:
                task.cancel()
        door.set()
        await asyncio.wait(tasks)
        waited = entered[first:]
        assert waited == sorted(waited, key=lambda one: (not one[0], one[1]))
        stayed = [n for n, (_, gives_up) in enumerate(callers) if n < first or not gives_up]
        assert sorted(number for _, number in entered) == stayed
        # Every place was given back.
        async with asyncio.timeout(5):
            for _ in range(most):
                await line._enter(line._others)

    asyncio.run(run())
    assert peak <= most


async def test_one_that_gives_up_at_the_moment_a_place_is_free_only_gives_up() -> None:
    """It was told to stop, and its place in the line is looked at before it comes to run."""
    line = Line(1)

    async def call() -> None:
        async with line.turn(urgent=False):
            pass

    async with line.turn(urgent=True):
        waiting = asyncio.create_task(call())
        await until(lambda: bool(line._others))
        waiting.cancel()
    await asyncio.wait([waiting])
    assert waiting.cancelled()
    async with asyncio.timeout(5):
        await call()


def intent(leg: str, **more: Any) -> dict[str, Any]:
    return {"signal_id": str(uuid4()), "leg": leg, **more}


def test_only_what_opens_may_wait() -> None:
    attached = [intent("entry"), intent("stop_loss", attached=True)]
    assert not Facts(intents=attached, denials=[{"code": "signal_stale"}]).protects
    assert Facts(intents=[intent("entry"), intent("stop_loss")]).protects
    assert Facts(intents=[intent("entry")], fills=[{"price": "1"}]).protects
    assert Facts(exits=[{"reason": "time_exit"}]).protects
