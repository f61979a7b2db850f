"""Errors about what the schema cache does not have, with a hint at what it has (PGRST2xx)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from scripts.local_supabase.rest.catalog.schema_cache import (
    Cardinality,
    Function,
    Relationship,
    SchemaCache,
)
from scripts.local_supabase.rest.errors import ApiError
from scripts.local_supabase.rest.planning.closeness import closest
from scripts.local_supabase.rest.tree import QualifiedName

# Names of relations and functions are only told to who nearly knew them.
_NEARLY = 0.75
_CARDINALITIES = {
    Cardinality.MANY_TO_MANY: "many-to-many",
    Cardinality.MANY_TO_ONE: "many-to-one",
    Cardinality.ONE_TO_ONE: "one-to-one",
    Cardinality.ONE_TO_MANY: "one-to-many",
}
_RAW_PARAMETERS = {"text/plain": "text", "text/xml": "xml", "application/octet-stream": "bytea"}


def unknown_relation(name: QualifiedName, cache: SchemaCache) -> ApiError:
    near = closest(
        name.name, (other.name for other in cache.relations if other.schema == name.schema), at_least=_NEARLY
    )
    return ApiError(
        404,
        "PGRST205",
        f"Could not find the table '{name.schema}.{name.name}' in the schema cache",
        hint=near and f"Perhaps you meant the table '{name.schema}.{near}'",
    )


def unknown_column(relation: str, column: str) -> ApiError:
    message = f"Could not find the '{column}' column of '{relation}' in the schema cache"
    return ApiError(400, "PGRST204", message)


def unknown_relationship(
    schema: str, origin: str, target: str, hint: str | None, cache: SchemaCache
) -> ApiError:
    using = f" using the hint '{hint}'" if hint is not None else ""
    return ApiError(
        400,
        "PGRST200",
        f"Could not find a relationship between '{origin}' and '{target}' in the schema cache",
        details=f"Searched for a foreign key relationship between '{origin}' and '{target}'{using}"
        f" in the schema '{schema}', but no matches were found.",
        hint=_relationship_hint(schema, origin, target, cache),
    )


def _relationship_hint(schema: str, origin: str, target: str, cache: SchemaCache) -> str | None:
    relationships = cache.relationships.get(QualifiedName(schema, origin))
    if relationships is None:
        near = closest(origin, (name.name for name in cache.relationships if name.schema == schema))
        return near and f"Perhaps you meant '{near}' instead of '{origin}'."
    near = closest(target, (r.foreign.name for r in relationships), below=1.0)
    return near and f"Perhaps you meant '{near}' instead of '{target}'."


def ambiguous_relationship(origin: str, target: str, found: Sequence[Relationship]) -> ApiError:
    choices = ", ".join(f"'{r.foreign.name}!{_hint_of(r)}'" for r in found)
    return ApiError(
        300,
        "PGRST201",
        f"Could not embed because more than one relationship was found for '{origin}' and '{target}'",
        details=[_describe(r) for r in found],
        hint=f"Try changing '{target}' to one of the following: {choices}."
        " Find the desired relationship in the 'details' key.",
    )


def _hint_of(relationship: Relationship) -> str:
    return relationship.junction.table.name if relationship.junction else relationship.constraint


def _describe(relationship: Relationship) -> dict[str, str]:
    if junction := relationship.junction:
        text = (
            f"{junction.table.name} using"
            f" {junction.origin_constraint}{_list(c for _, c in junction.origin_columns)}"
            f" and {junction.target_constraint}{_list(c for _, c in junction.target_columns)}"
        )
    else:
        text = (
            f"{relationship.constraint} using"
            f" {relationship.table.name}{_list(ours for ours, _ in relationship.columns)}"
            f" and {relationship.foreign.name}{_list(theirs for _, theirs in relationship.columns)}"
        )
    return {
        "cardinality": _CARDINALITIES[relationship.cardinality],
        "embedding": f"{relationship.table.name} with {relationship.foreign.name}",
        "relationship": text,
    }


def _list(names: Iterable[str]) -> str:
    return f"({', '.join(names)})"


def unknown_function(
    name: QualifiedName, arguments: Sequence[str], content_type: str | None, cache: SchemaCache
) -> ApiError:
    """content_type: of the body, when the function was called by POST."""
    full = f"{name.schema}.{name.name}"
    raw = _RAW_PARAMETERS.get(content_type or "")
    if raw:
        sought, called = f"{full} with a single unnamed {raw} parameter", full
    elif arguments:
        sought = f"{full} with parameter{'s' if len(arguments) > 1 else ''} {', '.join(arguments)}"
        called = f"{full}({', '.join(arguments)})"
    else:
        sought = called = f"{full} without parameters"
    if content_type == "application/json":
        sought += " or with a single unnamed json/jsonb parameter"
    return ApiError(
        404,
        "PGRST202",
        f"Could not find the function {called} in the schema cache",
        details=f"Searched for the function {sought}, but no matches were found in the schema cache.",
        hint=None if raw else _function_hint(name, arguments, cache),
    )


def _function_hint(name: QualifiedName, arguments: Sequence[str], cache: SchemaCache) -> str | None:
    overloads = cache.functions.get(name, ())
    if overloads:
        signatures = (_list(sorted(p.name for p in function.parameters)) for function in overloads)
        near = closest(_list(arguments), signatures)
        return near and f"Perhaps you meant to call the function {name.schema}.{name.name}{near}"
    names = (other.name for other in cache.functions if other.schema == name.schema)
    near = closest(name.name, names, at_least=_NEARLY)
    return near and f"Perhaps you meant to call the function {name.schema}.{near}"


def ambiguous_function(found: Sequence[Function]) -> ApiError:
    calls = ", ".join(
        f"{function.name.schema}.{function.name.name}"
        + _list(f"{p.name} => {p.type}" for p in function.parameters)
        for function in found
    )
    return ApiError(
        300,
        "PGRST203",
        f"Could not choose the best candidate function between: {calls}",
        hint="Try renaming the parameters or the function itself in the database so function overloading"
        " can be resolved",
    )
