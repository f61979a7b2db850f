"""JSON in and out without losing a digit."""

from __future__ import annotations

import json
import re
from typing import Any

import orjson

# Numbers that may not fit into 64 bits, or be longer than a float is exact.
LONG_NUMBER = re.compile(r"[0-9.]{16}")


def read(text: str | bytes) -> Any:
    """The value of a JSON text. Long numbers come as raw fragments that `write` puts back as they were.

    Raises ValueError when it is not JSON.
    """
    value = orjson.loads(text)
    if not LONG_NUMBER.search(text if isinstance(text, str) else text.decode()):
        return value
    try:
        return json.loads(text, parse_int=_number, parse_float=_number)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def write(value: Any) -> str:
    """JSON text on one line. Raises TypeError for what JSON cannot say."""
    return orjson.dumps(value).decode()


def raw(text: str | bytes) -> Any:
    """A JSON text to be put into a larger value unparsed."""
    return orjson.Fragment(text)


def _number(text: str) -> Any:
    if len(text) < 16:
        return int(text) if text.lstrip("-").isdigit() else float(text)
    return orjson.Fragment(text)
