"""A server that is killed while bytes come in, or before their row is written, leaves nothing behind."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import httpx
import psycopg
import pytest
from storage3 import AsyncStorageClient

from scripts.local_supabase.cluster import Cluster
from scripts.local_supabase.parts import takes_connections
from scripts.local_supabase.ports import free_ports
from scripts.local_supabase.settings import CHECKOUT, Settings
from tests.waiting import until


@pytest.fixture
def settings(cluster: Cluster, tmp_path: Path) -> Settings:
    """Another stack on the same database: its own keys, its own folder of bytes."""
    made = replace(Settings(root=tmp_path).at_port(free_ports()), db_port=cluster.settings.db_port)
    made.save()
    return made


@asynccontextmanager
async def api(settings: Settings) -> AsyncIterator[asyncio.subprocess.Process]:
    """The stack's api process; killed at the end if it still runs."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "scripts.local_supabase.serve", "api", str(settings.root),
        cwd=CHECKOUT, env=dict(os.environ), stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        await until(lambda: takes_connections(settings.api_port))
        yield process
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGKILL)
        await process.wait()


@asynccontextmanager
async def service(settings: Settings) -> AsyncIterator[AsyncStorageClient]:
    headers = {"apikey": settings.keys.secret, "Authorization": f"Bearer {settings.keys.secret}"}
    async with httpx.AsyncClient(trust_env=False, timeout=30) as http:
        yield AsyncStorageClient(f"{settings.url}/storage/v1/", headers, http_client=http)


def bytes_in(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


async def begin_upload(settings: Settings, path: str, sent: int, promised: int) -> asyncio.StreamWriter:
    """An upload of which only the first bytes are sent."""
    _, writer = await asyncio.open_connection("127.0.0.1", settings.api_port)
    key = settings.keys.secret
    writer.write(
        f"POST /storage/v1/object/{path} HTTP/1.1\r\nHost: x\r\n"
        f"Authorization: Bearer {key}\r\napikey: {key}\r\nx-upsert: true\r\n"
        f"Content-Type: image/png\r\nContent-Length: {promised}\r\n\r\n".encode()
    )
    writer.write(b"x" * sent)
    await writer.drain()
    return writer


async def test_a_kill_in_the_middle_of_an_upload_leaves_nothing(settings: Settings) -> None:
    bucket = f"killed-{uuid4().hex}"
    incoming = settings.storage / "incoming"
    async with api(settings) as process:
        async with service(settings) as client:
            await client.create_bucket(bucket)
            await client.from_(bucket).upload("old", b"whole")
        new = await begin_upload(settings, f"{bucket}/new", 4_000_000, 9_000_000)
        old = await begin_upload(settings, f"{bucket}/old", 4_000_000, 9_000_000)
        await until(lambda: bytes_in(incoming) > 4_000_000)
        process.send_signal(signal.SIGKILL)
        await process.wait()
        for writer in (new, old):
            writer.transport.abort()
    async with api(settings), service(settings) as client:
        files = client.from_(bucket)
        assert [row["name"] for row in await files.list()] == ["old"]
        assert await files.download("old") == b"whole"
        assert bytes_in(settings.storage) == len(b"whole")
        await files.upload("new", b"now")
        assert await files.download("new") == b"now"


async def test_a_client_that_goes_away_leaves_nothing(settings: Settings) -> None:
    bucket = f"left-{uuid4().hex}"
    incoming = settings.storage / "incoming"
    async with api(settings), service(settings) as client:
        await client.create_bucket(bucket)
        writer = await begin_upload(settings, f"{bucket}/a", 4_000_000, 9_000_000)
        await until(lambda: bytes_in(incoming) > 2_000_000)
        writer.transport.abort()
        await until(lambda: bytes_in(settings.storage) == 0)
        assert await client.from_(bucket).list() == []


async def test_bytes_whose_row_was_never_written_are_removed_at_the_next_start(
    settings: Settings, cluster: Cluster
) -> None:
    bucket = f"orphans-{uuid4().hex}"
    async with api(settings), service(settings) as client:
        await client.create_bucket(bucket)
        await client.from_(bucket).upload("kept", b"kept")
    orphan = settings.storage / "objects" / "ab" / f"ab{uuid4().hex}"
    orphan.parent.mkdir(parents=True, exist_ok=True)
    orphan.write_bytes(b"nobody's")
    async with api(settings), service(settings) as client:
        await until(lambda: not orphan.exists())
        assert await client.from_(bucket).download("kept") == b"kept"


async def test_an_answer_means_that_the_row_is_committed(settings: Settings, cluster: Cluster) -> None:
    bucket = f"said-{uuid4().hex}"
    async with api(settings) as process, service(settings) as client:
        await client.create_bucket(bucket)
        await client.from_(bucket).upload("a", b"content")
        process.send_signal(signal.SIGKILL)
        await process.wait()
    with psycopg.connect(cluster.db_url) as owner:
        row = owner.execute(
            "select version, metadata ->> 'size' from storage.objects where bucket_id = %s", [bucket]
        ).fetchone()
    assert row is not None
    assert row[1] == "7"
    assert (settings.storage / "objects" / row[0][:2] / row[0]).read_bytes() == b"content"
