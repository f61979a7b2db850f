"""The plan of a read: the tree of embedded resources, each with its relationship, filters, order and
range."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from scripts.local_supabase.rest import errors
from scripts.local_supabase.rest.catalog.schema_cache import Relationship, SchemaCache
from scripts.local_supabase.rest.planning.relationship_search import find_relationship
from scripts.local_supabase.rest.tree import (
    ALL_ROWS,
    Condition,
    EmbedPath,
    Filter,
    Is,
    IsValue,
    JoinType,
    OrderTerm,
    QualifiedName,
    RowRange,
    SelectField,
    SelectItem,
)

# The common table expression that holds what a mutation or function returned.
SOURCE = QualifiedName("", "pgrst_source")


@dataclass
class ReadNode:
    """One resource of the tree.

    relation: where its columns are looked up
    source: what stands after FROM: the relation itself, or what a mutation or function returned
    alias: under which its columns are written; None: under its own name
    name, given_alias: as the request calls it
    join_name: the alias of its lateral join
    relationship: to its parent; None for the root
    """

    relation: QualifiedName
    source: QualifiedName
    name: str
    alias: str | None = None
    given_alias: str | None = None
    hint: str | None = None
    join: JoinType | None = None
    spread: bool = False
    join_name: str = ""
    relationship: Relationship | None = None
    parent: ReadNode | None = None
    fields: list[SelectField] = field(default_factory=list)
    children: list[ReadNode] = field(default_factory=list)
    conditions: list[Condition] = field(default_factory=list)
    order: tuple[OrderTerm, ...] = ()
    range: RowRange = ALL_ROWS

    @property
    def shown_as(self) -> str:
        return self.given_alias or self.name

    @property
    def qualifier(self) -> QualifiedName:
        """What stands before its columns."""
        if self.alias is not None:
            return QualifiedName("", self.alias)
        return self.source

    @property
    def is_to_one(self) -> bool:
        return self.relationship is not None and self.relationship.is_to_one

    @property
    def shows_nothing(self) -> bool:
        """`tasks()`: joined for its filters alone."""
        return not self.fields and all(child.shows_nothing for child in self.children)

    def child_of(self, name: str) -> ReadNode | None:
        return next((child for child in self.children if name in (child.name, child.given_alias)), None)

    def walk(self) -> Iterator[ReadNode]:
        yield self
        for child in self.children:
            yield from child.walk()


@dataclass(frozen=True, slots=True)
class NullEmbed:
    """A filter on whether an embedded resource has rows: `tasks=not.is.null`. negated: it must have some."""

    node: ReadNode
    negated: bool


@dataclass(frozen=True, slots=True)
class ReadScope:
    """What of the query string applies to a tree: for mutations, what concerns the root is theirs."""

    select: tuple[SelectItem, ...]
    filters: tuple[tuple[EmbedPath, Filter], ...]
    conditions: tuple[tuple[EmbedPath, Condition], ...]
    orders: tuple[tuple[EmbedPath, tuple[OrderTerm, ...]], ...]
    ranges: dict[EmbedPath, RowRange]


def plan_read(
    cache: SchemaCache,
    relation: QualifiedName,
    scope: ReadScope,
    *,
    max_rows: int | None,
    from_source: bool = False,
) -> ReadNode:
    """The tree of a read of `relation`.

    max_rows: the most rows that any resource of the tree may have
    from_source: the root's rows are what a mutation or function returned
    Raises ApiError for resources that are not related, not embedded, or aggregated.
    """
    root = ReadNode(relation, relation, relation.name)
    if from_source:
        root.source, root.alias = SOURCE, relation.name
    _add_items(root, scope.select)
    for path, each in (*scope.filters, *scope.conditions):
        _node_at(root, path).conditions.append(each)
    # Of several orders for one resource the first counts.
    for path, terms in reversed(scope.orders):
        _node_at(root, path).order = terms
    for path, rows in scope.ranges.items():
        _node_at(root, path).range = rows
    for child in root.children:
        _relate(cache, relation.schema, child, depth=1)
    for node in root.walk():
        _check_order(node)
        if any(select.aggregate for select in node.fields):
            raise errors.aggregates_disabled()
        node.range = node.range.at_most(max_rows)
    return root


def _add_items(node: ReadNode, items: tuple[SelectItem, ...]) -> None:
    for item in items:
        if isinstance(item, SelectField):
            node.fields.append(item)
            continue
        name = QualifiedName(node.relation.schema, item.name)
        child = ReadNode(
            name, name, item.name, None, item.alias, item.hint, item.join, item.spread, parent=node
        )
        node.children.append(child)
        _add_items(child, item.items)


def _node_at(root: ReadNode, path: EmbedPath) -> ReadNode:
    node = root
    for name in path:
        child = node.child_of(name)
        if child is None:
            raise errors.not_embedded(name)
        node = child
    return node


def _relate(cache: SchemaCache, schema: str, node: ReadNode, depth: int) -> None:
    parent = node.parent
    if parent is None:
        raise AssertionError("only embedded resources are related to something")
    relationship = find_relationship(cache, schema, parent.relation.name, node.name, node.hint)
    node.relationship = relationship
    node.relation = node.source = relationship.foreign
    node.join_name = f"{relationship.table.name}_{node.shown_as}_{depth}"
    # The implicit join with a junction table needs the relation under its own name.
    if relationship.junction is None:
        node.alias = f"{relationship.foreign.name}_{depth}"
    for child in node.children:
        _relate(cache, schema, child, depth + 1)


def _check_order(node: ReadNode) -> None:
    for term in node.order:
        if term.relation is None:
            continue
        child = next((child for child in node.children if child.shown_as == term.relation), None)
        if child is None:
            raise errors.not_embedded(term.relation)
        if not child.is_to_one:
            raise errors.related_order(node.relation.name, term.relation)


def ordering_child(node: ReadNode, name: str) -> ReadNode:
    """The embedded resource by which an order goes; `plan_read` has made sure of it."""
    return next(child for child in node.children if child.shown_as == name)


def as_null_embed(node: ReadNode, each: Filter) -> NullEmbed | None:
    """Whether a filter is about an embedded resource instead of a column."""
    if each.field.path or each.operation != Is(IsValue.NULL):
        return None
    child = next((child for child in node.children if child.shown_as == each.field.name), None)
    return None if child is None else NullEmbed(child, each.negated)
