"""The signals that this machine monitors, held in memory between candles."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from shared.errors import InputError
from shared.identity import floor_ms, triggered_ms
from shared.work import Work
from workers.monitoring.decision import Setup, read_setup

SHORTEST_INTERVAL_MS = 1_000


@dataclass(slots=True)
class Watch:
    """One approved signal under way to its entry.

    `seen_ms` is the close of the last candle that was looked at: nothing at or before it is looked at again.
    `name` is its id as text.
    """

    signal_id: UUID
    name: str
    fence: int
    symbol: str
    setup: Setup
    interval_ms: int
    seen_ms: int
    snapshot_ms: int

    def schedule_snapshot(self, now_ms: int) -> None:
        """The next whole multiple of the trader's interval, so that many signals share one call."""
        self.snapshot_ms = now_ms - now_ms % self.interval_ms + self.interval_ms

    def go_on_from(self, known: Watch) -> None:
        """Take over what another claim of the same signal has seen already."""
        if known.seen_ms > self.seen_ms:
            self.seen_ms = known.seen_ms
            self.schedule_snapshot(known.seen_ms)

    def reference(self) -> dict[str, Any]:
        """How the queue's functions name this claim."""
        return {"signal_id": self.name, "fence": self.fence}


def open_watch(work: Work) -> Watch:
    """A watch on claimed work. Raises InputError when its plan cannot be read.

    It has seen everything up to the moment when the signal was approved: the candle that made it, and what
    the analyst looked at. Candles between that and a restart are looked at again, with the same result.
    """
    plan = work.signal.get("analysis_trade_plan")
    if not isinstance(plan, dict):
        raise InputError("the signal has no trade plan")
    approved = work.signal.get("analyzed_at")
    seen = triggered_ms(work.signal_id)
    if approved is not None:
        seen = max(seen, floor_ms(datetime.fromisoformat(str(approved))))
    seconds = work.trader.get("monitoring_interval_seconds") or 60
    interval = max(int(seconds) * 1000, SHORTEST_INTERVAL_MS)
    symbol, setup = str(work.signal["symbol"]), read_setup(plan)
    watch = Watch(work.signal_id, str(work.signal_id), work.fence, symbol, setup, interval, seen, seen)
    watch.schedule_snapshot(seen)
    return watch


class Watches:
    """All watches of a machine, found by signal and by symbol."""

    def __init__(self) -> None:
        self._by_id: dict[UUID, Watch] = {}
        self._by_symbol: dict[str, dict[UUID, Watch]] = {}
        self._earliest_end: int | None = None

    def __len__(self) -> int:
        return len(self._by_id)

    def __iter__(self) -> Iterator[Watch]:
        """In the order of signal ids, which is the order in which the database locks them."""
        return iter(sorted(self._by_id.values(), key=_name_of))

    def add(self, watch: Watch) -> None:
        """Watch a signal; a second claim of the same one replaces the first."""
        self.remove(watch.signal_id)
        self._by_id[watch.signal_id] = watch
        self._by_symbol.setdefault(watch.symbol, {})[watch.signal_id] = watch
        if self._earliest_end is not None:
            self._earliest_end = min(self._earliest_end, watch.setup.valid_until_ms)

    def find(self, signal_id: UUID) -> Watch | None:
        """The watch on this signal, if there is one."""
        return self._by_id.get(signal_id)

    def remove(self, signal_id: UUID) -> None:
        """Watch it no longer; nothing happens when nobody does."""
        watch = self._by_id.pop(signal_id, None)
        if watch is None:
            return
        rest = self._by_symbol[watch.symbol]
        del rest[signal_id]
        if not rest:
            del self._by_symbol[watch.symbol]
        if watch.setup.valid_until_ms == self._earliest_end:
            self._earliest_end = None

    def is_watched(self, symbol: str) -> bool:
        """Whether any signal is watched on this symbol."""
        return symbol in self._by_symbol

    def on(self, symbol: str) -> list[Watch]:
        """The watches on this symbol."""
        return list(self._by_symbol.get(symbol, {}).values())

    @property
    def earliest_end_ms(self) -> int | None:
        """When the first of all plans runs out, in Unix milliseconds of the market's time."""
        if self._earliest_end is None and self._by_id:
            self._earliest_end = min(watch.setup.valid_until_ms for watch in self._by_id.values())
        return self._earliest_end if self._by_id else None


def _name_of(watch: Watch) -> str:
    return watch.name
