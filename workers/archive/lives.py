"""The lives of signals as their events tell them: numbered without a gap, each status following the last, and
the signal's row where the last event left it.

Pure: rows go in, in order of signal and number; findings come out.
"""

from __future__ import annotations

from datetime import date
from uuid import UUID

from workers.archive.finding import MOST, Finding, Kind
from workers.archive.rows import Row


class Lives:
    """Follows one signal after the other."""

    def __init__(self, day: date) -> None:
        self._day = day
        self._signal: bytes | None = None
        self._number = 0
        self._status: str | None = None
        self._outcome: str | None = None
        self._first: Row | None = None
        self.findings: list[Finding] = []

    def add(self, row: Row, *, in_postgres: bool = True) -> None:
        """The next event. `in_postgres`: whether the signal's own row has to be there."""
        if row.signal != self._signal:
            self.end()
            self._signal, self._number, self._status = row.signal, 0, None
            self._outcome = None
            self._first = row if in_postgres else None
        if row.number != self._number + 1:
            missing = self._number + 1
            self._find("removed", missing, f"event {missing} of signal {{signal}} is missing")
        self._number = row.number
        if row.to_status is not None:
            if row.from_status != self._status:
                self._find(
                    "changed",
                    row.number,
                    f"event {row.number} of signal {{signal}} leaves {row.from_status or 'nothing'}, but the "
                    f"events before it led to {self._status or 'nothing'}",
                )
            self._status, self._outcome = row.to_status, row.told_outcome

    def end(self) -> None:
        """After the last event of a signal."""
        first, self._first = self._first, None
        if first is None or first.number != 1:
            return
        if first.status is None:
            self._find("removed", None, "the row of signal {signal} is missing, its events are there")
        elif self._status is not None and first.status != self._status:
            self._find(
                "changed",
                None,
                f"signal {{signal}} is {first.status} by its row, and {self._status} by its events",
            )
        elif first.outcome != self._outcome:
            self._find(
                "changed",
                None,
                f"signal {{signal}} ended with {first.outcome or 'nothing'} by its row, and with "
                f"{self._outcome or 'nothing'} by its events",
            )

    def _find(self, kind: Kind, number: int | None, message: str) -> None:
        if len(self.findings) >= MOST or self._signal is None:
            return
        signal = UUID(bytes=self._signal)
        self.findings.append(
            Finding(kind, message.format(signal=signal), day=self._day, signal_id=signal, number=number)
        )
