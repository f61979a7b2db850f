"""The edge functions of the project on a real stack, and people who use them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import psycopg
import pytest

from tests.functions.people import Person, sign_up
from tests.stacks import Stack

MakePerson = Callable[..., Awaitable[Person]]


@pytest.fixture(scope="session")
def operator(stack: Stack) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(stack.db_url, autocommit=True) as connection:
        yield connection


@pytest.fixture
async def make_person(stack: Stack, operator: psycopg.Connection[Any]) -> AsyncIterator[MakePerson]:
    """Signs somebody up, on tier pro unless told."""
    made: list[Person] = []

    async def make(tier: str = "pro") -> Person:
        made.append(await sign_up(stack, operator, tier))
        return made[-1]

    yield make
    for person in made:
        await person.http.aclose()


@pytest.fixture
async def ann(make_person: MakePerson) -> Person:
    return await make_person()


@pytest.fixture
async def bob(make_person: MakePerson) -> Person:
    return await make_person()
