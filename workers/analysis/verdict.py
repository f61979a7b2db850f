"""What an analyst answers: a verdict, and for an approved signal the plan of its trade."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal

from shared.money import text


@dataclass(frozen=True, slots=True)
class Plan:
    """A trade to make: exact prices in quote currency, valid until a time of the market.

    `size` is an amount of the base currency where it is known before the account is; `sizing` repeats the
    trader's wish. Both are for people who read the plan: trading sizes the position with the equity it finds.
    """

    side: Literal["long", "short"]
    entry_type: Literal["market", "limit"]
    entry: Decimal
    stop_loss: Decimal
    take_profit: Decimal
    reward_to_risk: Decimal
    valid_until: datetime
    size: Decimal | None = None
    sizing: Mapping[str, str] | None = None

    def to_json(self) -> dict[str, Any]:
        """The plan as the database keeps it: numbers as strings."""
        return {
            "side": self.side,
            "entry_type": self.entry_type,
            "entry": text(self.entry),
            "stop_loss": text(self.stop_loss),
            "take_profit": text(self.take_profit),
            "reward_to_risk": text(self.reward_to_risk),
            "valid_until": self.valid_until.isoformat(),
            "size": None if self.size is None else text(self.size),
            "sizing": None if self.sizing is None else dict(self.sizing),
        }


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a signal is worth a trade. `outcome_code` names why not; `result` is what the analyst saw."""

    approved: bool
    confidence: Decimal
    outcome_code: str | None = None
    plan: Plan | None = None
    result: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """The verdict as `complete_analysis` takes it, without the claim's reference."""
        return {
            "verdict": "approved" if self.approved else "rejected",
            "confidence": text(self.confidence),
            "outcome_code": self.outcome_code,
            "plan": None if self.plan is None else self.plan.to_json(),
            "result": dict(self.result),
        }


def reject(code: str, confidence: Decimal = Decimal(0), **result: Any) -> Verdict:
    """A verdict against the signal."""
    return Verdict(False, confidence, outcome_code=code, result=result)
