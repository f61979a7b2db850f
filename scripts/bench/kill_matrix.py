"""The kill matrix, whole: the bridge dies at every await of every path, by every answer of the venue.

What is killed and what is checked afterwards is in tests/kill_matrix, of which the tests play a part.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from scripts.bench.report import Progress, Result, at_least, exactly, figure
from scripts.local_supabase import stack
from scripts.local_supabase.ports import free_ports
from scripts.local_supabase.settings import Settings
from shared.errors import InputError
from tests.kill_matrix.cases import Case, Outage, Outcome
from tests.kill_matrix.choice import choose, describe_choice
from tests.kill_matrix.ground import open_ground, play, play_all_points, play_so_many_without
from tests.kill_matrix.matrix import covered, describe, list_cases
from tests.kill_matrix.paths import PATHS
from tests.stacks import Stack

# What has to be there at least.
LEAST = 500
OUTAGES: tuple[Outage, ...] = ("the database", "Realtime", "both")


@dataclass(frozen=True)
class Extent:
    """How many cases are played (None: all there are), and how many more at each outage."""

    cases: int | None
    at_outages: int


USUAL = Extent(600, 40)
QUICK = Extent(100, 6)
ALL = Extent(None, 120)
# A case that fails is told with this much of what its bridge said.
TOLD = 1_500


async def run(
    *, quick: bool, progress: Progress, cases: int | None = None, whole: bool = False
) -> list[Result]:
    """Play a choice in which every point is: the USUAL one, a QUICK one, so many `cases`, or the `whole`.

    Raises InputError when more than one of them is asked for.
    """
    if quick + whole + (cases is not None) > 1:
        raise InputError("--quick, --cases and --all exclude each other: give one of them")
    extent = QUICK if quick else ALL if whole else USUAL
    if cases is not None:
        extent = replace(extent, cases=cases)
    with _own_stack() as (made, root):
        return await _run(made, root, extent, progress)


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


async def _run(made: Stack, root: Path, extent: Extent, progress: Progress) -> list[Result]:
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
            left = (time.monotonic() - started) / len(played) * max(wanted - len(played), 0) / 60
            progress(f"{len(played)} of {wanted} cases, {len(failed)} failed, about {left:.0f} min to go")

    async with open_ground(made, root) as ground:
        recorded = await play(ground, [Case(path) for path in PATHS])
        failed += [one for one in recorded if one.problems or one.code not in one.case.path.ends]
        cases = list_cases(recorded)
        chosen = cases if extent.cases is None else choose(cases, extent.cases)
        wanted = len(chosen) + len(OUTAGES) * extent.at_outages
        progress(describe(cases))
        progress(f"played are {describe_choice(cases, chosen)}; and {extent.at_outages} at each outage")
        await play_all_points(ground, cases, chosen, told)
        results = [
            figure("points of the bridge", len(covered(cases)), "awaits"),
            figure("places of all paths × answers", len(cases), "cases"),
            at_least("points at which a bridge was killed", _killed(played), "awaits", _wanted(chosen)),
        ]
        for outage in OUTAGES:
            found = await play_so_many_without(ground, cases, extent.at_outages, outage, told)
            name = f"killed at their place without {outage}"
            results.append(at_least(name, sum(one.killed for one in found), "cases", extent.at_outages))
    results.append(at_least("cases played", len(played), "cases", min(LEAST, wanted)))
    results.append(figure("of these, killed at their place", sum(one.killed for one in played), "cases"))
    results.append(figure("minutes", (time.monotonic() - started) / 60, "min"))
    results.append(exactly("cases that failed", len(failed), "cases", 0))
    results += [exactly(f"FAILED {one.case}: {'; '.join(one.problems)}", 1, "cases", 0) for one in failed]
    return results


def _killed(played: list[Outcome]) -> int:
    return len(covered(one.case for one in played if one.killed))


def _wanted(chosen: list[Case]) -> int:
    """All, but for the few that are passed only when something else takes long at that moment."""
    points = covered(chosen)
    return len(points) - len(points) // 40
