"""The same stack for an ordinary user, and for root in a folder that only root can enter."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from scripts.local_supabase import cluster, stack
from scripts.local_supabase.ports import free_ports
from scripts.local_supabase.processes import Process
from scripts.local_supabase.settings import CHECKOUT, Settings

SITE_PACKAGES = Path(psycopg.__file__).parents[1]
IS_ROOT = os.geteuid() == 0


def as_nobody() -> dict[str, Any]:
    """Keyword arguments for subprocess.run: another user, who has nothing of root's."""
    entry = pwd.getpwnam("nobody")
    return {
        "user": entry.pw_uid,
        "group": entry.pw_gid,
        "extra_groups": [],
        "cwd": CHECKOUT,
        "env": {
            # Deno lies beside the Python of the environment.
            "PATH": f"{Path(sys.prefix) / 'bin'}:{os.environ['PATH']}",
            "PYTHONPATH": str(SITE_PACKAGES),
            "PYTHONDONTWRITEBYTECODE": "1",
            "HOME": "/nonexistent",
        },
    }


def nobodys_python() -> str | None:
    """A Python that nobody can run, and that finds this checkout and its packages; None if there is none."""
    if not IS_ROOT:
        return None
    for python in (sys.executable, "/usr/bin/python3"):
        try:
            tried = subprocess.run(
                [python, "-c", "import psycopg, uvicorn, scripts.local_supabase.parts"],
                capture_output=True,
                check=False,
                **as_nobody(),
            )
        except OSError:
            continue
        if tried.returncode == 0:
            return python
    return None


PYTHON = nobodys_python()


@pytest.mark.skipif(
    PYTHON is None, reason="only root can become nobody, who must be able to read the checkout"
)
def test_an_ordinary_user_runs_a_stack(folder: Path, project: Path) -> None:
    assert PYTHON is not None
    entry = pwd.getpwnam("nobody")
    os.chown(folder, entry.pw_uid, entry.pw_gid)
    state, port = folder / "state", free_ports()

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(PYTHON), "-m", "scripts.local_supabase", *arguments, "--root", str(state)],
            capture_output=True,
            text=True,
            check=False,
            **as_nobody(),
        )

    started = run("start", "--port", str(port), "--owner", str(os.getpid()))
    assert started.returncode == 0, started.stderr
    try:
        settings = Settings.load(state)
        with psycopg.connect(settings.db_url) as connection:
            connection.execute("select count(*) from supabase_migrations.schema_migrations")
        postgres = Process.read(settings.pids / "postgres.json")
        assert postgres is not None
        assert Path(f"/proc/{postgres.pid}").stat().st_uid == entry.pw_uid
        assert run("status").returncode == 0
    finally:
        stopped = run("stop")
    assert stopped.returncode == 0, stopped.stderr
    assert not stack.is_running(settings)


@pytest.fixture
def private_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder that only its owner can enter; what cannot lie there goes next to it."""
    monkeypatch.setattr(cluster, "ELSEWHERE", folder / "elsewhere")
    private = folder / "private"
    private.mkdir(mode=0o700)
    yield private
    shutil.rmtree(folder / "elsewhere", ignore_errors=True)


@pytest.mark.skipif(not IS_ROOT, reason="only for root is the database's user another one")
def test_root_runs_a_stack_in_a_folder_that_only_root_can_enter(private_folder: Path, project: Path) -> None:
    settings = Settings(root=private_folder / ".local", project=project).at_port(free_ports())
    stack.start(settings, owner=os.getpid())
    try:
        data = (settings.root / "cluster").resolve()
        assert data.parent == cluster.ELSEWHERE
        assert data.stat().st_uid == pwd.getpwnam("postgres").pw_uid
        with psycopg.connect(settings.db_url) as connection:
            connection.execute("insert into public.notes (body) values ('kept')")
        stack.stop(settings)
        stack.start(settings, owner=os.getpid())
        with psycopg.connect(settings.db_url) as connection:
            assert connection.execute("select body from public.notes").fetchall() == [("kept",)]
    finally:
        stack.stop(settings)


@pytest.mark.skipif(not IS_ROOT, reason="only for root is the database's user another one")
def test_a_deleted_private_folder_starts_empty_again(private_folder: Path, project: Path) -> None:
    settings = Settings(root=private_folder / ".local", project=project).at_port(free_ports())
    stack.start(settings, owner=os.getpid())
    try:
        with psycopg.connect(settings.db_url) as connection:
            connection.execute("insert into public.notes (body) values ('deleted')")
        stack.stop(settings)
        shutil.rmtree(settings.root)
        fresh = Settings(root=settings.root, project=project).at_port(settings.api_port)
        stack.start(fresh, owner=os.getpid())
        with psycopg.connect(fresh.db_url) as connection:
            assert connection.execute("select count(*) from public.notes").fetchall() == [(0,)]
    finally:
        stack.stop(settings)
