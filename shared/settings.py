"""Where Sigtrail runs: the addresses and keys of one Supabase project.

The environment decides; what it does not say is read from `.local/env`, which the local stack writes. Where
the environment names another project, the local keys and the local fake venue are not for it: none is read.
"""

from __future__ import annotations

import os
from pathlib import Path

from dotenv import dotenv_values
from pydantic import AliasChoices, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from shared.errors import ConfigurationError

CHECKOUT = Path(__file__).resolve().parents[1]


class Settings(BaseSettings):
    """The project that everything talks to. Secrets never show in a repr, a log line or an error."""

    model_config = SettingsConfigDict(extra="ignore", frozen=True, hide_input_in_errors=True)

    supabase_url: str = Field(pattern=r"^https?://[^\s]+$")
    supabase_db_url: SecretStr | None = None
    supabase_publishable_key: SecretStr = Field(
        validation_alias=AliasChoices("SUPABASE_PUBLISHABLE_KEY", "SUPABASE_ANON_KEY")
    )
    supabase_secret_key: SecretStr | None = Field(
        default=None, validation_alias=AliasChoices("SUPABASE_SECRET_KEY", "SUPABASE_SERVICE_ROLE_KEY")
    )
    supabase_jwt_secret: SecretStr | None = None
    # What a machine has instead of that secret: tokens that the operator made for it, or a file of them.
    sigtrail_machine_token: SecretStr | None = None
    sigtrail_machine_token_file: Path | None = None
    sigtrail_master_key: SecretStr | None = None
    # Where machines keep what is theirs: names, spools, paper accounts. `.local/machines` without it.
    sigtrail_state: Path | None = None
    # Where cold history and seals go: supabase://BUCKET/prefix, a folder, or s3://bucket/prefix.
    sigtrail_archive: str = Field(default="supabase://sigtrail-archive", min_length=1)
    # Signs the seals: base64 of 32 bytes. `sigtrail audit key` makes one.
    sigtrail_seal_key: SecretStr | None = None

    # Where a machine is asked for /metrics and /healthz. Without a port the first that is free from 9464 on.
    sigtrail_metrics_host: str = Field(default="127.0.0.1", min_length=1)
    sigtrail_metrics_port: int | None = Field(default=None, ge=0, le=65535)

    # Who judges signals: `rules`, or `model`: a language model that is asked over OpenAI's interface.
    # Texts here, so that a mistake stops analysts and no other command: see workers.analysis.choice.
    sigtrail_analyst: str = "rules"
    sigtrail_analyst_url: str | None = None
    sigtrail_analyst_model: str | None = None
    sigtrail_analyst_key: SecretStr | None = None
    sigtrail_analyst_timeout: str = "20"
    sigtrail_analyst_parallel: str = "8"
    sigtrail_analyst_answer_tokens: str = "1000"
    # What all analysts together may ask, and spend, on one UTC day; prices are for a million tokens.
    sigtrail_analyst_daily_calls: str = "1000"
    sigtrail_analyst_daily_cost: str | None = None
    sigtrail_analyst_price_in: str = "0"
    sigtrail_analyst_price_out: str = "0"

    # Where alerts go; each channel whose settings are there is used.
    sigtrail_alert_webhook_url: SecretStr | None = None
    sigtrail_alert_webhook_secret: SecretStr | None = None
    sigtrail_alert_telegram_token: SecretStr | None = None
    sigtrail_alert_telegram_chat: str | None = None
    sigtrail_alert_telegram_url: str = Field(default="https://api.telegram.org", pattern=r"^https?://[^\s]+$")
    # smtp://user:password@host:587, or smtps://; addresses apart by commas.
    sigtrail_alert_smtp_url: SecretStr | None = None
    sigtrail_alert_email_from: str | None = None
    sigtrail_alert_email_to: str | None = None

    # Where every venue's name leads to (`host:port`), and the PEM file that is trusted for it: a fake venue.
    sigtrail_venue_resolver: str | None = None
    sigtrail_venue_ca: Path | None = None

    def need(self, name: str) -> str:
        """The plain text of an optional setting; `ConfigurationError` names it when it is not there."""
        value: str | SecretStr | None = getattr(self, name)
        text = value.get_secret_value() if isinstance(value, SecretStr) else value
        if not text:
            raise ConfigurationError(
                f"{name.upper()} is not set: set it, or start the local stack with ./scripts/up"
            )
        return text


def load(env_file: Path | None = None) -> Settings:
    """The settings from the environment, and below it from `env_file` (`.local/env` of the checkout), unless
    that is of another project.

    Raises `ConfigurationError` that names every variable that is missing or wrong, never its value.
    """
    path = CHECKOUT / ".local" / "env" if env_file is None else env_file
    try:
        fits = path.is_file() and _is_of_same_project(path)
        return Settings(_env_file=path if fits else None)  # type: ignore[call-arg]
    except ValidationError as error:
        problems = "; ".join(f"{_variable(problem['loc'])}: {problem['msg']}" for problem in error.errors())
        raise ConfigurationError(f"{problems}. Set it, or start the local stack with ./scripts/up") from None
    except OSError as error:
        raise ConfigurationError(f"cannot read {path}: {error.strerror}") from error


def _is_of_same_project(path: Path) -> bool:
    named = os.environ.get("SUPABASE_URL")
    told = (dotenv_values(path).get("SUPABASE_URL") or "").rstrip("/")
    return named is None or named.rstrip("/") == told


def _variable(location: tuple[int | str, ...]) -> str:
    return str(location[0]).upper() if location else "settings"
