"""What objects, buckets and sizes may be called: the hosted server's rules."""

from __future__ import annotations

import re

from scripts.local_supabase.storage.errors import invalid_bucket_name, invalid_key, invalid_request

# What S3 takes without special handling. Other letters are refused, as hosted.
_KEY = re.compile(r"[\w/!\-.*'() &$@=;:+,?]+", re.ASCII)
_BUCKET = re.compile(r"[\w!\-.*'() &$@=;:+,?]+", re.ASCII)
_LONGEST_KEY = 1024
_LONGEST_BUCKET = 100
_SIZE = re.compile(r"(\d+(?:\.\d+)?)(gb|mb|kb|b)", re.IGNORECASE)
_UNITS = {"gb": 10**9, "mb": 10**6, "kb": 10**3, "b": 1}


def check_key(key: str) -> str:
    """The object's name. Raises StorageError InvalidKey for one that cannot be kept."""
    if len(key) > _LONGEST_KEY or not _KEY.fullmatch(key) or not {".", ".."}.isdisjoint(key.split("/")):
        raise invalid_key(key)
    return key


def check_bucket_name(name: str) -> str:
    if len(name) > _LONGEST_BUCKET or not _BUCKET.fullmatch(name) or name != name.strip():
        raise invalid_bucket_name()
    return name


def read_size(limit: int | str) -> int:
    """Bytes: a number, or text such as `20MB`. Raises StorageError."""
    if isinstance(limit, int):
        return limit
    if limit.isdecimal():
        return int(limit)
    found = _SIZE.fullmatch(limit)
    if found is None:
        raise invalid_request("Invalid file size format, hint: use 20GB / 20MB / 30KB / 3B")
    return int(float(found[1]) * _UNITS[found[2].lower()])


def is_allowed_type(mime_type: str, allowed: list[str] | None) -> bool:
    """Whether a bucket takes this type; `image/*` stands for every image. No list takes all."""
    if not allowed:
        return True
    plain = mime_type.split(";", 1)[0].strip().lower()
    major = plain.split("/", 1)[0]
    return any(one.lower() in (plain, f"{major}/*", "*/*") for one in allowed)
