"""Values as the real server prints them in its messages: in Elixir's notation."""

from __future__ import annotations

from typing import Any

# The backslash first: the others bring backslashes of their own.
ESCAPES = (("\\", "\\\\"), ('"', '\\"'), ("\n", "\\n"), ("\r", "\\r"), ("\t", "\\t"), ("#{", "\\#{"))


def inspect(value: Any) -> str:
    """A JSON value in Elixir's notation, for example `%{"a" => [1, nil]}`."""
    if value is None:
        return "nil"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        for plain, escaped in ESCAPES:
            value = value.replace(plain, escaped)
        return f'"{value}"'
    if isinstance(value, list):
        return f"[{', '.join(inspect(item) for item in value)}]"
    if isinstance(value, tuple):
        return f"{{{', '.join(inspect(item) for item in value)}}}"
    if isinstance(value, dict):
        pairs = (f"{inspect(key)} => {inspect(value[key])}" for key in sorted(value))
        return f"%{{{', '.join(pairs)}}}"
    return str(value)
