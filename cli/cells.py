"""Cells of CSV, which people open in spreadsheets."""

from __future__ import annotations

# What spreadsheets take for the beginning of a formula, the wide forms of East Asian keyboards among them.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")


def defuse(text: str) -> str:
    """The text with an apostrophe in front where a spreadsheet would run it. One sign alone is no formula."""
    return f"'{text}" if len(text) > 1 and text.startswith(_FORMULA) else text
