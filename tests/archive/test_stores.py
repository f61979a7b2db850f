"""Every store keeps the same promises: whole files, replaced in place, listed in order, gone when deleted."""

from __future__ import annotations

import os
import time
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from pydantic import SecretStr

from shared.errors import ConfigurationError, InputError, NotAllowed, NotFound, Unavailable
from shared.settings import Settings
from tests.stacks import Stack
from workers.archive.store import Store, Stored, open_store


def settings(archive: str, **more: str) -> Settings:
    values = {"supabase_url": "http://127.0.0.1:1", "SUPABASE_PUBLISHABLE_KEY": SecretStr("p")} | more
    return Settings(sigtrail_archive=archive, _env_file=None, **values)  # type: ignore[arg-type, call-arg]


@pytest.fixture(params=["folder", "file", "memory", "supabase"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    if request.param == "supabase":
        stack: Stack = request.getfixturevalue("stack")
        chosen = settings(
            f"supabase://archive-of-a-test/{tmp_path.name}",
            supabase_url=stack.url,
            SUPABASE_SECRET_KEY=stack.secret_key,
        )
    else:
        address = {
            "folder": str(tmp_path / "a folder"),
            "file": (tmp_path / "a folder").as_uri(),
            "memory": f"memory://{tmp_path.name}/deeper",
        }
        chosen = settings(address[request.param])
    opened = await open_store(chosen)
    yield opened
    await opened.close()


async def test_a_file_is_written_read_listed_and_deleted(store: Store, tmp_path: Path) -> None:
    assert await store.list() == []
    assert await store.list("days/2026-11-01") == []
    await store.write("days/2026-11-01/b.parquet", b"\x00second\xff")
    await store.write("days/2026-11-01/a.parquet", b"first")
    await store.write("seals/1.json", b"{}")

    assert await store.read("days/2026-11-01/b.parquet") == b"\x00second\xff"
    assert await store.list("days") == [
        Stored("days/2026-11-01/a.parquet", 5),
        Stored("days/2026-11-01/b.parquet", 8),
    ]
    await store.write("days/2026-11-01/a.parquet", b"in its place")
    assert await store.read("days/2026-11-01/a.parquet") == b"in its place"

    source, target = tmp_path / "source", tmp_path / "deep" / "target"
    source.write_bytes(os.urandom(3_000_000))
    await store.put("days/2026-11-02/large.parquet", source)
    await store.fetch("days/2026-11-02/large.parquet", target)
    assert target.read_bytes() == source.read_bytes()

    await store.delete("days/2026-11-01/a.parquet")
    await store.delete("days/2026-11-01/a.parquet")
    paths = [one.path for one in await store.list()]
    assert paths == ["days/2026-11-01/b.parquet", "days/2026-11-02/large.parquet", "seals/1.json"]


async def test_what_is_not_there_is_not_found(store: Store, tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=r"nothing\.parquet is not in the archive"):
        await store.read("days/nothing.parquet")
    with pytest.raises(NotFound):
        await store.fetch("days/nothing.parquet", tmp_path / "target")
    assert not (tmp_path / "target").exists()


@pytest.mark.parametrize(
    "path", ["", "/etc/passwd", "../outside", "a/../../b", "a//b", ".hidden", "a b", "ä"]
)
async def test_no_path_leaves_the_store(path: str, tmp_path: Path) -> None:
    store = await open_store(settings(str(tmp_path / "archive")))
    with pytest.raises(InputError, match="cannot be a path"):
        await store.write(path, b"")


async def test_more_files_than_a_page_of_storage_are_listed(stack: Stack) -> None:
    chosen = settings("supabase://many", supabase_url=stack.url, SUPABASE_SECRET_KEY=stack.secret_key)
    store = await open_store(chosen)
    for number in range(130):
        await store.write(f"many/{number:04}", b"1")
    assert len(await store.list("many")) == 130
    await store.close()


async def test_a_public_bucket_is_no_archive(stack: Stack) -> None:
    name = "everybodys"
    async with httpx.AsyncClient(
        base_url=stack.url,
        headers={"apikey": stack.secret_key, "authorization": f"Bearer {stack.secret_key}"},
    ) as http:
        made = await http.post("/storage/v1/bucket", json={"id": name, "name": name, "public": True})
        assert made.is_success, made.text
    store = await open_store(
        settings(f"supabase://{name}", supabase_url=stack.url, SUPABASE_SECRET_KEY=stack.secret_key)
    )
    try:
        with pytest.raises(NotAllowed, match="bucket everybodys is public"):
            await store.write("days/a", b"1")
        assert await store.list() == []
    finally:
        await store.close()


async def test_a_folder_forgets_what_a_killed_writer_left(tmp_path: Path) -> None:
    store = await open_store(settings(str(tmp_path)))
    await store.write("days/a", b"1")
    fresh, old = tmp_path / "days" / ".under-way-1", tmp_path / "days" / ".under-way-2"
    for file in (fresh, old):
        file.write_bytes(b"half")
    a_day_ago = time.time() - 86_400
    os.utime(old, (a_day_ago, a_day_ago))
    assert await store.list() == [Stored("days/a", 1)]
    assert fresh.exists()
    assert not old.exists()


async def test_a_folder_that_cannot_be_one_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    store = await open_store(settings(str(tmp_path / "file")))
    with pytest.raises(Unavailable, match="cannot be used"):
        await store.write("days/a", b"")


async def test_a_store_that_is_away_is_unavailable() -> None:
    store = await open_store(settings("supabase://bucket", SUPABASE_SECRET_KEY="s"))
    with pytest.raises(Unavailable, match="cannot be reached"):
        await store.read("a")
    await store.close()


@pytest.mark.parametrize(
    ("archive", "message"),
    [
        ("supabase://", "names no bucket"),
        ("supabase://bucket", "SUPABASE_SECRET_KEY is not set"),
        ("gopher://hole", "gopher:// is not known"),
    ],
)
async def test_an_address_that_cannot_be_is_refused(archive: str, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        await open_store(settings(archive))
