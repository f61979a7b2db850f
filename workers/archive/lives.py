"""The lives of signals as their events tell them: numbered without a gap, each status following the last, and
the signal's row where the last event left it.

Pure: rows go in, in order of signal and number, all of a signal at once; findings come out.
"""

from __future__ import annotations

from datetime import date
from uuid import UUID

import numpy as np

from workers.archive.finding import MOST, Finding, Kind
from workers.archive.rows import Flags, Rows, Words, starts_of


class Lives:
    """Follows the signals of a day."""

    def __init__(self, day: date, words: Words) -> None:
        self._day = day
        self._words = words
        self.findings: list[Finding] = []

    def add(self, rows: Rows, in_postgres: Flags) -> None:
        """Some signals with all their events. `in_postgres`: whether the signal's own row has to be there, as
        its first event tells."""
        count = len(rows)
        number = rows.number
        starts = starts_of(rows.signal)
        sizes = np.diff(np.append(starts, count))
        start = np.repeat(starts, sizes)
        at = np.arange(count)
        last_number = np.where(at == start, 0, np.roll(number, 1))
        gaps = number != last_number + 1

        # The last event up to here that names a status; the signal's own, or there is none.
        told = rows.to_status != 0
        latest = np.maximum.accumulate(np.where(told, at, -1))
        before = np.where(at > 0, np.roll(latest, 1), -1)
        status_before = np.where(before >= start, rows.to_status[before], 0)
        leaps = told & (rows.from_status != status_before)
        for index in np.flatnonzero(gaps | leaps)[:MOST].tolist():
            if gaps[index]:
                missing = int(last_number[index]) + 1
                self._find(
                    "removed", rows, index, missing, f"event {missing} of signal {{signal}} is missing"
                )
            if leaps[index]:
                self._find(
                    "changed",
                    rows,
                    index,
                    int(number[index]),
                    f"event {number[index]} of signal {{signal}} leaves "
                    f"{self._say(rows.from_status[index])}, but the events before it led to "
                    f"{self._say(status_before[index])}",
                )

        ends = starts + sizes - 1
        final = latest[ends]
        has_status = final >= starts
        status = np.where(has_status, rows.to_status[final], 0)
        outcome = np.where(has_status, rows.told[final], 0)
        row_status, row_outcome = rows.status[starts], rows.outcome[starts]
        known = in_postgres[starts] & (number[starts] == 1)
        other_status = has_status & (row_status != status)
        wrong = known & ((row_status == 0) | other_status | (row_outcome != outcome))
        for place in np.flatnonzero(wrong)[:MOST].tolist():
            index = int(starts[place])
            if row_status[place] == 0:
                message = "the row of signal {signal} is missing, its events are there"
                self._find("removed", rows, index, None, message)
            elif other_status[place]:
                message = (
                    f"signal {{signal}} is {self._say(row_status[place])} by its row, and "
                    f"{self._say(status[place])} by its events"
                )
                self._find("changed", rows, index, None, message)
            else:
                message = (
                    f"signal {{signal}} ended with {self._say(row_outcome[place])} by its row, and with "
                    f"{self._say(outcome[place])} by its events"
                )
                self._find("changed", rows, index, None, message)

    def _say(self, word: int) -> str:
        return self._words.text(int(word)) or "nothing"

    def _find(self, kind: Kind, rows: Rows, index: int, number: int | None, message: str) -> None:
        if len(self.findings) < MOST:
            signal: UUID = rows.place(index).signal
            self.findings.append(
                Finding(kind, message.format(signal=signal), day=self._day, signal_id=signal, number=number)
            )
