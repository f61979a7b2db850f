"""The body of a request: JSON as it came, or made of a form or a table; and the columns that it names."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

import orjson
from pydantic_core import SchemaValidator, ValidationError, core_schema

from scripts.local_supabase.rest import errors
from scripts.local_supabase.rest.parsing.media_types import FORM

JSON = "application/json"
CSV = "text/csv"
# What a function with one unnamed parameter may be given whole.
RAW_TYPES = ("text/plain", "text/xml", "application/octet-stream")

# A body of this size (bytes) is worth the look for its keys alone.
_LARGE = 16_384
# Words that the look would let pass, though they are no JSON.
_NO_JSON = (b"NaN", b"Infinity")
_ROW = core_schema.typed_dict_schema({}, extra_behavior="ignore")
_ARGUMENT = core_schema.union_schema(
    [core_schema.list_schema(_ROW), core_schema.any_schema()], mode="left_to_right"
)
_ARGUMENTS = SchemaValidator(core_schema.dict_schema(core_schema.str_schema(), _ARGUMENT))


@dataclass(frozen=True, slots=True)
class Payload:
    """A body for one statement.

    body: JSON, or the raw bytes for a function with one unnamed parameter
    keys: the columns or arguments to take from it
    pairs: a form's fields in their order, for a function
    """

    body: bytes
    keys: frozenset[str]
    pairs: tuple[tuple[str, str], ...] | None = None

    @property
    def is_object(self) -> bool:
        """Whether the JSON is one object, not a list of them."""
        return self.body.lstrip(b" \t\r\n").startswith(b"{")


def parse_payload(
    body: bytes, content_type: str, columns: frozenset[str] | None, *, for_function: bool
) -> Payload:
    """columns: the `columns` parameter: then the body is taken as it is and PostgreSQL alone judges it.

    Raises ApiError (PGRST102) for a body that cannot be understood.
    """
    if content_type == JSON:
        if columns is not None:
            return Payload(body, columns)
        if for_function and not body:
            return Payload(b"{}", frozenset())
        keys = _find_keys(body) if for_function and len(body) >= _LARGE else None
        return _parse_json(body) if keys is None else Payload(body, keys)
    if content_type == CSV:
        return _parse_csv(body)
    if content_type == FORM:
        pairs = tuple(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))
        fields = dict(pairs)
        return Payload(orjson.dumps(fields), frozenset(fields), pairs if for_function else None)
    if for_function and content_type in RAW_TYPES:
        return Payload(body, frozenset())
    raise errors.bad_body(f"Content-Type not acceptable: {content_type}")


def _find_keys(body: bytes) -> frozenset[str] | None:
    """The keys of an object, without making anything of the rows in it: a batch goes to the database as it
    came, and decoding it would take most of the time that this server has for it. None: look closer."""
    if any(word in body for word in _NO_JSON):
        return None
    try:
        return frozenset(_ARGUMENTS.validate_json(body))
    except ValidationError:
        return None


def _parse_json(body: bytes) -> Payload:
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise errors.bad_body("Empty or invalid json") from None
    if isinstance(value, dict):
        return Payload(body, frozenset(value))
    if isinstance(value, list) and value:
        return Payload(body, _common_keys(value))
    # A list of nothing; a number or text counts as that too.
    return Payload(b"[]", frozenset())


def _common_keys(rows: list[Any]) -> frozenset[str]:
    first = rows[0]
    if isinstance(first, dict):
        keys = first.keys()
        if all(isinstance(row, dict) and row.keys() == keys for row in rows):
            return frozenset(keys)
    raise errors.bad_body("All object keys must match")


def _parse_csv(body: bytes) -> Payload:
    """A table with a header line. The word NULL means null. Rows that are too short have only their
    columns."""
    lines = [line for line in csv.reader(io.StringIO(body.decode("utf-8", "replace"), newline="")) if line]
    if b"\n" not in body or not lines:
        raise errors.bad_body('parse error (not enough input) at ""')
    header, *rows = lines
    objects = [
        {name: None if value == "NULL" else value for name, value in zip(header, row, strict=False)}
        for row in rows
    ]
    if any(one.keys() != objects[0].keys() for one in objects):
        raise errors.bad_body("All lines must have same number of fields")
    return Payload(orjson.dumps(objects), frozenset(objects[0]) if objects else frozenset())
