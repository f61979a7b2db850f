"""What a verification finds: where the trail and its seals don't fit, and what could not be proven."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from datetime import date
from typing import Any, Literal
from uuid import UUID

Kind = Literal["changed", "removed", "inserted", "reordered", "cut off", "forged seal"]

# A broken trail may be broken a million times: the first places tell enough.
MOST = 100


@dataclass(frozen=True, slots=True)
class Finding:
    """One place where something was forged. `message` is a sentence; what is known of the place follows."""

    kind: Kind
    message: str
    seal: int | None = None
    day: date | None = None
    signal_id: UUID | None = None
    number: int | None = None
    path: str | None = None

    def to_json(self) -> dict[str, Any]:
        return {
            one.name: getattr(self, one.name) for one in fields(self) if getattr(self, one.name) is not None
        }


@dataclass
class Report:
    """The outcome: broken when there are `findings`, the first of them first; `unproven` are sentences."""

    findings: list[Finding] = field(default_factory=list)
    unproven: list[str] = field(default_factory=list)
    seals: int = 0
    days: int = 0
    events: int = 0
    events_after_last_seal: int = 0
    head: str | None = None

    @property
    def intact(self) -> bool:
        return not self.findings

    def add(self, findings: list[Finding]) -> None:
        self.findings.extend(findings[: MOST - len(self.findings)])

    def to_json(self) -> dict[str, Any]:
        return {
            "status": "intact" if self.intact else "broken",
            "first": self.findings[0].to_json() if self.findings else None,
            "findings": [one.to_json() for one in self.findings],
            "unproven": self.unproven,
            "seals": self.seals,
            "days": self.days,
            "events": self.events,
            "events_after_last_seal": self.events_after_last_seal,
            "head": self.head,
        }
