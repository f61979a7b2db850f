"""Access tokens: the claims of a signed-in user, and how a request's token is read."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import jwt

from scripts.local_supabase.auth.config import AuthConfig
from scripts.local_supabase.auth.errors import AuthError, forbidden
from scripts.local_supabase.keys import Keys

ADMIN_ROLES = frozenset({"service_role", "supabase_admin"})


@dataclass(frozen=True, slots=True)
class TokenIssuer:
    """Signs access tokens for users. url: what `iss` names, the public address of the auth server."""

    keys: Keys
    config: AuthConfig
    url: str

    def issue(
        self, user: Mapping[str, Any], session_id: UUID, methods: Sequence[Mapping[str, Any]]
    ) -> tuple[str, int]:
        """An access token, and when it expires in seconds since 1970.

        methods: how the session was opened, as {method, timestamp}.
        """
        issued_at = int(time.time())
        expires_at = issued_at + self.config.jwt_expiry
        claims = access_claims(user, session_id, methods) | {
            "iss": self.url,
            "iat": issued_at,
            "exp": expires_at,
        }
        sign = self.keys.sign if self.config.algorithm == "ES256" else self.keys.mint
        return sign(claims), expires_at


def access_claims(
    user: Mapping[str, Any], session_id: UUID, methods: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    return {
        "sub": str(user["id"]),
        "aud": user["aud"],
        "email": user["email"] or "",
        "phone": user["phone"] or "",
        "app_metadata": user["raw_app_meta_data"] or {},
        "user_metadata": user["raw_user_meta_data"] or {},
        "role": user["role"],
        "aal": "aal1",
        "amr": [{"method": entry["method"], "timestamp": entry["timestamp"]} for entry in methods],
        "session_id": str(session_id),
        "is_anonymous": user["is_anonymous"],
    }


def bearer_token(authorization: str | None) -> str:
    """The token of an Authorization header. Raises AuthError no_authorization without one."""
    scheme, _, token = (authorization or "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise AuthError(401, "no_authorization", "This endpoint requires a Bearer token")
    return token.strip()


def read_claims(keys: Keys, token: str) -> dict[str, Any]:
    """The claims of a token that this stack signed. Raises AuthError bad_jwt for a foreign or an old one."""
    try:
        return keys.verify(token)
    except jwt.ExpiredSignatureError as error:
        raise forbidden(
            "bad_jwt",
            "invalid JWT: unable to parse or verify signature, token has invalid claims: token is expired",
        ) from error
    except jwt.PyJWTError as error:
        raise forbidden("bad_jwt", f"invalid JWT: unable to parse or verify signature, {error}") from error


def require_admin(claims: Mapping[str, Any]) -> None:
    if claims.get("role") not in ADMIN_ROLES:
        raise forbidden("not_admin", "User not allowed")
