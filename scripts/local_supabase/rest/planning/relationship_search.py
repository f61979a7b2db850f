"""Finds the one relationship that an embedded resource means."""

from __future__ import annotations

from scripts.local_supabase.rest.catalog.schema_cache import Cardinality, Relationship, SchemaCache
from scripts.local_supabase.rest.planning import lookup_errors
from scripts.local_supabase.rest.tree import QualifiedName


def find_relationship(
    cache: SchemaCache, schema: str, origin: str, target: str, hint: str | None
) -> Relationship:
    """The relationship from relation `origin` to `target`: a relation, constraint, column or function.

    hint: a constraint, column or junction table that tells several apart.
    Raises ApiError when there is none (PGRST200) or more than one (PGRST201).
    """
    relationships = cache.relationships.get(QualifiedName(schema, origin), ())
    found = [r for r in relationships if r.foreign.schema == schema and _matches(r, target, hint)]
    if not found:
        raise lookup_errors.unknown_relationship(schema, origin, target, hint, cache)
    if len(found) > 1:
        raise lookup_errors.ambiguous_relationship(origin, target, found)
    return found[0]


def _matches(relationship: Relationship, target: str, hint: str | None) -> bool:
    if relationship.function is not None:
        return target == relationship.function.name
    single = relationship.columns[0] if len(relationship.columns) == 1 else (None, None)
    by_table = target == relationship.foreign.name
    if relationship.is_self:
        # One key makes two relationships of a relation to itself: the many by its name, the one by its
        # column.
        many = by_table and relationship.cardinality is Cardinality.ONE_TO_MANY
        if hint is None:
            return many or (target == single[0] and relationship.cardinality is Cardinality.MANY_TO_ONE)
        return many and hint == single[1]
    if hint is None:
        by_key = target in (relationship.constraint, single[0])
        return by_table or (by_key and relationship.junction is None and not relationship.foreign_is_view)
    if relationship.junction is not None:
        return by_table and hint == relationship.junction.table.name
    return by_table and hint in (relationship.constraint, *single)
