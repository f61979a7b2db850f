"""The schema cache follows the database on NOTIFY pgrst."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.local_supabase.rest.conftest import Rest
from tests.waiting import until


@pytest.fixture
async def changing(rest: Rest) -> AsyncIterator[Rest]:
    yield rest
    await rest.admin.execute(
        "drop table if exists late; drop function if exists late_sum(int, int); notify pgrst"
    )
    await until(lambda: _gone(rest, "late"))


async def _gone(rest: Rest, table: str) -> bool:
    """Whether the cache knows no such table, not just the database."""
    answer = await rest.send("GET", f"/{table}")
    return answer.status == 404 and json.loads(answer.body)["code"] == "PGRST205"


async def _there(rest: Rest, path: str) -> bool:
    return (await rest.send("GET", path)).status == 200


async def _columns(rest: Rest) -> dict[str, Any]:
    document = json.loads((await rest.send("GET", "/")).body)
    definition = document["definitions"].get("late", {"properties": {}})
    return dict(definition["properties"])


async def _has_column(rest: Rest, column: str) -> bool:
    return column in await _columns(rest)


async def _has_type(rest: Rest, column: str, type_name: str) -> bool:
    columns = await _columns(rest)
    return column in columns and columns[column]["format"] == type_name


@pytest.mark.parametrize(
    "words", ["notify pgrst", "notify pgrst, 'reload schema'", "notify pgrst, 'reload config'"]
)
async def test_a_new_table_is_known_after_the_notification(changing: Rest, words: str) -> None:
    await changing.admin.execute("create table late (id int primary key); grant select on late to anon")
    assert await _gone(changing, "late")
    await changing.admin.execute(words)
    assert await until(lambda: _there(changing, "/late"))


async def test_many_notifications_end_with_the_last_state(changing: Rest) -> None:
    await changing.admin.execute("create table late (id int primary key); grant select on late to anon")
    for number in range(20):
        await changing.admin.execute(
            f"alter table late add column c{number} int; notify pgrst, 'reload schema'"
        )
    assert await until(lambda: _has_column(changing, "c19"))


async def test_a_column_that_changes_its_type_is_read_anew(changing: Rest) -> None:
    await changing.admin.execute(
        "create table late (id int primary key, v int); insert into late values (1, 5);"
        "grant select on late to anon; notify pgrst"
    )
    await until(lambda: _there(changing, "/late"))
    # On several connections, often enough for the statement to be prepared with a number as its parameter.
    for _ in range(10):
        assert await _statuses(changing, "/late?v=eq.5") == {200}
    await changing.admin.execute("alter table late alter v type text using 'five'; notify pgrst")
    await until(lambda: _has_type(changing, "v", "text"))
    assert await _statuses(changing, "/late?v=eq.five") == {200}


async def _statuses(rest: Rest, path: str) -> set[int]:
    """Of requests that are under way at the same time."""
    answers = await asyncio.gather(*(rest.send("GET", path) for _ in range(rest.settings.pool_size)))
    return {answer.status for answer in answers}


async def test_a_new_function_and_its_overload_are_called(changing: Rest) -> None:
    await changing.admin.execute(
        "create function late_sum(a int, b int) returns int language sql immutable as 'select a + b';"
        "grant execute on function late_sum(int, int) to anon; notify pgrst"
    )
    assert await until(lambda: _there(changing, "/rpc/late_sum?a=1&b=2"))
