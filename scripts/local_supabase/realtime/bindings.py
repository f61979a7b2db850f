"""What a channel wants to hear of postgres_changes, and what is wrong with it."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from scripts.local_supabase.realtime import jsontext
from scripts.local_supabase.realtime.inspection import inspect

EVENTS = ("INSERT", "UPDATE", "DELETE")
COMPARISONS = ("eq", "neq", "lt", "lte", "gt", "gte", "isdistinct")
PATTERNS = ("like", "ilike", "match", "imatch")
OPERATORS = frozenset((*COMPARISONS, *PATTERNS, "in", "is"))
QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"')
ID_BITS = 27


class BadBinding(ValueError):
    """The message is the one that the client is told."""


@dataclass(frozen=True)
class Filter:
    column: str
    operator: str
    value: str
    negated: bool

    def as_tuple(self) -> tuple[str, str, str, bool]:
        return (self.column, self.operator, self.value, self.negated)


@dataclass(frozen=True)
class Binding:
    """One entry of `postgres_changes`. schema and table may be `*` for all; columns is None for all."""

    event: str
    schema: str
    table: str
    filters: tuple[Filter, ...] = ()
    columns: tuple[str, ...] | None = None

    def described(self) -> str:
        """As the real server names it in its errors."""
        filters = inspect([each.as_tuple() for each in self.filters])
        columns = inspect(None if self.columns is None else list(self.columns))
        return (
            f"[event: {self.event}, schema: {self.schema}, table: {self.table},"
            f" filters: {filters}, select: {columns}]"
        )


def binding_id(params: dict[str, Any]) -> int:
    """A number that depends only on what was asked for: equal bindings have equal ones."""
    text: str = jsontext.write({name: params[name] for name in sorted(params)})
    return int(zlib.crc32(text.encode()) % 2**ID_BITS)


def parse(params: dict[str, Any]) -> Binding:
    """The binding that these parameters of a join describe. Raises BadBinding."""
    schema, table = params.get("schema"), params.get("table")
    has_filter = "filter" in params
    text = params.get("filter")
    if isinstance(schema, str) and isinstance(table, str) and (not has_filter or isinstance(text, str)):
        pass
    elif isinstance(schema, str) and "table" not in params and not has_filter:
        table = "*"
    elif isinstance(table, str) and "schema" not in params and not has_filter:
        schema = "public"
    else:
        raise BadBinding(
            "No subscription params provided. Please provide at least a `schema` or `table` to subscribe to: "
            + inspect(params)
        )
    event = str(params.get("event", "*")).upper()
    columns = _columns(params.get("select"))
    if columns is not None and "*" in (schema, table):
        raise BadBinding(
            "Column selection is not supported for wildcard subscriptions."
            " Provide an explicit schema and table name."
        )
    return Binding(
        event=event if event in EVENTS else "*",
        schema=str(schema),
        table=str(table),
        filters=tuple(_filter(part) for part in _split(text)) if text else (),
        columns=columns,
    )


def of_topic(name: str) -> dict[str, Any]:
    """The parameters in a topic of the first clients, `schema[:table[:filter]]`."""
    return dict(zip(("schema", "table", "filter"), name.split(":", 2), strict=False))


def _columns(select: Any) -> tuple[str, ...] | None:
    if select is None:
        return None
    if not isinstance(select, list) or not all(isinstance(column, str) for column in select):
        raise BadBinding(
            f"Error parsing `select` params: expected a list of column name strings, got: {inspect(select)}"
        )
    return tuple(select)


def _split(text: str) -> Iterator[str]:
    """The parts between commas that are neither in brackets nor in quotes."""
    start = depth = 0
    quoted = escaped = False
    for position, char in enumerate(text):
        if escaped:
            escaped = False
        elif char == "\\":
            escaped = quoted
        elif char == '"':
            quoted = not quoted
        elif quoted:
            continue
        elif char in "()":
            depth += 1 if char == "(" else -1
        elif char == "," and depth <= 0:
            yield text[start:position]
            start = position + 1
    yield text[start:]


def _filter(text: str) -> Filter:
    column, equals, rest = text.partition("=")
    if not equals:
        raise _bad_filter([text])
    operator, _, value = rest.partition(".")
    negated = operator == "not"
    if negated:
        operator, _, value = value.partition(".")
    if operator not in OPERATORS or "." not in rest:
        raise _bad_filter(rest.split(".", 1))
    if operator == "in":
        if not (value.startswith("(") and value.endswith(")")):
            raise _bad_filter([operator, value])
        # PostgreSQL quotes the elements of an array as this list does.
        value = f"{{{value[1:-1]}}}"
    elif quoted := QUOTED.fullmatch(value):
        value = re.sub(r"\\(.)", r"\1", quoted[1])
    return Filter(column, operator, value, negated)


def _bad_filter(parts: list[str]) -> BadBinding:
    return BadBinding(f"Error parsing `filter` params: {inspect(parts)}")
