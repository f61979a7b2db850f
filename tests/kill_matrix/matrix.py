"""The matrix: every place that the paths pass, and every answer of the venue where one is asked for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import count

from scripts.fake_venue import ANSWERS
from tests.kill_matrix.cases import Case, Outcome
from tests.kill_matrix.points import list_points
from tests.kill_matrix.trap import SEPARATOR

# How the lines read that send a request to a venue.
_ASKS = ("await send(url", "await self._data.")
# After an answer the bridge dies at once, or so many steps on, when it has begun to act on it.
_LATER = (0, 6, 14, 30)


def list_cases(recorded: Iterable[Outcome]) -> list[Case]:
    """Every case of paths that were played once without a death.

    Before a place nothing of it has happened, after it all of it has: with each answer that the venue can
    give, where it is a question to the venue.
    """
    asking = {point.name for point in list_points() if any(words in point.text for words in _ASKS)}
    cases: list[Case] = []
    turns = count()
    known: set[tuple[str, str]] = set()
    for outcome in recorded:
        path = outcome.case.path
        for spot in outcome.seen:
            moment, _, place = spot.partition(" ")
            is_new = (path.wire, spot) not in known
            known.add((path.wire, spot))
            # Where it is about nothing of the path's own, one path is as good as another.
            if is_new or "[" in place:
                cases.append(Case(path, place, moment))
            if is_new and moment == "after" and points_of(place)[-1] in asking:
                for answer in ANSWERS:
                    later = _LATER[next(turns) % len(_LATER)]
                    cases.append(Case(path, place, moment, answer, later))
    return cases


def points_of(place: str) -> list[str]:
    """The points that a process waits at when it is at this place, the innermost last."""
    return [part.partition("[")[0] for part in place.split(SEPARATOR)]


def covered(cases: Iterable[Case]) -> set[str]:
    """The points at which somebody dies in these cases."""
    return {name for case in cases if case.place is not None for name in points_of(case.place)}


def describe(cases: Sequence[Case]) -> str:
    """Points × answers."""
    places = {(case.path.name, case.path.wire, case.place) for case in cases}
    asked = {(case.path.name, case.path.wire, case.place) for case in cases if case.answer}
    answers = {case.answer for case in cases if case.answer}
    return (
        f"{len(places)} places of {len(covered(cases))} points, {len(asked)} of them × {len(answers)}"
        f" answers, {len(cases)} cases"
    )
