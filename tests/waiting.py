"""Waiting for something to become true, instead of sleeping and hoping."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar, overload

T = TypeVar("T")


@overload
async def until(predicate: Callable[[], Awaitable[T]], timeout: float = 30, every: float = 0.02) -> T: ...  # noqa: ASYNC109


@overload
async def until(predicate: Callable[[], T], timeout: float = 30, every: float = 0.02) -> T: ...  # noqa: ASYNC109


async def until(
    predicate: Callable[[], Any],
    timeout: float = 30,  # noqa: ASYNC109 - a failure must name the predicate
    every: float = 0.02,
) -> Any:
    """The first true value of `predicate`, which may be a function or a coroutine function.

    An AssertionError inside the predicate counts as "not yet" and is raised when the time (seconds) is up;
    without one, a TimeoutError names the predicate.
    """
    deadline = time.monotonic() + timeout
    while True:
        failure: AssertionError | None = None
        value = None
        try:
            found = predicate()
            value = await found if inspect.isawaitable(found) else found
        except AssertionError as error:
            failure = error
        if value:
            return value
        if time.monotonic() > deadline:
            if failure is not None:
                raise failure
            name = getattr(predicate, "__name__", repr(predicate))
            raise TimeoutError(f"{name} was still {value!r} after {timeout:g} s")
        await asyncio.sleep(every)
