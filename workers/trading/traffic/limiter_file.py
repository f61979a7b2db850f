"""What the processes of a machine know together about one budget owner: a small file under a lock.

A process that dies gives its lock back with its life, and leaves at worst a request counted that never
left. Where the disk takes nothing, a process counts by itself until it does: no stop waits for a disk. The
file's moments are of the machine's own clock since it was started, which all processes share and
nobody sets.
"""

from __future__ import annotations

import fcntl
import os
import struct
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from workers.trading.traffic.limiter_budgets import Budget
from workers.trading.traffic.limiter_windows import SLOTS, Usage, carry_over, prune

log = structlog.get_logger(__name__)

_MAGIC = b"SIGLIM01"
_HEADER = struct.Struct("<8s16sqqq")
_SHAPE = struct.Struct("<qqq")
_SLOT = struct.Struct("<qq")
# A window touches one slot more than it has, and the current one.
_KEPT = SLOTS + 2


def machine_ms() -> int:
    """Milliseconds since the machine started, time asleep included: the same in every process of it."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000_000


def boot_name() -> bytes:
    """Which start of the machine this is."""
    text = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return bytes.fromhex(text.replace("-", ""))


@dataclass(slots=True)
class Tally:
    """What is known of one owner: an address or an account at a venue."""

    usages: list[Usage]
    # Nothing leaves before this moment (ms): the venue said so, or refused and did not say.
    blocked_until: int = 0
    # Refusals in a row.
    strikes: int = 0
    # The last moment that anybody wrote: the clock of the file never goes back.
    seen: int = 0
    changed: bool = field(default=False, compare=False)


class LimiterFile:
    """The file of one owner. `open` locks it, reads it, and writes back what was changed."""

    def __init__(self, path: Path, budgets: Sequence[Budget], boot: bytes) -> None:
        self._path = path
        self._budgets = tuple(budgets)
        self._boot = boot
        self._fd = -1
        # What the disk did not take.
        self._unwritten: bytes | None = None

    @contextmanager
    def open(self, now_ms: int) -> Iterator[Tally | None]:
        """The tally under its lock, or None when another process has the lock just now. Never waits: a
        process that was stopped while it held the lock must not stop the others. Never fails either: what the
        disk does not take is counted by this process alone."""
        locked = self._lock()
        if locked is False:
            yield None
            return
        try:
            tally = self._read(now_ms)
            yield tally
            if tally.changed:
                tally.seen = max(tally.seen, now_ms)
                self._write(self._pack(tally, now_ms))
        finally:
            if locked:
                fcntl.flock(self._fd, fcntl.LOCK_UN)

    def _lock(self) -> bool | None:
        """Whether the file is locked now; None where there is no file to lock."""
        try:
            if self._fd < 0:
                self._path.parent.mkdir(parents=True, exist_ok=True)
                self._fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError as error:
            self._miss(error.strerror or str(error))
            return None
        return True

    def _write(self, content: bytes) -> None:
        if self._fd < 0:
            self._unwritten = content
            return
        try:
            written = os.pwrite(self._fd, content, 0)
        except OSError as error:
            self._miss(error.strerror or str(error))
            self._unwritten = content
            return
        if written < len(content):
            self._miss("no space left")
            self._unwritten = content
        elif self._unwritten is not None:
            log.warning("limits_written_again", path=str(self._path))
            self._unwritten = None

    def _load(self, size: int) -> bytes:
        if self._unwritten is not None or self._fd < 0:
            return self._unwritten or b""
        try:
            return os.pread(self._fd, size, 0)
        except OSError as error:
            self._miss(error.strerror or str(error))
            return b""

    def _miss(self, why: str) -> None:
        if self._unwritten is None:
            log.error("limits_unwritten", path=str(self._path), why=why)
            self._unwritten = b""

    def close(self) -> None:
        """Close the file."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _pack(self, tally: Tally, now_ms: int) -> bytes:
        parts = [_HEADER.pack(_MAGIC, self._boot, tally.blocked_until, tally.strikes, tally.seen)]
        for budget, usage in zip(self._budgets, tally.usages, strict=True):
            prune(budget, usage, now_ms)
            slots = sorted(usage.slots.items())[-_KEPT:]
            parts.append(_SHAPE.pack(budget.window_ms, budget.limit, len(slots)))
            parts += [_SLOT.pack(slot, count) for slot, count in slots]
            parts.append(bytes(_SLOT.size * (_KEPT - len(slots))))
        return b"".join(parts)

    def _read(self, now_ms: int) -> Tally:
        fresh = Tally([Usage() for _ in self._budgets])
        size = _HEADER.size + len(self._budgets) * (_SHAPE.size + _KEPT * _SLOT.size)
        content = self._load(size)
        if len(content) < size:
            # New, or of a process that died while it made it: nobody has counted anything.
            return fresh
        magic, boot, blocked_until, strikes, seen = _HEADER.unpack_from(content)
        if magic != _MAGIC:
            return fresh
        found = Tally([], blocked_until, strikes, seen)
        at = _HEADER.size
        for budget in self._budgets:
            window_ms, _, count = _SHAPE.unpack_from(content, at)
            at += _SHAPE.size
            pairs = [_SLOT.unpack_from(content, at + _SLOT.size * n) for n in range(min(count, _KEPT))]
            at += _SLOT.size * _KEPT
            if boot == self._boot and window_ms == budget.window_ms:
                found.usages.append(Usage(dict(pairs)))
            else:
                found.usages.append(carry_over(budget, pairs, now_ms))
        if boot != self._boot:
            # Moments before the restart mean nothing now; how long was blocked is waited out anew.
            found.blocked_until = now_ms + max(0, blocked_until - seen)
            found.seen = now_ms
        return found
