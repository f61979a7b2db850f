"""Machine tokens: short-lived JWTs that name a database role and a machine.

A machine never carries the service key; its token reaches only what its role was granted.
"""

from __future__ import annotations

import time

import jwt

from shared.errors import ConfigurationError
from shared.settings import Settings

MACHINE_ROLES = frozenset({"signal_worker", "analyst", "trading_bridge"})
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
    issued = int(time.time() if now is None else now)
    claims = {
        "role": role,
        "machine_id": machine_id,
        "iat": issued,
        "exp": issued + lifetime,
        "iss": "sigtrail",
        "aud": "authenticated",
    }
    return jwt.encode(claims, secret, algorithm="HS256")


class Tokens:
    """Always a token with at least half of its life left, so that a machine outlives every token."""

    def __init__(
        self, settings: Settings, role: str, machine_id: str, *, lifetime: int = LIFETIME_SECONDS
    ) -> None:
        self._secret = settings.need("supabase_jwt_secret")
        self._role = role
        self._machine_id = machine_id
        self._lifetime = lifetime
        self._token = ""
        self._renew_at = 0.0

    def __call__(self) -> str:
        """The token to use now."""
        # Expiry is the servers' wall clock's business: the one place that asks it outside of leases.
        now = time.time()
        if now >= self._renew_at:
            self._token = mint(self._secret, self._role, self._machine_id, now=now, lifetime=self._lifetime)
            self._renew_at = now + self._lifetime * RENEW_BEFORE
        return self._token
