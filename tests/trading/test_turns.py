"""Desks take their turns: none waits for one that takes long, and nothing that went wrong is lost."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from shared.errors import Unavailable
from tests.waiting import until
from workers.trading.turns import Turns

A, B, C = UUID(int=1), UUID(int=2), UUID(int=3)
# How long young turns are waited for: what is under way then goes on by itself.
SHORT = 0.02


class Desks:
    """Turns that note when they begin, and last until they are let go."""

    def __init__(self) -> None:
        self.begun: list[UUID] = []
        self.gates: dict[UUID, asyncio.Event] = {}
        self.woken = 0

    def wake(self) -> None:
        self.woken += 1

    def quick(self, one: UUID, answer: int | BaseException = 1) -> Callable[[], Coroutine[Any, Any, int]]:
        async def turn() -> int:
            self.begun.append(one)
            await asyncio.sleep(0)
            if isinstance(answer, BaseException):
                raise answer
            return answer

        return turn

    def hanging(self, one: UUID) -> Callable[[], Coroutine[Any, Any, int]]:
        gate = self.gates[one] = asyncio.Event()

        async def turn() -> int:
            self.begun.append(one)
            await gate.wait()
            return 10

        return turn


async def test_a_desk_that_hangs_holds_nobody_up_and_has_no_second_turn() -> None:
    desks = Desks()
    turns = Turns(2, SHORT, desks.wake)
    assert await turns.take({A: desks.hanging(A), B: desks.quick(B), C: desks.quick(C)}) == 2
    assert (turns.is_busy(A), turns.is_busy(B)) == (True, False)
    assert await turns.take({A: desks.quick(A), B: desks.quick(B)}) == 1
    assert desks.begun == [A, B, C, B]
    assert desks.woken == 0
    desks.gates[A].set()
    await until(lambda: not turns.is_busy(A))
    # Whoever takes turns is woken, and told then what came of it.
    assert desks.woken == 1
    assert await turns.take({A: desks.quick(A)}) == 11
    await turns.stop(1)


async def test_those_that_hang_take_no_place_from_the_others() -> None:
    desks = Desks()
    turns = Turns(1, SHORT, desks.wake, gives_way=SHORT, group_of=lambda _: "one")
    every = {A: desks.hanging(A), B: desks.hanging(B), C: desks.quick(C)}

    async def took() -> int:
        return await turns.take(every)

    assert await until(took, every=0) == 1
    assert desks.begun == [A, B, C]
    await turns.stop(0)
    assert not turns.is_busy(A)


async def test_a_venue_whose_desks_take_long_begins_no_more_of_them_and_holds_up_no_other_venue() -> None:
    desks = Desks()
    groups = {A: "dead", B: "dead", C: "alive"}
    turns = Turns(1, SHORT, desks.wake, group_of=lambda one: groups[one])
    every = {A: desks.hanging(A), B: desks.quick(B), C: desks.quick(C)}
    assert await turns.take(every) == 1
    assert desks.begun == [A, C]
    assert await turns.take(every) == 1
    assert desks.begun == [A, C, C]
    # When there is a place again, it goes to the one that has waited for longest.
    desks.gates[A].set()
    await until(lambda: not turns.is_busy(A))
    assert desks.woken == 1
    await turns.take({A: desks.quick(A), B: desks.quick(B)})
    assert desks.begun == [A, C, C, B, A]


async def test_a_venue_whose_desks_all_take_a_while_does_not_keep_another_ones_from_their_next_turn(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """None of them takes long enough to be left to itself, and there are many."""
    desks, loop = Desks(), asyncio.get_running_loop()
    real, passed = loop.time, 0.0
    monkeypatch.setattr(loop, "time", lambda: real() + passed)
    slow = [UUID(int=number) for number in range(10, 16)]
    turns = Turns(1, 60.0, desks.wake, group_of=lambda one: "alive" if one == C else "slow")

    def takes_a_while(one: UUID) -> Callable[[], Coroutine[Any, Any, int]]:
        async def turn() -> int:
            nonlocal passed
            desks.begun.append(one)
            passed += 40.0
            return 1

        return turn

    every = {**{one: takes_a_while(one) for one in slow}, C: desks.quick(C)}
    for _ in range(3):
        assert await turns.take(every) == 3
    assert desks.begun == [slow[0], C, slow[1], slow[2], C, slow[3], slow[4], C, slow[5]]
    # Each time somebody was left over, who comes first then: nobody waits for the next poll.
    assert desks.woken == 3


async def test_whoever_waits_for_a_place_is_reminded_of_when_it_is_given_up() -> None:
    desks = Desks()
    turns = Turns(1, SHORT, desks.wake, gives_way=2 * SHORT, group_of=lambda _: "one")
    every = {A: desks.hanging(A), B: desks.quick(B)}
    assert await turns.take(every) == 0
    assert desks.begun == [A]
    await until(lambda: desks.woken == 1)
    assert await turns.take(every) == 1
    # Nobody waits any more.
    assert (desks.begun, desks.woken) == ([A, B], 1)
    await turns.stop(0)


@given(most=st.integers(1, 4), count=st.integers(1, 9))
def test_so_many_are_young_at_once_and_all_begin_in_order(most: int, count: int) -> None:
    under_way = peak = 0
    begun: list[UUID] = []

    def turn_of(one: UUID) -> Callable[[], Coroutine[Any, Any, int]]:
        async def turn() -> int:
            nonlocal under_way, peak
            begun.append(one)
            under_way += 1
            peak = max(peak, under_way)
            for _ in range(one.int % 3):
                await asyncio.sleep(0)
            under_way -= 1
            return 1

        return turn

    names = [UUID(int=number) for number in range(count)]

    async def take() -> int:
        turns = Turns(most, 5.0, lambda: None, group_of=lambda _: "one")
        return await turns.take({one: turn_of(one) for one in names})

    assert asyncio.run(take()) == count
    assert begun == names
    assert peak <= most


@pytest.mark.parametrize("seconds", [None, 5.0])
async def test_what_one_raises_reaches_whoever_takes_turns(seconds: float | None) -> None:
    desks = Desks()
    turns = Turns(4, seconds, desks.wake)
    with pytest.raises(Unavailable):
        await turns.take({A: desks.quick(A, Unavailable("away"))})
    assert await turns.take({A: desks.quick(A)}) == 1


async def test_each_fails_alone_and_a_defect_is_raised_before_a_database_that_is_away() -> None:
    desks = Desks()
    turns = Turns(1, 5.0, desks.wake)
    with pytest.raises(ZeroDivisionError):
        await turns.take(
            {
                A: desks.quick(A, Unavailable("away")),
                B: desks.quick(B, ZeroDivisionError()),
                C: desks.quick(C),
            }
        )
    assert desks.begun == [A, B, C]
    # What was done beside it is counted with the next ones.
    assert await turns.take({}) == 0


async def test_an_error_of_one_that_took_long_is_raised_later() -> None:
    desks = Desks()
    turns = Turns(1, SHORT, desks.wake)
    gate = asyncio.Event()

    async def fails() -> int:
        await gate.wait()
        raise Unavailable("away")

    assert await turns.take({A: fails}) == 0
    gate.set()
    await until(lambda: not turns.is_busy(A))
    with pytest.raises(Unavailable):
        await turns.take({})


async def test_one_after_the_other_each_waits_for_the_one_before() -> None:
    desks = Desks()
    turns = Turns(9, None, desks.wake)
    taking = asyncio.create_task(turns.take({A: desks.hanging(A), B: desks.quick(B)}))
    await until(lambda: desks.begun == [A])
    assert not taking.done()
    desks.gates[A].set()
    assert await taking == 11


async def test_a_desk_that_hangs_is_told_of_once() -> None:
    desks, now = Desks(), 0.0
    turns = Turns(1, SHORT, desks.wake, lambda: now)
    await turns.take({A: desks.hanging(A)})
    with capture_logs() as logs:
        turns.tell(30)
        now = 31.0
        turns.tell(30)
        turns.tell(30)
    assert [(one["event"], one["account_id"], one["seconds"]) for one in logs] == [("desk_hangs", str(A), 31)]
    assert turns.slow(30) == {A: 31.0}
    await turns.stop(0)
    assert turns.slow(0) == {}


async def test_a_turn_that_somebody_else_cut_off_is_told_of() -> None:
    """Such as by a library that cancels what it is waited for: the next turn takes up what was under way."""
    desks = Desks()
    turns = Turns(1, 5.0, desks.wake)

    async def cut_off() -> int:
        raise asyncio.CancelledError

    with capture_logs() as logs:
        await turns.take({A: cut_off})
        assert await turns.take({A: desks.quick(A)}) == 1
    assert [(one["event"], one["account_id"]) for one in logs] == [("turn_cut_off", str(A))]


async def test_a_turn_that_was_given_up_on_purpose_is_no_news() -> None:
    desks = Desks()
    turns = Turns(1, SHORT, desks.wake)
    with capture_logs() as logs:
        await turns.take({A: desks.hanging(A)})
        await turns.drop(A)
        await turns.take({A: desks.hanging(A)})
        await turns.stop(0)
    assert logs == []


async def test_a_desk_that_is_given_up_is_stopped_where_it_is() -> None:
    desks = Desks()
    turns = Turns(1, SHORT, desks.wake)
    await turns.take({A: desks.hanging(A)})
    await turns.drop(A)
    assert not turns.is_busy(A)
    assert await turns.take({A: desks.quick(A)}) == 1
