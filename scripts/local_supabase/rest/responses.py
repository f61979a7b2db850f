"""From a result to an HTTP answer: status, ranges, applied preferences, and what the database itself
wishes."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import quote

import orjson

from scripts.local_supabase.rest import errors
from scripts.local_supabase.rest.catalog.schema_cache import Function, Relation
from scripts.local_supabase.rest.errors import ApiError, Header
from scripts.local_supabase.rest.parsing.media_types import Shape
from scripts.local_supabase.rest.parsing.preferences import Preferences
from scripts.local_supabase.rest.planning.mutation_plan import Mutation, MutationPlan, OnConflict
from scripts.local_supabase.rest.transactions import ResultSet
from scripts.local_supabase.rest.tree import QueryParams, RowRange

_READ_PREFERENCES = ("count", "handling", "timezone")
_CALL_PREFERENCES = (*_READ_PREFERENCES, "max-affected")
# What of the Prefer header each kind of write heeds.
_WRITE_PREFERENCES = {
    Mutation.CREATE: ("resolution", "return", "count", "missing", "handling", "timezone"),
    Mutation.UPDATE: ("return", "count", "missing", "handling", "timezone", "max-affected"),
    Mutation.REPLACE: ("return", "count", "handling", "timezone"),
    Mutation.DELETE: ("return", "count", "handling", "timezone", "max-affected"),
}

_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


@dataclass(frozen=True, slots=True)
class Response:
    """headers: names in lower case."""

    status: int
    headers: tuple[Header, ...] = ()
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Form:
    """How a result is to be shown. profile: the schema, told when there are several to choose from."""

    shape: Shape
    profile: str | None
    without_body: bool = False

    @property
    def headers(self) -> list[Header]:
        headers = [("content-type", self.shape.content_type)]
        return headers if self.profile is None else [*headers, ("content-profile", self.profile)]


def error_response(error: ApiError) -> Response:
    headers = (
        *error.headers,
        ("content-type", Shape.JSON.content_type),
        ("proxy-status", f"PostgREST; error={error.code}"),
    )
    return Response(error.status, headers, error.body)


def read_response(
    result: ResultSet,
    form: Form,
    relation: Relation,
    params: QueryParams,
    wanted: RowRange,
    preferences: Preferences,
) -> Response:
    status = range_status(wanted.first, result)
    location = f"/{relation.name.name}" + (f"?{params.canonical}" if params.canonical else "")
    headers = [
        ("content-range", content_range(wanted.first, wanted.first + result.rows - 1, result.total)),
        ("content-location", location),
        *form.headers,
        *_applied(preferences, _READ_PREFERENCES),
    ]
    return _override(result, Response(status, tuple(headers), _body(result, form, wanted, status)))


def call_response(
    result: ResultSet, form: Form, function: Function, wanted: RowRange, preferences: Preferences
) -> Response:
    status = range_status(wanted.first, result)
    headers = [
        ("content-range", content_range(wanted.first, wanted.first + result.rows - 1, result.total)),
        *_applied(preferences, _CALL_PREFERENCES),
    ]
    if function.returns_void:
        return _override(result, Response(204, tuple(headers)))
    headers += form.headers
    return _override(result, Response(status, tuple(headers), _body(result, form, wanted, status)))


def _body(result: ResultSet, form: Form, wanted: RowRange, status: int) -> bytes:
    if form.without_body:
        return b""
    if status == 416:
        return errors.offset_out_of_bounds(wanted.first, result.total or 0).body
    return result.body


def mutation_response(
    result: ResultSet, form: Form, plan: MutationPlan, preferences: Preferences
) -> Response:
    headers: list[Header] = []
    if plan.mutation is Mutation.CREATE and result.location:
        pairs = "&".join(
            f"{quote(name, safe='')}={quote(value, safe='.')}" for name, value in result.location
        )
        headers.append(("location", f"/{quote(plan.target.name)}?{pairs}"))
    counted = result.rows if preferences.count in ("exact", "estimated") else None
    if plan.mutation is Mutation.UPDATE:
        headers.append(("content-range", content_range(0, result.rows - 1, counted)))
    elif plan.mutation is not Mutation.REPLACE:
        headers.append(("content-range", content_range(1, 0, counted)))
    names = _WRITE_PREFERENCES[plan.mutation]
    if not plan.conflict_columns:
        names = tuple(name for name in names if name != "resolution")
    headers += _applied(preferences, names)
    shows = preferences.returning == "representation"
    if shows:
        headers += form.headers
    status = _mutation_status(plan, result, shows=shows)
    return _override(result, Response(status, tuple(headers), result.body if shows else b""))


def _mutation_status(plan: MutationPlan, result: ResultSet, *, shows: bool) -> int:
    if plan.mutation is Mutation.CREATE:
        only_old = plan.on_conflict is OnConflict.MERGE and (result.inserted or 0) <= 0
        return 200 if only_old else 201
    if not shows:
        return 204
    return 201 if plan.mutation is Mutation.REPLACE and (result.inserted or 0) > 0 else 200


def range_status(offset: int, result: ResultSet) -> int:
    """200 for everything, 206 for a part, 416 for what lies beyond the end."""
    if result.total is None:
        return 200
    if offset > result.total:
        return 416
    return 206 if result.rows < result.total else 200


def content_range(first: int, last: int, total: int | None) -> str:
    rows = f"{first}-{last}" if first <= last and total != 0 else "*"
    return f"{rows}/{'*' if total is None else total}"


def _applied(preferences: Preferences, names: tuple[str, ...]) -> list[Header]:
    applied = preferences.applied(*names)
    return [] if applied is None else [("preference-applied", applied)]


def info_response(methods: str) -> Response:
    """What may be done with a resource."""
    return Response(200, (("access-control-allow-origin", "*"), ("allow", methods)))


def relation_methods(relation: Relation) -> str:
    methods = ["OPTIONS,GET,HEAD"]
    if relation.insertable:
        methods.append("POST")
    if relation.insertable and relation.updatable and relation.primary_key:
        methods.append("PUT")
    if relation.updatable:
        methods.append("PATCH")
    if relation.deletable:
        methods.append("DELETE")
    return ",".join(methods)


# ---------------------------------------------------------------- response.status and response.headers


def _override(result: ResultSet, response: Response) -> Response:
    """The answer with the status and headers that the database set (`set_config('response.status', …)`)."""
    if result.response_status is None and result.response_headers is None:
        return response
    status = response.status
    if result.response_status is not None:
        status = _parse_status(result.response_status)
    own = _parse_headers(result.response_headers) if result.response_headers is not None else []
    names = {name for name, _ in own}
    kept = [(name, value) for name, value in response.headers if name not in names]
    return Response(status, (*kept, *own), response.body)


def _parse_status(text: bytes) -> int:
    if not text.isdigit() or not 100 <= int(text) <= 999:
        raise errors.bad_response_status()
    return int(text)


def is_header(name: str, value: str) -> bool:
    """Whether this can be sent as one header and nothing more."""
    return bool(_HEADER_NAME.fullmatch(name)) and not any(ord(letter) < 32 for letter in value)


def _parse_headers(text: bytes) -> list[Header]:
    try:
        items = orjson.loads(text)
    except orjson.JSONDecodeError:
        raise errors.bad_response_headers() from None
    if not isinstance(items, list) or not all(isinstance(item, dict) and len(item) == 1 for item in items):
        raise errors.bad_response_headers()
    headers = [(name.lower(), value) for item in items for name, value in item.items()]
    if not all(isinstance(value, str) and is_header(name, value) for name, value in headers):
        raise errors.bad_response_headers()
    return headers
