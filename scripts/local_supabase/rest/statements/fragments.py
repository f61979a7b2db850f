"""Pieces of SQL: names, fields with JSON paths, filters, orders and ranges."""

from __future__ import annotations

from collections.abc import Iterable

from scripts.local_supabase.rest.catalog.schema_cache import SchemaCache
from scripts.local_supabase.rest.statements.parameters import Parameters
from scripts.local_supabase.rest.tree import (
    ALL_ROWS,
    Compare,
    Condition,
    Field,
    Filter,
    In,
    Is,
    IsDistinct,
    OrderTerm,
    QualifiedName,
    RowRange,
    SelectField,
    TextSearch,
)

_OPERATORS = {
    "eq": "=",
    "gte": ">=",
    "gt": ">",
    "lte": "<=",
    "lt": "<",
    "like": "like",
    "ilike": "ilike",
    "match": "~",
    "imatch": "~*",
    "neq": "<>",
    "cs": "@>",
    "cd": "<@",
    "ov": "&&",
    "sl": "<<",
    "sr": ">>",
    "nxr": "&<",
    "nxl": "&>",
    "adj": "-|-",
}
_TEXT_SEARCH = {
    "fts": "to_tsquery",
    "plfts": "plainto_tsquery",
    "phfts": "phraseto_tsquery",
    "wfts": "websearch_to_tsquery",
}


def quote(name: str) -> str:
    """A name as an identifier, whatever is in it. A name ends before a null character, which none can
    hold."""
    return '"' + name.partition("\0")[0].replace('"', '""') + '"'


def quote_qualified(name: QualifiedName) -> str:
    return f"{quote(name.schema)}.{quote(name.name)}" if name.schema else quote(name.name)


def quote_literal(text: str) -> str:
    """Only for what comes from the catalogs, where no parameter can stand."""
    escaped = text.replace("'", "''").replace("\\", "\\\\")
    return f"E'{escaped}'" if "\\" in text else f"'{escaped}'"


def array_literal(values: Iterable[str]) -> str:
    """An array of texts as PostgreSQL reads one, so that its type can still be found from where it stands."""
    escaped = (value.replace("\\", "\\\\").replace('"', '\\"') for value in values)
    return "{" + ",".join(f'"{value}"' for value in escaped) + "}"


def column(qualifier: QualifiedName, name: str) -> str:
    """A column; `*` is all of them. An empty qualifier leaves the name alone."""
    text = "*" if name == "*" else quote(name)
    return f"{quote_qualified(qualifier)}.{text}" if qualifier.name else text


class FragmentWriter:
    """Writes fragments of one statement. cache: tells the types of columns."""

    def __init__(self, cache: SchemaCache, parameters: Parameters) -> None:
        self.cache = cache
        self.parameters = parameters

    def field(self, relation: QualifiedName, qualifier: QualifiedName, field: Field) -> str:
        """relation: where the column's type is looked up; qualifier: what is written before its name."""
        text = column(qualifier, field.name)
        if not field.path:
            return text
        known = self.cache.columns_of(relation).get(field.name)
        # Arrays and composites have paths too, as their JSON. What is JSON already stays as it is, for its
        # indexes.
        if known is None or known.type not in ("json", "jsonb"):
            text = f"to_jsonb({text})"
        for step in field.path:
            arrow = "->>" if step.as_text else "->"
            operand = self.parameters.add(str(step.key))
            text += f"{arrow}{operand}" + ("::int" if isinstance(step.key, int) else "::text")
        return text

    def select_field(self, relation: QualifiedName, qualifier: QualifiedName, select: SelectField) -> str:
        text = self.field(relation, qualifier, select.field)
        if select.cast:
            # Not quoted, since "int" is no type: the parser let through letters, digits, spaces, `_` and `$`
            # alone.
            text = f"cast({text} as {select.cast})"
        alias = select.alias or implied_alias(select.field)
        return f"{text} as {quote(alias)}" if alias else text

    def condition(self, relation: QualifiedName, qualifier: QualifiedName, condition: Condition) -> str:
        if isinstance(condition, Filter):
            return self.filter(relation, qualifier, condition)
        branches = f" {condition.operator} ".join(
            self.condition(relation, qualifier, branch) for branch in condition.branches
        )
        return f"{'not ' if condition.negated else ''}({branches})"

    def filter(self, relation: QualifiedName, qualifier: QualifiedName, each: Filter) -> str:
        text = self.field(relation, qualifier, each.field)
        operation = each.operation
        add = self.parameters.add
        match operation:
            case Compare(operator, value, quantifier):
                if operator in ("like", "ilike"):
                    value = value.replace("*", "%")
                operand = f"{quantifier}({add(value)})" if quantifier else add(value)
                text += f" {_OPERATORS[operator]} {operand}"
            case In(values):
                text += " = any (" + add("{}" if values == ("",) else array_literal(values)) + ")"
            case Is(value):
                text += f" is {value.value}"
            case IsDistinct(value):
                text += f" is distinct from {add(value)}"
            case TextSearch(operator, language, value):
                configuration = f"{add(language)}, " if language is not None else ""
                known = self.cache.columns_of(relation).get(each.field.name)
                if known is not None and known.type != "tsvector":
                    text = f"to_tsvector({configuration}{text})"
                text += f" @@ {_TEXT_SEARCH[operator]}({configuration}{add(value)})"
        return f"not ({text})" if each.negated else text

    def order_term(self, relation: QualifiedName, qualifier: QualifiedName, term: OrderTerm) -> str:
        text = self.field(relation, qualifier, term.field)
        if term.direction:
            text += f" {term.direction}"
        return f"{text} nulls {term.nulls}" if term.nulls else text

    def range(self, rows: RowRange) -> str:
        if rows == ALL_ROWS:
            return ""
        limit = "all" if rows.limit is None else self.parameters.add(str(rows.limit))
        return f" limit {limit} offset {self.parameters.add(str(rows.first))}"


def implied_alias(field: Field) -> str | None:
    """The name of a JSON path without an alias: its last key that is a name."""
    if not field.path:
        return None
    return next((step.key for step in reversed(field.path) if isinstance(step.key, str)), field.name)
