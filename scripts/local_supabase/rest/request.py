"""One HTTP request, as far as the interface looks at it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Request:
    """path: raw, still percent-encoded, without the prefix under which the interface is mounted.
    query: raw. headers: names in lower case, in their order."""

    method: str
    path: str
    query: bytes
    headers: tuple[tuple[str, str], ...]
    body: bytes = b""

    def header(self, name: str) -> str | None:
        """The first header of this name (in lower case)."""
        return next((value for key, value in self.headers if key == name), None)

    def all_headers(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key == name]

    def headers_without_cookies(self) -> dict[str, str]:
        return {name: value for name, value in self.headers if name != "cookie"}

    def cookies(self) -> dict[str, str]:
        text = self.header("cookie")
        if text is None:
            return {}
        pairs = (part.strip().partition("=") for part in text.split(";") if part.strip())
        return {name: value for name, _, value in pairs}


def from_scope(scope: Mapping[str, Any], body: bytes) -> Request:
    """The request of an ASGI scope. What another application mounted this one under is not part of its
    path."""
    raw: bytes = scope.get("raw_path") or scope["path"].encode()
    prefix: str = scope.get("root_path") or ""
    path = raw.partition(b"?")[0].decode("latin-1")
    if prefix and path.startswith(prefix):
        path = path[len(prefix) :]
    return Request(
        method=scope["method"],
        path=path or "/",
        query=scope.get("query_string", b""),
        headers=tuple((name.decode("latin-1"), _text(value)) for name, value in scope["headers"]),
        body=body,
    )


def _text(value: bytes) -> str:
    """Header values are UTF-8 where they are, else Latin-1."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")
