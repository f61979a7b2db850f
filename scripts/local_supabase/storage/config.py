"""What `[storage]` of supabase/config.toml says, with the default of the real local stack."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path

_SIZE = re.compile(r"(\d+)\s*(B|[KMG]i?B)?", re.IGNORECASE)
_UNITS = {"B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "KIB": 2**10, "MIB": 2**20, "GIB": 2**30}


@dataclass(frozen=True, slots=True)
class StorageConfig:
    """file_size_limit: bytes of one object at most, whatever its bucket says."""

    file_size_limit: int = 50 * 2**20


def read_storage_config(path: Path) -> StorageConfig:
    """Reads config.toml; a missing file or key means its default. Raises ValueError for what is no size."""
    if not path.exists():
        return StorageConfig()
    with path.open("rb") as file:
        limit = tomllib.load(file).get("storage", {}).get("file_size_limit", "50MiB")
    found = _SIZE.fullmatch(str(limit).strip())
    if found is None:
        raise ValueError(f"config.toml: storage.file_size_limit must be a size such as 50MiB, not {limit!r}")
    return StorageConfig(int(found[1]) * _UNITS[(found[2] or "B").upper()])
