"""What the matrix decides by itself: which cases are played, and what counts as time without a stop."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from typing import Any

from scripts.fake_venue import ANSWERS
from tests.kill_matrix.cases import Case, Outcome
from tests.kill_matrix.checks import BOUND_MS, check_exposure
from tests.kill_matrix.choice import KINDS, choose, choose_held, describe_choice
from tests.kill_matrix.lives import Life
from tests.kill_matrix.matrix import covered, list_cases
from tests.kill_matrix.paths import ALONE, PATHS
from tests.kill_matrix.points import list_points
from tests.waiting import until

# Every point once as a place of its own, as recorded on each path; one of an order asks the venue twice.
ASKS = next(point.name for point in list_points() if "await send(url" in point.text)
PLACES = [point.name for point in list_points()]
PLACES += [f"venues.venue:Venue.place:1[{leg}] > {ASKS}" for leg in ("entry 1", "stop_loss 1")]
SEEN = {f"{moment} {place}": 1 for place in PLACES for moment in ("before", "after")}
CASES = list_cases(Outcome(Case(path), seen=SEEN) for path in PATHS)
POINTS = covered(CASES)


def kinds_of(cases: list[Case]) -> list[int]:
    return [len({kind(case) for case in cases} - {None}) for kind in KINDS.values()]


def test_every_point_is_chosen_however_few_there_may_be() -> None:
    assert covered(choose(CASES, 0)) == POINTS


def test_everything_has_one_case_before_anything_has_two() -> None:
    few = len(choose(CASES, 0))
    moments, answers, orders = kinds_of(CASES)
    assert moments == 2 * len(POINTS)
    # One question is about two legs here.
    assert orders == answers + len(ANSWERS)
    assert kinds_of(choose(CASES, few + moments))[0] == moments
    enough = few + moments + answers + orders
    assert kinds_of(choose(CASES, enough)) == [moments, answers, orders]


def test_no_case_is_chosen_twice_and_all_are_when_there_is_room() -> None:
    for most in (len(POINTS) + 5, len(CASES) // 2, len(CASES)):
        chosen = choose(CASES, most)
        assert len({id(case) for case in chosen}) == len(chosen) == most
    assert len(choose(CASES, 2 * len(CASES))) == len(CASES)
    told = describe_choice(CASES, choose(CASES, len(CASES)))
    assert told.startswith(f"{len(CASES)} of {len(CASES)} cases: {len(POINTS)} of {len(POINTS)} points")


def test_only_a_bridge_that_nobody_answers_for_can_be_held() -> None:
    held = choose_held(CASES, 50)
    assert len(held) == 50
    assert not [case for case in held if case.answer or case.path.play in ALONE]


def exposed(seconds: float) -> dict[str, Any]:
    """An entry that fills at once, and a stop so many seconds later."""
    at_ms = int(seconds * 1000)
    entry: dict[str, Any] = {"id": "1", "request": {"side": "buy", "trigger": None}}
    stop: dict[str, Any] = {"id": "2", "request": {"side": "sell", "trigger": "stop"}}
    entry |= {"amount": "1", "status": "filled", "created_ms": 0, "updated_ms": 0}
    stop |= {"amount": "1", "status": "open", "created_ms": at_ms, "updated_ms": at_ms}
    return {"orders": [entry, stop], "trades": [{"order_id": "1", "at_ms": 0, "amount": "1"}]}


def test_time_without_a_stop_counts_but_for_what_the_matrix_itself_took() -> None:
    bound = BOUND_MS / 1000
    assert check_exposure(exposed(bound)) == []
    assert check_exposure(exposed(bound + 1)) == [f"1 were without a stop for {bound + 1:g} s"]
    assert check_exposure(exposed(bound + 1), (500, 2_000)) == []
    assert check_exposure(exposed(bound + 1), (500, 1_000)) != []
    late = (bound + 1) * 1000
    assert check_exposure(exposed(bound + 1), (late, late + 9_000)) != []


async def test_a_process_is_stopped_only_once_it_is() -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", "input()", stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.DEVNULL
    )
    life = Life(1, asyncio.get_running_loop().create_future())
    try:
        assert not life.is_stopped
        life.pid = process.pid
        assert not life.is_stopped
        os.kill(life.pid, signal.SIGSTOP)
        await until(lambda: life.is_stopped)
    finally:
        process.kill()
        await process.wait()
    assert life.is_stopped
