"""Who asks: the role and the claims of a request's token, under which its statements run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import jwt
import orjson

from scripts.local_supabase.keys import Keys
from scripts.local_supabase.storage.errors import access_denied, invalid_request

# What the server itself may always become, and no policy binds.
_OWN_ROLES = frozenset({"none", "supabase_storage_admin"})


@dataclass(frozen=True, slots=True)
class Caller:
    """role: of the database. claims_json: the token's claims. subject: who is signed in, if anybody."""

    role: str
    claims_json: str
    subject: str | None

    @property
    def owner(self) -> UUID | None:
        """The subject as the older column takes it."""
        try:
            return UUID(self.subject) if self.subject else None
        except ValueError:
            return None


def identify(keys: Keys, authorization: str | None) -> Caller:
    """The caller of a request. Raises StorageError without a token, or with a foreign or an old one."""
    if not authorization:
        raise invalid_request("headers must have required property 'authorization'")
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise access_denied("Invalid Compact JWS")
    try:
        claims = keys.verify(token.strip())
    except jwt.ExpiredSignatureError as error:
        raise access_denied('"exp" claim timestamp check failed') from error
    except jwt.PyJWTError as error:
        raise access_denied(f"Invalid Compact JWS: {error}") from error
    return from_claims(claims)


def from_claims(claims: Mapping[str, Any]) -> Caller:
    role = claims.get("role") or "anon"
    if not isinstance(role, str):
        raise access_denied("The role of the token is no text")
    if role.lower() in _OWN_ROLES:
        raise access_denied(f'permission denied to set role "{role}"')
    subject = claims.get("sub")
    return Caller(role, orjson.dumps({**claims, "role": role}).decode(), str(subject) if subject else None)
