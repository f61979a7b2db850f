"""What `[auth]` of supabase/config.toml says, with the defaults of the real local stack."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class AuthConfig:
    """The rules of the auth server. Times in seconds."""

    jwt_expiry: int = 3600
    minimum_password_length: int = 6
    enable_signup: bool = True
    # Without confirmations every address counts as confirmed: the local stack sends no mail.
    enable_confirmations: bool = False
    refresh_token_rotation: bool = True
    refresh_token_reuse_interval: int = 10
    # ES256 tokens verify with the public JWKS; HS256 is what older projects still issue.
    algorithm: str = "ES256"
    audience: str = "authenticated"
    default_role: str = "authenticated"


def read_auth_config(path: Path) -> AuthConfig:
    """Reads config.toml; a missing file or key means its default.

    Raises ValueError that names the key if a value has the wrong type.
    """
    if not path.exists():
        return AuthConfig()
    with path.open("rb") as file:
        auth = tomllib.load(file).get("auth", {})
    email = auth.get("email", {})
    defaults = AuthConfig()
    return AuthConfig(
        jwt_expiry=_whole_number(auth, "jwt_expiry", defaults.jwt_expiry),
        minimum_password_length=_whole_number(
            auth, "minimum_password_length", defaults.minimum_password_length
        ),
        enable_signup=_flag(auth, "enable_signup", True) and _flag(email, "enable_signup", True),
        enable_confirmations=_flag(email, "enable_confirmations", defaults.enable_confirmations),
        refresh_token_rotation=_flag(auth, "enable_refresh_token_rotation", defaults.refresh_token_rotation),
        refresh_token_reuse_interval=_whole_number(
            auth, "refresh_token_reuse_interval", defaults.refresh_token_reuse_interval
        ),
    )


def _whole_number(table: dict[str, Any], key: str, default: int) -> int:
    value = table.get(key, default)
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ValueError(f"config.toml: auth.{key} must be a whole number of at least 0, not {value!r}")
    return value


def _flag(table: dict[str, Any], key: str, default: bool) -> bool:
    value = table.get(key, default)
    if not isinstance(value, bool):
        raise ValueError(f"config.toml: auth {key} must be true or false, not {value!r}")  # noqa: TRY004 - a setting, not an argument
    return value
