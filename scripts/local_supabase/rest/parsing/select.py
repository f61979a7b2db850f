"""The `select` parameter: columns, aliases, casts, JSON paths and embedded resources."""

from __future__ import annotations

from scripts.local_supabase.rest.parsing.names import (
    parse_alias,
    parse_field,
    parse_field_name,
    parse_identifier,
)
from scripts.local_supabase.rest.parsing.scanner import FIELD_NAME, ParseFailure, Scanner
from scripts.local_supabase.rest.tree import Field, JoinType, SelectField, SelectItem, SelectRelation

_AGGREGATES = ("sum", "avg", "count", "max", "min")
_AFTER_NAME = ("letter", "digit", '"-"', '"->>"', '"->"', '"::"', '"."', '")"', '","', "end of input")
_AFTER_PATH = ('"->"', '"::"', '"."', '")"', '","', "end of input")
_AFTER_FIELD = ('")"', '","', "end of input")


def parse_select(text: str) -> tuple[SelectItem, ...]:
    """Raises ParseFailure. An empty text selects nothing. What follows a closing bracket too many is
    ignored."""
    return _parse_items(Scanner(text), nested=False)


def _parse_items(scanner: Scanner, *, nested: bool) -> tuple[SelectItem, ...]:
    items: list[SelectItem] = []
    scanner.skip_blanks()
    if scanner.at_end or scanner.at(")"):
        return ()
    while True:
        items.append(_parse_item(scanner, nested))
        scanner.skip_blanks()
        if not scanner.take(","):
            return tuple(items)
        scanner.skip_blanks()


def _parse_item(scanner: Scanner, nested: bool) -> SelectItem:
    if scanner.take("..."):
        relation = _parse_relation_head(scanner, None, spread=True)
        if relation is None:
            raise scanner.failure('"("')
        return _parse_embedded(scanner, relation)
    back = scanner.position
    try:
        relation = _parse_relation_head(scanner, parse_alias(scanner), spread=False)
    except ParseFailure:
        relation = None
    if relation is not None:
        return _parse_embedded(scanner, relation)
    scanner.position = back
    return _parse_field_item(scanner, nested)


def _parse_relation_head(scanner: Scanner, alias: str | None, *, spread: bool) -> SelectRelation | None:
    """What stands before the bracket of an embedded resource; None if there is no bracket."""
    name = parse_field_name(scanner)
    hint: str | None = None
    join: JoinType | None = None
    for _ in range(2):
        if scanner.take("!"):
            word = parse_field_name(scanner)
            if word in tuple(JoinType):
                join = join or JoinType(word)
            else:
                hint = hint or word
    # `count()` is a function of SQL, whatever relations there are.
    if not scanner.at("(") or name == "count":
        return None
    return SelectRelation(name, (), alias, hint, join, spread)


def _parse_embedded(scanner: Scanner, head: SelectRelation) -> SelectRelation:
    scanner.expect("(")
    items = _parse_items(scanner, nested=True)
    scanner.skip_blanks()
    if not scanner.take(")"):
        raise scanner.failure('","', '")"')
    return SelectRelation(head.name, items, head.alias, head.hint, head.join, head.spread)


def _parse_field_item(scanner: Scanner, nested: bool) -> SelectField:
    if scanner.take("*"):
        _expect_end(scanner, nested, _AFTER_FIELD)
        return SelectField(Field("*"))
    alias = parse_alias(scanner)
    if scanner.take("count()"):
        cast = _parse_cast(scanner)
        _expect_end(scanner, nested, _AFTER_FIELD)
        return SelectField(Field("*"), alias, cast, "count")
    try:
        field = parse_field(scanner)
    except ParseFailure as failure:
        if failure.expecting == (FIELD_NAME,) and alias is None:
            raise scanner.failure('"..."', FIELD_NAME, '"*"', '"count()"') from None
        raise
    cast = _parse_cast(scanner)
    aggregate = _parse_aggregate(scanner)
    if aggregate:
        _parse_cast(scanner)
    _expect_end(scanner, nested, _AFTER_FIELD if cast else _AFTER_PATH if field.path else _AFTER_NAME)
    return SelectField(field, alias, cast, aggregate)


def _parse_cast(scanner: Scanner) -> str | None:
    """The name of a type, which goes into the statement unquoted: words alone, none of which is a
    placeholder."""
    if not scanner.take("::"):
        return None
    start = scanner.position
    cast = parse_identifier(scanner, "letter or digit")
    if any(word[0] in "$0123456789" for word in cast.split()):
        scanner.position = start
        raise scanner.failure("letter")
    return cast


def _parse_aggregate(scanner: Scanner) -> str | None:
    for name in _AGGREGATES:
        if scanner.take(f".{name}()"):
            return name
    return None


def _expect_end(scanner: Scanner, nested: bool, expecting: tuple[str, ...]) -> None:
    """An item ends before a comma, a closing bracket or the end, which are left for whoever called. An end of
    the text within brackets is told here, where all that could have followed is known."""
    scanner.skip_blanks()
    if scanner.at(",") or scanner.at(")") or (scanner.at_end and not nested):
        return
    raise scanner.failure(*expecting)
