"""One piece of news about an alert for one channel, and how a channel says that it did not arrive."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from shared.errors import SigtrailError

ChannelName = Literal["webhook", "telegram", "email"]
MOST_DETAILS = 12


class DeliveryFailed(SigtrailError):
    """The channel did not take it; the message says why, without any secret. `retry_after` is how many
    seconds the receiver wants to be left alone."""

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


@dataclass(frozen=True, slots=True)
class Delivery:
    """As the database hands it out. `key` is the same whenever this news is sent on this channel again."""

    key: str
    alert_id: str
    news: str
    channel: str
    attempt: int
    alert: Mapping[str, Any]

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> Delivery:
        """A row of `claim_alerts`."""
        return cls(
            row["idempotency_key"],
            row["alert_id"],
            row["news"],
            row["channel"],
            int(row["attempt"]),
            row["alert"],
        )

    def result(self, failure: DeliveryFailed | None) -> dict[str, Any]:
        """What became of it, for `record_deliveries`."""
        told: dict[str, Any] = {
            "alert_id": self.alert_id,
            "news": self.news,
            "channel": self.channel,
            "attempt": self.attempt,
            "ok": failure is None,
        }
        if failure is not None:
            told |= {"error": str(failure), "retry_after": failure.retry_after}
        return told

    @property
    def subject(self) -> str:
        """One line."""
        word = "resolved" if self.news == "resolved" else str(self.alert["severity"])
        return " ".join(f"[{word}] {self.alert['title']}".split())

    @property
    def text(self) -> str:
        """What a person reads: the line, then what is known, one fact a line."""
        alert = self.alert
        facts = {
            "kind": alert["kind"],
            "machine": alert.get("machine_id"),
            "since": alert["raised_at"],
            "over since": alert.get("resolved_at"),
            "times": alert["times"] if alert["times"] > 1 else None,
            **dict(list(alert["details"].items())[:MOST_DETAILS]),
        }
        lines = [f"{name.replace('_', ' ')}: {value}" for name, value in facts.items() if value is not None]
        return "\n".join([self.subject, "", *lines, f"alert: {alert['id']}"])


class Channel(Protocol):
    """A way to people."""

    @property
    def name(self) -> ChannelName: ...

    async def send(self, delivery: Delivery) -> None:
        """Have it arrive, or raise DeliveryFailed. Sending the same again is safe as far as the channel can
        tell repetitions."""

    async def close(self) -> None:
        """Let go of connections."""
