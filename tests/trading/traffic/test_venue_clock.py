"""Where a venue's clock is follows from its answers; a wrong one is noticed, a slow network is not one."""

from __future__ import annotations

from email.utils import formatdate

from hypothesis import given
from hypothesis import strategies as st

from workers.trading.traffic.venue_clock import (
    DRIFT_MS,
    KEPT_MS,
    Offset,
    VenueClock,
    bound_by_date,
    bound_by_time,
    intersect,
)

START = 1_795_000_000_123


class Wall:
    """A clock that the test moves."""

    def __init__(self) -> None:
        self.at = START

    def __call__(self) -> int:
        return self.at


def hear(clock: VenueClock, wall: Wall, offset: int, way_out: int = 40, way_back: int = 60) -> None:
    """One request and its answer, with a venue whose clock is `offset` ms ahead of ours."""
    asked = wall.at
    wall.at += way_out
    date = formatdate((wall.at + offset) // 1000, usegmt=True)
    wall.at += way_back
    clock.hear(asked, {"date": date})


@given(st.integers(-1_000_000, 1_000_000), st.integers(0, 20_000), st.integers(0, 20_000))
def test_the_true_offset_lies_in_every_bound(offset: int, way_out: int, way_back: int) -> None:
    asked, written = START, START + way_out
    heard = written + way_back
    venue = written + offset
    for bound in (
        bound_by_date(asked, heard, venue // 1000 * 1000),
        bound_by_time(asked, heard, venue),
    ):
        assert bound.least <= offset <= bound.most


@given(
    st.integers(-60_000, 60_000),
    st.lists(st.tuples(st.integers(0, 5_000), st.integers(0, 5_000), st.integers(0, 9_000)), max_size=30),
)
def test_a_sound_clock_is_never_refused_and_the_offset_is_known(
    offset: int, answers: list[tuple[int, int, int]]
) -> None:
    wall = Wall()
    clock = VenueClock(wall)
    for way_out, way_back, pause in answers:
        hear(clock, wall, offset, way_out, way_back)
        known = clock.offset()
        assert known is not None
        assert known.least <= offset <= known.most
        wall.at += pause
    if -1_000 <= offset <= 2_500:
        assert clock.is_sound()


def test_a_clock_that_is_apart_is_noticed() -> None:
    for offset in (-5_000, 6_000):
        wall = Wall()
        clock = VenueClock(wall)
        assert clock.is_sound(), "nothing is known, nothing is refused"
        hear(clock, wall, offset)
        assert not clock.is_sound()
        told = clock.to_json()
        assert abs(told["offset_ms"] - offset) <= told["within_ms"]


def test_many_answers_tell_more_than_one() -> None:
    wall = Wall()
    clock = VenueClock(wall)
    hear(clock, wall, 300)
    first = clock.to_json()["within_ms"]
    for _ in range(20):
        wall.at += 777
        hear(clock, wall, 300)
    assert clock.to_json()["within_ms"] < first / 2


def test_a_clock_that_somebody_set_is_learned_anew() -> None:
    wall = Wall()
    clock = VenueClock(wall)
    hear(clock, wall, -20_000)
    assert not clock.is_sound()
    wall.at -= 20_000
    hear(clock, wall, 0)
    assert clock.is_sound()
    # Set in the middle of a request: neither of both is known.
    asked = wall.at
    wall.at -= 5_000
    clock.hear(asked, {"date": formatdate(asked / 1000, usegmt=True)})
    assert clock.offset() is None


def test_what_is_old_is_not_believed() -> None:
    wall = Wall()
    clock = VenueClock(wall)
    hear(clock, wall, 0)
    wall.at += KEPT_MS + 1
    hear(clock, wall, 900)
    known = clock.offset()
    assert known is not None
    assert known.most - known.least > 1_000 + 2 * DRIFT_MS


def test_an_answer_without_a_date_says_nothing() -> None:
    wall = Wall()
    clock = VenueClock(wall)
    clock.hear(wall.at, {})
    clock.hear(wall.at, {"date": "yesterday"})
    clock.hear(None, {"date": formatdate(0, usegmt=True)})
    assert clock.offset() is None
    assert intersect([]) is None
    assert intersect([Offset(0, 1), Offset(2, 3)]) is None
