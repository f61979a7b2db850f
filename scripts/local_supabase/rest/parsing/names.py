"""The words of the query language: identifiers, quoted texts, JSON paths."""

from __future__ import annotations

import re

from scripts.local_supabase.rest.parsing.scanner import FIELD_NAME, ParseFailure, Scanner
from scripts.local_supabase.rest.tree import Field, JsonStep

_IDENTIFIER = re.compile(r"[\w $]+")
_JSON_KEY_STOPS = "(-:.,>)"
_INDEX_ENDS = ("->", "::", ".", ",", ")")


def parse_identifier(scanner: Scanner, *expecting: str) -> str:
    """Letters, digits and `_ $`, with inner spaces. Nothing that could end a word of SQL."""
    match = _IDENTIFIER.match(scanner.text, scanner.position)
    if match is None:
        raise scanner.failure(*(expecting or (FIELD_NAME,)))
    scanner.position = match.end()
    return match.group().strip()


def parse_quoted(scanner: Scanner) -> str:
    """A text in double quotes; a backslash protects the character after it."""
    scanner.expect('"')
    letters: list[str] = []
    while letter := scanner.step():
        if letter == '"':
            return "".join(letters)
        letters.append(scanner.step() if letter == "\\" else letter)
    raise scanner.failure('"\\""')


def parse_field_name(scanner: Scanner) -> str:
    if scanner.peek() == '"':
        return parse_quoted(scanner)
    words = [parse_identifier(scanner)]
    while scanner.at("-") and not scanner.at("->"):
        scanner.position += 1
        words.append(parse_identifier(scanner))
    return "-".join(words)


def parse_json_path(scanner: Scanner) -> tuple[JsonStep, ...]:
    steps = []
    while arrow := scanner.take_any(("->>", "->")):
        steps.append(JsonStep(arrow == "->>", _parse_json_operand(scanner)))
    return tuple(steps)


def _parse_json_operand(scanner: Scanner) -> str | int:
    start = scanner.position
    scanner.take("-")
    digits = scanner.position
    scanner.take_digits()
    if scanner.position > digits and (scanner.at_end or any(scanner.at(end) for end in _INDEX_ENDS)):
        return int(scanner.text[start : scanner.position])
    scanner.position = start
    if scanner.peek() == '"':
        return parse_quoted(scanner)
    words = [_parse_json_key(scanner)]
    while scanner.at("-") and not scanner.at("->"):
        scanner.position += 1
        words.append(_parse_json_key(scanner))
    return "-".join(words)


def _parse_json_key(scanner: Scanner) -> str:
    key = scanner.take_while_not(_JSON_KEY_STOPS)
    if not key:
        raise scanner.failure("any non reserved character different from: .,>()")
    return key.strip()


def parse_field(scanner: Scanner) -> Field:
    scanner.skip_blanks()
    field = Field(parse_field_name(scanner), parse_json_path(scanner))
    scanner.skip_blanks()
    return field


def parse_tree_path(scanner: Scanner) -> tuple[tuple[str, ...], Field]:
    """`projects.tasks.name->>x`: the way to the embedded resource, and its field."""
    names = [parse_field_name(scanner)]
    while scanner.take("."):
        names.append(parse_field_name(scanner))
    return tuple(names[:-1]), Field(names[-1], parse_json_path(scanner))


def parse_columns(scanner: Scanner) -> tuple[str, ...]:
    names = [parse_field_name(scanner)]
    while True:
        back = scanner.position
        scanner.skip_blanks()
        if not scanner.take(","):
            scanner.position = back
            return tuple(names)
        scanner.skip_blanks()
        names.append(parse_field_name(scanner))


def parse_alias(scanner: Scanner) -> str | None:
    """`alias:`, unless what comes is something else; then nothing was read."""
    back = scanner.position
    try:
        alias = parse_field_name(scanner)
    except ParseFailure:
        scanner.position = back
        return None
    if scanner.at(":") and not scanner.at("::"):
        scanner.position += 1
        return alias
    scanner.position = back
    return None
