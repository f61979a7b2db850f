"""Cross-origin requests: any origin may ask, with any header."""

from __future__ import annotations

from scripts.local_supabase.rest.errors import Header
from scripts.local_supabase.rest.request import Request

_METHODS = ("GET", "POST", "PATCH", "PUT", "DELETE", "OPTIONS", "HEAD")
_SIMPLE_HEADERS = ("Accept", "Accept-Language", "Content-Language")
_EXPOSED = (
    "Content-Encoding, Content-Location, Content-Range, Content-Type, Date, Location, Server,"
    " Transfer-Encoding, Range-Unit"
)


def preflight_headers(request: Request) -> list[Header] | None:
    """The answer to a browser that asks whether it may ask; None if this is no such question."""
    if request.method != "OPTIONS" or request.header("origin") is None:
        return None
    if request.header("access-control-request-method") not in _METHODS:
        return None
    headers = [
        ("access-control-allow-origin", "*"),
        ("access-control-allow-methods", ", ".join(_METHODS)),
    ]
    asked = request.header("access-control-request-headers")
    if asked is not None:
        names = [name.strip() for name in asked.split(",")]
        headers.append(
            ("access-control-allow-headers", ", ".join(("Authorization", *names, *_SIMPLE_HEADERS)))
        )
    headers.append(("access-control-max-age", "86400"))
    return headers


def response_headers(request: Request) -> list[Header]:
    """What an answer to a page of another origin carries."""
    if request.method == "OPTIONS" or request.header("origin") is None:
        return []
    return [("access-control-allow-origin", "*"), ("access-control-expose-headers", _EXPOSED)]
