# ruff: noqa: S608 - statements are put together here, of quoted names, fixed words and placeholders alone
"""A tree of resources as one SELECT: each embedded one is a lateral join that yields JSON or columns."""

from __future__ import annotations

from scripts.local_supabase.rest.planning.read_plan import NullEmbed, ReadNode, as_null_embed, ordering_child
from scripts.local_supabase.rest.statements.fragments import (
    FragmentWriter,
    column,
    implied_alias,
    quote,
    quote_qualified,
)
from scripts.local_supabase.rest.tree import (
    STAR,
    Condition,
    Filter,
    JoinType,
    Junction,
    OrderTerm,
    QualifiedName,
)


def write_read(writer: FragmentWriter, node: ReadNode) -> str:
    """The rows of a resource with everything that is embedded in them."""
    fields = node.fields or ([] if node.children else [STAR])
    selects = [writer.select_field(node.relation, node.qualifier, field) for field in fields]
    joins = []
    for child in node.children:
        selects += _selects_of(writer, child)
        joins.append(_join(writer, child))
    where = [_condition(writer, node, each) for each in node.conditions] + _join_conditions(node)
    order = [_order_term(writer, node, term) for term in node.order]
    return (
        f"select {', '.join(selects)} from {_source(node)}{''.join(joins)}"
        + (f" where {' and '.join(where)}" if where else "")
        + (f" order by {', '.join(order)}" if order else "")
        + writer.range(node.range)
    )


def write_count(writer: FragmentWriter, node: ReadNode) -> str:
    """A row for each row of the resource, before limit and offset. What is embedded counts only as far as it
    decides which rows there are."""
    where = [_count_condition(writer, node, each) for each in node.conditions] + _join_conditions(node)
    where += [
        f"exists ({write_count(writer, child)})" for child in node.children if child.join is JoinType.INNER
    ]
    return f"select 1 from {_source(node)}" + (f" where {' and '.join(where)}" if where else "")


def _source(node: ReadNode) -> str:
    relationship = node.relationship
    text = quote_qualified(node.source)
    if relationship is not None and relationship.function is not None and node.parent is not None:
        # The row is cast to its relation: the alias alone could mean another overload of the function.
        row = f"{quote(node.parent.qualifier.name)}::{quote_qualified(relationship.table)}"
        text = f"{quote_qualified(relationship.function)}({row})"
    if node.alias is not None:
        text += f" as {quote(node.alias)}"
    if relationship is not None and relationship.junction is not None:
        text += f", {quote_qualified(relationship.junction.table)}"
    return text


def _join_conditions(node: ReadNode) -> list[str]:
    relationship = node.relationship
    if relationship is None or relationship.function is not None or node.parent is None:
        return []
    parent = node.parent.qualifier
    junction = relationship.junction
    if junction is None:
        return [
            f"{column(node.qualifier, theirs)} = {column(parent, ours)}"
            for ours, theirs in relationship.columns
        ]
    return [
        *(
            f"{column(junction.table, theirs)} = {column(node.qualifier, ours)}"
            for ours, theirs in junction.target_columns
        ),
        *(
            f"{column(junction.table, theirs)} = {column(parent, ours)}"
            for ours, theirs in junction.origin_columns
        ),
    ]


# -------------------------------- what an embedded resource adds to its parent


def _selects_of(writer: FragmentWriter, node: ReadNode) -> list[str]:
    join = quote(node.join_name)
    if node.spread:
        names = _spread_names(writer, node)
        if node.is_to_one:
            return [column(QualifiedName("", node.join_name), name) for name in names]
        return [f"coalesce({join}.{quote(name)}, '[]') as {quote(name)}" for name in names]
    if node.shows_nothing:
        return []
    if node.is_to_one:
        return [f"row_to_json({join}.*)::jsonb as {quote(node.shown_as)}"]
    return [f"coalesce({join}.{join}, '[]') as {quote(node.shown_as)}"]


def _spread_names(writer: FragmentWriter, node: ReadNode) -> list[str]:
    """The columns that a spread resource gives its parent. As arrays they must be named one by one."""
    names: list[str] = []
    for select in node.fields:
        if select.field.name == "*" and not node.is_to_one:
            names += list(writer.cache.columns_of(node.relation))
        else:
            names.append(select.alias or implied_alias(select.field) or select.field.name)
    for child in node.children:
        if child.spread:
            names += _spread_names(writer, child)
        elif not child.shows_nothing:
            names.append(child.shown_as)
    return names


def _join(writer: FragmentWriter, node: ReadNode) -> str:
    join = quote(node.join_name)
    rows = write_read(writer, node)
    condition = "true"
    if node.spread and not node.is_to_one:
        arrays = ", ".join(
            f"json_agg({join}.{quote(name)})::jsonb as {quote(name)}" for name in _spread_names(writer, node)
        )
        # No row at all for no rows, so that inner joins and filters on null see that there is nothing.
        rows = f"select {arrays} from ({rows}) as {join} having pg_catalog.count(*) > 0"
    elif not node.is_to_one:
        rows = f"select json_agg({join})::jsonb as {join} from ({rows}) as {join}"
        if node.join is JoinType.INNER:
            condition = f"{join} is not null"
    kind = "inner" if node.join is JoinType.INNER else "left"
    return f" {kind} join lateral ({rows}) as {join} on {condition}"


# -------------------------------- filters and orders that reach into embedded resources


def _condition(writer: FragmentWriter, node: ReadNode, each: Condition) -> str:
    if isinstance(each, Junction):
        branches = f" {each.operator} ".join(_condition(writer, node, branch) for branch in each.branches)
        return f"{'not ' if each.negated else ''}({branches})"
    embed = as_null_embed(node, each)
    if embed is not None:
        return f"{quote(embed.node.join_name)} is {'' if embed.negated else 'not '}distinct from null"
    return writer.filter(node.relation, node.qualifier, each)


def _count_condition(writer: FragmentWriter, node: ReadNode, each: Condition) -> str:
    if isinstance(each, Junction):
        branches = f" {each.operator} ".join(
            _count_condition(writer, node, branch) for branch in each.branches
        )
        return f"{'not ' if each.negated else ''}({branches})"
    embed: NullEmbed | None = as_null_embed(node, each) if isinstance(each, Filter) else None
    if embed is not None:
        return f"{'' if embed.negated else 'not '}exists ({write_count(writer, embed.node)})"
    return writer.filter(node.relation, node.qualifier, each)


def _order_term(writer: FragmentWriter, node: ReadNode, term: OrderTerm) -> str:
    if term.relation is None:
        return writer.order_term(node.relation, node.qualifier, term)
    child = ordering_child(node, term.relation)
    return writer.order_term(child.relation, QualifiedName("", child.join_name), term)
