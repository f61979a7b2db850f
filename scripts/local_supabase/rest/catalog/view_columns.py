"""Which column of which table each column of a view shows, read from the view's rewrite rule.

PostgreSQL keeps a rule as a tree of nodes in text (`pg_node_tree`). Each entry of the query's target list
tells the table and column from which it came unchanged (`resorigtbl`, `resorigcol`), or 0.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

_PART = re.compile(r"[{}()]|(?:\\.|[^\s{}()\\])+", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Origin:
    """A column by the identity of its relation and its number in it."""

    relation: int
    number: int


@dataclass(frozen=True, slots=True)
class View:
    oid: int
    columns: Mapping[int, str]
    origins: Mapping[int, Origin]


def read_origins(rule: str) -> dict[int, Origin]:
    """The origins of a view's columns by their number, from the text of its rule."""
    origins: dict[int, Origin] = {}
    for entry in _target_entries(rule):
        if entry.get(":resjunk") == "false" and entry.get(":resorigtbl", "0") != "0":
            origins[int(entry[":resno"])] = Origin(int(entry[":resorigtbl"]), int(entry[":resorigcol"]))
    return origins


def _target_entries(rule: str) -> Iterator[dict[str, str]]:
    """The fields of the outermost target list's entries."""
    braces = brackets = 0
    list_level: int | None = None
    entry: dict[str, str] = {}
    name = ""
    for match in _PART.finditer(rule):
        part = match.group()
        if part == "{":
            braces += 1
            if braces == 2:
                entry = {}
        elif part == "}":
            if braces == 2 and list_level is not None:
                yield entry
            braces -= 1
        elif part == "(":
            brackets += 1
        elif part == ")":
            brackets -= 1
            if braces == 1 and list_level is not None and brackets == list_level:
                return
        elif braces == 1 and part == ":targetList":
            list_level = brackets
        elif braces == 2 and list_level is not None:
            if part.startswith(":"):
                name = part
            else:
                entry[name] = part


def shown_columns(view: View, views: Mapping[int, View]) -> dict[Origin, list[str]]:
    """The columns of this view by the table columns that they show, through views of views."""
    shown: dict[Origin, list[str]] = {}
    for number, origin in sorted(view.origins.items()):
        for source in _follow(origin, views, {view.oid}):
            shown.setdefault(source, []).append(view.columns[number])
    return shown


def _follow(origin: Origin, views: Mapping[int, View], seen: set[int]) -> Iterator[Origin]:
    yield origin
    inner = views.get(origin.relation)
    if inner and inner.oid not in seen and origin.number in inner.origins:
        yield from _follow(inner.origins[origin.number], views, seen | {inner.oid})
