"""Objects are written, read, listed, moved, copied and removed as hosted, by storage-py."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from storage3.exceptions import StorageApiError

from scripts.local_supabase.storage import objects
from scripts.local_supabase.storage.caller import Caller
from scripts.local_supabase.storage.database import Pool, transaction
from tests.local_supabase.storage.conftest import Storage, refusal


async def test_what_was_uploaded_is_downloaded(storage: Storage, bucket: str, files: Any) -> None:
    said = await files.upload("folder/a.bin", b"\0\r\n--\xff", {"content-type": "application/x-some"})
    assert (said.path, said.full_path) == ("folder/a.bin", f"{bucket}/folder/a.bin")
    assert await files.download("folder/a.bin") == b"\0\r\n--\xff"
    answer = await storage.send("GET", f"object/{bucket}/folder/a.bin")
    assert answer.headers["content-type"] == "application/x-some"
    assert answer.headers["cache-control"] == "max-age=3600"
    assert answer.headers["accept-ranges"] == "bytes"


async def test_an_empty_object_is_one(files: Any) -> None:
    await files.upload("empty", b"")
    assert await files.download("empty") == b""
    assert (await files.info("empty"))["size"] == 0


async def test_a_file_is_uploaded_from_its_path(files: Any, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(b"from a file")
    await files.upload("copy", source)
    assert await files.download("copy") == b"from a file"


async def test_info_tells_size_type_and_metadata(files: Any, bucket: str) -> None:
    await files.upload(
        "a.json", b"{}", {"content-type": "application/json", "metadata": {"day": "2026-10-01"}}
    )
    info = await files.info("a.json")
    assert (info["name"], info["bucket_id"], info["size"]) == ("a.json", bucket, 2)
    assert (info["content_type"], info["metadata"]) == ("application/json", {"day": "2026-10-01"})
    assert info["etag"] == '"99914b932bd37a50b983c5e7c90ae93b"'


async def test_what_is_there_exists(storage: Storage, files: Any) -> None:
    await files.upload("here", b"x")
    assert await files.exists("here")
    assert not await files.exists("there")
    assert await refusal(storage.service.from_("nowhere").exists("here")) == ("404", "Bucket not found")


async def test_a_name_is_taken_once_unless_upsert_is_said(storage: Storage, files: Any) -> None:
    await files.upload("a", b"first")
    assert await refusal(files.upload("a", b"second")) == ("409", "Duplicate")
    assert await files.download("a") == b"first"
    kept = len(storage.bytes_on_disk())
    await files.upload("a", b"third", {"upsert": "true"})
    await files.upload("b", b"new", {"upsert": "true"})
    assert [await files.download(name) for name in "ab"] == [b"third", b"new"]
    # The bytes of what was replaced are gone.
    assert len(storage.bytes_on_disk()) == kept + 1


async def test_update_replaces_what_is_there(files: Any) -> None:
    assert await refusal(files.update("a", b"new")) == ("404", "not_found")
    await files.upload("a", b"old")
    before = await files.info("a")
    await files.update("a", b"newer", {"content-type": "text/css"})
    after = await files.info("a")
    assert (after["id"], after["size"], after["content_type"]) == (before["id"], 5, "text/css")
    assert after["version"] != before["version"]


async def test_many_write_one_name_and_one_is_whole(storage: Storage, files: Any) -> None:
    before = len(storage.bytes_on_disk())
    contents = [bytes([48 + n]) * 100_000 for n in range(8)]
    await asyncio.gather(*(files.upload("one", content, {"upsert": "true"}) for content in contents))
    assert await files.download("one") in contents
    assert len(storage.bytes_on_disk()) == before + 1


async def test_many_insert_one_name_and_one_wins(files: Any) -> None:
    tries = [files.upload("one", str(n).encode()) for n in range(6)]
    results = await asyncio.gather(*tries, return_exceptions=True)
    won = [n for n, result in enumerate(results) if not isinstance(result, Exception)]
    assert len(won) == 1
    assert await files.download("one") == str(won[0]).encode()


async def test_a_folder_lists_what_lies_directly_in_it(files: Any) -> None:
    for name in ("top", "f/b", "f/a", "f/deep/x", "f/deep/y", "fx/z"):
        await files.upload(name, name.encode())
    assert [(row["name"], row["id"] is None) for row in await files.list()] == [
        ("f", True),
        ("fx", True),
        ("top", False),
    ]
    inside = await files.list("f")
    assert [row["name"] for row in inside] == ["a", "b", "deep"]
    assert inside[0]["metadata"]["size"] == 3
    assert [row["name"] for row in await files.list("f/")] == ["a", "b", "deep"]
    assert [row["name"] for row in await files.list("f/deep")] == ["x", "y"]
    assert await files.list("nothing") == []


async def test_a_list_is_searched_sorted_and_paged(files: Any) -> None:
    for n in range(25):
        await files.upload(f"d/n{n:02}", b"x")
    await files.upload("d/Other", b"x")

    async def names(**options: Any) -> list[str]:
        return [row["name"] for row in await files.list("d", options)]

    assert len(await names(limit=10)) == 10
    assert await names(limit=3, offset=24) == ["n23", "n24"]
    assert await names(search="oth") == ["Other"]
    assert (await names(sortBy={"column": "name", "order": "desc"}))[:2] == ["n24", "n23"]
    assert (await names(sortBy={"column": "created_at", "order": "desc"}))[0] == "Other"
    paged = [name for offset in range(0, 28, 7) for name in await names(limit=7, offset=offset)]
    assert paged == await names()
    assert await refusal(files.list("d", {"sortBy": {"column": "size"}})) == ("400", "InvalidRequest")


@pytest.mark.parametrize("order", [{}, {"sortBy": {"column": "created_at", "order": "desc"}}])
async def test_keys_come_page_by_page(files: Any, order: dict[str, Any]) -> None:
    names = [f"{folder}/{n}" for folder in "abc" for n in range(4)]
    for name in names:
        await files.upload(name, b"x")
    seen: list[str] = []
    cursor: dict[str, Any] = {}
    while True:
        page = await files.list_v2({"limit": 5, **order, **cursor})
        seen += [one.name for one in page.objects]
        if not page.hasNext:
            break
        cursor = {"cursor": page.nextCursor}
    assert seen == (list(reversed(names)) if order else names)
    folders = await files.list_v2({"with_delimiter": True, "limit": 2})
    assert ([one.name for one in folders.folders], folders.hasNext) == (["a/", "b/"], True)
    below = await files.list_v2({"with_delimiter": True, "prefix": "b/"})
    assert [one.name for one in below.objects] == names[4:8]


async def test_a_move_takes_the_bytes_along(files: Any) -> None:
    await files.upload("from", b"moved")
    await files.upload("taken", b"other")
    assert await files.move("from", "x/to") == {"message": "Successfully moved"}
    assert not await files.exists("from")
    assert await files.download("x/to") == b"moved"
    assert await refusal(files.move("x/to", "taken")) == ("409", "Duplicate")
    assert await refusal(files.move("from", "anywhere")) == ("404", "not_found")
    assert await files.download("taken") == b"other"


async def test_a_copy_outlives_its_original(storage: Storage, bucket: str, files: Any) -> None:
    await files.upload("from", b"copied", {"metadata": {"a": 1}})
    said = await files.copy("from", "to")
    assert said["Key"] == f"{bucket}/to"
    await files.update("from", b"changed")
    await files.remove(["from"])
    assert await files.download("to") == b"copied"
    assert (await files.info("to"))["metadata"] == {"a": 1}
    assert await refusal(files.copy("to", "to")) == ("409", "Duplicate")
    assert await refusal(files.copy("nothing", "more")) == ("404", "not_found")


async def test_an_object_goes_to_another_bucket(storage: Storage, bucket: str, files: Any) -> None:
    await files.upload("a", b"x")
    other = f"{bucket}-other"
    body = {"bucketId": bucket, "sourceKey": "a", "destinationKey": "b", "destinationBucket": other}
    refused = (await storage.send("POST", "object/move", json=body)).json()
    assert (refused["statusCode"], refused["code"]) == ("404", "NoSuchBucket")
    await storage.service.create_bucket(other)
    for way in ("copy", "move"):
        answer = await storage.send("POST", f"object/{way}", json=body | {"destinationKey": way})
        assert answer.status_code == 200, answer.text
    assert [row["name"] for row in await storage.service.from_(other).list()] == ["copy", "move"]
    assert await files.list() == []


async def test_many_are_removed_at_once(storage: Storage, files: Any) -> None:
    for name in ("a", "b/c", "d"):
        await files.upload(name, b"x")
    kept = len(storage.bytes_on_disk())
    removed = await files.remove(["a", "b/c", "missing"])
    assert sorted(row["name"] for row in removed) == ["a", "b/c"]
    assert [row["name"] for row in await files.list()] == ["d"]
    assert len(storage.bytes_on_disk()) == kept - 2


async def test_one_is_removed_by_its_path(storage: Storage, bucket: str, files: Any) -> None:
    await files.upload("a/b", b"x")
    assert (await storage.send("DELETE", f"object/{bucket}/a/b")).status_code == 200
    again = (await storage.send("DELETE", f"object/{bucket}/a/b")).json()
    assert (again["statusCode"], again["error"]) == ("404", "not_found")


async def test_what_is_missing_is_not_found(storage: Storage, files: Any) -> None:
    assert await refusal(files.download("missing")) == ("404", "not_found")
    assert await refusal(files.info("missing")) == ("404", "not_found")
    nowhere = storage.service.from_("nowhere")
    assert await refusal(nowhere.upload("a", b"x")) == ("404", "Bucket not found")
    assert await refusal(nowhere.download("a")) == ("404", "Bucket not found")


async def test_a_bucket_takes_its_types_and_sizes_only(storage: Storage, bucket: str, files: Any) -> None:
    await storage.service.update_bucket(
        bucket, {"file_size_limit": 10, "allowed_mime_types": ["image/*", "text/css"]}
    )
    before = storage.bytes_on_disk()
    assert await refusal(files.upload("a", b"x", {"content-type": "text/plain"})) == (
        "415",
        "invalid_mime_type",
    )
    assert await refusal(files.upload("a", b"x" * 11, {"content-type": "image/png"})) == (
        "413",
        "Payload too large",
    )
    assert await files.list() == []
    assert storage.bytes_on_disk() == before
    await files.upload("a", b"x" * 10, {"content-type": "text/css; charset=utf-8"})


async def test_bytes_come_without_a_form_too(storage: Storage, bucket: str, files: Any) -> None:
    headers = {
        "content-type": "image/gif",
        "cache-control": "max-age=60",
        "x-metadata": "eyJhIjogMX0=",
        "x-upsert": "true",
    }
    for content in (b"one", b"two"):
        answer = await storage.send("POST", f"object/{bucket}/raw", content=content, headers=headers)
        assert answer.json()["Key"] == f"{bucket}/raw", answer.text
    info = await files.info("raw")
    assert (info["content_type"], info["cache_control"], info["metadata"]) == (
        "image/gif",
        "max-age=60",
        {"a": 1},
    )
    assert await files.download("raw") == b"two"


@pytest.mark.parametrize(
    ("headers", "content"),
    [
        ({"content-type": "multipart/form-data; boundary=x"}, b"--x\r\nno end"),
        (
            {"content-type": "multipart/form-data; boundary=x"},
            b'--x\r\nContent-Disposition: form-data; name="a"',
        ),
        ({"content-type": "multipart/form-data"}, b"x"),
        ({"content-type": "multipart/form-data; boundary=x"}, b"--x--\r\n"),
        ({"content-type": "text/plain", "x-metadata": "!"}, b"x"),
        ({"content-type": "text/plain", "x-metadata": "W10="}, b"x"),
    ],
)
async def test_a_broken_upload_leaves_nothing(
    storage: Storage, bucket: str, files: Any, headers: dict[str, str], content: bytes
) -> None:
    before = storage.bytes_on_disk()
    answer = await storage.send("POST", f"object/{bucket}/broken", content=content, headers=headers)
    assert (answer.status_code, answer.json()["statusCode"]) == (400, "400"), answer.text
    assert await files.list() == []
    assert storage.bytes_on_disk() == before


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "render/image/authenticated/b/a.png"),
        ("POST", "upload/resumable"),
        ("DELETE", "cdn/b/a"),
        ("POST", "vector/CreateIndex"),
        ("GET", "s3/b"),
    ],
)
async def test_what_is_not_served_says_so(storage: Storage, method: str, path: str) -> None:
    answer = await storage.send(method, path)
    assert (answer.status_code, answer.json()["code"]) == (501, "NotSupported")
    assert path in answer.json()["message"]


async def test_bytes_stay_when_nobody_knows_whether_their_row_was_committed(
    files: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    @asynccontextmanager
    async def lose_the_answer(pool: Pool, caller: Caller | None = None, *, keep: bool = True) -> Any:
        async with transaction(pool, caller, keep=keep) as session:
            yield session
        if keep:
            raise psycopg.OperationalError("the connection was lost while committing")

    monkeypatch.setattr(objects, "transaction", lose_the_answer)
    with pytest.raises(StorageApiError):
        await files.upload("kept.txt", b"committed all the same")
    monkeypatch.undo()
    assert await files.download("kept.txt") == b"committed all the same"
