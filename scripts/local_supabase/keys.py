"""The keys of one stack: opaque API keys, the shared JWT secret, and the pair that signs users' tokens."""

from __future__ import annotations

import json
import os
import secrets
import tempfile
import time
import uuid
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm

from scripts.local_supabase.errors import StackError

# The one that every local Supabase uses, so that tokens made for one work on the next.
DEFAULT_JWT_SECRET = "super-secret-jwt-token-with-at-least-32-characters-long"  # noqa: S105
SHORTEST_JWT_SECRET = 32
ISSUER = "supabase-local"


@dataclass(frozen=True)
class Keys:
    """signing_key: a private JWK (ES256) with `kid`, `alg` and `use`."""

    publishable: str
    secret: str = field(repr=False)
    jwt_secret: str = field(repr=False)
    signing_key: dict[str, Any] = field(repr=False)

    @classmethod
    def create(cls) -> Self:
        jwt_secret = os.environ.get("SUPABASE_JWT_SECRET") or DEFAULT_JWT_SECRET
        if len(jwt_secret) < SHORTEST_JWT_SECRET:
            raise StackError(f"SUPABASE_JWT_SECRET is too short: it needs {SHORTEST_JWT_SECRET} characters.")
        jwk: dict[str, Any] = ECAlgorithm.to_jwk(ec.generate_private_key(ec.SECP256R1()), as_dict=True)
        return cls(
            publishable=f"sb_publishable_{_random_text()}",
            secret=f"sb_secret_{_random_text()}",
            jwt_secret=jwt_secret,
            signing_key=jwk | {"kid": str(uuid.uuid4()), "alg": "ES256", "use": "sig"},
        )

    @classmethod
    def load_or_create(cls, file: Path) -> Self:
        """The keys in this file; new ones are written to it (mode 600) if it is missing."""
        try:
            return cls(**json.loads(file.read_text()))
        except FileNotFoundError:
            keys = cls.create()
        file.parent.mkdir(parents=True, exist_ok=True)
        # Written beside and linked into place: two processes that come at once both get the first one's keys.
        with tempfile.NamedTemporaryFile("w", dir=file.parent, prefix=file.name) as draft:
            json.dump(asdict(keys), draft, indent=2)
            draft.flush()
            try:
                os.link(draft.name, file)
            except FileExistsError:
                return cls(**json.loads(file.read_text()))
        return keys

    def jwks(self) -> dict[str, list[dict[str, Any]]]:
        """The public halves, as served at /auth/v1/.well-known/jwks.json."""
        public = {name: value for name, value in self.signing_key.items() if name != "d"}
        return {"keys": [public | {"key_ops": ["verify"], "ext": True}]}

    def mint(self, claims: dict[str, Any]) -> str:
        """A token signed with the shared secret (HS256), with exactly these claims."""
        return jwt.encode(claims, self.jwt_secret, algorithm="HS256")

    def sign(self, claims: dict[str, Any]) -> str:
        """A token signed with the stack's own key (ES256), as users get them."""
        return jwt.encode(
            claims, self._private_key, algorithm="ES256", headers={"kid": self.signing_key["kid"]}
        )

    def token(self, role: str, sub: str | None = None, lifetime: int = 3600, **claims: Any) -> str:
        """A token of this database role, valid for `lifetime` seconds from now."""
        now = int(time.time())
        identity = {} if sub is None else {"sub": sub}
        return self.mint(
            {"iss": ISSUER, "role": role, "iat": now, "exp": now + lifetime, **identity, **claims}
        )

    def verify(self, token: str) -> dict[str, Any]:
        """The claims of a token that this stack signed: ES256 by `kid`, HS256 by the secret.

        Raises jwt.InvalidTokenError (jwt.ExpiredSignatureError when it is only too old). The audience is the
        caller's to judge.
        """
        options: Any = {"verify_aud": False}
        if jwt.get_unverified_header(token).get("alg") == "ES256":
            if jwt.get_unverified_header(token).get("kid") != self.signing_key["kid"]:
                raise jwt.InvalidTokenError("No suitable key was found to decode the JWT")
            return dict(jwt.decode(token, self._public_key, algorithms=["ES256"], options=options))
        return dict(jwt.decode(token, self.jwt_secret, algorithms=["HS256"], options=options))

    @cached_property
    def _private_key(self) -> Any:
        return ECAlgorithm.from_jwk(self.signing_key)

    @cached_property
    def _public_key(self) -> Any:
        return self._private_key.public_key()


def _random_text() -> str:
    """In the shape of the hosted keys: 22 characters, an underscore, 8 more."""
    return f"{secrets.token_urlsafe(16)}_{secrets.token_urlsafe(6)}"
