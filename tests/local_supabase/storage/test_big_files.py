"""Big objects stream: through the server's memory pass pieces, never the whole."""

from __future__ import annotations

import hashlib
import tracemalloc
from collections.abc import AsyncIterator
from typing import Any

from tests.local_supabase.storage.conftest import Storage, refusal

MEBIBYTE = 1 << 20
BLOCK = bytes(range(256)) * 4096


async def blocks(count: int) -> AsyncIterator[bytes]:
    for number in range(count):
        yield number.to_bytes(8, "big") + BLOCK[8:]


async def test_fifty_megabytes_go_in_and_out_in_pieces(storage: Storage, bucket: str, files: Any) -> None:
    expected = hashlib.md5(usedforsecurity=False)
    async for block in blocks(48):
        expected.update(block)
    tracemalloc.start()
    try:
        answer = await storage.send(
            "POST", f"object/{bucket}/big", content=blocks(48), headers={"content-type": "application/zip"}
        )
        assert answer.status_code == 200, answer.text
        seen = hashlib.md5(usedforsecurity=False)
        key = storage.settings.keys.secret
        async with storage.http.stream(
            "GET",
            f"{storage.url}object/{bucket}/big",
            headers={"apikey": key, "authorization": f"Bearer {key}"},
        ) as download:
            async for chunk in download.aiter_bytes():
                seen.update(chunk)
        # Client and server share this process.
        assert tracemalloc.get_traced_memory()[1] < 24 * MEBIBYTE
    finally:
        tracemalloc.stop()
    assert seen.hexdigest() == expected.hexdigest()
    assert (await files.info("big"))["size"] == 48 * MEBIBYTE
    assert (await files.info("big"))["etag"] == f'"{expected.hexdigest()}"'
    tail = await storage.send("GET", f"object/{bucket}/big", headers={"range": "bytes=-16"})
    assert tail.content == BLOCK[-16:]


async def test_a_form_of_fifty_megabytes_goes_in(files: Any) -> None:
    content = BLOCK * 48
    await files.upload("big", content)
    assert await files.download("big") == content


async def test_more_than_the_projects_limit_is_refused_however_it_comes(
    storage: Storage, bucket: str, files: Any
) -> None:
    before = storage.bytes_on_disk()
    # Its length said beforehand, found while it streams, and inside a form.
    said = await storage.send("POST", f"object/{bucket}/big", content=BLOCK * 51)
    streamed = await storage.send("POST", f"object/{bucket}/big", content=blocks(51))
    assert [answer.json()["statusCode"] for answer in (said, streamed)] == ["413", "413"]
    assert await refusal(files.upload("big", BLOCK * 51)) == ("413", "Payload too large")
    assert await files.list() == []
    assert storage.bytes_on_disk() == before
