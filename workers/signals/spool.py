"""The disk between the evaluator and the database: what was spooled survives SIGKILL and a torn tail.

A folder holds segments, files of records that are only ever appended to. A record:

     4 bytes  magic, with a byte that no UTF-8 text contains: after damage the next record can be found
     4 bytes  length of the payload
     4 bytes  CRC-32 of sequence and payload
     8 bytes  sequence
     n bytes  payload, the signal's row as JSON

A process always begins a segment of its own, so nothing is ever written behind a torn tail. What the database
has answered is noted in the file `acknowledged`; losing that file sends rows again, which their ids make
harmless. Segments that are full and answered whole are deleted. The order is that of the sequences,
whatever the clock does.

The spool is bounded. When it is full it takes nothing more (`SpoolFull`) and keeps what it has: the oldest
signals were promised first. From ALARM_SHARE of the bound on it says so in `alarm`.

A disk that is full or broken is no state to be stuck in: what a write that failed left behind is cut off, so
that retries take no more room, and what was answered is deleted even when its note cannot be written.
"""

from __future__ import annotations

import fcntl
import os
import struct
import time
import zlib
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from shared.errors import ConfigurationError, SigtrailError

MAGIC = b"\xf5SIG"
HEADER = struct.Struct("<4sIIQ")
NOTE = struct.Struct("<QI")
SEGMENT_BYTES = 2 << 20
LIMIT_BYTES = 1 << 30
# What is larger is no signal: see `SignalsRole`, which keeps it aside.
LARGEST_PAYLOAD = 1 << 20
# From this part of the bound on there is an alarm; it ends below it.
ALARM_SHARE = 0.5
# So many damaged segments are kept for whoever may look, the newest ones.
KEPT_DAMAGED = 16


class SpoolError(SigtrailError):
    """The disk refused a write: what was to be spooled is not."""


class SpoolFull(SpoolError):
    """The spool has reached its bound because nothing is being answered."""


@dataclass(slots=True)
class _Segment:
    path: Path
    last: int = 0
    size: int = 0
    damaged: bool = False


@dataclass(frozen=True, slots=True)
class Entry:
    """One spooled row, and where it ends: also the place from which to read on."""

    sequence: int
    payload: bytes
    _segment: _Segment = field(repr=False, compare=False)
    _end: int = field(repr=False, compare=False)


