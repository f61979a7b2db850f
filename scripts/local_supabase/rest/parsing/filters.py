"""Filters: `eq.5`, `not.in.(1,2)`, `fts(english).word`, and the trees of `and` and `or`."""

from __future__ import annotations

from collections.abc import Callable

from scripts.local_supabase.rest.parsing.names import parse_field, parse_identifier, parse_quoted
from scripts.local_supabase.rest.parsing.scanner import ParseFailure, Scanner, furthest
from scripts.local_supabase.rest.tree import (
    Compare,
    Condition,
    Field,
    Filter,
    In,
    Is,
    IsDistinct,
    IsValue,
    Junction,
    Operation,
    Quantifier,
    TextSearch,
)

SIMPLE_OPERATORS = ("neq", "cs", "cd", "ov", "sl", "sr", "nxr", "nxl", "adj")
QUANTIFIABLE_OPERATORS = ("eq", "gte", "gt", "lte", "lt", "like", "ilike", "match", "imatch")
TEXT_SEARCH_OPERATORS = ("fts", "plfts", "phfts", "wfts")
_OPERATORS = ("in", "is", "isdistinct", *TEXT_SEARCH_OPERATORS, *SIMPLE_OPERATORS, *QUANTIFIABLE_OPERATORS)
_IS_VALUES = {
    "not_null": IsValue.NOT_NULL,
    "null": IsValue.NULL,
    "true": IsValue.TRUE,
    "false": IsValue.FALSE,
    "unknown": IsValue.UNKNOWN,
}
_OPERATOR = "operator (eq, gt, ...)"


def parse_filter(field: Field, text: str) -> Filter:
    """The filter that `field=text` means. Raises ParseFailure."""
    return _parse_operation(Scanner(text), field, Scanner.rest)


def begins_operation(text: str) -> bool:
    """Whether a value is meant as a filter: of a function's parameters, those are filters and the rest
    arguments."""
    if text.startswith("not."):
        return True
    return any(_begins_with_operator(text, operator) for operator in _OPERATORS)


def _begins_with_operator(text: str, operator: str) -> bool:
    if not text.startswith(operator):
        return False
    after = text[len(operator) :]
    if operator in QUANTIFIABLE_OPERATORS:
        after = after.removeprefix("(any)").removeprefix("(all)")
    elif operator in TEXT_SEARCH_OPERATORS and after.startswith("("):
        after = after.partition(")")[2]
    return after.startswith(".")


def _parse_operation(scanner: Scanner, field: Field, parse_value: Callable[[Scanner], str]) -> Filter:
    negated = scanner.take("not.")
    operation = _parse_operator(scanner, parse_value)
    if operation is not None:
        return Filter(field, operation, negated)
    known = [operator for operator in _OPERATORS if scanner.at(operator)]
    if known:
        scanner.position += max(map(len, known))
        raise scanner.failure(_OPERATOR)
    if negated:
        raise scanner.failure(_OPERATOR)
    raise scanner.failure('"not"', _OPERATOR, instead_of="not")


def _parse_operator(scanner: Scanner, parse_value: Callable[[Scanner], str]) -> Operation | None:
    if scanner.take("in."):
        return In(_parse_list(scanner))
    if scanner.take("is."):
        return Is(_parse_is_value(scanner))
    if scanner.take("isdistinct."):
        return IsDistinct(parse_value(scanner))
    for operator in TEXT_SEARCH_OPERATORS:
        back = scanner.position
        if scanner.take(operator):
            language = _parse_language(scanner)
            if scanner.take("."):
                return TextSearch(operator, language, parse_value(scanner))
            scanner.position = back
    for operator in SIMPLE_OPERATORS:
        if scanner.take(f"{operator}."):
            return Compare(operator, parse_value(scanner))
    for operator in QUANTIFIABLE_OPERATORS:
        back = scanner.position
        if scanner.take(operator):
            quantified = scanner.take_any(("(any)", "(all)"))
            if scanner.take("."):
                quantifier = Quantifier(quantified[1:-1]) if quantified else None
                return Compare(operator, parse_value(scanner), quantifier)
            scanner.position = back
    return None


def _parse_language(scanner: Scanner) -> str | None:
    back = scanner.position
    if scanner.take("("):
        try:
            language = parse_identifier(scanner)
        except ParseFailure:
            scanner.position = back
            return None
        if scanner.take(")"):
            return language
    scanner.position = back
    return None


def _parse_is_value(scanner: Scanner) -> IsValue:
    rest = scanner.text[scanner.position :].lower()
    for word, value in _IS_VALUES.items():
        if rest.startswith(word):
            scanner.position += len(word)
            return value
    raise scanner.failure("isVal: (null, not_null, true, false, unknown)")


def _parse_list(scanner: Scanner) -> tuple[str, ...]:
    scanner.skip_blanks()
    scanner.expect("(")
    scanner.skip_blanks()
    values = [_parse_element(scanner)]
    while scanner.take(","):
        values.append(_parse_element(scanner))
    scanner.skip_blanks()
    if not scanner.take(")"):
        raise scanner.failure('","', '")"')
    scanner.skip_blanks()
    return tuple(values)


def _parse_element(scanner: Scanner) -> str:
    """A value up to a comma or bracket; in quotes it may hold them. Quotes that go on after their end are
    letters."""
    back = scanner.position
    if scanner.peek() == '"':
        try:
            value = parse_quoted(scanner)
        except ParseFailure:
            scanner.position = back
        else:
            if scanner.at_end or scanner.peek() in ",)":
                return value
            scanner.position = back
    return scanner.take_while_not(",)")


def _parse_logic_value(scanner: Scanner) -> str:
    """Like an element of a list; an array in braces may hold commas."""
    if scanner.peek() == "{":
        back = scanner.position
        scanner.position += 1
        inside = scanner.take_while_not("{}")
        if scanner.take("}"):
            return f"{{{inside}}}"
        scanner.position = back
    return _parse_element(scanner)


def parse_condition(text: str) -> Condition:
    """A whole logic tree, such as `or(a.eq.1,and(b.eq.2,c.is.null))`. Raises ParseFailure."""
    return _parse_condition(Scanner(text))


def _parse_condition(scanner: Scanner) -> Condition:
    start = scanner.position
    try:
        field = parse_field(scanner)
        scanner.expect(".")
        return _parse_operation(scanner, field, _parse_logic_value)
    except ParseFailure as not_a_filter:
        scanner.position = start
        try:
            return _parse_junction(scanner)
        except ParseFailure as not_a_junction:
            raise furthest(not_a_filter, not_a_junction) from None


def _parse_junction(scanner: Scanner) -> Junction:
    negated = scanner.take("not.")
    operator = scanner.take_any(("and", "or"))
    if operator is None:
        known = () if negated else ("negation operator (not)",)
        raise scanner.failure(*known, "logic operator (and, or)")
    scanner.skip_blanks()
    scanner.expect("(")
    scanner.skip_blanks()
    branches = [_parse_condition(scanner)]
    while True:
        scanner.skip_blanks()
        if scanner.take(")"):
            scanner.skip_blanks()
            return Junction(operator, tuple(branches), negated)
        if not scanner.take(","):
            raise scanner.failure('","', '")"')
        scanner.skip_blanks()
        branches.append(_parse_condition(scanner))
