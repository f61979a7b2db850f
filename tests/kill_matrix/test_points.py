"""The points are all awaits of the bridge, and each has a name of its own that other edits leave alone."""

from __future__ import annotations

import ast
from fnmatch import fnmatchcase

import pytest

from tests.kill_matrix.exceptions import SOMETIMES, UNREACHED
from tests.kill_matrix.points import AWAIT, UnknownForm, Weaver, list_points, sources, weave

SOURCE = """
class Desk:
    async def step(self):
        await self.first(await self.second())
        async with self.turn() as turn, other():
            await turn
        async for one in self.rows():
            await one
"""


def points_of(source: str) -> list[tuple[str, str]]:
    weaver = Weaver("desk")
    weaver.visit(ast.parse(source))
    return [(point.name, point.text) for point in weaver.points]


def test_every_form_of_waiting_is_a_point() -> None:
    assert points_of(SOURCE) == [
        ("desk:Desk.step:0", "await self.first(await self.second())"),
        ("desk:Desk.step:1", "await self.second()"),
        ("desk:Desk.step:2", "self.turn()"),
        ("desk:Desk.step:2.exit", "self.turn()"),
        ("desk:Desk.step:3", "other()"),
        ("desk:Desk.step:3.exit", "other()"),
        ("desk:Desk.step:4", "await turn"),
        ("desk:Desk.step:5", "self.rows()"),
        ("desk:Desk.step:6", "await one"),
    ]


def test_a_function_before_it_leaves_a_points_name_alone() -> None:
    assert set(points_of(SOURCE)) < set(points_of("async def new():\n    await more()\n" + SOURCE))


def test_a_form_that_cannot_be_cut_is_refused() -> None:
    with pytest.raises(UnknownForm, match="desk:all: an async comprehension"):
        weave("async def all():\n    return [one async for one in rows()]", "desk")


def test_no_await_of_the_bridge_is_left_out() -> None:
    points = list_points()
    assert len({point.name for point in points}) == len(points)
    for path in sources():
        written = [n for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.Await)]
        woven = ast.unparse(weave(path.read_text(), path.stem)).count(f"{AWAIT}(")
        assert woven == len(written), path


def test_every_exception_names_a_point_that_is_there() -> None:
    named = {point.name for point in list_points()}
    for pattern in [*UNREACHED, *SOMETIMES]:
        assert any(fnmatchcase(name, pattern) for name in named), pattern
