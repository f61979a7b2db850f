"""Cross-origin requests: every origin may call the local stack, as with the real gateway."""

from __future__ import annotations

from scripts.local_supabase.gateway.asgi import Headers, Message, Send, header_of

_METHODS = b"GET,HEAD,PUT,PATCH,POST,DELETE,OPTIONS,TRACE,CONNECT"
_DEFAULT_REQUEST_HEADERS = b"authorization, x-client-info, apikey, content-type"
# What browsers hide from a page unless a server names it.
_EXPOSED = (
    b"Content-Encoding, Content-Location, Content-Range, Content-Type, Date, Location, Server,"
    b" Transfer-Encoding, Range-Unit, X-Total-Count, Link, X-Supabase-Api-Version"
)
_ORIGIN = b"access-control-allow-origin"
_EXPOSE = b"access-control-expose-headers"


def is_preflight(method: str, headers: Headers) -> bool:
    return (
        method == "OPTIONS"
        and header_of(headers, b"origin") is not None
        and header_of(headers, b"access-control-request-method") is not None
    )


def preflight_headers(headers: Headers) -> Headers:
    """What a browser asks for before a request: any method, and the headers that it named."""
    wanted = header_of(headers, b"access-control-request-headers") or _DEFAULT_REQUEST_HEADERS
    return [
        (_ORIGIN, b"*"),
        (b"access-control-allow-methods", _METHODS),
        (b"access-control-allow-headers", wanted),
        (b"access-control-max-age", b"3600"),
    ]


def with_cors(send: Send) -> Send:
    """Adds what lets a page read a response, where the service did not say it itself."""

    async def send_with_cors(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers: Headers = list(message.get("headers", ()))
            names = {name.lower() for name, _ in headers}
            if _ORIGIN not in names:
                headers.append((_ORIGIN, b"*"))
            if _EXPOSE not in names:
                headers.append((_EXPOSE, _EXPOSED))
            message = {**message, "headers": headers}
        await send(message)

    return send_with_cors
