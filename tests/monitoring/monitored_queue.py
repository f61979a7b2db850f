"""The stage of monitoring as the database keeps it, in memory: claims, fences, leases, what was recorded."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from shared.errors import NotSent, OutcomeUnknown

Outage = Literal["before", "after"]


@dataclass
class Row:
    """A signal that waits or is held. `ends` has every decision that was taken: one at most."""

    signal: dict[str, Any]
    trader: dict[str, Any]
    holder: str | None = None
    fence: int = 0
    ends: list[dict[str, Any]] = field(default_factory=list)
    snapshots: list[dict[str, Any]] = field(default_factory=list)


class MonitoredQueue:
    """`outages` are how the next calls go wrong: before anything was done, or after it, the answer lost."""

    def __init__(self) -> None:
        self.rows: dict[str, Row] = {}
        self.outages: list[Outage] = []
        self._fences = 0

    def approve(self, signal: Mapping[str, Any], trader: Mapping[str, Any]) -> None:
        self.rows[signal["id"]] = Row(dict(signal), dict(trader))

    def expire_leases(self) -> None:
        """Every lease runs out; whoever held one does not know."""
        for row in self.rows.values():
            row.holder = None

    def call_as(self, machine: str) -> Callable[[str, Mapping[str, Any]], Awaitable[Any]]:
        """`Connection.call` of this machine."""

        async def call(name: str, params: Mapping[str, Any], /) -> Any:
            outage = self.outages.pop(0) if self.outages else None
            if outage == "before":
                raise NotSent(name)
            answer = getattr(self, f"_{name}")(machine, params)
            if outage == "after":
                raise OutcomeUnknown(name)
            return answer

        return call

    def _claim_work(self, machine: str, params: Mapping[str, Any]) -> list[dict[str, Any]]:
        claimed = []
        for name, row in sorted(self.rows.items()):
            again = row.holder == machine and row.fence > params["after_fence"]
            if row.ends or not (row.holder is None or again):
                continue
            self._fences += 1
            row.holder, row.fence = machine, self._fences
            body = {"signal_id": name, "fence": row.fence, "attempts": 1}
            claimed.append({**body, "signal": row.signal, "trader": row.trader})
        return claimed[: params["max_rows"]]

    def _renew_work(self, machine: str, params: Mapping[str, Any]) -> dict[str, Any]:
        return {"lost": [one["signal_id"] for one in params["signals"] if not self._holds(machine, one)]}

    def _release_work(self, machine: str, params: Mapping[str, Any]) -> dict[str, Any]:
        for one in params["signals"]:
            if self._holds(machine, one):
                self.rows[one["signal_id"]].holder = None
        return {}

    def _record_monitoring(self, machine: str, params: Mapping[str, Any]) -> dict[str, Any]:
        refused = []
        for index, item in enumerate(params["snapshots"]):
            row = self.rows[item["signal_id"]]
            if not self._holds(machine, item):
                refused.append({"index": index, "code": "lease_lost"})
            elif item["action"] != "continue":
                row.ends.append(item)
            elif all(known["at"] < item["at"] for known in row.snapshots):
                row.snapshots.append(item)
        return {"refused": refused}

    def _holds(self, machine: str, item: Mapping[str, Any]) -> bool:
        row = self.rows[item["signal_id"]]
        return row.holder == machine and row.fence == item["fence"] and not row.ends
