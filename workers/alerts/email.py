"""Alerts by e-mail over SMTP. The message's id is made of the delivery's key, so that a mailbox that was told
twice can show it once."""

from __future__ import annotations

import asyncio
import hashlib
import smtplib
import ssl
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import format_datetime
from urllib.parse import unquote, urlsplit

import structlog

from shared.errors import ConfigurationError
from workers.alerts.delivery import ChannelName, Delivery, DeliveryFailed

log = structlog.get_logger(__name__)

SECONDS = 15.0
# In all, with those before it: within the lease.
MOST_STEPS = 6
LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


@dataclass(frozen=True, slots=True)
class Server:
    """An SMTP server: `smtps` speaks TLS from the first byte, `smtp` asks for it."""

    scheme: str
    host: str
    port: int
    user: str = ""
    password: str = field(default="", repr=False)

    @classmethod
    def of(cls, url: str) -> Server:
        """smtp://user:password@host:587 or smtps://…:465. Raises ConfigurationError without the address."""
        parts = urlsplit(url)
        try:
            port = parts.port
        except ValueError:
            port = -1
        if parts.scheme not in ("smtp", "smtps") or not parts.hostname or port == -1:
            raise ConfigurationError(
                "SIGTRAIL_ALERT_SMTP_URL is not like smtp://user:password@host:587 or smtps://host:465"
            )
        usual = 465 if parts.scheme == "smtps" else 587
        return cls(
            parts.scheme,
            parts.hostname,
            port or usual,
            unquote(parts.username or ""),
            unquote(parts.password or ""),
        )


class Email:
    """Sends from one address to some."""

    name: ChannelName = "email"

    def __init__(
        self, server: Server, sender: str, receivers: Sequence[str], *, seconds: float = SECONDS
    ) -> None:
        self._server = server
        self._sender = sender
        self._receivers = tuple(receivers)
        self._seconds = seconds
        # smtplib waits in a thread of its own: those of the machine have better things to do.
        self._thread = ThreadPoolExecutor(1, "email")

    async def send(self, delivery: Delivery) -> None:
        sending = asyncio.get_running_loop().run_in_executor(self._thread, self._send, self.write(delivery))
        try:
            # The socket's time-out is one for each step, of which a slow server makes many.
            await asyncio.wait_for(sending, MOST_STEPS * self._seconds)
        except TimeoutError:
            raise DeliveryFailed("the mail server takes too long") from None

    async def close(self) -> None:
        """Each message has a connection of its own; those that wait are sent another time."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    def write(self, delivery: Delivery) -> EmailMessage:
        """The message."""
        message = EmailMessage()
        message["From"] = self._sender
        message["To"] = ", ".join(self._receivers)
        message["Subject"] = delivery.subject
        message["Date"] = format_datetime(datetime.now(UTC))
        domain = self._sender.rpartition("@")[2].strip(" >") or "sigtrail"
        message["Message-ID"] = f"<{hashlib.sha256(delivery.key.encode()).hexdigest()[:32]}@{domain}>"
        message["X-Sigtrail-Delivery"] = delivery.key
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(delivery.text)
        return message

    def _send(self, message: EmailMessage) -> None:
        server = self._server
        try:
            with self._connect() as smtp:
                if server.user:
                    smtp.login(server.user, server.password)
                refused = smtp.send_message(message)
        except smtplib.SMTPResponseException as error:
            told = error.smtp_error
            text = told.decode(errors="replace") if isinstance(told, bytes) else str(told)
            raise DeliveryFailed(f"the mail server answered {error.smtp_code}: {text[:200]}") from None
        except smtplib.SMTPRecipientsRefused as error:
            raise DeliveryFailed(f"the mail server refused all {len(error.recipients)} receivers") from None
        except UnicodeError:
            raise DeliveryFailed("the mail server's user and password have to be plain ASCII") from None
        except (smtplib.SMTPException, OSError) as error:
            raise DeliveryFailed(f"the mail server failed ({type(error).__name__})") from None
        if refused:
            # The others have it: they would all have it again.
            log.warning("alert_receivers_refused", count=len(refused), of=len(self._receivers))

    def _connect(self) -> smtplib.SMTP:
        server, trust = self._server, ssl.create_default_context()
        if server.scheme == "smtps":
            return smtplib.SMTP_SSL(server.host, server.port, timeout=self._seconds, context=trust)
        smtp = smtplib.SMTP(server.host, server.port, timeout=self._seconds)
        smtp.ehlo()
        if smtp.has_extn("starttls"):
            smtp.starttls(context=trust)
            smtp.ehlo()
        elif server.host not in LOOPBACK:
            smtp.close()
            # Whoever stands in between would read all of it, and the password.
            raise DeliveryFailed("the mail server offers no TLS: use smtps://, or another server")
        return smtp
