"""The bridge is killed at every await, for every answer of the venue, and started again: nothing is doubled,
nothing is lost, nothing stays unprotected, the trail is whole, and the profit is the venue's.

What is played here is a choice that has every point in it; `sigtrail bench kill-matrix` plays more of them,
and with --all every case.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.kill_matrix.cases import Case, Outage, Outcome
from tests.kill_matrix.choice import choose, describe_choice
from tests.kill_matrix.exceptions import is_timely, reason_of
from tests.kill_matrix.ground import open_ground, play, play_all_points, play_so_many_without
from tests.kill_matrix.matrix import covered, describe, list_cases
from tests.kill_matrix.paths import PATHS
from tests.kill_matrix.points import list_points
from tests.kill_matrix.scene import Ground
from tests.stacks import Stack, running_stack

# How many cases a run of the tests has time for.
CASES = 100
AT_OUTAGES = 6
# The first of them pays for all paths; a machine may be slow.
pytestmark = pytest.mark.timeout(900)


@pytest.fixture(scope="module")
def mortal_stack(state_folder: Path) -> Iterator[Stack]:
    """A stack whose database is killed, and whose accounts nobody else has to look through."""
    with running_stack(state_folder / "matrix") as one:
        yield one


@pytest.fixture(scope="module")
async def ground(mortal_stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Ground]:
    async with open_ground(mortal_stack, tmp_path_factory.mktemp("matrix")) as made:
        yield made


@pytest.fixture(scope="module")
async def recorded(ground: Ground) -> list[Outcome]:
    """Every path, undisturbed."""
    return await play(ground, [Case(path) for path in PATHS])


async def test_the_paths_come_to_their_ends(recorded: list[Outcome]) -> None:
    wrong = [str(one.case) for one in recorded if one.problems or one.code not in one.case.path.ends]
    assert wrong == [], tell(recorded)


async def test_every_await_of_the_bridge_is_on_a_path_or_has_a_reason(recorded: list[Outcome]) -> None:
    reached = covered(list_cases(recorded))
    points = {point.name for point in list_points() if is_timely(point.name)}
    assert sorted(name for name in points - reached if reason_of(name) is None) == []
    assert sorted(name for name in points & reached if reason_of(name) is not None) == []


async def test_a_bridge_that_is_killed_doubles_and_loses_nothing(
    ground: Ground, recorded: list[Outcome], capsys: pytest.CaptureFixture[str]
) -> None:
    cases = list_cases(recorded)
    chosen = choose(cases, CASES)
    outcomes = await play_all_points(ground, cases, chosen)
    with capsys.disabled():
        print(f"\nkill matrix: {describe(cases)}; played are {describe_choice(cases, chosen)}")
    assert [str(one.case) for one in outcomes if one.problems] == [], tell(outcomes)
    killed = [one.case for one in outcomes if one.killed]
    # A few are passed only when something else takes long at that moment: which, is told.
    missed = sorted(covered(cases) - covered(killed))
    with capsys.disabled():
        print(f"{len(killed)} of {len(outcomes)} were killed at their place; never at {missed}")
    assert len(missed) <= len(covered(cases)) // 40


@pytest.mark.parametrize("outage", ["the database", "Realtime", "both"])
async def test_nor_does_one_that_is_killed_while_something_is_away(
    ground: Ground, recorded: list[Outcome], outage: Outage
) -> None:
    outcomes = await play_so_many_without(ground, list_cases(recorded), AT_OUTAGES, outage)
    assert [str(one.case) for one in outcomes if one.problems] == [], tell(outcomes)
    assert sum(one.killed for one in outcomes) == AT_OUTAGES


def tell(outcomes: list[Outcome]) -> str:
    """What went wrong, with what the bridge said."""
    wrong = [one for one in outcomes if one.problems or one.code not in one.case.path.ends]
    return "\n\n".join(f"{one.case}: {one.code} {one.problems}\n{one.log[-4000:]}" for one in wrong)
