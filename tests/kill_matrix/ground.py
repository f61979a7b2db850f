"""What the cases stand on: a stack, a fake venue in a process of its own, a nursery of bridges."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, nullcontext, suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from scripts.fake_venue.process import run_process
from scripts.local_supabase.processes import Process
from shared.vault import new_master_key
from tests.kill_matrix.cases import Case, Gate, Outage, Outcome, run
from tests.kill_matrix.choice import choose, choose_held, held, spread
from tests.kill_matrix.lives import open_nursery
from tests.kill_matrix.matrix import covered
from tests.kill_matrix.scene import Ground, Slot, Steady
from tests.stacks import Stack

# Cases that are played at once: most of a case is waiting.
SLOTS = 6
TOGETHER_SECONDS = 25.0
SUBSTITUTES = 4

Told = Callable[[Outcome], None]


@asynccontextmanager
async def open_ground(stack: Stack, folder: Path) -> AsyncIterator[Ground]:
    """Everything that the cases share, until the block ends."""
    # Fees may be paid in BNB, which has a price of its own.
    symbols = ["BNBUSDT", *(_symbol(number) for number in range(SLOTS))]
    async with (
        run_process(folder / "venue", "--symbols", *symbols) as venue,
        open_nursery(folder) as nursery,
    ):
        sql = Steady(stack.db_url)
        today = datetime.now(UTC).date()
        await sql.execute("select private.open_partitions(%s, %s)", (today, today))
        await sql.close()
        yield Ground(stack, venue, nursery, new_master_key(), folder)


async def play(ground: Ground, cases: Iterable[Case], told: Told = lambda _: None) -> list[Outcome]:
    """Play cases, SLOTS at once; `told` hears of each."""
    waiting = list(reversed(list(cases)))
    outcomes: list[Outcome] = []

    async def work(number: int) -> None:
        slot = Slot(_symbol(number), Steady(ground.stack.db_url))
        try:
            while waiting:
                outcome = await run(ground, slot, waiting.pop())
                outcomes.append(outcome)
                told(outcome)
        finally:
            await slot.sql.close()

    async with asyncio.TaskGroup() as group:
        for number in range(SLOTS):
            group.create_task(work(number))
    return outcomes


async def play_all_points(
    ground: Ground,
    cases: Sequence[Case],
    chosen: Sequence[Case],
    told: Told = lambda _: None,
) -> list[Outcome]:
    """Play what was chosen, and others in the place of those that did not come to their place: what happens
    where is also a matter of how fast the machine is."""
    outcomes = await play(ground, chosen, told)
    for _ in range(SUBSTITUTES):
        missing = covered(chosen) - covered(one.case for one in outcomes if one.killed)
        if not missing:
            break
        played = {id(one.case) for one in outcomes}
        others = [one for one in cases if id(one) not in played and covered([one]) & missing]
        wanted = choose(others[:: max(len(others) // 500, 1)], 0)
        outcomes += await play(ground, [one for one in wanted if covered([one]) & missing], told)
    return outcomes


async def play_so_many_without(
    ground: Ground, cases: Sequence[Case], most: int, outage: Outage, told: Told = lambda _: None
) -> list[Outcome]:
    """Play so many cases that came to their places while something is away, and all that did not."""
    left, chosen = held(cases), choose_held(cases, most)
    outcomes: list[Outcome] = []
    for _ in range(2 * SUBSTITUTES):
        if not chosen:
            break
        outcomes += await play_without(ground, chosen, outage, told)
        played = {id(case) for case in chosen}
        left = [case for case in left if id(case) not in played]
        # Those chosen first are the deepest, and the likeliest to be missed: the others come evenly.
        chosen = spread(left, most - sum(one.killed for one in outcomes))
    return outcomes


async def play_without(
    ground: Ground, cases: Sequence[Case], outage: Outage, told: Told = lambda _: None
) -> list[Outcome]:
    """Play cases while something is away; SLOTS at once wait at their places for the database to die."""
    cases = [replace(case, outage=outage) for case in cases]
    with _silent(ground.stack, "realtime") if outage != "the database" else nullcontext():
        if outage == "Realtime":
            return await play(ground, cases, told)
        outcomes: list[Outcome] = []
        for start in range(0, len(cases), SLOTS):
            batch = cases[start : start + SLOTS]
            slots = [Slot(_symbol(number), Steady(ground.stack.db_url)) for number in range(len(batch))]
            gate = Gate(len(batch))
            async with asyncio.TaskGroup() as group:
                tasks = [
                    group.create_task(run(ground, slot, case, gate))
                    for slot, case in zip(slots, batch, strict=True)
                ]
                await gate.asked.wait()
                # One that goes another way than it was recorded keeps the others only so long.
                with suppress(TimeoutError):
                    await asyncio.wait_for(gate.full.wait(), TOGETHER_SECONDS)
                os.kill(_process(ground.stack, "postgres").pid, signal.SIGQUIT)
                gate.opened.set()
            for task, slot in zip(tasks, slots, strict=True):
                outcomes.append(task.result())
                told(outcomes[-1])
                await slot.sql.close()
        return outcomes


@contextmanager
def _silent(stack: Stack, part: str) -> Iterator[None]:
    """A part of the stack that says nothing until the block ends."""
    pid = _process(stack, part).pid
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def _process(stack: Stack, part: str) -> Process:
    found = Process.read(stack.settings.pids / f"{part}.json")
    assert found is not None
    return found


def _symbol(number: int) -> str:
    return f"K{chr(ord('A') + number)}XUSDT"
