"""The disk between the evaluator and the database: what was spooled survives SIGKILL and a torn tail.

A folder holds segments, files of records that are only ever appended to. A record:

     4 bytes  magic, with a byte that no UTF-8 text contains: after damage the next record can be found
     4 bytes  length of the payload
     4 bytes  CRC-32 of sequence and payload
     8 bytes  sequence
     n bytes  payload, the signal's row as JSON

A process always begins a segment of its own, so nothing is ever written behind a torn tail. What the database
has answered is noted in the file `acknowledged`; losing that file sends rows again, which their ids make
harmless. Segments that are full and answered whole are deleted.

The spool is bounded. When it is full it takes nothing more (`SpoolFull`) and keeps what it has: the oldest
signals were promised first.
"""

from __future__ import annotations

import fcntl
import os
import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from shared.errors import ConfigurationError, SigtrailError

MAGIC = b"\xf5SIG"
HEADER = struct.Struct("<4sIIQ")
NOTE = struct.Struct("<QI")
SEGMENT_BYTES = 2 << 20
LIMIT_BYTES = 1 << 30
LARGEST_PAYLOAD = 1 << 20


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
    """One spooled row, and where it ends."""

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
        self._segment_bytes = segment_bytes
        self._segments: list[_Segment] = []
        self._file: int | None = None
        # Where the first row that is not acknowledged begins in the first segment.
        self._at = 0
        self._lock = _lock(folder)
        self._note = os.open(folder / "acknowledged", os.O_RDWR | os.O_CREAT, 0o600)
        self._acknowledged = _read_acknowledged(self._note)
        self._next = self._acknowledged + 1
        self._scan()

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
            self._retire_answered()
        if self.size + len(records) > self.limit_bytes:
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
            # What reached the disk is unknown: that segment ends here, and the next rows begin another.
            self._close_file()
            raise SpoolError(f"the spool {self.folder} cannot be written: {error.strerror}") from error
        segment.last = self._next - 1
        segment.size += len(records)
        self.size += len(records)
        self.pending += len(payloads)
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
                self._close_file()
                raise SpoolError(f"the spool {self.folder} cannot be written: {error.strerror}") from error

    def peek(self, count: int) -> list[Entry]:
        """The oldest `count` rows that are not acknowledged."""
        found: list[Entry] = []
        offset = self._at
        for segment in self._segments:
            for entry in _read_entries(segment, offset):
                if len(found) == count:
                    return found
                if entry.sequence > self._acknowledged:
                    found.append(entry)
            offset = 0
        return found

    def acknowledge(self, entries: Sequence[Entry]) -> None:
        """Forget these rows, the first that `peek` gave: the database has answered for them.

        Raises `SpoolError` when the disk refuses; the rows are then given again.
        """
        if not entries:
            return
        last = entries[-1]
        try:
            _write_acknowledged(self._note, last.sequence)
        except OSError as error:
            raise SpoolError(f"the spool {self.folder} cannot be written: {error.strerror}") from error
        self._acknowledged = last.sequence
        self.pending -= len(entries)
        self._retire_answered()
        self._at = last._end if self._segments and self._segments[0] is last._segment else 0

    def close(self) -> None:
        """Let another process have the folder; what is pending stays there."""
        self._close_file()
        self._retire_answered()
        os.close(self._note)
        os.close(self._lock)

    def _scan(self) -> None:
        for path in sorted(self.folder.glob("*.segment")):
            segment = _Segment(path, size=path.stat().st_size)
            sound = 0
            for entry in _read_entries(segment, 0):
                sound += HEADER.size + len(entry.payload)
                segment.last = max(segment.last, entry.sequence)
                self.pending += entry.sequence > self._acknowledged
            segment.damaged = sound != segment.size
            self.damaged_bytes += segment.size - sound
            self._next = max(self._next, segment.last + 1)
            self.size += segment.size
            self._segments.append(segment)
        self._retire_answered()

    def _retire_answered(self) -> None:
        """Delete segments whose rows are all answered; a damaged one is kept aside for whoever may look."""
        # The one that is being written stays: a new file for every group of rows would cost another sync.
        closed = self._segments if self._file is None else self._segments[:-1]
        for segment in [one for one in closed if one.last <= self._acknowledged]:
            if segment is self._segments[0]:
                self._at = 0
            self._segments.remove(segment)
            self.size -= segment.size
            if segment.damaged:
                segment.path.rename(segment.path.with_suffix(".damaged"))
            else:
                segment.path.unlink()

    def _open_segment(self, first: int) -> tuple[int, _Segment]:
        if self._file is not None:
            return self._file, self._segments[-1]
        path = self.folder / f"{first:020d}.segment"
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
        _sync_folder(self.folder)
        segment = _Segment(path)
        self._segments.append(segment)
        return self._file, segment

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
        folder.mkdir(parents=True, exist_ok=True)
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
