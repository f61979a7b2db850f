"""Where the archive keeps its files: Supabase Storage, a folder, or S3.

`SIGTRAIL_ARCHIVE` decides: `supabase://BUCKET/prefix`, a folder's path (or `file://…`), `s3://bucket/prefix`.
A file is there whole or not at all, and writing the same path again replaces it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Protocol
from urllib.parse import unquote, urlsplit

from shared.errors import ConfigurationError
from shared.settings import CHECKOUT, Settings
from workers.archive.stores.stored import Stored, check_path

__all__ = ["Store", "Stored", "check_path", "open_store"]


class Store(Protocol):
    """Files by path. Every method raises `Unavailable` when the store cannot be reached (retry later),
    `NotAllowed` when it refuses the key, and InputError for a path that no store could keep."""

    @property
    def address(self) -> str:
        """Where it is, for people; without secrets."""

    async def write(self, path: str, content: bytes) -> None:
        """Keep `content` under `path`, in place of what was there."""

    async def read(self, path: str) -> bytes:
        """The whole file. Raises NotFound when it is not there."""

    async def put(self, path: str, source: Path) -> None:
        """Keep a copy of the local file `source` under `path`, in place of what was there."""

    async def fetch(self, path: str, target: Path) -> None:
        """Copy the file to `target`. Raises NotFound when it is not there; then `target` is not made."""

    async def list(self, prefix: str = "") -> list[Stored]:
        """Every file below the folder `prefix`, in order of path; none when there is no such folder."""

    async def delete(self, path: str) -> None:
        """Remove the file; nothing happens when it is not there."""

    async def close(self) -> None:
        """Let go of connections."""


async def open_store(settings: Settings) -> Store:
    """The store that the settings name. Nothing is asked of it yet. Raises ConfigurationError."""
    from workers.archive.stores.folder import FolderStore
    from workers.archive.stores.remote import RemoteStore
    from workers.archive.stores.supabase import SupabaseStore

    address = settings.sigtrail_archive
    parts = urlsplit(address)
    if parts.scheme == "supabase":
        if not parts.netloc:
            raise ConfigurationError(
                "SIGTRAIL_ARCHIVE names no bucket: supabase://BUCKET or supabase://BUCKET/folder"
            )
        return await SupabaseStore.open(settings, parts.netloc, parts.path.strip("/"))
    if parts.scheme == "file":
        return FolderStore(Path(unquote(parts.path)))
    if "://" not in address:
        return FolderStore(_from_checkout(address))
    return RemoteStore(address)


def _from_checkout(folder: str) -> Path:
    return CHECKOUT / Path(folder).expanduser()