class Spool:
    """An append-only queue on disk. One process at a time, and not for several threads.

    Raises `ConfigurationError` when the folder cannot be used or another process has it.
    """

    def __init__(
        self, folder: Path, *, limit_bytes: int = LIMIT_BYTES, segment_bytes: int = SEGMENT_BYTES
    ) -> None:
        self.folder = folder
        self.limit_bytes = limit_bytes
        # Bytes that were no sound record when the folder was opened: a torn tail, or damage.
        self.damaged_bytes = 0
        self.pending = 0
        self.size = 0
        # How often the disk could not note what was answered: after a restart that is sent again.
        self.unnoted = 0
        # full: a row was turned away since there was room; disk: the last write or sync failed.
        self._trouble = ""
        # When rows were spooled, by the last sequence of each group, for the age of the oldest.
        self._times: deque[tuple[int, float]] = deque()
        self._segment_bytes = segment_bytes
        self._segments: list[_Segment] = []
        self._file: int | None = None
        # Where the first row that is not acknowledged begins in the first segment.
        self._at = 0
        self._lock = _lock(folder)
        try:
            self._note = os.open(folder / "acknowledged", os.O_RDWR | os.O_CREAT, 0o600)
            self._acknowledged = _read_acknowledged(self._note)
            self._next = self._acknowledged + 1
            self._scan()
        except OSError as error:
            os.close(self._lock)
            place = error.filename or folder
            raise ConfigurationError(f"the spool cannot be read: {place}: {error.strerror}") from error
        if self.pending:
            self._times.append((self._next - 1, time.monotonic()))

    @property
    def alarm(self) -> str:
        """What an operator should know: `filling` (the bound comes near), `full` (it was reached), `disk` (it
        refuses), or nothing."""
        if not self._trouble and self.size >= self.limit_bytes * ALARM_SHARE:
            return "filling"
        return self._trouble

    @property
    def age_seconds(self) -> float:
        """How long the oldest pending row has waited, as far as this process knows; 0 without any."""
        return time.monotonic() - self._times[0][1] if self._times else 0.0

    def append(self, payloads: Sequence[bytes], *, sync: bool = True) -> None:
        """Spool these rows durably: when this returns they survive a crash.

        Without `sync` they survive the process and not yet the machine, until `sync` is called. Raises
        `SpoolFull` without taking any, `SpoolError` when the disk refuses; then some of them may be there,
        and spooling them again is safe.
        """
        if not payloads:
            return
        records = b"".join(_pack(self._next + place, payload) for place, payload in enumerate(payloads))
        if self.size + len(records) > self.limit_bytes:
            self._close_file()
            self._tidy()
        if self.size + len(records) > self.limit_bytes:
            self._trouble = "full"
            raise SpoolFull(
                f"the spool {self.folder} is full: {self.pending} rows wait for an answer in {self.size} of "
                f"{self.limit_bytes} bytes; is the database reachable?"
            )
        # Taken whatever happens: a sequence that may have reached the disk is never given to another row.
        first, self._next = self._next, self._next + len(payloads)
        try:
            file, segment = self._open_segment(first)
            _write(file, records)
            if sync:
                os.fdatasync(file)
        except OSError as error:
            self._trouble = "disk"
            self._abandon_segment()
            raise SpoolError(f"the spool {self.folder} cannot be written: {error.strerror}") from error
        segment.last = self._next - 1
        segment.size += len(records)
        self.size += len(records)
        self.pending += len(payloads)
        self._trouble = ""
        self._times.append((segment.last, time.monotonic()))
        if segment.size >= self._segment_bytes:
            if not sync:
                self.sync()
            self._close_file()

    def sync(self) -> None:
        """Make durable what was appended without. Raises `SpoolError` when the disk refuses."""
        if self._file is not None:
            try:
                os.fdatasync(self._file)
            except OSError as error:
                self._trouble = "disk"
                self._close_file()
                raise SpoolError(f"the spool {self.folder} cannot be written: {error.strerror}") from error

    def peek(self, count: int, *, after: Entry | None = None, through: int | None = None) -> list[Entry]:
        """The oldest `count` rows that are not acknowledged: those behind `after`, up to the sequence
        `through`. Raises `SpoolError` when the disk cannot be read."""
        found: list[Entry] = []
        begin, offset = 0, self._at
        # Where `after` was has gone when it was answered for: then all that is left lies behind it.
        if after is not None and after._segment in self._segments:
            begin, offset = self._segments.index(after._segment), after._end
        try:
            for segment in self._segments[begin:]:
                for entry in _read_entries(segment, offset):
                    if len(found) == count or (through is not None and entry.sequence > through):
                        return found
                    if entry.sequence > self._acknowledged:
                        found.append(entry)
                offset = 0
        except OSError as error:
            raise SpoolError(f"the spool {self.folder} cannot be read: {error.strerror}") from error
        return found

    def tail(self) -> Entry | None:
        """The place behind all that is spooled now; None when nothing is."""
        if not self._segments:
            return None
        return Entry(self._next - 1, b"", self._segments[-1], self._segments[-1].size)

    def acknowledge(self, entries: Sequence[Entry]) -> None:
        """Forget these rows, the first that `peek` gave: the database has answered for them.

        Raises `SpoolError` when the disk cannot delete what is answered; it is deleted later.
        """
        if entries:
            self.forget(entries[-1], len(entries))

    def forget(self, last: Entry, count: int) -> None:
        """`acknowledge` for all up to and with `last`, which are `count` rows."""
        try:
            _write_acknowledged(self._note, last.sequence)
        except OSError:
            # Then they would be sent again after a restart, and on a full disk nothing may hinder deleting.
            self.unnoted += 1
        self._acknowledged = last.sequence
        self.pending -= count
        while self._times and self._times[0][0] <= last.sequence:
            self._times.popleft()
        self._at = last._end if self._segments and self._segments[0] is last._segment else 0
        self._tidy()
        self._at = last._end if self._segments and self._segments[0] is last._segment else 0

    def recount(self) -> int:
        """Read everything again, after rows that should be there were not; answers how many have gone bad.

        Raises `SpoolError` when the disk cannot be read.
        """
        before, self.pending, self._at = self.pending, 0, 0
        try:
            for segment in self._segments:
                self._inspect(segment)
        except OSError as error:
            self.pending = before
            raise SpoolError(f"the spool {self.folder} cannot be read: {error.strerror}") from error
        self._tidy()
        return before - self.pending

    def close(self) -> None:
        """Let another process have the folder; what is pending stays there."""
        self._close_file()
        try:
            self._tidy()
        finally:
            os.close(self._note)
            os.close(self._lock)

    def _scan(self) -> None:
        for path in sorted(self.folder.glob("*.segment")):
            segment = _Segment(path, size=path.stat().st_size)
            self._inspect(segment)
            self._next = max(self._next, segment.last + 1)
            self.size += segment.size
            self._segments.append(segment)
        self._retire_answered()

    def _inspect(self, segment: _Segment) -> None:
        sound, segment.last = 0, 0
        for entry in _read_entries(segment, 0):
            sound += HEADER.size + len(entry.payload)
            segment.last = max(segment.last, entry.sequence)
            self.pending += entry.sequence > self._acknowledged
        if sound != segment.size and not segment.damaged:
            segment.damaged = True
            self.damaged_bytes += segment.size - sound

    def _tidy(self) -> None:
        try:
            self._retire_answered()
        except OSError as error:
            raise SpoolError(f"the spool {self.folder} cannot be tidied: {error.strerror}") from error

    def _retire_answered(self) -> None:
        """Delete segments whose rows are all answered; a damaged one is kept aside for whoever may look."""
        # The one that is being written stays: a new file for every group of rows would cost another sync.
        closed = self._segments if self._file is None else self._segments[:-1]
        for segment in [one for one in closed if one.last <= self._acknowledged]:
            if segment.damaged:
                segment.path.rename(segment.path.with_suffix(".damaged"))
                self._thin_out_damaged()
            else:
                segment.path.unlink(missing_ok=True)
            if segment is self._segments[0]:
                self._at = 0
            self._segments.remove(segment)
            self.size -= segment.size

    def _thin_out_damaged(self) -> None:
        for path in sorted(self.folder.glob("*.damaged"))[:-KEPT_DAMAGED]:
            path.unlink()

    def _open_segment(self, first: int) -> tuple[int, _Segment]:
        if self._file is not None:
            return self._file, self._segments[-1]
        segment = _Segment(self.folder / f"{first:020d}.segment")
        self._file = os.open(segment.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
        self._segments.append(segment)
        _sync_folder(self.folder)
        return self._file, segment

    def _abandon_segment(self) -> None:
        """End the segment whose writing failed: what reached the disk is unknown, so the next rows begin
        another one. What it holds beyond the promised rows is cut off, for a disk that is full."""
        if self._file is None:
            return
        segment = self._segments[-1]
        try:
            if segment.size:
                os.ftruncate(self._file, segment.size)
            else:
                self._segments.pop()
                segment.path.unlink(missing_ok=True)
        except OSError:
            # It may stay: a torn tail is passed over, and rows that are there twice have one id.
            segment.damaged = True
        finally:
            self._close_file()

    def _close_file(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None


def _pack(sequence: int, payload: bytes) -> bytes:
    if len(payload) > LARGEST_PAYLOAD:
        raise SpoolError(f"a row of {len(payload)} bytes is too large; at most {LARGEST_PAYLOAD} are spooled")
    return HEADER.pack(MAGIC, len(payload), _checksum(sequence, payload), sequence) + payload


def _checksum(sequence: int, payload: bytes) -> int:
    return zlib.crc32(payload, zlib.crc32(sequence.to_bytes(8, "little")))


def _read_entries(segment: _Segment, offset: int) -> Iterator[Entry]:
    """The sound records of a segment from `offset` on; what is damaged between them is passed over."""
    with segment.path.open("rb") as file:
        file.seek(offset)
        content = file.read(segment.size - offset)
    at = 0
    while (at := content.find(MAGIC, at)) >= 0:
        begin = at + HEADER.size
        if begin > len(content):
            return
        _, length, checksum, sequence = HEADER.unpack_from(content, at)
        payload = content[begin : begin + length] if length <= LARGEST_PAYLOAD else b""
        if len(payload) == length and _checksum(sequence, payload) == checksum:
            at = begin + length
            yield Entry(sequence, payload, segment, offset + at)
        else:
            at += len(MAGIC)


def _write(file: int, records: bytes) -> None:
    rest = memoryview(records)
    while rest:
        rest = rest[os.write(file, rest) :]


def _lock(folder: Path) -> int:
    try:
        if not folder.is_dir():
            folder.mkdir(parents=True)
            _sync_folder(folder.parent)
        lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise ConfigurationError(f"the spool {folder} cannot be opened: {error.strerror}") from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(lock)
        raise ConfigurationError(
            f"another process uses the spool {folder}; give each machine a folder of its own"
        ) from None
    return lock


def _read_acknowledged(file: int) -> int:
    """The last sequence that was answered; 0 when the note is empty or damaged, and all is sent again."""
    note = os.pread(file, NOTE.size + 1, 0)
    if len(note) != NOTE.size:
        return 0
    sequence, checksum = NOTE.unpack(note)
    return int(sequence) if checksum == _checksum(sequence, b"") else 0


def _write_acknowledged(file: int, sequence: int) -> None:
    # Written in place and not synced: a torn or an older note sends rows again, which is harmless.
    os.pwrite(file, NOTE.pack(sequence, _checksum(sequence, b"")), 0)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
