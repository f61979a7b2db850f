"""The query language: what it means, and that whatever else arrives is an error with a place."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import quote

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
