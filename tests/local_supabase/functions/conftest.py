"""A project with small functions, served as the supervisor does it."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from scripts.local_supabase import functions
from scripts.local_supabase.ports import free_ports
from scripts.local_supabase.settings import Settings
from tests.waiting import until

SOURCES = Path(__file__).with_name("project")


@dataclass
class Served:
    """A running functions process. `log` is what it wrote so far."""

    settings: Settings
    http: httpx.AsyncClient
    process: asyncio.subprocess.Process
    log: bytearray

    async def call(
        self, path: str, method: str = "POST", *, token: str | None = None, **options: object
    ) -> httpx.Response:
        """Calls a function with a token of anon unless another is given."""
        bearer = self.settings.keys.token("anon") if token is None else token
        headers = {"authorization": f"Bearer {bearer}"} if bearer else {}
        return await self.http.request(method, path, headers=headers, **options)  # type: ignore[arg-type]

    def source(self, path: str) -> Path:
        return self.settings.functions / path


Start = Callable[[Path], Awaitable[Served]]


@pytest.fixture
async def start(tmp_path: Path) -> AsyncIterator[Start]:
    """Serves the project in a folder; ended with the test."""
    running: list[Served] = []
    readers: list[asyncio.Task[None]] = []

    async def run(project: Path) -> Served:
        settings = Settings(root=tmp_path / "state", project=project).at_port(free_ports())
        process = await asyncio.create_subprocess_exec(
            *functions.command(settings),
            env=functions.environment(settings),
            cwd=project,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        client = httpx.AsyncClient(base_url=settings.functions_url, trust_env=False, timeout=60)
        served = Served(settings, client, process, bytearray())
        running.append(served)
        readers.append(asyncio.create_task(_read(process, served.log)))
        await until(lambda: _answers(served))
        return served

    yield run
    for served in running:
        await served.http.aclose()
        if served.process.returncode is None:
            served.process.terminate()
        await served.process.wait()
    await asyncio.gather(*readers)


async def _read(process: asyncio.subprocess.Process, log: bytearray) -> None:
    assert process.stdout is not None
    while chunk := await process.stdout.read(65536):
        log += chunk


async def _answers(served: Served) -> bool:
    assert served.process.returncode is None, served.log.decode()
    try:
        return (await served.http.get("/_internal/health")).is_success
    except httpx.ConnectError:
        return False


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of the project with functions, to be changed at will."""
    return Path(shutil.copytree(SOURCES, tmp_path / "project"))


@pytest.fixture
async def served(start: Start, project: Path) -> Served:
    return await start(project)
