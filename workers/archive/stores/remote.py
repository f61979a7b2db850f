"""An archive in S3, or in anything else that fsspec reaches."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fsspec

from shared.errors import ConfigurationError, NotAllowed, NotFound, Unavailable
from workers.archive.stores.stored import Stored, check_path

try:
    from botocore.exceptions import BotoCoreError, ClientError
except ImportError:  # without the extra `s3` no error of it can come
    _AWAY: tuple[type[Exception], ...] = (OSError,)
else:
    _AWAY = (OSError, BotoCoreError, ClientError)


class RemoteStore:
    """Files below an address such as `s3://bucket/prefix`.

    Keys and regions come from the usual places of that service (for S3 the AWS variables and files).
    """

    def __init__(self, address: str) -> None:
        self._address = address.rstrip("/")
        scheme = address.split("://", 1)[0]
        try:
            kind = fsspec.get_filesystem_class(scheme)
        except ImportError as error:
            raise ConfigurationError(
                f"SIGTRAIL_ARCHIVE: {scheme}:// needs one more package: pip install 'sigtrail[s3]'"
            ) from error
        except ValueError as error:
            raise ConfigurationError(
                f"SIGTRAIL_ARCHIVE: {scheme}:// is not known; use supabase://, s3:// or a folder"
            ) from error
        # What others wrote a moment ago has to be seen: no cache of listings.
        self._files: Any = kind(use_listings_cache=False)
        self._root: str = kind._strip_protocol(self._address).strip("/")

    @property
    def address(self) -> str:
        return self._address

    async def write(self, path: str, content: bytes) -> None:
        await self._do(path, lambda place: self._write(place, content))

    async def read(self, path: str) -> bytes:
        content: bytes = await self._do(path, self._files.cat_file)
        return content

    async def put(self, path: str, source: Path) -> None:
        def put(place: str) -> None:
            self._make_folder(place)
            self._files.put_file(str(source), place)

        await self._do(path, put)

    async def fetch(self, path: str, target: Path) -> None:
        def get(place: str) -> None:
            if not self._files.isfile(place):
                raise FileNotFoundError(place)
            target.parent.mkdir(parents=True, exist_ok=True)
            self._files.get_file(place, str(target))

        await self._do(path, get)

    async def list(self, prefix: str = "") -> list[Stored]:
        folder = check_path(prefix.strip("/")) if prefix.strip("/") else ""

        def find(place: str) -> list[Stored]:
            self._files.invalidate_cache()
            rows = self._files.find(place, detail=True)
            return [Stored(self._below(name), int(row["size"])) for name, row in rows.items()]

        try:
            found: list[Stored] = await self._do(folder, find)
        except NotFound:
            return []
        return sorted(found, key=lambda one: one.path)

    async def delete(self, path: str) -> None:
        try:
            await self._do(path, self._files.rm_file)
        except NotFound:
            return

    async def close(self) -> None:
        """fsspec keeps its connections for the process."""

    def _write(self, place: str, content: bytes) -> None:
        self._make_folder(place)
        self._files.pipe_file(place, content)

    def _make_folder(self, place: str) -> None:
        # Only where folders exist by themselves; in S3 this would ask for the right to make buckets.
        if "s3" not in self._files.protocol:
            self._files.makedirs(place.rsplit("/", 1)[0], exist_ok=True)

    def _below(self, name: str) -> str:
        return name.strip("/").removeprefix(f"{self._root}/")

    async def _do(self, path: str, action: Callable[[str], Any]) -> Any:
        place = f"{self._root}/{check_path(path)}" if path else self._root
        try:
            return await asyncio.to_thread(action, place)
        except FileNotFoundError as error:
            raise NotFound(f"{path} is not in the archive {self._address}") from error
        except PermissionError as error:
            raise NotAllowed(f"{path}: {self._address} refuses these keys: {error}") from error
        except _AWAY as error:
            raise Unavailable(f"{path}: {self._address} cannot be used: {error}") from error
