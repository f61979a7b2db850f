"""The query string: which parameter is a filter, which an order, a range, an argument, and of which
resource."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from typing import TypeVar
from urllib.parse import quote, unquote_to_bytes

from scripts.local_supabase.rest import errors
from scripts.local_supabase.rest.parsing.filters import begins_operation, parse_condition, parse_filter
from scripts.local_supabase.rest.parsing.names import parse_columns, parse_field_name, parse_tree_path
from scripts.local_supabase.rest.parsing.order import parse_order
from scripts.local_supabase.rest.parsing.scanner import ParseFailure, Scanner
from scripts.local_supabase.rest.parsing.select import parse_select
from scripts.local_supabase.rest.tree import (
    ALL_ROWS,
    NO_ROWS,
    STAR,
    Condition,
    EmbedPath,
    Filter,
    OrderTerm,
    QueryParams,
    RowRange,
)

Parsed = TypeVar("Parsed")

_NEVER_FILTERS = ("select", "columns", "on_conflict")
_EMBEDDABLE = ("order", "limit", "offset", "and", "or")
_INTEGER = re.compile(r"\s*-?[0-9]+\s*")


def split_query(query: bytes) -> list[tuple[str, str | None]]:
    """The parameters in their order. A semicolon separates as an ampersand does; `+` is a space; a name
    without `=` has the value None."""
    pairs: list[tuple[str, str | None]] = []
    for part in query.replace(b";", b"&").split(b"&"):
        if part:
            name, equals, value = part.partition(b"=")
            pairs.append((_decode(name), _decode(value) if equals else None))
    return pairs


def _decode(text: bytes) -> str:
    return unquote_to_bytes(text.replace(b"+", b" ")).decode("utf-8", "replace")


def parse_query(query: bytes, *, with_arguments: bool) -> QueryParams:
    """Parse a raw query string.

    with_arguments: the request calls a function by GET, so that what does not look like a filter is an
    argument. Raises ApiError (PGRST100) that names the text, the place in it and what could have stood there.
    """
    pairs = split_query(query)
    given = [(name, value) for name, value in pairs if value is not None]
    plain = dict(reversed(given))
    filters: list[tuple[EmbedPath, Filter]] = []
    arguments: list[tuple[str, str]] = []
    filter_keys = set()
    for name, value in given:
        if name in _NEVER_FILTERS or name.rpartition(".")[2] in _EMBEDDABLE:
            continue
        filter_keys.add(name)
        path, field = _parse(f"tree path ({name})", name, lambda text: parse_tree_path(Scanner(text)))
        if with_arguments and not begins_operation(value):
            arguments.append((name, value))
        else:
            filters.append((path, _parse(f"filter ({value})", value, partial(parse_filter, field))))
    select = plain.get("select")
    return QueryParams(
        select=(STAR,) if select is None else _parse(f"select parameter ({select})", select, parse_select),
        filters=tuple(filters),
        conditions=tuple(_parse_logic(name, value) for name, value in given if _ends_in(name, "and", "or")),
        orders=tuple(_parse_order(name, value) for name, value in given if _ends_in(name, "order")),
        ranges=_parse_ranges(given),
        columns=_parse_columns_of("columns", plain),
        on_conflict=_parse_on_conflict(plain),
        arguments=tuple(arguments),
        filter_keys=frozenset(filter_keys),
        canonical=_canonical(pairs),
    )


def _canonical(pairs: list[tuple[str, str | None]]) -> str:
    """In alphabetical order; the values of a repeated parameter are joined by commas."""
    grouped: dict[str, list[str]] = {}
    for name, value in sorted(pairs, key=lambda pair: pair[0]):
        grouped.setdefault(name, []).append(quote(value or "", safe=""))
    return "&".join(f"{quote(name, safe='')}={','.join(values)}" for name, values in grouped.items())


def _ends_in(name: str, *words: str) -> bool:
    return name.rpartition(".")[2] in words


def _parse(what: str, text: str, parse: Callable[[str], Parsed], shift: int = 0) -> Parsed:
    try:
        return parse(text)
    except ParseFailure as failure:
        raise errors.unparsable(f"failed to parse {what}", failure.position + 1, failure.words) from None


def _parse_logic(name: str, value: str) -> tuple[EmbedPath, Condition]:
    def parse_path(text: str) -> list[str]:
        scanner = Scanner(text)
        words = [parse_field_name(scanner)]
        while scanner.take("."):
            words.append(parse_field_name(scanner))
        return words

    words = _parse(f"logic path ({name})", name, parse_path)
    path = tuple(word for word in words[:-1] if word != "not")
    operator = f"not.{words[-1]}" if "not" in words else words[-1]
    # The operator stands in the parameter's name, so the tree is read from both together.
    return path, _parse(f"logic tree ({value})", operator + value, parse_condition)


def _parse_order(name: str, value: str) -> tuple[EmbedPath, tuple[OrderTerm, ...]]:
    path, _ = _parse(f"tree path ({name})", name, lambda text: parse_tree_path(Scanner(text)))
    return path, _parse(f"order ({value})", value, parse_order)


def _parse_columns_of(parameter: str, plain: dict[str, str]) -> frozenset[str] | None:
    text = plain.get(parameter)
    if text is None:
        return None
    return frozenset(_parse(f"{parameter} parameter ({text})", text, lambda t: parse_columns(Scanner(t))))


def _parse_on_conflict(plain: dict[str, str]) -> tuple[str, ...] | None:
    text = plain.get("on_conflict")
    if text is None:
        return None
    return _parse(f"on_conflict parameter ({text})", text, lambda t: parse_columns(Scanner(t)))


def _parse_ranges(given: list[tuple[str, str]]) -> dict[EmbedPath, RowRange]:
    """Limits and offsets by resource. What is not a number means nothing; of several the last counts."""
    limits = {_path_of(name): _integer(value) for name, value in given if _ends_in(name, "limit")}
    offsets = {_path_of(name): _integer(value) for name, value in given if _ends_in(name, "offset")}
    ranges: dict[EmbedPath, RowRange] = {}
    for path in limits | offsets:
        limit, offset = limits.get(path), offsets.get(path) or 0
        ranges[path] = RowRange(offset, None if limit is None else offset + limit - 1)
    return ranges


def _path_of(name: str) -> EmbedPath:
    path, _ = _parse(f"tree path ({name})", name, lambda text: parse_tree_path(Scanner(text)))
    return path


def _integer(value: str) -> int | None:
    return int(value) if _INTEGER.fullmatch(value) else None


def top_level_range(params: QueryParams, method: str, range_header: str | None) -> RowRange:
    """The rows that the request wants of its root resource.

    The Range header counts for GET alone. Raises ApiError for an empty range (PGRST103), and for any on PUT
    (PGRST114).
    """
    wanted = params.ranges.get((), ALL_ROWS)
    header = _parse_range_header(range_header) if method == "GET" and range_header else ALL_ROWS
    if header.is_empty:
        raise errors.bad_range(
            "The lower boundary must be lower than or equal to the upper boundary in the Range header."
        )
    if method == "PUT" and () in params.ranges:
        raise errors.put_range()
    both = wanted.intersect(header).intersect(ALL_ROWS)
    if wanted.limit == 0:
        return NO_ROWS
    if both.is_empty:
        raise errors.bad_range("Limit should be greater than or equal to zero.")
    return both


def _parse_range_header(text: str) -> RowRange:
    match = re.fullmatch(r"([0-9]+)-([0-9]*)", text)
    if match is None:
        return ALL_ROWS
    first, last = match.groups()
    return RowRange(int(first), int(last) if last else None)
