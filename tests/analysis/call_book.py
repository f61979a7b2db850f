"""The calls of a model as the database keeps them, in memory, by the rules of its two functions.

The real ones, begin_model_call and end_model_call, are tested in SQL (model_calls.sql), and together with
this analyst in test_model_together.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from shared.errors import NotSent


@dataclass
class Entry:
    """What is known of one signal's question."""

    request: Any
    model: str
    call_id: str = ""
    is_open: bool = False
    reserved: Decimal = Decimal(0)
    attempts: int = 0
    answer: Any = None
    cost: Decimal = Decimal(0)
    counts: dict[str, int] = field(default_factory=dict)

    def known(self) -> dict[str, Any]:
        names = ("prompt_tokens", "completion_tokens", "latency_ms")
        counts = {name: self.counts.get(name, 0) for name in names}
        body = {"decision": "answered", "attempt": self.attempts, "answer": self.answer, "model": self.model}
        return {**body, **counts, "cost": str(self.cost)}


class CallBook:
    """Stands in for `Connection.call`. `away` names functions that cannot be reached, once for each mention,
    `lost` signals that somebody else holds."""

    def __init__(self) -> None:
        self.entries: dict[str, Entry] = {}
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.away: list[str] = []
        self.lost: set[str] = set()
        self.booked, self.spent = 0, Decimal(0)

    async def __call__(self, name: str, params: Mapping[str, Any], /) -> Any:
        if name in self.away:
            self.away.remove(name)
            raise NotSent(f"{name}: the database is away")
        self.calls.append((name, dict(params)))
        return self._begin(params) if name == "begin_model_call" else self._end(params)

    def _begin(self, params: Mapping[str, Any]) -> dict[str, Any]:
        signal, at_most = params["signal_id"], Decimal(params["at_most"])
        if signal in self.lost:
            return {"decision": "lost"}
        entry = self.entries.get(signal)
        if entry is not None and entry.answer is not None:
            return entry.known()
        most = params["daily_cost"]
        if self.booked >= params["daily_calls"] or (
            most is not None and self.spent + at_most > Decimal(most)
        ):
            return {"decision": "over_budget"}
        self.booked, self.spent = self.booked + 1, self.spent + at_most
        if entry is None:
            entry = self.entries[signal] = Entry(params["request"], params["model"])
        entry.cost += entry.reserved if entry.is_open else 0
        entry.attempts, entry.call_id, entry.is_open = entry.attempts + 1, params["call_id"], True
        entry.reserved = at_most
        return {"decision": "ask", "attempt": entry.attempts, "request": entry.request}

    def _end(self, params: Mapping[str, Any]) -> dict[str, Any]:
        entry, result = self.entries[params["signal_id"]], params["result"]
        assert ("answer" in result) != ("error" in result)
        if entry.call_id == params["call_id"] and entry.is_open:
            cost = Decimal(result["cost"])
            self.spent += cost - entry.reserved
            entry.cost, entry.is_open, entry.answer = entry.cost + cost, False, result.get("answer")
            for name in ("prompt_tokens", "completion_tokens", "latency_ms"):
                entry.counts[name] = entry.counts.get(name, 0) + result.get(name, 0)
        return {"decision": "failed"} if entry.answer is None else entry.known()
