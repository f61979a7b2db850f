"""The query language: what it means, and that whatever else arrives is an error with a place."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from scripts.local_supabase.rest.errors import ApiError
from scripts.local_supabase.rest.parsing.media_types import Shape, parse_accept
from scripts.local_supabase.rest.parsing.payload import parse_payload
from scripts.local_supabase.rest.parsing.preferences import parse_preferences
from scripts.local_supabase.rest.parsing.query_string import parse_query, top_level_range
from scripts.local_supabase.rest.parsing.select import parse_select
from scripts.local_supabase.rest.tree import (
    Compare,
    Field,
    Filter,
    In,
    JoinType,
    JsonStep,
    Junction,
    Quantifier,
    RowRange,
    SelectField,
    SelectRelation,
)


@contextmanager
def only_refusals(*codes: str) -> Iterator[None]:
    """What happens inside ends well or with one of these errors."""
    refused = None
    try:
        yield
    except ApiError as error:
        refused = error.code
    assert refused is None or refused in codes


def test_a_select_with_everything() -> None:
    items = parse_select('id,full:name,n::text,meta->"a b"->>-1,o:orders!by_fk!inner(*,...lines(sku)),count')
    assert items == (
        SelectField(Field("id")),
        SelectField(Field("name"), "full"),
        SelectField(Field("n"), None, "text"),
        SelectField(Field("meta", (JsonStep(False, "a b"), JsonStep(True, -1)))),
        SelectRelation(
            "orders",
            (
                SelectField(Field("*")),
                SelectRelation("lines", (SelectField(Field("sku")),), spread=True),
            ),
            "o",
            "by_fk",
            JoinType.INNER,
        ),
        SelectField(Field("count")),
    )


def test_filters_name_the_resource_that_they_are_for() -> None:
    params = parse_query(
        b"a.b.name=not.eq(any).{1,2}&or=(x.eq.1,not.and(y.in.(1,%222,3%22),z.is.null))", with_arguments=False
    )
    assert params.filters == (
        (("a", "b"), Filter(Field("name"), Compare("eq", "{1,2}", Quantifier.ANY), negated=True)),
    )
    ((path, tree),) = params.conditions
    assert path == ()
    assert isinstance(tree, Junction)
    inner = tree.branches[1]
    assert isinstance(inner, Junction)
    assert inner.negated
    assert inner.branches[0] == Filter(Field("y"), In(("1", "2,3")))


@pytest.mark.parametrize(
    ("query", "column"),
    [("id=xx.1", 1), ("id=in.1", 4), ("order=id.up", 4), ("select=a,(b)", 3), ("or=(a.eq.1,b)", 12)],
)
def test_an_error_names_its_place(query: str, column: int) -> None:
    with pytest.raises(ApiError, match=rf"column {column}\)") as caught:
        parse_query(query.encode(), with_arguments=False)
    assert caught.value.code == "PGRST100"


@given(st.text())
@example("select=a(b(c)")
@example('select="')
@example("or=(((((")
@example("a=in.(")
@example("columns=,")
def test_any_query_is_understood_or_refused(text: str) -> None:
    for with_arguments in (False, True):
        with only_refusals("PGRST100", "PGRST103"):
            params = parse_query(text.encode("utf-8", "surrogatepass"), with_arguments=with_arguments)
            top_level_range(params, "GET", text)


@given(
    st.text(alphabet='ab"\\,.()!:*->= ncotandrisue&{}%$', max_size=40),
    st.sampled_from(["select", "order", "and", "x"]),
)
def test_texts_close_to_the_language_are_understood_or_refused(text: str, name: str) -> None:
    with only_refusals("PGRST100"):
        parse_query(f"{name}={quote(text)}".encode(), with_arguments=False)


@example(b"\n", "text/csv")
@given(
    st.binary(), st.sampled_from(["application/json", "text/csv", "application/x-www-form-urlencoded", "a/b"])
)
def test_any_body_is_understood_or_refused(body: bytes, content_type: str) -> None:
    for for_function in (False, True):
        with only_refusals("PGRST102"):
            parse_payload(body, content_type, None, for_function=for_function)


@pytest.mark.parametrize(
    ("query", "method", "header", "rows"),
    [
        (b"", "GET", None, RowRange()),
        (b"limit=5", "GET", None, RowRange(0, 4)),
        (b"limit=5&offset=10", "GET", "0-11", RowRange(10, 11)),
        (b"", "GET", "3-", RowRange(3)),
        (b"", "POST", "3-4", RowRange()),
        (b"limit=0", "GET", "3-4", RowRange(0, -1)),
    ],
)
def test_ranges(query: bytes, method: str, header: str | None, rows: RowRange) -> None:
    assert top_level_range(parse_query(query, with_arguments=False), method, header) == rows


def test_the_first_of_each_preference_counts() -> None:
    preferences = parse_preferences(
        ["return=minimal, return=representation", "count=exact,max-affected=5, odd"], frozenset({"UTC"})
    )
    assert (preferences.returning, preferences.count, preferences.max_affected) == ("minimal", "exact", 5)
    assert preferences.unknown == ("odd",)
    assert preferences.limit_affected is None


def test_the_most_wanted_form_comes_first() -> None:
    shapes = [media_type.shape for media_type in parse_accept("*/*;q=0.1, text/csv;q=0.5, application/json")]
    assert shapes == [Shape.JSON, Shape.CSV, Shape.JSON]


# What makes a body so large that it is looked at for its keys alone.
PADDING: dict[str, Any] = {"padding": [{"text": "x" * 100, "values": {"nested": [None, 1.5]}}] * 400}
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.text()
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)  # fmt: skip


@given(arguments=st.dictionaries(st.text(), json_values, max_size=5), first=st.booleans())
@example(arguments={"a": [{"b": 1}], 'c"\\': [[1]], "": {}}, first=True)
def test_a_large_body_has_the_keys_that_a_small_one_has(arguments: dict[str, Any], first: bool) -> None:
    body = orjson.dumps(PADDING | arguments if first else arguments | PADDING)
    payload = parse_payload(body, "application/json", None, for_function=True)
    assert payload.keys == {*arguments, "padding"}
    assert payload.body is body
    assert payload.pairs is None


@pytest.mark.parametrize(
    "value",
    [
        b"NaN",
        b"-Infinity",
        b"[1,]",
        b"01",
        b"tru",
        b'"\\x"',
        b'"\xff"',
        b'"\x01"',
        b'"\\ud800"',
        b"[1] 2",
        b"{1: 2}",
        b"",
    ],
)
def test_a_large_body_that_is_no_json_is_refused(value: bytes) -> None:
    body = orjson.dumps(PADDING)[:-1] + b',"value":' + value + b"}"
    with pytest.raises(ApiError) as refused:
        parse_payload(body, "application/json", None, for_function=True)
    assert refused.value.code == "PGRST102"


def test_a_large_body_may_speak_of_what_is_no_number() -> None:
    body = orjson.dumps(PADDING | {"note": "NaN, or Infinity"})
    assert parse_payload(body, "application/json", None, for_function=True).keys == {"padding", "note"}


@pytest.mark.parametrize("deep", [100, 300, 900])
def test_a_large_body_may_be_deep(deep: int) -> None:
    body = orjson.dumps(PADDING)[:-1] + b',"value":' + b"[" * deep + b"]" * deep + b"}"
    assert parse_payload(body, "application/json", None, for_function=True).keys == {"padding", "value"}


def test_a_large_list_is_no_set_of_arguments_by_itself() -> None:
    rows = PADDING["padding"]
    assert parse_payload(orjson.dumps(rows), "application/json", None, for_function=True).keys == {
        "text",
        "values",
    }
