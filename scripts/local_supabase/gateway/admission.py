"""Who comes in: API keys checked, and opaque keys turned into the token of the role that they stand for.

Services know JWTs only. `sb_publishable_…` means anon and `sb_secret_…` means service_role; clients send
them as `apikey`, and as `Authorization: Bearer sb_…` until somebody signed in.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, quote

import jwt

from scripts.local_supabase.gateway.asgi import Headers, header_of
from scripts.local_supabase.keys import Keys

OPAQUE = "sb_"
_OPAQUE_BEARER = b"Bearer sb_"
# The role tokens live as long as a stack may; nobody but the services of this machine sees them.
_ROLE_TOKEN_SECONDS = 10 * 365 * 24 * 3600
_MOST_KNOWN_TOKENS = 1024


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a key was not let in, as the hosted gateway words it. Always status 401."""

    message: str
    hint: str

    def body(self) -> dict[str, str]:
        return {"message": self.message, "hint": self.hint}


NO_KEY = Refusal("No API key found in request", "No `apikey` request header or url param was found.")
UNREGISTERED_KEY = Refusal(
    "Unregistered API key",
    "Double check the provided API key as it is not registered for this project.",
)
INVALID_KEY = Refusal("Invalid API key", "Double check your Supabase `anon` or `service_role` API key.")


@dataclass(slots=True)
class Admission:
    """Checks the keys of one stack.

    Tokens that came as an API key are verified once and remembered until they expire, so that the common
    request costs two lookups.
    """

    keys: Keys
    _role_tokens: dict[str, str] = field(init=False)
    _known_tokens: dict[str, float] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        self._role_tokens = {
            self.keys.publishable: self.keys.token("anon", lifetime=_ROLE_TOKEN_SECONDS),
            self.keys.secret: self.keys.token("service_role", lifetime=_ROLE_TOKEN_SECONDS),
        }

    def admit(self, headers: Headers, query: bytes, *, key_required: bool = True) -> Headers | Refusal:
        """The headers to hand on.

        An Authorization that is no opaque key stays as it is; otherwise the apikey becomes one.
        """
        key = _key_of(headers, query)
        if key is None:
            return NO_KEY if key_required else headers
        token = self._token_for(key)
        if isinstance(token, Refusal):
            return token
        authorization = header_of(headers, b"authorization")
        if authorization and not authorization.startswith(_OPAQUE_BEARER):
            return headers
        kept = [header for header in headers if header[0] != b"authorization"]
        return [*kept, (b"authorization", b"Bearer " + token.encode())]

    def admit_socket(self, headers: Headers, query: bytes) -> bytes | Refusal:
        """The query to hand on for a WebSocket, its `apikey` a JWT.

        A key that is a JWT already is not judged here: the realtime server says itself what is wrong with it.
        """
        key = _key_of(headers, query)
        if key is None:
            return NO_KEY
        token: str | None = key
        if key.startswith(OPAQUE):
            token = self._role_tokens.get(key)
        if token is None:
            return UNREGISTERED_KEY
        others = [pair for pair in query.split(b"&") if pair and not pair.startswith(b"apikey=")]
        return b"&".join([b"apikey=" + quote(token, safe="").encode(), *others])

    def _token_for(self, key: str) -> str | Refusal:
        token = self._role_tokens.get(key)
        if token is not None:
            return token
        if key.startswith(OPAQUE):
            return UNREGISTERED_KEY
        return key if self._is_known(key) else INVALID_KEY

    def _is_known(self, token: str) -> bool:
        now = time.time()
        expires = self._known_tokens.get(token)
        if expires is not None and now < expires:
            return True
        try:
            claims = self.keys.verify(token)
        except jwt.PyJWTError:
            return False
        if len(self._known_tokens) >= _MOST_KNOWN_TOKENS:
            self._known_tokens.clear()
        self._known_tokens[token] = float(claims.get("exp", now + _ROLE_TOKEN_SECONDS))
        return True


def _key_of(headers: Headers, query: bytes) -> str | None:
    """The API key of a request: its header, or else the query parameter of that name."""
    header = header_of(headers, b"apikey")
    if header:
        return header.decode("latin-1")
    if b"apikey=" not in query:
        return None
    return dict(parse_qsl(query.decode("latin-1"))).get("apikey")
