"""A wake is remembered until it is taken; a nudge only causes a step."""

from __future__ import annotations

import asyncio

from shared.wakes import Wakes


async def test_a_wake_before_the_wait_is_not_lost() -> None:
    wakes = Wakes()
    wakes.wake("analysis")
    assert await wakes.wait("analysis", 10)
    assert wakes.pending("analysis")
    assert wakes.take("analysis")
    assert not wakes.take("analysis")


async def test_a_nudge_ends_the_wait_and_is_no_wake() -> None:
    wakes = Wakes()
    waiting = asyncio.create_task(wakes.wait("trading", 10))
    wakes.nudge("trading")
    assert await waiting
    assert not wakes.pending("trading")


async def test_a_wait_without_a_wake_ends_by_itself() -> None:
    assert not await Wakes().wait("analysis", 0.001)


async def test_a_wake_during_a_step_causes_another_step() -> None:
    wakes = Wakes()
    wakes.wake("analysis")
    await wakes.wait("analysis", 10)
    wakes.take("analysis")
    wakes.wake("analysis")
    assert await wakes.wait("analysis", 0.001)
    assert wakes.take("analysis")


async def test_a_taken_wake_that_was_waited_for_wakes_nobody_again() -> None:
    wakes = Wakes()
    wakes.wake("analysis")
    await wakes.wait("analysis", 10)
    wakes.take("analysis")
    assert not await wakes.wait("analysis", 0.001)


async def test_names_do_not_disturb_each_other() -> None:
    wakes = Wakes()
    wakes.wake("analysis")
    assert not await wakes.wait("trading", 0.001)
    assert wakes.pending("analysis")
