"""The schema cache: an immutable picture of the database, replaced as a whole when the schema changes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from functools import cached_property

from scripts.local_supabase.rest.tree import QualifiedName


@dataclass(frozen=True, slots=True)
class Column:
    """type: with its length, for records of a body. default: an expression of SQL. enum: its labels in
    order."""

    name: str
    type: str
    base_type: str
    nullable: bool
    default: str | None = None
    comment: str | None = None
    max_length: int | None = None
    enum: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Relation:
    """A table, partitioned table, view, materialized view or foreign table."""

    name: QualifiedName
    columns: Mapping[str, Column]
    primary_key: tuple[str, ...]
    is_view: bool
    insertable: bool
    updatable: bool
    deletable: bool
    comment: str | None = None


class Cardinality(IntEnum):
    """Of a relationship, seen from the relation that embeds. Ambiguous ones are listed in this order."""

    ONE_TO_MANY = 0
    MANY_TO_ONE = 1
    ONE_TO_ONE = 2
    MANY_TO_MANY = 3


@dataclass(frozen=True, slots=True)
class JunctionTable:
    """The table between two others: its columns that point to the origin and to the target of the
    relationship."""

    table: QualifiedName
    origin_constraint: str
    target_constraint: str
    origin_columns: tuple[tuple[str, str], ...]
    target_columns: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Relationship:
    """How `foreign` can be embedded in `table`.

    columns: pairs of a column of `table` and the one of `foreign` that equals it; empty with a junction or
    function
    function: the function that computes it, instead of keys
    """

    table: QualifiedName
    foreign: QualifiedName
    cardinality: Cardinality
    constraint: str = ""
    columns: tuple[tuple[str, str], ...] = ()
    foreign_is_view: bool = False
    table_is_view: bool = False
    junction: JunctionTable | None = None
    function: QualifiedName | None = None

    @property
    def is_self(self) -> bool:
        return self.table == self.foreign

    @property
    def is_to_one(self) -> bool:
        return self.cardinality in (Cardinality.MANY_TO_ONE, Cardinality.ONE_TO_ONE)

    def inverse(self) -> Relationship:
        """The same key seen from the other side. Only for relationships by one foreign key."""
        cardinality = Cardinality.ONE_TO_ONE
        if self.cardinality is Cardinality.MANY_TO_ONE:
            cardinality = Cardinality.ONE_TO_MANY
        return Relationship(
            table=self.foreign,
            foreign=self.table,
            cardinality=cardinality,
            constraint=self.constraint,
            columns=tuple((theirs, ours) for ours, theirs in self.columns),
            foreign_is_view=self.table_is_view,
            table_is_view=self.foreign_is_view,
        )


@dataclass(frozen=True, slots=True)
class Parameter:
    """record_type: as which its value is taken out of a JSON body."""

    name: str
    type: str
    record_type: str
    required: bool
    variadic: bool


@dataclass(frozen=True)
class Function:
    """returns: the type, or the relation whose rows it returns."""

    name: QualifiedName
    parameters: tuple[Parameter, ...]
    returns: QualifiedName
    returns_set: bool
    returns_composite: bool
    volatility: str
    settings: Mapping[str, str] = field(default_factory=dict)
    comment: str | None = None
    oid: int = 0

    @property
    def returns_scalar(self) -> bool:
        return not self.returns_set and not self.returns_composite

    @property
    def returns_set_of_scalar(self) -> bool:
        return self.returns_set and not self.returns_composite

    @property
    def returns_single_composite(self) -> bool:
        return not self.returns_set and self.returns_composite

    @property
    def returns_void(self) -> bool:
        return self.returns == QualifiedName("pg_catalog", "void") and not self.returns_set

    @property
    def is_volatile(self) -> bool:
        return self.volatility == "v"

    @cached_property
    def source(self) -> QualifiedName:
        """The relation as which its result is filtered and embedded into others."""
        name = self.returns.name if self.returns_composite else self.name.name
        return QualifiedName(self.name.schema, name)


@dataclass(frozen=True)
class SchemaCache:
    """relationships: by the relation that embeds, in the order in which ambiguous ones are told.
    role_settings: settings to apply for the time of a request, by role."""

    relations: Mapping[QualifiedName, Relation]
    relationships: Mapping[QualifiedName, tuple[Relationship, ...]]
    functions: Mapping[QualifiedName, tuple[Function, ...]]
    role_settings: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    timezones: frozenset[str] = frozenset()

    def columns_of(self, name: QualifiedName) -> Mapping[str, Column]:
        """The columns of a relation; none if it is not known, as for the record that a function returns."""
        relation = self.relations.get(name)
        return relation.columns if relation else {}
