"""The record that a backtest works on: the functions that the roles call, answered from memory.

Every role is given `Record` where a machine gives it a connection to the database, so that what decides is
the same code. Nothing else ever sees this record, and it is gone when the backtest ends.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from shared.errors import NotFound
from shared.lifecycle import SignalStatus
from shared.role import Call
from workers.backtest.signal_record import SignalRecord
from workers.backtest.trade_record import TradeRecord

Rows = Sequence[Mapping[str, Any]]
DONE = {"done": 0, "refused": []}


class Record:
    """Signals, queue, orders and positions of one account (`account`, as `private.account_json` answers it)
    and of the traders on it (as `private.trader_json` does)."""

    def __init__(self, account: Mapping[str, Any], traders: Mapping[UUID, Mapping[str, Any]]) -> None:
        self._account = account
        self.signals = SignalRecord(traders)
        self.trades = TradeRecord(self.signals)
        self._functions: dict[str, Callable[..., Any]] = {
            "claim_work": self._claim_work,
            "release_work": self._release_work,
            "renew_work": lambda stage, signals, lease_seconds: {"renewed": len(signals), "lost": []},
            "work_waiting": self._work_waiting,
            "complete_analysis": self._complete_analysis,
            "fail_analysis": self._fail_analysis,
            "record_monitoring": self._record_monitoring,
            "expire_signals": self._expire_signals,
            "claim_accounts": self._claim_accounts,
            "renew_accounts": self._renew_accounts,
            "release_accounts": lambda accounts: len(accounts),
            "list_trading": lambda account_id, fence: self.trades.list_trading(),
            "record_trading": self._record_trading,
        }

    @property
    def call(self) -> Call:
        """What the roles call."""
        return self._call

    async def _call(self, name: str, params: Mapping[str, Any], /) -> Any:
        function = self._functions.get(name)
        if function is None:
            raise NotFound(f"a backtest's record has no function {name}")
        return function(**params)

    # Work

    def _claim_work(self, stage: str, max_rows: int, at: str, **_lease: Any) -> list[dict[str, Any]]:
        return self.signals.claim(stage, max_rows, datetime.fromisoformat(at))

    def _release_work(self, stage: str, signals: Rows, available_at: str) -> dict[str, Any]:
        for one in signals:
            self.signals.release(UUID(one["signal_id"]), datetime.fromisoformat(available_at))
        return {"released": len(signals), "lost": []}

    def _work_waiting(self, stage: str, at: str) -> dict[str, Any]:
        return {"due": self.signals.count_due(stage, datetime.fromisoformat(at))}

    def _complete_analysis(self, results: Rows, at: str) -> dict[str, Any]:
        for one in results:
            self.signals.complete_analysis(one, datetime.fromisoformat(at))
        return {**DONE, "done": len(results)}

    def _fail_analysis(self, results: Rows, at: str) -> dict[str, Any]:
        for one in results:
            self.signals.fail_analysis(one, datetime.fromisoformat(at))
        return {**DONE, "done": len(results)}

    def _record_monitoring(self, snapshots: Rows, at: str) -> dict[str, Any]:
        for one in snapshots:
            self.signals.record_snapshot(one, datetime.fromisoformat(at))
        return {**DONE, "done": len(snapshots)}

    def _expire_signals(self, items: Rows, at: str) -> dict[str, Any]:
        moment = datetime.fromisoformat(at)
        for one in items:
            self.signals.move(UUID(one["signal_id"]), SignalStatus.EXPIRED, moment, one["outcome_code"])
        return {**DONE, "done": len(items)}

    # The account

    def _claim_accounts(self, accounts: Sequence[str] | None, **_lease: Any) -> list[Mapping[str, Any]]:
        return [self._account] if accounts is None or self._account["account_id"] in accounts else []

    def _renew_accounts(self, accounts: Rows, lease_seconds: int) -> dict[str, Any]:
        terms = {"status": "active", "permissions": "trade", "settings": self._account["settings"]}
        renewed = [{**terms, "account_id": one["account_id"], "number": 0} for one in accounts]
        return {"renewed": renewed, "lost": [], "free": []}

    def _record_trading(
        self, account_id: str, fence: int, facts: Mapping[str, Any], at: str
    ) -> dict[str, Any]:
        return self.trades.record(facts, datetime.fromisoformat(at))
