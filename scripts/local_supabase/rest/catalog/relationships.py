"""Relationships from foreign keys: of tables, of the views that show their columns, and through junction
tables."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product

from scripts.local_supabase.rest.catalog.schema_cache import (
    Cardinality,
    JunctionTable,
    Relation,
    Relationship,
)
from scripts.local_supabase.rest.catalog.view_columns import Origin
from scripts.local_supabase.rest.tree import QualifiedName

# The columns of a view that show a table's column.
Shown = Mapping[Origin, Sequence[str]]


@dataclass(frozen=True, slots=True)
class ForeignKey:
    name: str
    table_oid: int
    table: QualifiedName
    foreign_oid: int
    foreign: QualifiedName
    table_numbers: tuple[int, ...]
    foreign_numbers: tuple[int, ...]
    columns: tuple[tuple[str, str], ...]
    one_to_one: bool


def find_relationships(
    keys: Iterable[ForeignKey],
    views: Mapping[QualifiedName, Shown],
    relations: Mapping[QualifiedName, Relation],
    computed: Iterable[Relationship],
) -> dict[QualifiedName, tuple[Relationship, ...]]:
    """All relationships between the given relations, by the one that embeds.

    computed: those by functions; one of them replaces what was found between its table and a relation of its
    name.
    """
    direct = [relationship for key in keys for relationship in _of_key(key, views)]
    exposed = [r for r in direct if r.foreign in relations or r.table in relations]
    everything = [
        *direct,
        *(r.inverse() for r in exposed),
        *_through_junctions(direct, relations),
    ]
    own = list(computed)
    replaced = {(r.table, r.function) for r in own}
    everything = [r for r in everything if (r.table, r.foreign) not in replaced] + own
    grouped: dict[QualifiedName, list[Relationship]] = defaultdict(list)
    for relationship in everything:
        if relationship.table in relations and relationship.foreign in relations:
            grouped[relationship.table].append(relationship)
    return {name: tuple(sorted(found, key=_order)) for name, found in grouped.items()}


def _order(relationship: Relationship) -> tuple[object, ...]:
    junction = relationship.junction
    return (
        relationship.foreign,
        relationship.cardinality,
        relationship.constraint,
        relationship.columns,
        junction.table if junction else QualifiedName("", ""),
        junction.origin_constraint if junction else "",
    )


def _of_key(key: ForeignKey, views: Mapping[QualifiedName, Shown]) -> Iterable[Relationship]:
    cardinality = Cardinality.ONE_TO_ONE if key.one_to_one else Cardinality.MANY_TO_ONE
    base = Relationship(key.table, key.foreign, cardinality, key.name, key.columns)
    yield base
    ours = [column for column, _ in key.columns]
    theirs = [column for _, column in key.columns]
    showing_table = list(_showing(views, key.table_oid, key.table_numbers))
    showing_foreign = list(_showing(views, key.foreign_oid, key.foreign_numbers))
    for view, columns in showing_table:
        yield replace(base, table=view, columns=tuple(zip(columns, theirs, strict=True)), table_is_view=True)
    for view, columns in showing_foreign:
        yield replace(
            base, foreign=view, columns=tuple(zip(ours, columns, strict=True)), foreign_is_view=True
        )
    for (view, columns), (other, others) in product(showing_table, showing_foreign):
        yield replace(
            base,
            table=view,
            foreign=other,
            columns=tuple(zip(columns, others, strict=True)),
            table_is_view=True,
            foreign_is_view=True,
        )


def _showing(
    views: Mapping[QualifiedName, Shown], table: int, numbers: Sequence[int]
) -> Iterable[tuple[QualifiedName, tuple[str, ...]]]:
    """The views that show all of these columns, once for each way in which they do."""
    for view, shown in views.items():
        choices = [shown.get(Origin(table, number), ()) for number in numbers]
        for columns in product(*choices):
            yield view, columns


def primary_key_of_view(shown: Shown, keys: Iterable[tuple[int, Sequence[int]]]) -> tuple[str, ...]:
    """The columns of a view that show the whole primary key of one of its tables.

    keys: each table with the numbers of its key's columns.
    """
    columns: list[str] = []
    for table, numbers in keys:
        origins = [Origin(table, number) for number in numbers]
        if all(origin in shown for origin in origins):
            columns += [shown[origin][0] for origin in origins]
    return tuple(columns)


def _through_junctions(
    direct: Iterable[Relationship], relations: Mapping[QualifiedName, Relation]
) -> Iterable[Relationship]:
    """Many to many: two foreign keys of one relation whose columns are all part of its primary key."""
    by_table: dict[QualifiedName, list[Relationship]] = defaultdict(list)
    for relationship in direct:
        if relationship.cardinality is Cardinality.MANY_TO_ONE:
            by_table[relationship.table].append(relationship)
    for name, pointers in by_table.items():
        relation = relations.get(name)
        if relation is None:
            continue
        key = set(relation.primary_key)
        for origin, target in product(pointers, pointers):
            columns = {ours for ours, _ in (*origin.columns, *target.columns)}
            if origin.constraint != target.constraint and columns <= key:
                yield Relationship(
                    table=origin.foreign,
                    foreign=target.foreign,
                    cardinality=Cardinality.MANY_TO_MANY,
                    table_is_view=origin.foreign_is_view,
                    foreign_is_view=target.foreign_is_view,
                    junction=JunctionTable(
                        table=name,
                        origin_constraint=origin.constraint,
                        target_constraint=target.constraint,
                        origin_columns=tuple((theirs, ours) for ours, theirs in origin.columns),
                        target_columns=tuple((theirs, ours) for ours, theirs in target.columns),
                    ),
                )
