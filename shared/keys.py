"""Machine tokens: short-lived JWTs that name a database role and a machine.

A machine never carries the service key; its token reaches only what its role was granted.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import jwt

from shared.errors import ConfigurationError
from shared.settings import Settings

USER_ROLE = "authenticated"
MACHINE_ROLES = frozenset({"signal_worker", "analyst", "trading_bridge", "archivist"})
LIFETIME_SECONDS = 3600
# A token is replaced when this part of its life is left: long before any clock skew could make it expired.
RENEW_BEFORE = 0.5


def mint(
    secret: str, role: str, machine_id: str, *, now: float | None = None, lifetime: int = LIFETIME_SECONDS
) -> str:
    """A token for `machine_id` as database role `role`, valid for `lifetime` seconds from `now`."""
    if role not in MACHINE_ROLES:
        raise ConfigurationError(
            f"{role!r} is not a machine role; use one of {', '.join(sorted(MACHINE_ROLES))}"
        )
    return _sign(secret, {"role": role, "machine_id": machine_id}, now, lifetime)


def mint_for_user(
    secret: str, user_id: str, *, now: float | None = None, lifetime: int = LIFETIME_SECONDS
) -> str:
    """A token that sees what the user `user_id` sees: for the operator's own eyes, such as `up`'s."""
    return _sign(secret, {"role": USER_ROLE, "sub": user_id}, now, lifetime)


def _sign(secret: str, claims: dict[str, str], now: float | None, lifetime: int) -> str:
    issued = int(time.time() if now is None else now)
    times = {"iat": issued, "exp": issued + lifetime}
    return jwt.encode({**claims, **times, "iss": "sigtrail", "aud": USER_ROLE}, secret, algorithm="HS256")


class Tokens:
    """Always a token with at least half of its life left, so that a machine outlives every token.

    `make` mints one from the wall's Unix time.
    """

    @classmethod
    def for_machine(cls, settings: Settings, role: str, machine_id: str) -> Tokens:
        """Tokens of a machine as database role `role`. Raises ConfigurationError without a JWT secret."""
        secret = settings.need("supabase_jwt_secret")
        return cls(lambda now: mint(secret, role, machine_id, now=now))

    @classmethod
    def for_user(cls, settings: Settings, user_id: str) -> Tokens:
        """Tokens that see what this user sees."""
        secret = settings.need("supabase_jwt_secret")
        return cls(lambda now: mint_for_user(secret, user_id, now=now))

    def __init__(self, make: Callable[[float], str], *, lifetime: int = LIFETIME_SECONDS) -> None:
        self._make = make
        self._lifetime = lifetime
        self._token = ""
        self._renew_at = 0.0

    def __call__(self) -> str:
        """The token to use now."""
        # Expiry is the servers' wall clock's business: the one place that asks it outside of leases.
        now = time.time()
        if now >= self._renew_at:
            self._token = self._make(now)
            self._renew_at = now + self._lifetime * RENEW_BEFORE
        return self._token
