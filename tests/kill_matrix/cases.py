"""One case: a bridge is killed at one place of one path, started again, and everything is as it should be."""

from __future__ import annotations

import asyncio
import os
import signal as signals
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Literal

import psycopg

from tests.kill_matrix.checks import check
from tests.kill_matrix.paths import Path
from tests.kill_matrix.scene import PATIENCE, Ground, Over, Scene, Slot, answer_of, is_over
from tests.waiting import until

# What is away: the database is stopped hard when the bridge is at its place, Realtime is silent throughout.
Outage = Literal["the database", "Realtime", "both"]


@dataclass(frozen=True)
class Case:
    """Where the bridge dies, or from where so many steps on, and what the venue answers there. Without a
    place it lives."""

    path: Path
    place: str | None = None
    moment: str = "before"
    answer: str | None = None
    later: int = 0
    outage: Outage | None = None

    def __str__(self) -> str:
        away = f", without {self.outage}" if self.outage else ""
        told = f" was answered by {self.answer}, {self.later} steps on" if self.answer else ""
        return f"{self.path.name} on {self.path.wire}: {self.moment} {self.place}{told}{away}"


@dataclass
class Outcome:
    """What came of a case. `seen` are the places of the last process; `killed` is whether it came to that."""

    case: Case
    killed: bool = False
    problems: list[str] = field(default_factory=list)
    code: str | None = None
    seen: dict[str, int] = field(default_factory=dict)
    log: str = ""


class Gate:
    """Where cases wait until all of them are at their places; then something befalls them all."""

    def __init__(self, cases: int) -> None:
        self._unasked = self._away = cases
        self.asked = asyncio.Event()
        self.full = asyncio.Event()
        self.opened = asyncio.Event()

    def ask(self) -> None:
        """The signal of one is there, or never will be: what makes it cannot be done twice."""
        self._unasked -= 1
        if not self._unasked:
            self.asked.set()

    def arrive(self) -> None:
        """One is at its place, or will never come to it."""
        self._away -= 1
        if not self._away:
            self.full.set()


async def run(ground: Ground, slot: Slot, case: Case, gate: Gate | None = None) -> Outcome:
    """Play one case. With a gate the bridge waits there, at its place, before it is killed or goes on."""
    scene = Scene(ground, slot, case.path.wire)
    outcome = Outcome(case)
    await scene.set_up(**case.path.trader)
    try:
        if gate is None:
            await _play(scene, case, outcome)
        else:
            scene.trap["hold"] = True
            holding = asyncio.create_task(_hold(scene, gate))
            try:
                await _play(scene, case, outcome)
            finally:
                holding.cancel()
                with suppress(asyncio.CancelledError):
                    await holding
    except (AssertionError, TimeoutError, RuntimeError, psycopg.Error) as error:
        outcome.problems.append(f"{type(error).__name__}: {error}")
    finally:
        outcome.killed = scene.killed or scene.spared
        await scene.tear_down()
        outcome.log = scene.said()
    return outcome


async def _play(scene: Scene, case: Case, outcome: Outcome) -> None:
    if case.place is not None:
        scene.trap |= {"place": case.place, "moment": case.moment, "later": case.later}
    if case.answer is not None:
        fault = {**answer_of(case.answer, scene.wire), "caller": scene.key}
        scene.trap |= {"fault_place": case.place, "fault": fault}
    scene.start_bridge()
    watching = asyncio.create_task(_watch(scene))
    playing = asyncio.create_task(_through(scene, case))
    try:
        await asyncio.wait({watching, playing}, return_when=asyncio.FIRST_COMPLETED)
        if watching.done():
            watching.result()
        await playing
    finally:
        for task in (watching, playing):
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
    await _stop(scene)
    outcome.seen = scene.seen
    outcome.code = (await scene.look())["outcome_code"]
    outcome.problems += await check(scene)


async def _hold(scene: Scene, gate: Gate) -> None:
    """Wait at the gate once the bridge is at its place; then it dies, or every other time lives on."""
    try:
        try:
            await scene.fired.wait()
        finally:
            gate.ask()
        life = scene.life
        await life.held.wait()
        # It says so before it stops: let go of too early, it would stop after that, for good.
        await until(lambda: life.is_stopped, timeout=PATIENCE)
        since = time.time() * 1000
    finally:
        gate.arrive()
    await gate.opened.wait()
    scene.kept = (since, time.time() * 1000)
    scene.spared = scene.user.int % 2 == 0
    if scene.spared:
        os.kill(life.pid, signals.SIGCONT)
    else:
        scene.kill(life)


async def _through(scene: Scene, case: Case) -> None:
    with suppress(Over):
        await case.path.play(scene, case.path.plan)
    await scene.becomes(is_over)


async def _watch(scene: Scene) -> None:
    """Start the bridge again when it dies as it should. Raises Died when it ends otherwise."""
    while True:
        status = await scene.life.end()
        if scene.is_down:
            await until(lambda: not scene.is_down, timeout=PATIENCE)
            continue
        scene.note_end(status)
        scene.start_bridge()


async def _stop(scene: Scene) -> None:
    """End the bridge in good order; when it dies over that, see it start again."""
    life = scene.life
    life.tell(stop=True)
    status = await asyncio.wait_for(life.end(), PATIENCE)
    if status == 0:
        return
    scene.note_end(status)
    fence = await _fence(scene)
    scene.start_bridge()
    await until(lambda: _is_held_anew(scene, fence))


async def _fence(scene: Scene) -> int:
    rows = await scene.fetch("select lease_fence from public.exchange_accounts where id = %s", scene.account)
    return int(rows[0]["lease_fence"])


async def _is_held_anew(scene: Scene, fence: int) -> bool:
    return await _fence(scene) > fence
