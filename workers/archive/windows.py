"""The windows of one day's seals: events are dealt to the seal that covers their transaction, and each
window's content is compared with what was signed.

Pure: rows go in, in order of signal and number; findings come out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from hashlib import sha256
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np

from workers.archive.finding import MOST, Finding, Kind
from workers.archive.marks import MARK_BYTES
from workers.archive.records import MARK_AT
from workers.archive.rows import Integers, Place, Rows
from workers.archive.seal import Seal

if TYPE_CHECKING:
    from hashlib import _Hash

# Transaction and number lead a mark; the rest is of the payload's hash.
PLACE_BYTES = 2


@dataclass
class Window:
    """One seal of events, and what was found of it. `expected` are its marks, None when nobody has them."""

    seal: Seal
    expected: bytes | None
    hash: _Hash = field(default_factory=sha256)
    count: int = 0
    marks: bytearray = field(default_factory=bytearray)

    @property
    def is_intact(self) -> bool:
        return self.count == self.seal.event_count and self.hash.digest() == self.seal.content_hash

    @property
    def has_marks(self) -> bool:
        return self.expected is not None and len(self.expected) == MARK_BYTES * self.seal.event_count

    @property
    def first_change(self) -> int | None:
        """The place of the first event that differs, counted from 0; None where the marks don't tell."""
        if self.expected is None or not self.has_marks:
            return None
        common = min(len(self.expected), len(self.marks))
        expected, found = (np.frombuffer(one, np.uint8, common) for one in (self.expected, self.marks))
        other = np.flatnonzero(expected != found)
        if len(other):
            return int(other[0]) // MARK_BYTES
        return None if len(self.expected) == len(self.marks) else min(self.seal.event_count, self.count)


class Windows:
    """A day's seals of events with their marks, in order of transactions."""

    def __init__(self, day: date, seals: Sequence[tuple[Seal, bytes | None]]) -> None:
        self._day = day
        self._latest: Place | None = None
        self.windows = [Window(seal, marks) for seal, marks in seals]
        self._starts = np.array([window.seal.from_tx or 0 for window in self.windows], dtype=np.int64)
        self._ends = np.array([window.seal.to_tx or 0 for window in self.windows], dtype=np.int64)
        self.after_last_seal = 0
        self.findings: list[Finding] = []

    def add(self, rows: Rows) -> None:
        """The next events of the day."""
        place, covered = self._deal(rows)
        for number in np.unique(place[covered]).tolist():
            here = rows.record[covered & (place == number)]
            window = self.windows[number]
            window.hash.update(here.tobytes())
            window.marks += here[:, list(MARK_AT)].tobytes()
            window.count += len(here)
        early = (rows.tx < 0) | ((place < 0) & bool(self.windows))
        for index in np.flatnonzero(early)[:MOST].tolist():
            self._strange(rows.place(index), "before everything that was sealed")
        after = ~covered & ~early & (place == len(self.windows) - 1)
        self.after_last_seal += int(after.sum())
        if after.any():
            index = int(np.argmax(np.where(after, rows.tx, -1)))
            if self._latest is None or rows.tx[index] > self._latest.tx:
                self._latest = rows.place(index)

    def _deal(self, rows: Rows) -> tuple[Integers, np.ndarray[tuple[int], np.dtype[np.bool_]]]:
        """The window that each event would belong to, and whether it does."""
        place = np.searchsorted(self._starts, rows.tx, side="right").astype(np.int64) - 1
        covered = (place >= 0) & (rows.tx >= 0)
        covered[covered] = rows.tx[covered] < self._ends[place[covered]]
        return place, covered

    def end(self, newest_tx: int) -> None:
        """After the last event. `newest_tx`: no honest event has a transaction at or above this."""
        if self._latest is not None and self._latest.tx >= newest_tx:
            self._strange(self._latest, "which has not begun yet")

    def broken(self) -> list[Window]:
        """The windows that are not what was signed, in order of their seals."""
        return sorted((w for w in self.windows if not w.is_intact), key=lambda window: window.seal.number)

    def place_of_first_change(self) -> tuple[int, int] | None:
        """Which event to look for to name the first change: the number of the seal, and its place there."""
        for window in self.broken():
            if (place := window.first_change) is not None:
                return window.seal.number, place
        return None

    def marks_changed(self) -> list[Seal]:
        """Seals whose events are intact, but whose file tells other marks."""
        return [
            window.seal
            for window in self.windows
            if window.is_intact and window.expected is not None and window.expected != window.marks
        ]

    def covered_by(self, number: int, rows: Rows) -> Integers:
        """Which of these events the seal of this number covers."""
        place, covered = self._deal(rows)
        wanted = next(at for at, window in enumerate(self.windows) if window.seal.number == number)
        return np.flatnonzero(covered & (place == wanted))

    def finding(self, place: Place | None) -> Finding:
        """What happened to the broken windows; `place` is the event at or before the first change."""
        broken = self.broken()
        kind = classify(broken)
        expected, found = sum(w.seal.event_count for w in broken), sum(w.count for w in broken)
        near = f"at or next to event {place.number} of signal {place.signal}" if place else "unknown"
        counts = (
            f"{expected} events were sealed, {found} are there" if expected != found else f"{found} events"
        )
        return Finding(
            kind,
            f"events of {self._day} under seal {broken[0].seal.number} were {kind} ({counts}); "
            f"first place: {near}",
            seal=broken[0].seal.number,
            day=self._day,
            signal_id=place.signal if place else None,
            number=place.number if place else None,
        )

    def _strange(self, event: Place, what: str) -> None:
        if len(self.findings) < MOST:
            self.findings.append(
                Finding(
                    "inserted",
                    f"event {event.number} of signal {event.signal} names transaction {event.tx}, {what}",
                    day=self._day,
                    signal_id=event.signal,
                    number=event.number,
                )
            )


def classify(broken: Sequence[Window]) -> Kind:
    """What was done to these windows together: an event with another transaction left one for another."""
    expected, found = sum(w.seal.event_count for w in broken), sum(w.count for w in broken)
    if found < expected:
        return "removed"
    if found > expected:
        return "inserted"
    known = [w.expected for w in broken if w.expected is not None and w.has_marks]
    if len(known) < len(broken):
        return "changed"
    before, after = [_payloads(marks) for marks in known], [_payloads(w.marks) for w in broken]
    if before != after and Counter(chain.from_iterable(before)) == Counter(chain.from_iterable(after)):
        return "reordered"
    return "changed"


def _payloads(marks: bytes | bytearray) -> list[bytes]:
    """Marks without number and transaction: what stays of events that come in another order."""
    return [bytes(marks[at + PLACE_BYTES : at + MARK_BYTES]) for at in range(0, len(marks), MARK_BYTES)]
