"""The channels that the settings name."""

from __future__ import annotations

from pydantic import SecretStr

from shared.errors import ConfigurationError
from shared.redaction import conceal
from shared.settings import Settings
from workers.alerts.delivery import Channel
from workers.alerts.email import Email, Server
from workers.alerts.telegram import Telegram
from workers.alerts.webhook import Webhook


def open_channels(settings: Settings) -> list[Channel]:
    """Each channel whose settings are there; none is an answer too. Raises ConfigurationError for a channel
    of which only a part is set."""
    channels: list[Channel] = []
    conceal(
        secret.get_secret_value()
        for secret in (
            settings.sigtrail_alert_webhook_secret,
            settings.sigtrail_alert_telegram_token,
        )
        if secret is not None
    )
    url, secret = settings.sigtrail_alert_webhook_url, settings.sigtrail_alert_webhook_secret
    if url is not None:
        channels.append(
            Webhook(url.get_secret_value(), None if secret is None else secret.get_secret_value())
        )
    if _all_or_none(settings, "sigtrail_alert_telegram_token", "sigtrail_alert_telegram_chat"):
        channels.append(
            Telegram(
                settings.sigtrail_alert_telegram_url,
                settings.need("sigtrail_alert_telegram_token"),
                settings.need("sigtrail_alert_telegram_chat"),
            )
        )
    names = ("sigtrail_alert_smtp_url", "sigtrail_alert_email_from", "sigtrail_alert_email_to")
    if _all_or_none(settings, *names):
        server = Server.of(settings.need("sigtrail_alert_smtp_url"))
        conceal([server.password])
        receivers = [
            one.strip() for one in settings.need("sigtrail_alert_email_to").split(",") if one.strip()
        ]
        channels.append(Email(server, settings.need("sigtrail_alert_email_from"), receivers))
    return channels


def _all_or_none(settings: Settings, *names: str) -> bool:
    values: list[str | SecretStr | None] = [getattr(settings, name) for name in names]
    missing = [name.upper() for name, value in zip(names, values, strict=True) if not value]
    if missing and len(missing) < len(names):
        every = ", ".join(names).upper()
        raise ConfigurationError(f"{' and '.join(missing)} is not set: alerts need all of {every}")
    return not missing
