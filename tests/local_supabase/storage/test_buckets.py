"""Buckets are made, listed, changed, emptied and deleted as hosted."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from tests.local_supabase.storage.conftest import Storage, refusal


async def test_a_bucket_keeps_what_it_was_made_with(storage: Storage) -> None:
    name = f"made-{uuid4().hex}"
    made = await storage.service.create_bucket(
        name, options={"public": True, "file_size_limit": 1000, "allowed_mime_types": ["image/*"]}
    )
    assert made == {"name": name}
    bucket = await storage.service.get_bucket(name)
    assert (bucket.id, bucket.name, bucket.public) == (name, name, True)
    assert (bucket.file_size_limit, bucket.allowed_mime_types) == (1000, ["image/*"])


async def test_a_bucket_is_made_once(storage: Storage, bucket: str) -> None:
    assert await refusal(storage.service.create_bucket(bucket)) == ("409", "Duplicate")


async def test_buckets_are_listed(storage: Storage, bucket: str) -> None:
    assert bucket in [one.id for one in await storage.service.list_buckets()]
    found = (await storage.send("GET", f"bucket?search={bucket.upper()}&limit=5")).json()
    assert [one["id"] for one in found] == [bucket]
    some = (await storage.send("GET", "bucket?sortColumn=created_at&sortOrder=desc&limit=1&offset=0")).json()
    assert [one["id"] for one in some] == [bucket]


async def test_a_bucket_changes_what_is_said_and_nothing_else(storage: Storage, bucket: str) -> None:
    changed = await storage.service.update_bucket(bucket, {"file_size_limit": 5})
    assert changed == {"message": "Successfully updated"}
    await storage.service.update_bucket(bucket, {"public": True})
    seen = await storage.service.get_bucket(bucket)
    assert (seen.public, seen.file_size_limit) == (True, 5)


async def test_a_bucket_is_deleted_only_empty(storage: Storage, bucket: str, files: Any) -> None:
    await files.upload("a/b.txt", b"content")
    kept = storage.bytes_on_disk()
    assert await refusal(storage.service.delete_bucket(bucket)) == ("409", "ResourceNotEmpty")
    await storage.service.empty_bucket(bucket)
    assert await files.list() == []
    assert len(storage.bytes_on_disk()) == len(kept) - 1
    await storage.service.delete_bucket(bucket)
    assert await refusal(storage.service.get_bucket(bucket)) == ("404", "Bucket not found")


@pytest.mark.parametrize("name", ["a/b", "", "ä", "x" * 101, " x"])
async def test_a_bucket_has_a_plain_name(storage: Storage, name: str) -> None:
    answer = await storage.send("POST", "bucket", json={"name": name})
    assert answer.status_code == 400
    assert set(answer.json()) == {"statusCode", "code", "error", "message"}


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
async def test_a_bucket_of_nobody_is_not_found(storage: Storage, method: str) -> None:
    answer = await storage.send(method, "bucket/nowhere", json={"public": False})
    assert (answer.status_code, answer.json()["statusCode"]) == (400, "404")
    assert answer.json()["message"] == "Bucket not found"


async def test_only_a_policy_lets_others_at_buckets(storage: Storage, bucket: str) -> None:
    for stranger in (storage.client(), storage.person(str(uuid4()))):
        assert await refusal(stranger.create_bucket(f"mine-{uuid4().hex}")) == ("403", "Unauthorized")
        assert await stranger.list_buckets() == []
        assert await refusal(stranger.get_bucket(bucket)) == ("404", "Bucket not found")
        assert await refusal(stranger.update_bucket(bucket, {"public": True})) == ("404", "Bucket not found")
        assert await refusal(stranger.empty_bucket(bucket)) == ("404", "Bucket not found")
        assert await refusal(stranger.delete_bucket(bucket)) == ("404", "Bucket not found")
    assert not (await storage.service.get_bucket(bucket)).public


@pytest.mark.parametrize(("limit", "bytes_"), [("2KB", 2000), ("1.5mb", 1_500_000), ("7", 7), (0, None)])
async def test_a_limit_is_bytes_or_a_size(storage: Storage, limit: object, bytes_: int | None) -> None:
    name = f"limited-{uuid4().hex}"
    answer = await storage.send("POST", "bucket", json={"name": name, "file_size_limit": limit})
    assert answer.status_code == 200, answer.text
    assert (await storage.service.get_bucket(name)).file_size_limit == bytes_


async def test_a_limit_that_is_no_size_is_refused(storage: Storage) -> None:
    answer = await storage.send("POST", "bucket", json={"name": "huge", "file_size_limit": "much"})
    assert answer.json()["message"].startswith("Invalid file size format")
