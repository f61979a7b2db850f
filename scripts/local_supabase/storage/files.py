"""The bytes of objects, in a folder, each under a name of its own that no client chooses.

A file is written beside, synced and renamed into place before the database hears of it, and never changed
after that: who reads it reads all of one version, and a server that is killed leaves at most a file without a
row, which the next start removes.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any
from uuid import uuid4

_BUFFER_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Written:
    """A file in its place. version: its name. etag: the MD5 of its content, in quotes."""

    version: str
    size: int
    etag: str


class Draft:
    """A file while its bytes come in."""

    def __init__(self, file: IO[bytes], version: str) -> None:
        self._file = file
        self._version = version
        self._waiting: list[bytes] = []
        self._waiting_bytes = 0
        self._hash = hashlib.md5(usedforsecurity=False)
        self.size = 0

    async def write(self, chunk: bytes) -> None:
        self.size += len(chunk)
        self._waiting.append(chunk)
        self._waiting_bytes += len(chunk)
        if self._waiting_bytes >= _BUFFER_BYTES:
            await self._flush()

    async def _flush(self) -> None:
        content = b"".join(self._waiting)
        self._waiting.clear()
        self._waiting_bytes = 0
        await asyncio.to_thread(self._put, content)

    def _put(self, content: bytes) -> None:
        self._hash.update(content)
        self._file.write(content)

    async def close(self) -> Written:
        """Has the bytes on the disk."""
        await self._flush()
        await asyncio.to_thread(self._sync)
        return Written(self._version, self.size, f'"{self._hash.hexdigest()}"')

    def _sync(self) -> None:
        self._file.flush()
        os.fsync(self._file.fileno())


class Files:
    """The folder of one stack. Its methods return when the disk has done what they say."""

    def __init__(self, folder: Path) -> None:
        self._incoming = folder / "incoming"
        self._objects = folder / "objects"

    def prepare(self) -> None:
        """Makes the folder, and forgets what a killed server had not received whole."""
        self._objects.mkdir(parents=True, exist_ok=True)
        self._incoming.mkdir(exist_ok=True)
        for draft in self._incoming.iterdir():
            draft.unlink(missing_ok=True)

    @asynccontextmanager
    async def receive(self) -> AsyncIterator[Draft]:
        """A new file. It stays only if `place` was called with it before the block ends."""
        version = str(uuid4())
        draft = self._incoming / version
        file = await asyncio.to_thread(draft.open, "wb")
        try:
            yield Draft(file, version)
        finally:
            await asyncio.to_thread(_discard, file, draft)

    async def place(self, written: Written) -> None:
        """Moves a closed draft to where readers look for it."""
        await asyncio.to_thread(self._place, written.version)

    async def link(self, version: str) -> str | None:
        """A second name for the same bytes, for a copy. None when the first is gone."""
        copy = str(uuid4())
        try:
            await asyncio.to_thread(self._link, version, copy)
        except FileNotFoundError:
            return None
        return copy

    async def open(self, version: str) -> IO[bytes] | None:
        """The file, or None when it is gone. The caller closes it."""
        try:
            return await asyncio.to_thread(self._path(version).open, "rb")
        except FileNotFoundError:
            return None

    async def remove(self, *versions: str) -> None:
        await asyncio.to_thread(self._remove, versions)

    def stored(self, before: float) -> Iterator[str]:
        """The versions whose files were placed before this time (seconds since 1970)."""
        for folder in self._objects.iterdir():
            for file in folder.iterdir():
                with suppress(FileNotFoundError):
                    if file.stat().st_ctime < before:
                        yield file.name

    def _path(self, version: str) -> Path:
        # Few folders with many files are slow to list; a version begins with random digits.
        return self._objects / version[:2] / version

    def _place(self, version: str) -> None:
        target = self._path(version)
        target.parent.mkdir(exist_ok=True)
        (self._incoming / version).rename(target)
        _sync_folder(target.parent)

    def _link(self, version: str, copy: str) -> None:
        target = self._path(copy)
        target.parent.mkdir(exist_ok=True)
        os.link(self._path(version), target)
        _sync_folder(target.parent)

    def _remove(self, versions: tuple[str, ...]) -> None:
        for version in versions:
            self._path(version).unlink(missing_ok=True)


def _discard(file: IO[Any], draft: Path) -> None:
    file.close()
    draft.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
