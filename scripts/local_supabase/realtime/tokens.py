"""Which tokens are good, and what exactly is wrong with the others."""

from __future__ import annotations

import time
from dataclasses import dataclass
from enum import Enum
from typing import Any
from urllib.parse import unquote

import jwt
import orjson

HMAC = ("HS256", "HS384", "HS512")
PUBLIC_KEY = ("RS256", "RS384", "RS512", "ES256", "ES384", "ES512", "EdDSA")


class Fault(Enum):
    """Why a token is refused: the code that a join's answer begins with, and the words."""

    EXPIRED = ("InvalidJWTToken", "Token has expired")
    CLAIMS = ("InvalidJWTToken", "Fields `role` and `exp` are required in JWT")
    EXPIRATION = ("InvalidJWTToken", "Token expiration time is invalid")
    MALFORMED = ("MalformedJWT", "The token provided is not a valid JWT")
    SIGNATURE = ("JwtSignatureError", "Failed to validate JWT signature")
    SIGNER = ("JwtSignerError", "Failed to generate JWT signer, check your JWT secret or JWKS configuration")


class BadToken(Exception):
    """A token that is refused. age: seconds since it expired, when that is why."""

    def __init__(self, fault: Fault, age: int = 0) -> None:
        super().__init__(fault.value[1])
        self.fault = fault
        self.age = age

    @property
    def words(self) -> str:
        """For somebody on a channel."""
        if self.fault is Fault.EXPIRED:
            return f"Token has expired {self.age} seconds ago"
        return str(self.fault.value[1])

    @property
    def reason(self) -> str:
        """For the answer to a join."""
        return f"{self.fault.value[0]}: {self.words}"

    @property
    def notice(self) -> str:
        """For the end of a channel. The real server has no words for this one error."""
        return ":signature_error" if self.fault is Fault.SIGNATURE else self.words


@dataclass(frozen=True)
class Token:
    """A token that was verified, with what it says."""

    text: str
    claims: dict[str, Any]

    @property
    def role(self) -> str:
        return str(self.claims["role"])

    @property
    def expires_in(self) -> float:
        return float(self.claims["exp"]) - time.time()


class Verifier:
    """Verifies with a shared secret (HS*) and with public keys by their `kid`.

    jwks: as /.well-known/jwks.json has it: {"keys": […]}
    """

    def __init__(self, secret: str, jwks: dict[str, Any]) -> None:
        self._secret = secret
        self._keys = {key["kid"]: key for key in jwks.get("keys", []) if "kid" in key}

    def verify(self, text: str) -> Token:
        """The token, or BadToken with the first thing that is wrong with it."""
        text = unquote("".join(text.split()))
        try:
            header = jwt.get_unverified_header(text)
        except jwt.InvalidTokenError:
            raise BadToken(Fault.MALFORMED) from None
        key, algorithm = self._key(header)
        try:
            payload = jwt.PyJWS().decode(text, key, algorithms=[algorithm])
            claims = orjson.loads(payload)
        except jwt.InvalidSignatureError:
            raise BadToken(Fault.SIGNATURE) from None
        except (jwt.InvalidTokenError, ValueError):
            raise BadToken(Fault.MALFORMED) from None
        if not isinstance(claims, dict):
            raise BadToken(Fault.MALFORMED)
        _check(claims)
        return Token(text, claims)

    def _key(self, header: dict[str, Any]) -> tuple[Any, str]:
        algorithm = header.get("alg")
        known = self._keys.get(header.get("kid"))
        if algorithm in HMAC:
            if known is not None and known.get("kty") == "oct":
                return jwt.PyJWK(known, algorithm).key, algorithm
            return self._secret, algorithm
        if algorithm in PUBLIC_KEY and known is not None:
            return jwt.PyJWK(known, algorithm).key, algorithm
        raise BadToken(Fault.SIGNER)


def _check(claims: dict[str, Any]) -> None:
    exp = claims.get("exp")
    if exp is not None:
        if isinstance(exp, bool) or not isinstance(exp, int | float):
            raise BadToken(Fault.EXPIRATION)
        if exp <= time.time():
            raise BadToken(Fault.EXPIRED, int(time.time() - exp))
    if exp is None or not claims.get("role"):
        raise BadToken(Fault.CLAIMS)
    if "iat" in claims and not isinstance(claims["iat"], int | float):
        raise BadToken(Fault.EXPIRATION)
