"""Odd names are kept as they are or refused, and never reach another object or another file."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.local_supabase.storage.conftest import Storage, refusal


@pytest.mark.parametrize(
    "name",
    [
        "a b/c d.txt",
        "with+plus&and=equals;semi:colon,comma@at$dollar",
        "what?.txt",
        "(1)'quoted'!*.txt",
        "ends with.",
        "...",
        ".hidden/..x",
        "x" * 1024,
    ],
)
async def test_a_name_is_kept_as_it_is(storage: Storage, files: Any, name: str) -> None:
    await files.upload(name, name.encode())
    assert await files.download(name) == name.encode()
    assert (await files.info(name))["name"] == name
    folder, _, last = name.rpartition("/")
    assert last in [row["name"] for row in await files.list(folder)]
    signed = (await files.create_signed_url(name, 60))["signedURL"]
    assert (await storage.http.get(signed)).content == name.encode()
    assert [row["name"] for row in await files.remove([name])] == [name]


@pytest.mark.parametrize("name", ["größe", "日本", "a#b", "a{b}", "a\\b", "a~b", "x" * 1025, "a|b", "a\x00b"])
async def test_a_name_that_hosted_storage_refuses_is_refused(files: Any, name: str) -> None:
    assert await refusal(files.upload(name, b"x")) == ("400", "InvalidKey")
    await files.upload("a", b"x")
    assert await refusal(files.move("a", name)) == ("400", "InvalidKey")
    assert await refusal(files.copy("a", name)) == ("400", "InvalidKey")


async def test_a_leading_slash_is_no_part_of_a_name(files: Any) -> None:
    await files.upload("/a/b", b"x")
    assert await files.download("a/b") == b"x"
    assert await files.download("//a/b") == b"x"


@pytest.mark.parametrize("name", ["../a", "a/../b", "./a", "a/.", "%2e%2e/a", "a/%2E%2E/%2e%2e/b"])
async def test_storage_py_refuses_dots_itself(files: Any, name: str) -> None:
    with pytest.raises(ValueError, match="dot segments"):
        await files.upload(name, b"x")


@pytest.mark.parametrize("path", ["..%2Fa", "a/%2e%2e/b", "a/..%2f..%2f..%2fetc/passwd", "%2e", "x/.."])
async def test_dots_that_a_client_lets_through_are_refused(
    storage: Storage, bucket: str, files: Any, path: str
) -> None:
    before = storage.bytes_on_disk()
    status, body = await send_as_written(storage, "POST", f"/storage/v1/object/{bucket}/{path}", b"x")
    assert status == 400
    assert b"InvalidKey" in body
    assert await files.list() == []
    assert storage.bytes_on_disk() == before


async def test_the_body_of_a_request_cannot_climb_either(storage: Storage, bucket: str, files: Any) -> None:
    await files.upload("a", b"x")
    for way in ("move", "copy"):
        assert await refusal(getattr(files, way)("a", "../../a")) == ("400", "InvalidKey")
        assert await refusal(getattr(files, way)("../../keys.json", "b")) == ("404", "not_found")
    assert await files.remove(["../a", "../../keys.json"]) == []
    assert (storage.settings.root / "keys.json").exists()
    status, body = await send_as_written(
        storage, "GET", f"/storage/v1/object/{bucket}/..%2f..%2fkeys.json", b""
    )
    assert status == 400
    assert b"not_found" in body


async def test_case_makes_two_names(files: Any) -> None:
    await files.upload("a", b"small")
    await files.upload("A", b"large")
    assert [await files.download(name) for name in "aA"] == [b"small", b"large"]


async def send_as_written(storage: Storage, method: str, path: str, body: bytes) -> tuple[int, bytes]:
    """A request whose path no client has tidied up: its status and all of its answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", storage.settings.api_port)
    key = storage.settings.keys.secret
    writer.write(
        f"{method} {path} HTTP/1.1\r\nHost: x\r\napikey: {key}\r\nAuthorization: Bearer {key}\r\n"
        f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode()
        + body
    )
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    return int(answer.split(b" ", 2)[1]), answer
