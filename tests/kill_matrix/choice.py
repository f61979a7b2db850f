"""Which cases are played when there is no time for all: what a case has in common with others is played once,
before anything is played twice.

The same cases give the same choice.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import TypeVar

from tests.kill_matrix.cases import Case
from tests.kill_matrix.matrix import covered, points_of
from tests.kill_matrix.paths import ALONE

T = TypeVar("T")

Kind = Callable[[Case], Hashable | None]
_ORDER = re.compile(r"\[(\w+) \d+\]")


def moment_of(case: Case) -> Hashable | None:
    """The innermost await, before or after it; None for what the venue answers."""
    return None if case.place is None or case.answer else (case.moment, points_of(case.place)[-1])


def answer_of(case: Case) -> Hashable | None:
    """Which question to the venue is answered by what; None for a case without an answer."""
    return (question_of(case), case.answer) if case.answer else None


def order_of(case: Case) -> Hashable | None:
    """The same, and the leg of the order that it is about."""
    if case.place is None or not case.answer:
        return None
    return question_of(case), case.answer, next(iter(_ORDER.findall(case.place)[-1:]), None)


def question_of(case: Case) -> str | None:
    """What the venue is asked at this place: the bridge's own call of it, whatever that is made of."""
    return next((one for one in points_of(case.place or "") if one.startswith("venues.")), None)


# Of each of these at least one case is chosen, in this order, as far as there is room.
KINDS: dict[str, Kind] = {
    "moments": moment_of,
    "questions × answers": answer_of,
    "questions × orders × answers": order_of,
}


def choose(cases: Sequence[Case], most: int) -> list[Case]:
    """So many of the cases, but as many as it takes to have each point in one of them; then each of the
    KINDS, then some of all others, evenly."""
    chosen = _cover(cases)
    known = {id(case) for case in chosen}
    for kind in KINDS.values():
        chosen += spread(_missing(cases, chosen, kind, known), most - len(chosen))
        known |= {id(case) for case in chosen}
    return chosen + spread([case for case in cases if id(case) not in known], most - len(chosen))


def choose_held(cases: Iterable[Case], most: int) -> list[Case]:
    """Of the cases without an answer, so many at whose places a bridge can be made to wait.

    Whoever closes everything by a journal does so without the database anyway.
    """
    return choose(held(cases), most)[:most]


def held(cases: Iterable[Case]) -> list[Case]:
    """The cases at whose places a bridge can be made to wait."""
    return [one for one in cases if one.answer is None and one.path.play not in ALONE]


def describe_choice(cases: Sequence[Case], chosen: Sequence[Case]) -> str:
    """How many of what."""
    parts = [f"{len(covered(chosen))} of {len(covered(cases))} points"]
    for name, kind in KINDS.items():
        if not (there := {kind(case) for case in cases} - {None}):
            continue
        parts.append(f"{len({kind(case) for case in chosen} - {None})} of {len(there)} {name}")
    return f"{len(chosen)} of {len(cases)} cases: {', '.join(parts)}"


def _cover(cases: Sequence[Case]) -> list[Case]:
    """Few cases that have every point in one of them."""
    alike: dict[frozenset[str], list[Case]] = {}
    for case in cases:
        if case.place is not None:
            alike.setdefault(frozenset(points_of(case.place)), []).append(case)
    chosen: list[Case] = []
    missing = set().union(*alike)
    told: Counter[str | None] = Counter()
    while missing:
        best = max(alike, key=lambda points: len(points & missing))
        # Of those that are alike, the one whose answer was told least so far.
        case = min(alike[best], key=lambda one: told[one.answer])
        chosen.append(case)
        told[case.answer] += 1
        missing -= best
    return chosen


def _missing(cases: Sequence[Case], chosen: Sequence[Case], kind: Kind, known: set[int]) -> list[Case]:
    """One case for each that no chosen one is of, from the paths in turn."""
    there = {kind(case) for case in chosen}
    lacking: dict[Hashable, list[Case]] = {}
    for case in cases:
        one = kind(case)
        if one is not None and one not in there and id(case) not in known:
            lacking.setdefault(one, []).append(case)
    paths = Counter(case.path.name for case in chosen)
    found: list[Case] = []
    for alike in lacking.values():
        case = min(alike, key=lambda one: paths[one.path.name])
        paths[case.path.name] += 1
        found.append(case)
    return found


def spread(items: Sequence[T], most: int) -> list[T]:
    """So many of the items, evenly; all of them when they are not more."""
    if len(items) <= most:
        return list(items)
    return [items[number * len(items) // most] for number in range(max(most, 0))]
