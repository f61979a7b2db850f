"""Tokens: who is asking, verified by the shared secret or by a public key, with PostgREST's words for what is
wrong."""

from __future__ import annotations

import base64
import binascii
import math
import time
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import orjson
from jwt import PyJWK, algorithms

from scripts.local_supabase.rest import errors
from scripts.local_supabase.rest.settings import RestSettings

# How far (s) clocks may be apart.
_SKEW = 30
_REMEMBERED = 1000
_INT64 = 2**63


@dataclass(frozen=True, slots=True)
class Identity:
    """The database role of a request, and the claims of its token (with the role) as JSON."""

    role: str
    claims_json: str


@dataclass(frozen=True, slots=True)
class _Key:
    algorithm: str
    key: Any
    kid: str | None


class Verifier:
    """Turns Authorization headers into identities. Remembers tokens whose signature it has checked."""

    def __init__(self, settings: RestSettings) -> None:
        self._anonymous = Identity(settings.anon_role, orjson.dumps({"role": settings.anon_role}).decode())
        self._anon_role = settings.anon_role
        self._algorithms = algorithms.get_default_algorithms()
        self._keys = [
            _Key(name, self._algorithms[name].prepare_key(settings.jwt_secret), None)
            for name in ("HS256", "HS384", "HS512")
        ]
        for jwk in settings.jwks:
            key = PyJWK.from_dict(jwk)
            self._keys.append(_Key(key.algorithm_name, key.key, jwk.get("kid")))
        self._checked: OrderedDict[str, dict[str, Any]] = OrderedDict()

    def identify(self, authorization: str | None) -> Identity:
        """Who is asking; the anonymous role without a bearer token.

        Raises ApiError: PGRST301 for a token that is none or not signed by a known key, PGRST303 for its
        claims.
        """
        scheme, _, token = (authorization or "").partition(" ")
        if scheme.lower() != "bearer":
            return self._anonymous
        claims = self._checked.get(token)
        if claims is None:
            claims = self._decode(token.strip())
            self._checked[token] = claims
            if len(self._checked) > _REMEMBERED:
                self._checked.popitem(last=False)
        check_claims(claims, math.floor(time.time()))
        role = claims.get("role", self._anon_role)
        if not isinstance(role, str):
            role = orjson.dumps(role).decode()
        return Identity(role, orjson.dumps({**claims, "role": role}).decode())

    def _decode(self, token: str) -> dict[str, Any]:
        if not token:
            raise errors.bad_token("Empty JWT is sent in Authorization header")
        parts = token.split(".")
        if len(parts) != 3:
            raise errors.bad_token(f"Expected 3 parts in JWT; got {len(parts)}")
        try:
            header = orjson.loads(_from_base64(parts[0]))
            payload = _from_base64(parts[1])
            signature = _from_base64(parts[2])
        except ValueError:
            raise errors.bad_token("JWT cryptographic operation failed") from None
        if not isinstance(header, dict):
            raise errors.bad_token("JWT cryptographic operation failed")
        self._check_signature(header, f"{parts[0]}.{parts[1]}".encode(), signature)
        try:
            claims = orjson.loads(payload)
        except orjson.JSONDecodeError:
            claims = None
        if not isinstance(claims, dict):
            raise errors.bad_claims("Parsing claims failed")
        return claims

    def _check_signature(self, header: dict[str, Any], signed: bytes, signature: bytes) -> None:
        algorithm, kid = header.get("alg"), header.get("kid")
        if algorithm == "none":
            raise errors.bad_token(
                "Wrong or unsupported encoding algorithm",
                "JWT is unsecured but expected 'alg' was not 'none'",
            )
        fitting = [key for key in self._keys if key.algorithm == algorithm]
        # A key that has a name is only for the tokens that name it, or that name none.
        fitting = [key for key in fitting if key.kid is None or kid is None or key.kid == kid]
        if not fitting:
            raise errors.bad_token(
                "No suitable key or wrong key type", "No suitable key was found to decode the JWT"
            )
        if not self._signed_by(fitting, signed, signature):
            raise errors.bad_token(
                "No suitable key or wrong key type", "None of the keys was able to decode the JWT"
            )

    def _signed_by(self, keys: Iterable[_Key], signed: bytes, signature: bytes) -> bool:
        return any(self._algorithms[key.algorithm].verify(signed, key.key, signature) for key in keys)


def _from_base64(text: str) -> bytes:
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except binascii.Error as error:
        raise ValueError("not base64") from error


def check_claims(claims: dict[str, Any], now: int) -> None:
    """Check exp, nbf, iat and the form of aud at the time `now` (Unix seconds). Raises ApiError
    (PGRST303)."""
    expires = _seconds(claims, "exp")
    if expires is not None and expires < now - _SKEW:
        raise errors.bad_claims("JWT expired")
    not_before = _seconds(claims, "nbf")
    if not_before is not None and not_before > now + _SKEW:
        raise errors.bad_claims("JWT not yet valid")
    issued = _seconds(claims, "iat")
    if issued is not None and issued > now + _SKEW:
        raise errors.bad_claims("JWT issued at future")
    audience = claims.get("aud")
    listed = audience if isinstance(audience, list) else [audience]
    if audience is not None and not all(isinstance(one, str) for one in listed):
        raise errors.bad_claims("The JWT 'aud' claim must be a string or an array of strings")


def _seconds(claims: dict[str, Any], name: str) -> int | None:
    """A time of the token. One that is no whole number, or too large for one, counts as long ago."""
    value = claims.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise errors.bad_claims(f"The JWT '{name}' claim must be a number")
    if not float(value).is_integer() or not -_INT64 <= value < _INT64:
        return 0
    return int(value)
