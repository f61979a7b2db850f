"""What a request asks for, as typed trees: the parsers build them and the planners read them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeAlias


@dataclass(frozen=True, slots=True, order=True)
class QualifiedName:
    """A relation or function. An empty schema means: the name alone, as for aliases."""

    schema: str
    name: str


# ---------------------------------------------------------------- fields


@dataclass(frozen=True, slots=True)
class JsonStep:
    """One arrow of a JSON path. as_text: `->>`. key: a text for objects, a number for arrays."""

    as_text: bool
    key: str | int


@dataclass(frozen=True, slots=True)
class Field:
    name: str
    path: tuple[JsonStep, ...] = ()


# ---------------------------------------------------------------- select


class JoinType(StrEnum):
    LEFT = "left"
    INNER = "inner"


@dataclass(frozen=True, slots=True)
class SelectField:
    """aggregate: the name of an aggregate function; they are recognised only to be refused."""

    field: Field
    alias: str | None = None
    cast: str | None = None
    aggregate: str | None = None


@dataclass(frozen=True, slots=True)
class SelectRelation:
    """An embedded resource. spread: its columns appear among those of its parent."""

    name: str
    items: tuple[SelectItem, ...]
    alias: str | None = None
    hint: str | None = None
    join: JoinType | None = None
    spread: bool = False


SelectItem: TypeAlias = SelectField | SelectRelation

STAR = SelectField(Field("*"))

# ---------------------------------------------------------------- filters


class Quantifier(StrEnum):
    ANY = "any"
    ALL = "all"


class IsValue(StrEnum):
    NULL = "null"
    NOT_NULL = "not null"
    TRUE = "true"
    FALSE = "false"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Compare:
    """An operator of SQL with one operand, such as `eq.5` or `like(any).{a*,b*}`. operator: as in the URL."""

    operator: str
    value: str
    quantifier: Quantifier | None = None


@dataclass(frozen=True, slots=True)
class In:
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Is:
    value: IsValue


@dataclass(frozen=True, slots=True)
class IsDistinct:
    value: str


@dataclass(frozen=True, slots=True)
class TextSearch:
    """operator: fts, plfts, phfts or wfts."""

    operator: str
    language: str | None
    value: str


Operation: TypeAlias = Compare | In | Is | IsDistinct | TextSearch


@dataclass(frozen=True, slots=True)
class Filter:
    field: Field
    operation: Operation
    negated: bool = False


@dataclass(frozen=True, slots=True)
class Junction:
    """`and(…)` or `or(…)`."""

    operator: str
    branches: tuple[Condition, ...]
    negated: bool = False


Condition: TypeAlias = Filter | Junction


def filters_in(condition: Condition) -> Iterator[Filter]:
    """All filters of a logic tree."""
    if isinstance(condition, Filter):
        yield condition
        return
    for branch in condition.branches:
        yield from filters_in(branch)


# ---------------------------------------------------------------- order and range


@dataclass(frozen=True, slots=True)
class OrderTerm:
    """relation: the embedded resource whose column this is, for `order=clients(name)`.
    direction: asc or desc. nulls: first or last."""

    field: Field
    relation: str | None = None
    direction: str | None = None
    nulls: str | None = None


@dataclass(frozen=True, slots=True)
class RowRange:
    """Rows `first` to `last`, both included and counted from 0. last None: no end."""

    first: int = 0
    last: int | None = None

    @property
    def limit(self) -> int | None:
        return None if self.last is None else self.last - self.first + 1

    @property
    def is_empty(self) -> bool:
        return self.last is not None and self.last < self.first

    def intersect(self, other: RowRange) -> RowRange:
        ends = [last for last in (self.last, other.last) if last is not None]
        return RowRange(max(self.first, other.first), min(ends) if ends else None)

    def at_most(self, rows: int | None) -> RowRange:
        """The beginning of this range, of so many rows."""
        return self if rows is None else self.intersect(RowRange(self.first, self.first + rows - 1))


ALL_ROWS = RowRange()
NO_ROWS = RowRange(0, -1)

# The names of embedded resources that lead from the root to where something applies.
EmbedPath: TypeAlias = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class QueryParams:
    """A query string, parsed. Filters, conditions, orders and ranges name the resource that they apply to.

    arguments: of a function called by GET: parameters whose value does not begin with an operator
    canonical: the parameters in alphabetical order, as Content-Location shows them
    """

    select: tuple[SelectItem, ...] = (STAR,)
    filters: tuple[tuple[EmbedPath, Filter], ...] = ()
    conditions: tuple[tuple[EmbedPath, Condition], ...] = ()
    orders: tuple[tuple[EmbedPath, tuple[OrderTerm, ...]], ...] = ()
    ranges: dict[EmbedPath, RowRange] = field(default_factory=dict)
    columns: frozenset[str] | None = None
    on_conflict: tuple[str, ...] | None = None
    arguments: tuple[tuple[str, str], ...] = ()
    filter_keys: frozenset[str] = frozenset()
    canonical: str = ""
