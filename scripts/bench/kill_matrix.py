"""The kill matrix, whole: the bridge dies at every await of every path, by every answer of the venue.

What is killed and what is checked afterwards is in tests/kill_matrix, of which the tests play a part.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from scripts.bench.report import Progress, Result, at_least, exactly, figure
from scripts.local_supabase import stack
from scripts.local_supabase.ports import free_ports
from scripts.local_supabase.settings import Settings
from tests.kill_matrix.cases import Case, Outage, Outcome
from tests.kill_matrix.ground import open_ground, play, play_all_points, play_without
from tests.kill_matrix.matrix import choose, choose_held, covered, describe, list_cases
from tests.kill_matrix.paths import PATHS
from tests.stacks import Stack

# What has to be there at least, and what a run without --quick plays of what goes wrong elsewhere.
LEAST = 500
OUTAGES: tuple[Outage, ...] = ("the database", "Realtime", "both")
AT_OUTAGES, QUICK_AT_OUTAGES = 120, 6
QUICK = 100
# A case that fails is told with this much of what its bridge said.
TOLD = 1_500


async def run(*, quick: bool, progress: Progress) -> list[Result]:
    """Play it all, or with `quick` a choice that has every point in it."""
    with _own_stack() as (made, root):
        return await _run(made, root, quick, progress)


@contextmanager
def _own_stack() -> Iterator[tuple[Stack, Path]]:
    """A fresh stack, whose database may be killed, and the folder that it is in."""
    with tempfile.TemporaryDirectory(prefix="sigtrail-bench.") as folder:
        root = Path(folder)
        root.chmod(0o755)  # the database runs as a user of its own
        settings = Settings(root=root / "stack").at_port(free_ports())
        stack.start(settings, owner=os.getpid())
        try:
            yield Stack(settings), root
        finally:
            stack.stop(settings)


async def _run(made: Stack, root: Path, quick: bool, progress: Progress) -> list[Result]:
    failed: list[Outcome] = []
    played: list[Outcome] = []
    started = time.monotonic()
    wanted = 0

    def told(outcome: Outcome) -> None:
        played.append(outcome)
        if outcome.problems:
            failed.append(outcome)
            progress(f"FAILED {outcome.case}: {outcome.problems}\n{outcome.log[-TOLD:]}")
        if len(played) % 50 == 0:
            left = (time.monotonic() - started) / len(played) * (wanted - len(played)) / 60
            progress(f"{len(played)} of {wanted} cases, {len(failed)} failed, about {left:.0f} min to go")

    async with open_ground(made, root) as ground:
        recorded = await play(ground, [Case(path) for path in PATHS])
        failed += [one for one in recorded if one.problems or one.code not in one.case.path.ends]
        cases = list_cases(recorded)
        chosen = choose(cases, QUICK) if quick else cases
        others = choose_held(cases, QUICK_AT_OUTAGES if quick else AT_OUTAGES)
        wanted = len(chosen) + len(OUTAGES) * len(others)
        progress(f"{describe(cases)}; {wanted} are played")
        await play_all_points(ground, cases, chosen, told)
        results = [
            figure("points of the bridge", len(covered(cases)), "awaits"),
            figure("places of all paths × answers", len(cases), "cases"),
            at_least("points at which a bridge was killed", _killed(played), "awaits", _wanted(chosen)),
        ]
        for outage in OUTAGES:
            before = len(played)
            await play_without(ground, others, outage, told)
            results.append(figure(f"the same without {outage}", len(played) - before, "cases"))
    results.append(at_least("cases played", len(played), "cases", 0 if quick else LEAST))
    results.append(figure("of these, killed at their place", sum(one.killed for one in played), "cases"))
    results.append(exactly("cases that failed", len(failed), "cases", 0))
    results += [exactly(f"FAILED {one.case}: {'; '.join(one.problems)}", 1, "cases", 0) for one in failed]
    return results


def _killed(played: list[Outcome]) -> int:
    return len(covered(one.case for one in played if one.killed))


def _wanted(chosen: list[Case]) -> int:
    """All, but for the few that are passed only when something else takes long at that moment."""
    points = covered(chosen)
    return len(points) - len(points) // 40
