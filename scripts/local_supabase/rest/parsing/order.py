"""The `order` parameter: `name.desc.nullslast,clients(id)`."""

from __future__ import annotations

from scripts.local_supabase.rest.parsing.names import parse_field, parse_field_name
from scripts.local_supabase.rest.parsing.scanner import ParseFailure, Scanner
from scripts.local_supabase.rest.tree import OrderTerm

_NULLS = ("nullsfirst", "nullslast")
_DIRECTIONS = ("asc", "desc")


def parse_order(text: str) -> tuple[OrderTerm, ...]:
    """Raises ParseFailure."""
    scanner = Scanner(text)
    terms = [_parse_term(scanner)]
    while scanner.take(","):
        terms.append(_parse_term(scanner))
    return tuple(terms)


def _parse_term(scanner: Scanner) -> OrderTerm:
    scanner.skip_blanks()
    relation = _parse_relation(scanner)
    field = parse_field(scanner)
    if relation is not None:
        scanner.expect(")")
    direction = scanner.take_any([f".{word}" for word in _DIRECTIONS])
    nulls = scanner.take_any([f".{word}" for word in _NULLS])
    scanner.skip_blanks()
    if not scanner.at_end and not scanner.at(","):
        raise _failure(scanner, known=bool(direction), done=bool(nulls))
    return OrderTerm(field, relation, direction and direction[1:], nulls and nulls.removeprefix(".nulls"))


def _parse_relation(scanner: Scanner) -> str | None:
    """`clients(` of `clients(name)`; None, with nothing read, if it is a column of the resource itself."""
    back = scanner.position
    try:
        name = parse_field_name(scanner)
    except ParseFailure:
        scanner.position = back
        return None
    if scanner.take("("):
        return name
    scanner.position = back
    return None


def _failure(scanner: Scanner, *, known: bool, done: bool) -> ParseFailure:
    if done or not scanner.take("."):
        return scanner.failure('","', "end of input")
    words = _NULLS if known else (*_DIRECTIONS, *_NULLS)
    return scanner.failure(*(f'"{word}"' for word in words), instead_of=words[0])
