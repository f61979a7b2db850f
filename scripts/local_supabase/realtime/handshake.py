"""Who may open a WebSocket, and how the others are answered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qs

from scripts.local_supabase.realtime.frames import Serializer, serializer
from scripts.local_supabase.realtime.tokens import BadToken, Token, Verifier


@dataclass(frozen=True)
class Refusal:
    """The HTTP answer in place of the upgrade. error: what its JSON says; an empty body without.

    at_once: without the wait that makes a client in a loop harmless
    """

    status: int
    error: str | None = None
    at_once: bool = False


@dataclass(frozen=True)
class Welcome:
    serializer: Serializer
    token: Token
    headers: dict[str, str]


def judge(query: str, headers: Mapping[str, str], verifier: Verifier) -> Welcome | Refusal:
    """headers: names in lower case. The API key is a header, or else in the query."""
    params = {name: values[-1] for name, values in parse_qs(query, keep_blank_values=True).items()}
    chosen = serializer(params.get("vsn"))
    if chosen is None:
        return Refusal(403, at_once=True)
    key = headers.get("x-api-key", params.get("apikey"))
    if key is None:
        return Refusal(401, "API key is missing")
    try:
        token = verifier.verify(key)
    except BadToken as error:
        return Refusal(401, str(error))
    return Welcome(chosen, token, {name: value for name, value in headers.items() if name.startswith("x-")})
