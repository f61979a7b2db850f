"""The queue's functions without a database: what a role calls, noted, with answers made of plain rules."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from shared.errors import NotSent


class FakeDatabase:
    """Stands in for `Connection.call`. `queue` has the claimable rows by stage, `refuse` a code by signal.

    Claims answer rows whose `available_at` has come, in the order of signal ids, and raise their fence.
    """

    def __init__(self) -> None:
        self.queue: dict[str, list[dict[str, Any]]] = {"analysis": [], "monitoring": [], "trading": []}
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.refuse: dict[str, str] = {}
        self.lose: set[str] = set()
        self.away = 0
        # Rows that are due and that no claim answers.
        self.stuck = 0
        self._fence = 0

    def put(
        self, stage: str, signal: Mapping[str, Any], trader: Mapping[str, Any], available_at: str = ""
    ) -> None:
        """Make a signal claimable from `available_at` (ISO text, which sorts as time does here)."""
        row = {"signal_id": signal["id"], "attempts": 0, "available_at": available_at}
        self.queue[stage].append({**row, "signal": dict(signal), "trader": dict(trader)})

    def named(self, name: str) -> list[dict[str, Any]]:
        """The parameters of every call of one function."""
        return [params for called, params in self.calls if called == name]

    async def __call__(self, name: str, params: Mapping[str, Any], /) -> Any:
        if self.away > 0:
            self.away -= 1
            raise NotSent(f"{name}: the database is away")
        self.calls.append((name, dict(params)))
        if name == "claim_work":
            return self._claim(params)
        if name == "work_waiting":
            due = [row for row in self.queue[params["stage"]] if row["available_at"] <= params["at"]]
            return {"due": len(due) + self.stuck}
        if name == "renew_work":
            lost = [one["signal_id"] for one in params["signals"] if one["signal_id"] in self.lose]
            return {"renewed": len(params["signals"]) - len(lost), "lost": lost}
        if name == "release_work":
            return {"released": len(params["signals"]), "lost": []}
        items = params.get("results") or params.get("snapshots") or params.get("items") or []
        return self._answer(items)

    def _claim(self, params: Mapping[str, Any]) -> list[dict[str, Any]]:
        waiting = self.queue[params["stage"]]
        due = [row for row in waiting if row["available_at"] <= params["at"]]
        due = sorted(due, key=lambda row: UUID(row["signal_id"]))[: params["max_rows"]]
        for row in due:
            waiting.remove(row)
            self._fence += 1
            row.update(fence=self._fence, attempts=row["attempts"] + 1)
        return due

    def _answer(self, items: list[dict[str, Any]]) -> dict[str, Any]:
        refused = [
            {"index": index, "signal_id": item["signal_id"], "code": self.refuse[item["signal_id"]]}
            for index, item in enumerate(items)
            if item["signal_id"] in self.refuse
        ]
        return {"done": len(items) - len(refused), "refused": refused}
