"""A stack starts, survives the death of any of its processes, and stops, without losing what was written."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import psycopg
import pytest

from scripts.local_supabase import stack as stacks
from scripts.local_supabase.lock import lock
from scripts.local_supabase.parts import takes_connections
from scripts.local_supabase.ports import free_ports
from scripts.local_supabase.processes import Process
from scripts.local_supabase.settings import CHECKOUT, Settings
from tests.local_supabase.stack.projects import open_folder, write_project
from tests.stacks import running_stack
from tests.waiting import until


@pytest.fixture(scope="module")
def shared() -> Iterator[Settings]:
    """One stack for all tests here: each leaves it as it likes."""
    with open_folder() as folder, running_stack(folder / "state", write_project(folder)) as running:
        yield running.settings


@pytest.fixture
def settings(shared: Settings) -> Settings:
    """The stack as the tests before left it, running again and empty."""
    stacks.start(shared, push=False, owner=os.getpid())
    with psycopg.connect(shared.db_url) as connection:
        connection.execute("truncate public.notes")
    return shared


PARTS = ("postgres", "api", "realtime", "functions")


def write(settings: Settings, body: str) -> None:
    with psycopg.connect(settings.db_url) as connection:
        connection.execute("insert into public.notes (body) values (%s)", [body])


def read(settings: Settings) -> list[str]:
    with psycopg.connect(settings.db_url) as connection:
        return [body for (body,) in connection.execute("select body from public.notes order by id")]


def pid_of(settings: Settings, name: str) -> int | None:
    process = Process.read(settings.pids / f"{name}.json")
    return process.pid if process else None


def all_answer(settings: Settings) -> bool:
    return all(part.answers for part in stacks.status(settings))


async def test_it_starts_stops_and_starts_again_with_its_data(settings: Settings) -> None:
    assert [part.name for part in stacks.status(settings)] == list(PARTS)
    assert all_answer(settings)
    assert await serves(settings)
    write(settings, "before")
    stacks.stop(settings)
    assert not stacks.is_running(settings)
    assert [part.pid for part in stacks.status(settings)] == [None] * len(PARTS)
    ports = (settings.api_port, settings.db_port, settings.realtime_port, settings.functions_port)
    assert not any(takes_connections(port) for port in ports)

    stacks.start(settings, owner=os.getpid())
    assert await serves(settings)
    assert read(settings) == ["before"]


async def test_starting_a_running_stack_again_changes_nothing(settings: Settings) -> None:
    before = stacks.status(settings)
    stacks.start(settings)
    assert stacks.status(settings) == before


async def serves(settings: Settings) -> bool:
    """Whether each service answers as it does with everything behind it at work."""
    headers = {"apikey": settings.keys.secret}
    message = {"topic": "any", "event": "any", "payload": {}}
    async with httpx.AsyncClient(base_url=settings.url, headers=headers) as client:
        answers = [
            await client.get("/rest/v1/notes?select=body"),
            await client.get("/auth/v1/admin/users"),
            await client.post("/realtime/v1/api/broadcast", json={"messages": [message]}),
            await client.post("/functions/v1/missing"),
        ]
    assert [answer.status_code for answer in answers] == [200, 200, 202, 404]
    return True


async def served(settings: Settings) -> bool:
    try:
        return await serves(settings)
    except httpx.TransportError:
        return False


@pytest.mark.parametrize("name", PARTS)
async def test_a_killed_part_is_started_again(settings: Settings, name: str) -> None:
    write(settings, "before the kill")
    victim = pid_of(settings, name)
    assert victim
    os.kill(victim, signal.SIGKILL)

    await until(lambda: pid_of(settings, name) not in (None, victim))
    await until(lambda: all_answer(settings))
    await until(lambda: served(settings))
    write(settings, "after it")
    assert read(settings) == ["before the kill", "after it"]


async def test_a_start_recovers_from_a_killed_supervisor(settings: Settings) -> None:
    write(settings, "before the kill")
    orphans = [part.pid for part in stacks.status(settings)]
    supervisor = pid_of(settings, "supervisor")
    assert supervisor
    os.kill(supervisor, signal.SIGKILL)
    await until(lambda: not stacks.is_running(settings))

    stacks.start(settings, owner=os.getpid())
    assert all_answer(settings)
    assert not set(orphans) & {part.pid for part in stacks.status(settings)}
    assert [pid for pid in orphans if pid and Process.of(pid)] == []
    assert read(settings) == ["before the kill"]


async def test_a_stop_ends_what_a_killed_supervisor_left(settings: Settings) -> None:
    orphans = [part.pid for part in stacks.status(settings)]
    supervisor = pid_of(settings, "supervisor")
    assert supervisor
    os.kill(supervisor, signal.SIGKILL)
    await until(lambda: not stacks.is_running(settings))

    stacks.stop(settings)
    assert [pid for pid in orphans if pid and Process.of(pid)] == []


async def test_a_start_recovers_from_one_that_was_killed_half_way(folder: Path, project: Path) -> None:
    settings = Settings(root=folder / "state", project=project).at_port(free_ports())
    settings.save()
    half = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "scripts.local_supabase", "start", "--root", str(settings.root)),
        cwd=CHECKOUT,
        stderr=asyncio.subprocess.DEVNULL,
    )
    postmaster = folder / "state" / "cluster.new" / "postmaster.pid"
    await until(lambda: postmaster.exists() and takes_connections(settings.db_port))
    half.kill()
    await half.wait()

    stacks.start(settings, owner=os.getpid())
    try:
        assert all_answer(settings)
        assert await serves(settings)
        assert not postmaster.parent.exists()
    finally:
        stacks.stop(settings)


async def test_a_start_waits_for_a_stop_under_way(settings: Settings) -> None:
    write(settings, "before the stop")
    supervisor = pid_of(settings, "supervisor")
    assert supervisor
    os.kill(supervisor, signal.SIGTERM)
    await until(lambda: stacks.is_stopping(settings))
    stacks.start(settings, owner=os.getpid())
    assert pid_of(settings, "supervisor") not in (None, supervisor)
    assert await serves(settings)
    assert read(settings) == ["before the stop"]


async def test_logs_may_be_deleted_while_it_runs(settings: Settings) -> None:
    shutil.rmtree(settings.logs)
    victim = pid_of(settings, "api")
    assert victim
    os.kill(victim, signal.SIGKILL)
    await until(lambda: pid_of(settings, "api") not in (None, victim))
    await until(lambda: served(settings))
    assert (settings.logs / "api.log").exists()


async def test_it_stops_when_its_owner_ends(settings: Settings) -> None:
    stacks.stop(settings)
    owner = await asyncio.create_subprocess_exec("sleep", "600")
    stacks.start(settings, owner=owner.pid)
    assert all_answer(settings)
    owner.terminate()
    await owner.wait()
    await until(lambda: not stacks.is_running(settings))
    assert not takes_connections(settings.db_port)


async def test_it_stops_when_its_folder_is_deleted(folder: Path, project: Path) -> None:
    with running_stack(folder / "state", project) as running:
        pids = [part.pid for part in stacks.status(running.settings)]
        (folder / "state").rename(folder / "gone")
        await until(lambda: not [pid for pid in pids if pid and Process.of(pid)])


def _remove(folder: Path) -> bool:
    shutil.rmtree(folder, ignore_errors=True)
    return not folder.exists()


async def test_a_folder_deleted_while_it_ran_starts_empty_at_once(folder: Path, project: Path) -> None:
    with running_stack(folder / "state", project) as running:
        settings = running.settings
        write(settings, "deleted")
        # What still runs may put a file back while the folder goes.
        await until(lambda: _remove(settings.root))
        fresh = Settings(root=settings.root, project=project).at_port(settings.api_port)
        stacks.start(fresh, owner=os.getpid())
        assert read(fresh) == []
        assert fresh.keys != settings.keys


async def test_two_stacks_run_side_by_side(folder: Path, project: Path) -> None:
    with running_stack(folder / "one", project) as one, running_stack(folder / "two", project) as two:
        write(one.settings, "in the first")
        write(two.settings, "in the second")
        assert read(one.settings) == ["in the first"]
        assert read(two.settings) == ["in the second"]
        assert one.secret_key != two.secret_key
        stacks.stop(one.settings)
        assert all_answer(two.settings)


async def test_the_settings_it_writes_are_for_its_owner_only_and_keep_what_others_added(
    settings: Settings,
) -> None:
    file = settings.root / "env"
    assert file.stat().st_mode & 0o777 == 0o600
    before = dict(line.split("=", 1) for line in file.read_text().splitlines())
    assert before["SUPABASE_URL"] == settings.url
    assert before["SUPABASE_SECRET_KEY"] == settings.keys.secret
    file.write_text(file.read_text() + "EXTRA=mine\n")
    stacks.stop(settings)
    stacks.start(settings, owner=os.getpid())
    after = dict(line.split("=", 1) for line in file.read_text().splitlines())
    assert after == before | {"EXTRA": "mine"}


def test_a_stop_ends_when_the_supervisor_has_let_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A supervisor on its way out is off the record and still holds its lock."""
    settings = Settings(root=tmp_path)
    settings.pids.mkdir(parents=True)
    at_the_end: list[bool] = []
    monkeypatch.setattr(stacks, "_end_leftovers", lambda known: at_the_end.append(stacks.is_running(known)))
    with ExitStack() as leaving:
        leaving.enter_context(lock(settings.pids / "supervisor.lock"))
        looks = 0
        look = stacks.is_running

        def looked(known: Settings) -> bool:
            nonlocal looks
            looks += 1
            if looks == 3:
                leaving.close()
            return look(known)

        monkeypatch.setattr(stacks, "is_running", looked)
        stacks.stop(settings)
        # What looks afterwards must not be what lets go.
        monkeypatch.setattr(stacks, "is_running", look)
    assert looks > 3
    assert at_the_end == [False]
