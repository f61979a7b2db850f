"""Copies of archived files on this machine, by their hash: a file never changes, so a copy stays right."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

from shared.settings import CHECKOUT, Settings
from workers.archive.encoding import Damaged
from workers.archive.files import hash_file
from workers.archive.listing import ListedFile
from workers.archive.store import Store

BYTES = 2 << 30
# How many files are fetched at a time.
AT_ONCE = 4


class Cache:
    """Keeps up to `size` bytes of files in a folder; what was not used for longest goes first."""

    def __init__(self, folder: Path, size: int = BYTES) -> None:
        self._folder = folder
        self._size = size

    async def fetch(self, store: Store, files: Sequence[ListedFile]) -> list[Path]:
        """Local copies of these files, in the same order.

        Raises Damaged when the store's file is not the one that was listed.
        """
        gate = asyncio.Semaphore(AT_ONCE)

        async def one(file: ListedFile) -> Path:
            place = self._folder / f"{file.file_hash.hex()}.parquet"
            if await asyncio.to_thread(_touch, place, file.byte_count):
                return place
            async with gate:
                await fetch_checked(store, file, place)
            return place

        await asyncio.to_thread(self._folder.mkdir, parents=True, exist_ok=True)
        places = list(await asyncio.gather(*(one(file) for file in files)))
        await asyncio.to_thread(self._shrink, {place.name for place in places})
        return places

    def _shrink(self, used: set[str]) -> None:
        held: list[tuple[float, int, Path]] = []
        for place in self._folder.glob("*.parquet"):
            with suppress(FileNotFoundError):
                known = place.stat()
                held.append((known.st_mtime, known.st_size, place))
        total = sum(size for _, size, _ in held)
        for _, size, place in sorted(held):
            if total <= self._size:
                return
            if place.name not in used:
                place.unlink(missing_ok=True)
                total -= size


async def fetch_checked(store: Store, file: ListedFile, place: Path) -> None:
    """Copy a listed file to `place`, whole or not at all. Raises Damaged when it is another one."""
    beside = place.with_name(f".{uuid4().hex}")
    try:
        await store.fetch(file.path, beside)
        if await asyncio.to_thread(hash_file, beside) != file.file_hash:
            raise Damaged(
                f"{file.path} in {store.address} is not the file that was archived: its hash differs. "
                "`sigtrail audit verify` says what is broken"
            )
        await asyncio.to_thread(beside.replace, place)
    finally:
        await asyncio.to_thread(beside.unlink, missing_ok=True)


def _touch(place: Path, size: int) -> bool:
    """Whether the copy is there; it counts as used now."""
    try:
        if place.stat().st_size != size:
            return False
        os.utime(place)
    except FileNotFoundError:
        return False
    return True


def cache_folder(settings: Settings) -> Path:
    """Where this machine keeps its copies."""
    return (settings.sigtrail_state or CHECKOUT / ".local") / "archive-cache"
