"""An archive in a bucket of Supabase Storage."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Self

import httpx
from storage3 import AsyncStorageClient
from storage3.exceptions import StorageApiError

from shared.errors import NotAllowed, NotFound, Refused, SigtrailError, Unavailable
from shared.settings import Settings
from workers.archive.stores.stored import Stored, check_path

PAGE = 1000
# Long enough for a file of 32 MB over a slow line.
TIMEOUT = httpx.Timeout(300.0, connect=10.0)
OPTIONS = {"content-type": "application/octet-stream", "cache-control": "0", "x-upsert": "true"}


class SupabaseStore:
    """Files below a folder of one private bucket, which is made when it is first written to."""

    def __init__(self, client: AsyncStorageClient, http: httpx.AsyncClient, bucket: str, folder: str) -> None:
        self._client = client
        self._http = http
        self._bucket = bucket
        self._folder = folder
        self._is_private = False

    @classmethod
    async def open(cls, settings: Settings, bucket: str, folder: str) -> Self:
        """A store that uses the project's secret key. Raises ConfigurationError without one."""
        key = settings.need("supabase_secret_key")
        # A proxy of the environment is for the world outside, not for a stack on this machine.
        http = httpx.AsyncClient(timeout=TIMEOUT, trust_env=settings.supabase_url.startswith("https://"))
        headers = {"apikey": key, "Authorization": f"Bearer {key}"}
        url = f"{settings.supabase_url.rstrip('/')}/storage/v1/"
        client = AsyncStorageClient(url=url, headers=headers, http_client=http)
        return cls(client, http, check_path(bucket), check_path(folder) if folder else "")

    @property
    def address(self) -> str:
        return f"supabase://{self._bucket}" + (f"/{self._folder}" if self._folder else "")

    async def write(self, path: str, content: bytes) -> None:
        await self._upload(path, lambda: content)

    async def put(self, path: str, source: Path) -> None:
        await self._upload(path, lambda: source)

    async def read(self, path: str) -> bytes:
        place = self._place(path)
        content: bytes = await self._ask(path, lambda: self._files.download(place))
        return content

    async def fetch(self, path: str, target: Path) -> None:
        # Whole in memory: the archive's own files are small enough for an upload limit of 50 MB.
        await asyncio.to_thread(_save, target, await self.read(path))

    async def list(self, prefix: str = "") -> list[Stored]:
        found: list[Stored] = []
        start = self._place(prefix.strip("/")) if prefix.strip("/") else self._folder
        folders = [start]
        while folders:
            folder = folders.pop()
            offset = 0
            while True:
                options: Any = {"limit": PAGE, "offset": offset}
                try:
                    rows = await self._ask(folder, lambda f=folder, o=options: self._files.list(f, o))  # type: ignore[misc]
                except NotFound:
                    break  # the bucket itself is made with the first file
                for row in rows:
                    path = f"{folder}/{row['name']}" if folder else str(row["name"])
                    if row["id"] is None:
                        folders.append(path)
                    else:
                        found.append(Stored(self._below(path), int((row["metadata"] or {})["size"])))
                if len(rows) < PAGE:
                    break
                offset += PAGE
        return sorted(found, key=lambda one: one.path)

    async def delete(self, path: str) -> None:
        place = self._place(path)
        try:
            await self._ask(path, lambda: self._files.remove([place]))
        except NotFound:
            return

    async def close(self) -> None:
        await self._http.aclose()

    @property
    def _files(self) -> Any:
        return self._client.from_(self._bucket)

    def _place(self, path: str) -> str:
        return f"{self._folder}/{check_path(path)}" if self._folder else check_path(path)

    def _below(self, place: str) -> str:
        return place.removeprefix(f"{self._folder}/") if self._folder else place

    async def _upload(self, path: str, content: Callable[[], bytes | Path]) -> None:
        place = self._place(path)

        async def upload() -> None:
            await self._ask(path, lambda: self._files.upload(place, content(), dict(OPTIONS)))

        try:
            await self._refuse_public()
            await upload()
        except NotFound:
            await self._make_bucket()
            await self._refuse_public()
            await upload()

    async def _refuse_public(self) -> None:
        # Whoever made the bucket: these are everyone's signals. Asked once, before the first file.
        if self._is_private:
            return
        bucket = await self._ask(self._bucket, lambda: self._client.get_bucket(self._bucket))
        if bucket.public:
            raise NotAllowed(
                f"the bucket {self._bucket} is public: everybody could download everyone's history. Make it "
                "private, or name another one in SIGTRAIL_ARCHIVE"
            )
        self._is_private = True

    async def _make_bucket(self) -> None:
        try:
            await self._ask(
                self._bucket, lambda: self._client.create_bucket(self._bucket, options={"public": False})
            )
        except Refused as error:
            if error.code != "409":
                raise

    async def _ask(self, path: str, request: Callable[[], Awaitable[Any]]) -> Any:
        try:
            return await request()
        except StorageApiError as error:
            raise self._translate(path, error) from error
        except httpx.TransportError as error:
            name = type(error).__name__
            raise Unavailable(f"{path}: Supabase Storage cannot be reached ({error or name})") from error

    def _translate(self, path: str, error: StorageApiError) -> SigtrailError:
        status, said = str(error.status), f"{error.message} ({error.status})"
        if status == "404" or error.code in ("not_found", "NoSuchKey", "NoSuchBucket"):
            return NotFound(f"{path} is not in the archive {self.address}: {said}", code=status)
        if status in ("401", "403"):
            return NotAllowed(f"{path}: Supabase Storage refuses the key: {said}", code=status)
        if status == "429" or status.startswith("5"):
            return Unavailable(f"{path}: Supabase Storage cannot answer now: {said}")
        return Refused(f"{path}: Supabase Storage refused it: {said}", code=status)


def _save(target: Path, content: bytes) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(content)
