"""How the REST interface is set up: what PostgREST reads from its configuration."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from scripts.local_supabase.settings import Settings


@dataclass(frozen=True)
class RestSettings:
    """db_url: as the login that may become the roles of tokens
    jwks: public keys (JWK) that verify tokens signed by `kid`, beside the shared secret
    schemas: exposed; the first is the default one
    max_rows: the most rows that one answer holds; None: no limit
    pool_size: connections at most
    patience: how long (s) a request waits for a free connection, or for the first schema cache
    safe_update: refuse an update or delete without any filter, as a hosted project's login does
    """

    db_url: str
    jwt_secret: str
    jwks: tuple[dict[str, Any], ...] = ()
    schemas: tuple[str, ...] = ("public",)
    extra_search_path: tuple[str, ...] = ("public", "extensions")
    anon_role: str = "anon"
    max_rows: int | None = 1000
    pool_size: int = 10
    patience: float = 5.0
    safe_update: bool = False

    @classmethod
    def of_stack(cls, stack: Settings) -> Self:
        """As the stack's config.toml says under [api], else as a hosted project."""
        api = _read_api_section(stack.project / "supabase" / "config.toml")
        return cls(
            db_url=stack.authenticator_db_url,
            jwt_secret=stack.jwt_secret,
            jwks=tuple(stack.keys.jwks()["keys"]),
            schemas=tuple(api.get("schemas", ("public", "graphql_public"))),
            extra_search_path=tuple(api.get("extra_search_path", ("public", "extensions"))),
            max_rows=api.get("max_rows", 1000),
            safe_update=True,
        )


def _read_api_section(file: Path) -> dict[str, Any]:
    if not file.exists():
        return {}
    api: dict[str, Any] = tomllib.loads(file.read_text()).get("api", {})
    return api
