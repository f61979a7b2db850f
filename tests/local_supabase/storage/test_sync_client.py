"""The same server through storage-py's other half, the client that blocks."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
from storage3 import SyncStorageClient

from tests.local_supabase.storage.conftest import Storage


async def test_a_script_uses_storage(storage: Storage, bucket: str) -> None:
    assert await asyncio.to_thread(_use, storage, bucket) == {
        "listed": True,
        "uploaded": f"{bucket}/a/b.txt",
        "downloaded": b"two",
        "exists": [True, False],
        "names": ["b.txt", "c.txt", "d.txt"],
        "signed": b"two",
        "signedUpload": f"{bucket}/a/d.txt",
        "removed": 3,
        "deleted": {"message": "Successfully deleted"},
    }


def _use(storage: Storage, bucket: str) -> dict[str, Any]:
    key = storage.settings.keys.secret
    headers = {"apikey": key, "Authorization": f"Bearer {key}"}
    with httpx.Client(trust_env=False) as http:
        client = SyncStorageClient(storage.url, headers, http_client=http)
        files = client.from_(bucket)
        seen: dict[str, Any] = {"listed": bucket in [one.id for one in client.list_buckets()]}
        seen["uploaded"] = files.upload("a/b.txt", b"one").full_path
        files.update("a/b.txt", b"two")
        seen["downloaded"] = files.download("a/b.txt")
        seen["exists"] = [files.exists("a/b.txt"), files.exists("a")]
        files.copy("a/b.txt", "a/x.txt")
        files.move("a/x.txt", "a/c.txt")
        signed = files.create_signed_url("a/b.txt", 60)["signedURL"]
        seen["signed"] = http.get(str(signed)).content
        upload = files.create_signed_upload_url("a/d.txt")
        seen["signedUpload"] = files.upload_to_signed_url("a/d.txt", upload["token"], b"x").full_path
        seen["names"] = [row["name"] for row in files.list("a")]
        seen["removed"] = len(files.remove([f"a/{name}" for name in seen["names"]]))
        client.empty_bucket(bucket)
        seen["deleted"] = client.delete_bucket(bucket)
    return seen
