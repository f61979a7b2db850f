"""Signed URLs: a token that lets anybody who has it do one thing with one object for a time."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, Literal

import jwt

from scripts.local_supabase.keys import Keys
from scripts.local_supabase.storage.errors import StorageError, invalid_signature

Purpose = Literal["download", "upload"]

LONGEST_SECONDS = 100 * 366 * 24 * 3600


def sign(keys: Keys, purpose: Purpose, bucket: str, name: str, seconds: int, **claims: Any) -> str:
    """The path of a signed URL, below the server's own address.

    The token carries no role: shown as a bearer token it is nobody's.
    """
    now = int(time.time())
    token = keys.mint(
        {
            "url": f"{bucket}/{name}",
            "for": purpose,
            "iat": now,
            "exp": now + min(seconds, LONGEST_SECONDS),
            **claims,
        }
    )
    way = "/object/upload/sign" if purpose == "upload" else "/object/sign"
    return f"{way}/{_path_of(bucket, name)}?token={token}"


def read(keys: Keys, purpose: Purpose, bucket: str, name: str, token: str | None) -> Mapping[str, Any]:
    """The claims of a signed URL's token. Raises StorageError for one that is old, foreign or another's."""
    if not token:
        raise StorageError(400, "InvalidRequest", "querystring must have required property 'token'")
    try:
        claims = keys.verify(token)
    except jwt.ExpiredSignatureError as error:
        raise StorageError(400, "InvalidJWT", '"exp" claim timestamp check failed') from error
    except jwt.PyJWTError as error:
        raise StorageError(400, "InvalidJWT", f"Invalid Compact JWS: {error}") from error
    if claims.get("for") != purpose or claims.get("url") != f"{bucket}/{name}":
        raise invalid_signature("The url do not match the signature")
    return claims


def _path_of(bucket: str, name: str) -> str:
    """As hosted: not encoded, since supabase-js does that, but for what would end the path."""
    return f"{bucket}/{name}".replace("?", "%3F")
