"""The windows of one day's seals: events are dealt to the seal that covers their transaction, and each
window's content is compared with what was signed.

Pure: rows go in, in order of signal and number; findings come out.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from hashlib import sha256
from typing import TYPE_CHECKING
from uuid import UUID

from workers.archive.finding import Finding, Kind
from workers.archive.rows import Row
from workers.archive.seal import Seal

if TYPE_CHECKING:
    from hashlib import _Hash


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
    def first_change(self) -> int | None:
        """The place of the first event that differs, counted from 0; None where the marks don't tell."""
        if self.expected is None or len(self.expected) != 2 * self.seal.event_count:
            return None
        pairs = zip(_pairs(self.expected), _pairs(self.marks), strict=False)
        return next(
            (place for place, (expected, found) in enumerate(pairs) if expected != found),
            None if len(self.expected) == len(self.marks) else min(self.seal.event_count, self.count),
        )


class Windows:
    """A day's seals of events with their marks, in order of transactions."""

    def __init__(self, day: date, seals: Sequence[tuple[Seal, bytes | None]]) -> None:
        self._day = day
        self._latest: Row | None = None
        self.windows = [Window(seal, marks) for seal, marks in seals]
        self._starts = [window.seal.from_tx or 0 for window in self.windows]
        self._ends = [window.seal.to_tx or 0 for window in self.windows]
        self.after_last_seal = 0
        self.findings: list[Finding] = []

    def add(self, row: Row) -> None:
        place = bisect_right(self._starts, row.tx) - 1
        if (place < 0 and self._starts) or row.tx < 0:
            self._strange(row, "before everything that was sealed")
        elif place >= 0 and row.tx < self._ends[place]:
            window = self.windows[place]
            window.hash.update(row.digest.value)
            window.marks += row.digest.mark
            window.count += 1
        elif place == len(self.windows) - 1:
            self.after_last_seal += 1
            if self._latest is None or row.tx > self._latest.tx:
                self._latest = row

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

    def finding(self, place: Row | None) -> Finding:
        """What happened to the broken windows; `place` is the row at or before the first change."""
        broken = self.broken()
        kind = classify(broken)
        expected, found = sum(w.seal.event_count for w in broken), sum(w.count for w in broken)
        near = (
            f"at or next to event {place.number} of signal {UUID(bytes=place.signal)}" if place else "unknown"
        )
        counts = (
            f"{expected} events were sealed, {found} are there" if expected != found else f"{found} events"
        )
        return Finding(
            kind,
            f"events of {self._day} under seal {broken[0].seal.number} were {kind} ({counts}); "
            f"first place: {near}",
            seal=broken[0].seal.number,
            day=self._day,
            signal_id=UUID(bytes=place.signal) if place else None,
            number=place.number if place else None,
        )

    def seal_of(self, row: Row) -> int | None:
        """The number of the seal that covers this event."""
        place = bisect_right(self._starts, row.tx) - 1
        return self.windows[place].seal.number if place >= 0 and row.tx < self._ends[place] else None

    def _strange(self, row: Row, what: str) -> None:
        signal = UUID(bytes=row.signal)
        self.findings.append(
            Finding(
                "inserted",
                f"event {row.number} of signal {signal} names transaction {row.tx}, {what}",
                day=self._day,
                signal_id=signal,
                number=row.number,
            )
        )


def classify(broken: Sequence[Window]) -> Kind:
    """What was done to these windows together: an event with another transaction left one for another."""
    expected, found = sum(w.seal.event_count for w in broken), sum(w.count for w in broken)
    if found < expected:
        return "removed"
    if found > expected:
        return "inserted"
    known = [
        w.expected for w in broken if w.expected is not None and len(w.expected) == 2 * w.seal.event_count
    ]
    if len(known) < len(broken):
        return "changed"
    # The second byte of a mark leaves number and transaction aside: the same events in another order.
    before, after = [marks[1::2] for marks in known], [bytes(w.marks[1::2]) for w in broken]
    if before != after and Counter(b"".join(before)) == Counter(b"".join(after)):
        return "reordered"
    return "changed"


def _pairs(marks: bytes | bytearray) -> list[bytes]:
    return [bytes(marks[start : start + 2]) for start in range(0, len(marks), 2)]
