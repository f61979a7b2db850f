"""The plan of a function call: which of the functions of a name, and its arguments."""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import dataclass

from scripts.local_supabase.rest.catalog.schema_cache import Function, Parameter, SchemaCache
from scripts.local_supabase.rest.parsing.payload import Payload
from scripts.local_supabase.rest.planning import lookup_errors
from scripts.local_supabase.rest.planning.mutation_plan import needed_columns
from scripts.local_supabase.rest.planning.read_plan import ReadNode
from scripts.local_supabase.rest.tree import QualifiedName

# What a whole body can be for a function with a single unnamed parameter.
_WHOLE_BODY = {
    "application/json": ("json", "jsonb"),
    "text/plain": ("text",),
    "text/xml": ("xml",),
    "application/octet-stream": ("bytea",),
}


@dataclass(frozen=True, slots=True)
class CallPlan:
    """A call.

    parameters: those that get an argument
    body: the JSON object with the arguments, or the single unnamed argument
    pairs: the arguments as texts instead, by name, as a URL or form gives them
    returning: the columns of the result that are needed
    """

    function: Function
    parameters: tuple[Parameter, ...]
    body: Payload | None
    pairs: tuple[tuple[str, str], ...] | None
    returning: tuple[str, ...]

    @property
    def takes_whole_body(self) -> bool:
        return len(self.function.parameters) == 1 and not self.function.parameters[0].name


def find_function(
    cache: SchemaCache, name: QualifiedName, arguments: Set[str], content_type: str | None
) -> Function:
    """The function of this name that takes these arguments.

    content_type: of the body; None when it is called by GET.
    Raises ApiError when there is none (PGRST202) or when several fit (PGRST203).
    """
    overloads = cache.functions.get(name, ())
    named = [function for function in overloads if _takes(function, arguments, content_type)]
    found = named or [function for function in overloads if _takes_body(function, content_type)]
    if not found:
        raise lookup_errors.unknown_function(name, sorted(arguments), content_type, cache)
    if len(found) > 1:
        raise lookup_errors.ambiguous_function(found)
    return found[0]


def _takes(function: Function, arguments: Set[str], content_type: str | None) -> bool:
    if not function.parameters:
        return not arguments and content_type not in ("text/plain", "text/xml", "application/octet-stream")
    required = {p.name for p in function.parameters if p.required}
    optional = {p.name for p in function.parameters if not p.required}
    return required <= arguments <= required | optional


def _takes_body(function: Function, content_type: str | None) -> bool:
    return (
        len(function.parameters) == 1
        and not function.parameters[0].name
        and function.parameters[0].type in _WHOLE_BODY.get(content_type or "", ())
    )


def plan_call(
    function: Function,
    tree: ReadNode,
    payload: Payload | None,
    arguments: Sequence[tuple[str, str]],
) -> CallPlan:
    """payload: the body of a POST; without one the arguments are those of the URL."""
    pairs = tuple(arguments) if payload is None else payload.pairs
    given = payload.keys if payload is not None else {name for name, _ in arguments}
    return CallPlan(
        function=function,
        parameters=tuple(p for p in function.parameters if p.name in given),
        body=payload if pairs is None else None,
        pairs=pairs,
        returning=needed_columns(tree),
    )
