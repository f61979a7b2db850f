"""The plan of a write: which columns come from the body, what a conflict does, which rows are meant, what
returns."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from scripts.local_supabase.rest import errors
from scripts.local_supabase.rest.catalog.schema_cache import Column, Relation
from scripts.local_supabase.rest.parsing.payload import Payload
from scripts.local_supabase.rest.parsing.preferences import Preferences
from scripts.local_supabase.rest.planning import lookup_errors
from scripts.local_supabase.rest.planning.read_plan import ReadNode, as_null_embed
from scripts.local_supabase.rest.tree import (
    Compare,
    Condition,
    Filter,
    QualifiedName,
    QueryParams,
    filters_in,
)


class Mutation(StrEnum):
    """By its HTTP method."""

    CREATE = "POST"
    UPDATE = "PATCH"
    REPLACE = "PUT"
    DELETE = "DELETE"


class OnConflict(StrEnum):
    MERGE = "merge-duplicates"
    IGNORE = "ignore-duplicates"


@dataclass(frozen=True, slots=True)
class MutationPlan:
    """A write to one relation.

    columns: those that the body sets, in alphabetical order
    conflict_columns: the key whose conflicts are resolved; none: conflicts are errors
    conditions: which rows are meant (for PUT: what the body must agree with)
    returning: the columns to return; none: rows are only counted
    apply_defaults: what a row of the body leaves out gets its column's default instead of null
    """

    mutation: Mutation
    target: QualifiedName
    columns: tuple[Column, ...]
    payload: Payload | None
    on_conflict: OnConflict | None
    conflict_columns: tuple[str, ...]
    conditions: tuple[Condition, ...]
    returning: tuple[str, ...]
    primary_key: tuple[str, ...]
    apply_defaults: bool

    @property
    def counts_inserted(self) -> bool:
        """Whether the answer's status tells inserted from updated rows."""
        return self.on_conflict is OnConflict.MERGE


def plan_mutation(
    mutation: Mutation,
    relation: Relation,
    params: QueryParams,
    preferences: Preferences,
    payload: Payload | None,
    tree: ReadNode,
) -> MutationPlan:
    """tree: the plan of reading what the write returns.

    Raises ApiError for a column that the relation does not have (PGRST204) and for a PUT that does not name
    exactly its primary key (PGRST105).
    """
    conditions = (
        *(each for path, each in params.filters if not path),
        *(each for path, each in params.conditions if not path),
    )
    conflict: OnConflict | None = None
    conflict_columns: tuple[str, ...] = ()
    if mutation is Mutation.REPLACE:
        _check_replace(relation, params)
        conflict, conflict_columns = OnConflict.MERGE, relation.primary_key
    elif mutation is Mutation.CREATE and preferences.resolution:
        conflict = OnConflict(preferences.resolution)
        conflict_columns = params.on_conflict if params.on_conflict is not None else relation.primary_key
    returns = preferences.returning in ("representation", "headers-only")
    return MutationPlan(
        mutation=mutation,
        target=relation.name,
        columns=_columns(relation, payload.keys if payload else ()),
        payload=payload,
        on_conflict=conflict,
        conflict_columns=conflict_columns,
        conditions=conditions,
        returning=needed_columns(tree, relation.primary_key) if returns else (),
        primary_key=relation.primary_key,
        apply_defaults=preferences.missing == "default" and mutation is not Mutation.REPLACE,
    )


def _columns(relation: Relation, names: Iterable[str]) -> tuple[Column, ...]:
    columns = []
    for name in sorted(names):
        column = relation.columns.get(name)
        if column is None:
            raise lookup_errors.unknown_column(relation.name.name, name)
        columns.append(column)
    return tuple(columns)


def _check_replace(relation: Relation, params: QueryParams) -> None:
    simple = all(
        isinstance(each, Filter)
        and not each.negated
        and isinstance(each.operation, Compare)
        and each.operation.operator == "eq"
        and each.operation.quantifier is None
        for _, each in params.filters
    )
    key = frozenset(relation.primary_key)
    if params.conditions or not simple or not key or params.filter_keys != key:
        raise errors.put_filters()


def needed_columns(tree: ReadNode, primary_key: tuple[str, ...] = ()) -> tuple[str, ...]:
    """The columns that a write or function must return so that its rows can be shown and others embedded in
    them."""
    names = {select.field.name for select in tree.fields}
    if "*" in names or (not tree.fields and not tree.children):
        return ("*",)
    names |= {term.field.name for term in tree.order if term.relation is None}
    for condition in tree.conditions:
        names |= {each.field.name for each in filters_in(condition) if as_null_embed(tree, each) is None}
    for child in tree.children:
        relationship = child.relationship
        if relationship is None:
            continue
        if relationship.function is not None:
            # Which columns a function needs of its row is its own business.
            return ("*",)
        pairs = relationship.junction.origin_columns if relationship.junction else relationship.columns
        names |= {ours for ours, _ in pairs}
    return tuple(sorted(names | set(primary_key)))
