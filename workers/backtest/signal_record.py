"""The record of signals in memory: the lifecycle and the work queue, for one process and one user.

In the database these are `ingest_signals`, the claims and the results, which hold for every client at once.
Here nobody else is, so what is left of them is bookkeeping: who is next, and what became of whom. The test
that plays the same candles through PostgreSQL holds the two together.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from itertools import count
from typing import Any
from uuid import UUID

from shared.identity import from_ms
from shared.lifecycle import TRANSITIONS, SignalStatus
from shared.models import Signal

STAGES = {
    SignalStatus.NEW: "analysis",
    SignalStatus.MONITORING: "monitoring",
    SignalStatus.READY: "trading",
}


@dataclass(slots=True)
class SignalRow:
    """A signal that is not over: its row as the roles read it, and its place in the queue."""

    id: UUID
    trader_id: UUID
    status: SignalStatus
    row: dict[str, Any]
    fence: int = 0
    attempts: int = 0
    # Whether its analysis was counted in its trader's day.
    counted: bool = False
    is_leased: bool = False
    available_at: datetime | None = None
    # Says which entry of the queue is its last one.
    turn: int = 0


@dataclass(frozen=True, slots=True)
class Ended:
    """What became of a signal."""

    trader_id: UUID
    status: SignalStatus
    outcome_code: str | None


@dataclass(slots=True)
class SignalRecord:
    """`traders` are rows as `private.trader_json` answers them. `ended` and `live` are all signals."""

    traders: Mapping[UUID, Mapping[str, Any]]
    live: dict[UUID, SignalRow] = field(default_factory=dict)
    ended: dict[UUID, Ended] = field(default_factory=dict)
    _queues: dict[str, list[tuple[datetime, UUID, int]]] = field(
        default_factory=lambda: {stage: [] for stage in STAGES.values()}
    )
    _fences: Iterator[int] = field(default_factory=lambda: count(1))
    _turns: Iterator[int] = field(default_factory=lambda: count(1))
    _analyses: Counter[tuple[UUID, date]] = field(default_factory=Counter)

    def ingest(self, signals: Iterable[Signal]) -> int:
        """Take new signals; answers how many."""
        found = 0
        for one in sorted(signals, key=lambda signal: signal.id):
            price = format(one.price, "f")
            row = {
                "id": str(one.id),
                "trader_id": str(one.trader_id),
                "symbol": one.symbol,
                "normalised_symbol": one.normalised_symbol,
                "interval": one.interval,
                "side": one.side,
                "initial_price": price,
                "current_price": price,
                "matched_conditions": list(one.matched_conditions),
                "original_signal": dict(one.original_signal),
                "analysis_trade_plan": None,
                "error_count": 0,
                "triggered_at": from_ms(one.triggered_ms).isoformat(),
                "analyzed_at": None,
                "ready_at": None,
            }
            signal = SignalRow(one.id, one.trader_id, SignalStatus.NEW, row)
            self.live[one.id] = signal
            self._enqueue(signal, from_ms(one.triggered_ms))
            found += 1
        return found

    # The queue

    def claim(self, stage: str, most: int, at: datetime) -> list[dict[str, Any]]:
        """Up to `most` signals of a stage that are due, each with a fence of its own."""
        due: list[SignalRow] = []
        queue = self._queues[stage]
        while queue and queue[0][0] <= at and len(due) < most:
            _, signal_id, turn = heapq.heappop(queue)
            signal = self.live.get(signal_id)
            if signal is not None and signal.turn == turn:
                due.append(signal)
        due.sort(key=lambda one: one.id)
        for signal in due:
            signal.is_leased, signal.fence = True, next(self._fences)
            signal.attempts += 1
        if stage == "analysis":
            for signal in due:
                if signal.status is SignalStatus.NEW:
                    self.move(signal.id, SignalStatus.ANALYZING, at)
            due = self._use_analyses(due, at)
        return [
            {
                "signal_id": str(one.id),
                "fence": one.fence,
                "attempts": one.attempts,
                "signal": {**one.row, "status": one.status.value},
                "trader": self.traders[one.trader_id],
            }
            for one in due
        ]

    def _use_analyses(self, claimed: list[SignalRow], at: datetime) -> list[SignalRow]:
        """Count analyses by trader and day, and end those beyond what their trader may have."""
        kept = []
        for signal in claimed:
            if not signal.counted:
                signal.counted = True
                day = (signal.trader_id, datetime.fromisoformat(signal.row["triggered_at"]).date())
                self._analyses[day] += 1
                limit = self.traders[signal.trader_id]["ai_analysis_limit"]
                if limit is not None and self._analyses[day] > limit:
                    self.move(signal.id, SignalStatus.REJECTED, at, "analysis_limit")
                    continue
            kept.append(signal)
        return kept

    def release(self, signal_id: UUID, available_at: datetime) -> None:
        """Give a claim back, to be taken from a time on."""
        signal = self.live[signal_id]
        signal.attempts -= 1
        if signal.status is SignalStatus.ANALYZING:
            self.move(signal_id, SignalStatus.NEW, available_at)
        else:
            self._enqueue(signal, available_at)

    def hold_until(self, signal_id: UUID, available_at: datetime) -> None:
        """Nobody looks for this signal in the queue before then: its order is the claim."""
        self._enqueue(self.live[signal_id], available_at)

    def _enqueue(self, signal: SignalRow, available_at: datetime) -> None:
        stage = STAGES.get(signal.status)
        if stage is None:
            return
        signal.is_leased, signal.available_at = False, available_at
        signal.turn = next(self._turns)
        heapq.heappush(self._queues[stage], (available_at, signal.id, signal.turn))

    # Results

    def complete_analysis(self, item: Mapping[str, Any], at: datetime) -> None:
        """A verdict, as `Verdict.to_json` gives it."""
        signal_id = UUID(item["signal_id"])
        row = self.live[signal_id].row
        row["analyzed_at"] = at.isoformat()
        row["analysis_trade_plan"] = item["plan"]
        if item["verdict"] == "approved":
            self.move(signal_id, SignalStatus.MONITORING, at)
        else:
            self.move(signal_id, SignalStatus.REJECTED, at, item["outcome_code"])

    def fail_analysis(self, item: Mapping[str, Any], at: datetime) -> None:
        """No verdict: again at `retry_at`, or never."""
        signal_id = UUID(item["signal_id"])
        self.live[signal_id].row["error_count"] += 1
        if item["retry_at"] is None:
            self.move(signal_id, SignalStatus.REJECTED, at, "analysis_failed")
        else:
            again = datetime.fromisoformat(item["retry_at"])
            self.move(signal_id, SignalStatus.NEW, again)

    def record_snapshot(self, item: Mapping[str, Any], at: datetime) -> None:
        """What monitoring decided. One that goes on is held by its monitor."""
        signal_id = UUID(item["signal_id"])
        row = self.live[signal_id].row
        row["current_price"] = item["price"]
        match item["action"]:
            case "continue":
                self.live[signal_id].attempts = 0
            case "ready":
                row["ready_at"] = at.isoformat()
                self.move(signal_id, SignalStatus.READY, at)
            case "exit":
                self.move(
                    signal_id, SignalStatus.EXPIRED, at, item.get("outcome_code") or "setup_invalidated"
                )
            case _:
                code = item.get("outcome_code") or "monitoring_timeout"
                self.move(signal_id, SignalStatus.EXPIRED, at, code)

    def move(
        self,
        signal_id: UUID,
        status: SignalStatus,
        at: datetime,
        outcome_code: str | None = None,
    ) -> None:
        """Take a signal to its next status; where that waits for a role, from `at` on.

        Raises ValueError for a way that the lifecycle does not have.
        """
        signal = self.live[signal_id]
        if status not in TRANSITIONS[signal.status]:
            raise ValueError(f"signal {signal_id} cannot go from {signal.status} to {status}")
        signal.status = status
        if status.is_final:
            del self.live[signal_id]
            self.ended[signal_id] = Ended(signal.trader_id, status, outcome_code)
        elif status is SignalStatus.ANALYZING:
            signal.is_leased = True
        else:
            self._enqueue(signal, at)

    def count_due(self, stage: str, at: datetime) -> int:
        """How many signals of a stage could be claimed."""
        return sum(
            1
            for one in self.live.values()
            if STAGES.get(one.status) == stage
            and not one.is_leased
            and one.available_at is not None
            and one.available_at <= at
        )
