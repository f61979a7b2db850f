"""Secrets that this process holds never leave it in a text: a log line, an error, a row of the trail.

A venue's error may echo a request, cut off anywhere: so not only a whole secret is found but any piece of it
that is long enough to be no accident, as it is and in the encodings that requests travel in.
"""

from __future__ import annotations

import base64
import resource
import urllib.parse
from collections.abc import Iterable
from typing import Any

# Pieces this long are taken out. Shorter ones are words, numbers and accidents.
PIECE = 8
MARK = "[redacted]"

_pieces: set[str] = set()
_short: set[str] = set()


def conceal(secrets: Iterable[str]) -> None:
    """From now on `redact` takes these out of every text. They are kept as long as the process lives, and a
    process that holds any leaves no core file, which would show its whole memory."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    for secret in secrets:
        if not secret:
            continue
        if len(secret) < PIECE:
            _short.add(secret)
        for form in forms(secret):
            _pieces.update(form[at : at + PIECE] for at in range(len(form) - PIECE + 1))


def forms(secret: str) -> set[str]:
    """A secret as it may appear: plain, hexadecimal, URL-encoded, and in base64 at any offset."""
    raw = secret.encode()
    found = {secret, raw.hex(), raw.hex().upper(), urllib.parse.quote(secret, safe="")}
    found |= {urllib.parse.quote_plus(secret), urllib.parse.quote(secret, safe="").lower()}
    for offset in range(3):
        whole = base64.b64encode(bytes(offset) + raw).decode()
        # The characters that also depend on what stands before and after the secret are left out.
        inner = whole[(offset * 8 + 5) // 6 : (offset + len(raw)) * 8 // 6]
        found |= {inner, inner.replace("+", "-").replace("/", "_"), urllib.parse.quote(inner, safe="")}
    return found


def redact(text: str) -> str:
    """The text without any piece of a concealed secret."""
    if not _pieces and not _short:
        return text
    spans: list[list[int]] = []
    for at in range(len(text) - PIECE + 1):
        if text[at : at + PIECE] in _pieces:
            if spans and at <= spans[-1][1]:
                spans[-1][1] = at + PIECE
            else:
                spans.append([at, at + PIECE])
    for start, end in reversed(spans):
        text = text[:start] + MARK + text[end:]
    for short in _short:
        text = text.replace(short, MARK)
    return text


def redact_all(value: Any) -> Any:
    """The same value with every text in it redacted, also inside lists and mappings."""
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, dict):
        return {redact_all(key): redact_all(one) for key, one in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return type(value)(redact_all(one) for one in value)
    if isinstance(value, bytes):
        return redact(value.decode("latin-1")).encode("latin-1")
    return value
