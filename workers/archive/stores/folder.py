"""An archive in a folder of this machine, or of a disk that is mounted here."""

from __future__ import annotations

import asyncio
import os
import secrets
import shutil
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import BinaryIO, TypeVar

from shared.errors import NotAllowed, NotFound, Unavailable
from workers.archive.stores.stored import Stored, check_path

Answer = TypeVar("Answer")

# Files under way have names that no path of the archive can have.
UNDER_WAY = ".under-way-"
# What a killed process left behind: nothing takes this long to write.
LEFTOVER_SECONDS = 6 * 3600


class FolderStore:
    """Files below `root`. Each is written beside its place, forced to disk, and moved there whole."""

    def __init__(self, root: Path) -> None:
        self._root = root

    @property
    def address(self) -> str:
        return str(self._root)

    async def write(self, path: str, content: bytes) -> None:
        await self._do(path, lambda place: _replace(place, lambda file: _pour(file, content)))

    async def read(self, path: str) -> bytes:
        return await self._do(path, Path.read_bytes)

    async def put(self, path: str, source: Path) -> None:
        def copy(file: BinaryIO) -> None:
            with source.open("rb") as opened:
                shutil.copyfileobj(opened, file, 1 << 20)

        await self._do(path, lambda place: _replace(place, copy))

    async def fetch(self, path: str, target: Path) -> None:
        def copy(place: Path) -> None:
            with place.open("rb") as opened:
                _replace(target, lambda file: shutil.copyfileobj(opened, file, 1 << 20))

        await self._do(path, copy)

    async def list(self, prefix: str = "") -> list[Stored]:
        place = self._root / check_path(prefix.strip("/")) if prefix.strip("/") else self._root
        return list(await asyncio.to_thread(self._walk, place))

    async def delete(self, path: str) -> None:
        await self._do(path, lambda place: place.unlink(missing_ok=True))

    async def close(self) -> None:
        """Nothing is held."""

    async def _do(self, path: str, action: Callable[[Path], Answer]) -> Answer:
        place = self._root / check_path(path)
        try:
            return await asyncio.to_thread(action, place)
        except (FileNotFoundError, IsADirectoryError) as error:
            raise NotFound(f"{path} is not in the archive {self._root}") from error
        except PermissionError as error:
            raise NotAllowed(f"{path}: the folder {self._root} may not be used: {error.strerror}") from error
        except OSError as error:
            raise Unavailable(f"{path}: the folder {self._root} cannot be used: {error.strerror}") from error

    def _walk(self, place: Path) -> Sequence[Stored]:
        found: list[Stored] = []
        for folder, _, names in os.walk(place):
            for name in names:
                file = Path(folder) / name
                if name.startswith(UNDER_WAY):
                    _remove_leftover(file)
                else:
                    found.append(Stored(file.relative_to(self._root).as_posix(), file.stat().st_size))
        return sorted(found, key=lambda one: one.path)


def _pour(file: BinaryIO, content: bytes) -> None:
    file.write(content)


def _replace(place: Path, fill: Callable[[BinaryIO], None]) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    beside = place.with_name(f"{UNDER_WAY}{secrets.token_hex(8)}")
    try:
        with beside.open("xb") as file:
            fill(file)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(place)
    finally:
        beside.unlink(missing_ok=True)
    # The move itself is on disk only when the folder is.
    folder = os.open(place.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _remove_leftover(file: Path) -> None:
    try:
        if time.time() - file.stat().st_mtime > LEFTOVER_SECONDS:
            file.unlink(missing_ok=True)
    except FileNotFoundError:
        return  # its writer finished or cleaned up meanwhile
