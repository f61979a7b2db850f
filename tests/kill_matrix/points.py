"""Every await of the bridge, found in its source: the points at which it can be killed.

A point is named by its module, its function and its number there (`sending:send:1`), so that edits elsewhere
leave its name as it is. An `async with` and an `async for` are points, too: what they await is not written.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass
from pathlib import Path

from shared.settings import CHECKOUT

PACKAGE = "workers.trading"
ROOT = CHECKOUT / "workers" / "trading"
# The imagined venue of one process: what it awaits is awaited by no bridge that trades at a real one.
APART = ("paper",)
# Names under which `weave` finds what it calls; they are put into each module before it runs.
AWAIT, ENTER, NEXT = "__kill_await__", "__kill_enter__", "__kill_next__"


@dataclass(frozen=True, slots=True)
class Point:
    """One await. `text` is how its source reads."""

    name: str
    text: str


class UnknownForm(Exception):
    """The source waits in a way that nobody here knows how to cut."""


def list_points() -> list[Point]:
    """All points, in the order of their files."""
    found: list[Point] = []
    for path in sources():
        weaver = Weaver(module_of(path))
        weaver.visit(ast.parse(path.read_text()))
        found += weaver.points
    return found


def sources() -> list[Path]:
    """The files of the bridge."""
    paths = sorted(ROOT.rglob("*.py"))
    return [path for path in paths if path.relative_to(ROOT).parts[0] not in APART]


def module_of(path: Path) -> str:
    """A file's name among the points: `venues.venue`."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts)


def weave(source: str, module: str) -> ast.Module:
    """The source with a call around everything that it waits for. Raises UnknownForm."""
    tree = ast.parse(source)
    Weaver(module).visit(tree)
    return ast.fix_missing_locations(tree)


class Weaver(ast.NodeTransformer):
    """Numbers the points of one module, and puts the calls around them."""

    def __init__(self, module: str) -> None:
        self._module = module
        self._within: list[str] = []
        self._counts: dict[str, int] = {}
        self.points: list[Point] = []

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        return self._inside(node)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        return self._inside(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AST:
        return self._inside(node)

    def visit_Await(self, node: ast.Await) -> ast.AST:
        name = self._name(node)
        self.generic_visit(node)
        node.value = _call(AWAIT, name, node.value)
        return node

    def visit_AsyncWith(self, node: ast.AsyncWith) -> ast.AST:
        for item in node.items:
            name = self._name(item.context_expr)
            self.points.append(Point(f"{name}.exit", self.points[-1].text))
            item.context_expr = _call(ENTER, name, self.visit(item.context_expr))
        node.body = [self.visit(one) for one in node.body]
        return node

    def visit_AsyncFor(self, node: ast.AsyncFor) -> ast.AST:
        name = self._name(node.iter)
        self.generic_visit(node)
        node.iter = _call(NEXT, name, node.iter)
        return node

    def visit_comprehension(self, node: ast.comprehension) -> ast.AST:
        if node.is_async:
            raise UnknownForm(f"{self._module}:{'.'.join(self._within)}: an async comprehension")
        return self.generic_visit(node)

    def _inside(self, node: ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) -> ast.AST:
        self._within.append(node.name)
        self.generic_visit(node)
        self._within.pop()
        return node

    def _name(self, node: ast.AST) -> str:
        function = ".".join(self._within)
        number = self._counts.get(function, 0)
        self._counts[function] = number + 1
        name = f"{self._module}:{function}:{number}"
        self.points.append(Point(name, ast.unparse(node)))
        return name


def _call(function: str, name: str, value: ast.expr) -> ast.Call:
    made = ast.Call(ast.Name(function, ast.Load()), [ast.Constant(name), value], [])
    return ast.copy_location(made, value)
