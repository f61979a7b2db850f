"""Understands a request: what it is about, which rows, which form, with everything parsed and nothing looked
up."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass
from urllib.parse import unquote

from scripts.local_supabase.rest import errors
from scripts.local_supabase.rest.parsing.media_types import (
    OPENAPI,
    MediaType,
    Shape,
    parse_accept,
    parse_content_type,
)
from scripts.local_supabase.rest.parsing.payload import Payload, parse_payload
from scripts.local_supabase.rest.parsing.preferences import Preferences, parse_preferences
from scripts.local_supabase.rest.parsing.query_string import parse_query, top_level_range
from scripts.local_supabase.rest.planning.read_plan import ReadScope
from scripts.local_supabase.rest.request import Request
from scripts.local_supabase.rest.responses import Form
from scripts.local_supabase.rest.settings import RestSettings
from scripts.local_supabase.rest.tree import QualifiedName, QueryParams, RowRange

READS = ("GET", "HEAD", "OPTIONS")
_WITH_BODY = ("POST", "PATCH", "PUT")
_METHODS = (*READS, *_WITH_BODY, "DELETE")


@dataclass(frozen=True, slots=True)
class Asked:
    """relation or function: what the request is about; neither: the root
    wanted: the rows of the root resource; content_type: of the body, for requests that have one
    """

    request: Request
    schema: str
    relation: QualifiedName | None
    function: QualifiedName | None
    params: QueryParams
    wanted: RowRange
    preferences: Preferences
    payload: Payload | None
    content_type: str | None
    accepted: tuple[MediaType, ...]
    profile: str | None

    @property
    def method(self) -> str:
        return self.request.method

    @property
    def reads(self) -> bool:
        return self.method in READS

    def scope(self, *, writes: bool) -> ReadScope:
        """What of the query applies to reading. A write takes the root's filters for itself and knows no
        ranges."""
        params = self.params
        return ReadScope(
            select=params.select,
            filters=tuple(pair for pair in params.filters if pair[0] or not writes),
            conditions=tuple(pair for pair in params.conditions if pair[0] or not writes),
            orders=params.orders,
            ranges={} if writes else {**params.ranges, (): self.wanted},
        )

    def form(self) -> Form:
        """The first form that the client accepts and results can have.

        Raises ApiError: PGRST107 if there is none; PGRST122 if the client is strict about its preferences and
        one of them is unknown.
        """
        if self.preferences.strict and self.preferences.unknown:
            raise errors.bad_preferences(self.preferences.unknown)
        for media_type in self.accepted:
            if media_type.shape is not None:
                return Form(media_type.shape, self.profile, without_body=self.method == "HEAD")
        raise errors.unacceptable([media_type.name for media_type in self.accepted])

    def check_accepts_openapi(self) -> None:
        names = {media_type.name for media_type in self.accepted}
        if not names & {OPENAPI, Shape.JSON.value, "*/*"}:
            raise errors.unacceptable([media_type.name for media_type in self.accepted])


def understand(request: Request, settings: RestSettings, timezones: Set[str]) -> Asked:
    """Parse a request. Raises ApiError for what cannot be understood."""
    relation, function = _split_path(request.path)
    schema = _choose_schema(request, settings)
    method = request.method
    if function is not None and method in ("PUT", "PATCH", "DELETE"):
        raise errors.method_on_function(method)
    is_root = relation is None and function is None
    if method not in (READS if is_root else _METHODS):
        raise errors.unsupported_method(method)
    params = parse_query(request.query, with_arguments=function is not None and method in READS)
    wanted = top_level_range(params, method, request.header("range"))
    content_type = payload = None
    if method in _WITH_BODY:
        content_type = parse_content_type(request.header("content-type"))
        columns = params.columns if method != "PUT" else None
        payload = parse_payload(request.body, content_type, columns, for_function=function is not None)
    return Asked(
        request=request,
        schema=schema,
        relation=QualifiedName(schema, relation) if relation is not None else None,
        function=QualifiedName(schema, function) if function is not None else None,
        params=params,
        wanted=wanted,
        preferences=parse_preferences(request.all_headers("prefer"), timezones),
        payload=payload,
        content_type=content_type,
        accepted=tuple(parse_accept(request.header("accept"))),
        # Which schema answered is only said where there is a choice.
        profile=schema if len(settings.schemas) > 1 else None,
    )


def _split_path(path: str) -> tuple[str | None, str | None]:
    """The relation or the function that a path names; neither for the root."""
    parts = [unquote(part) for part in path.strip("/").split("/")]
    match parts:
        case [""]:
            return None, None
        case [relation]:
            return relation, None
        case ["rpc", function]:
            return None, function
    raise errors.bad_path()


def _choose_schema(request: Request, settings: RestSettings) -> str:
    """Reads choose a schema by Accept-Profile, everything else by Content-Profile."""
    name = "accept-profile" if request.method in READS else "content-profile"
    chosen = request.header(name) or settings.schemas[0]
    if chosen not in settings.schemas:
        raise errors.unknown_schema(chosen, settings.schemas)
    return chosen
