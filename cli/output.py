"""How commands answer: one JSON document on standard output, or a table for people."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

import orjson
from rich.console import Console
from rich.table import Table

# Everything that is not the answer itself goes to standard error, so that `--json` stays one document.
notes = Console(stderr=True, highlight=False)


def to_json(document: Any) -> str:
    """The document as JSON text; money stays text, times become ISO 8601."""
    options = orjson.OPT_INDENT_2 | orjson.OPT_UTC_Z | orjson.OPT_NON_STR_KEYS
    return orjson.dumps(document, default=_plain, option=options).decode()


def print_json(document: Any) -> None:
    """Write one JSON document to standard output and nothing else: all of it, however slowly it is read."""
    sys.stdout.flush()
    output = sys.stdout.buffer
    rest = memoryview((to_json(document) + "\n").encode())
    # Where Python was told not to buffer, a write is content with the part that a pipe took.
    while rest:
        rest = rest[output.write(rest) or 0 :]
    output.flush()


def print_rows(
    rows: Sequence[Mapping[str, Any]], columns: Mapping[str, str], *, json: bool, empty: str
) -> None:
    """Show records: as JSON whole, else as a table of `columns` (field to heading); `empty` when none."""
    if json:
        print_json(list(rows))
        return
    if not rows:
        notes.print(empty)
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in columns.values():
        table.add_column(heading, no_wrap=True)
    for row in rows:
        table.add_row(*(show(row.get(field)) for field in columns))
    # Wider than any terminal: an id that is cut cannot be copied, and pipes have no width at all.
    Console(highlight=False, width=1000).print(table, soft_wrap=True)


def show(value: Any) -> str:
    """One value in a cell."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%d %H:%M:%S")
    if isinstance(value, (list, tuple)):
        return ", ".join(show(one) for one in value) or "none"
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {show(one)}" for name, one in value.items())
    text = str(value)
    # Times come as ISO text from the database: without the T and the fraction they are easier to read.
    if len(text) >= 19 and text[4:5] == "-" and text[10:11] == "T":
        return text[:19].replace("T", " ")
    return text


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return format(value, "f")
    raise TypeError(f"cannot write {type(value).__name__} as JSON")
