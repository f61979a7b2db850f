"""One item of `record_monitoring`: what was decided about a signal, and how the market looked then."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from shared.identity import from_ms
from shared.money import text
from workers.monitoring.decision import Decision
from workers.monitoring.view import View
from workers.monitoring.watch import Watch

BLIND: dict[str, Any] = {"volume": None, "price_change_1m": None, "price_change_5m": None, "indicators": {}}


def take_snapshot(watch: Watch, decision: Decision, view: View | None, *, at_ms: int) -> dict[str, Any]:
    """The item for a decision made at `at_ms` of the market's time. `view` is the last candle that was known,
    None when there never was one. A signal that goes on is held until its next snapshot."""
    figures = BLIND | {"price": text(watch.setup.entry)} if view is None else view.figures
    item = {
        "signal_id": watch.name,
        "fence": watch.fence,
        "at": iso(at_ms),
        "action": decision.action,
        "confidence": text(decision.confidence),
        "reasoning": decision.reasoning,
        **figures,
    }
    if decision.outcome_code is not None:
        item["outcome_code"] = decision.outcome_code
    if decision.action == "continue":
        item["next_at"] = iso(watch.snapshot_ms)
        item["hold"] = True
    return item


@lru_cache(maxsize=1024)
def iso(ms: int) -> str:
    """A time in Unix milliseconds as text: thousands of signals share a few."""
    return from_ms(ms).isoformat()
