"""What keeps a stack from starting is said in one sentence with what to do, and nothing is left running."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from scripts.local_supabase import stack
from scripts.local_supabase.errors import StackError
from scripts.local_supabase.ports import free_ports
from scripts.local_supabase.processes import Process
from scripts.local_supabase.server import DEBIAN
from scripts.local_supabase.settings import CHECKOUT, Settings
from tests.stacks import running_stack


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "scripts.local_supabase", *arguments],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        check=False,
    )


def is_one_sentence(text: str) -> bool:
    return text.count("\n") == 1 and "Traceback" not in text and text.endswith(".\n")


def nothing_runs(settings: Settings) -> bool:
    return not stack.is_running(settings) and not list(settings.pids.glob("*.json"))


@pytest.mark.parametrize("offset", range(4))
def test_a_taken_port_is_named(folder: Path, offset: int) -> None:
    port = free_ports()
    with socket.socket() as other:
        other.bind(("127.0.0.1", port + offset))
        other.listen()
        refused = run("start", "--root", str(folder / "state"), "--port", str(port))
    assert refused.returncode == 1
    assert is_one_sentence(refused.stderr)
    assert f"Port {port + offset}" in refused.stderr
    assert "--port" in refused.stderr
    assert refused.stdout == ""


def test_a_broken_migration_is_named_with_its_error(folder: Path, project: Path) -> None:
    migration = project / "supabase" / "migrations" / "20261121000001_broken.sql"
    migration.write_text("create table public.fine (id int);\ncreate table public.wrong (id intt);\n")
    settings = Settings(root=folder / "state", project=project).at_port(free_ports())
    with pytest.raises(StackError) as refused:
        stack.start(settings, owner=os.getpid())
    assert "20261121000001_broken.sql failed" in str(refused.value)
    assert 'type "intt" does not exist' in str(refused.value)
    assert "\n" not in str(refused.value)
    assert nothing_runs(settings)

    migration.write_text("create table public.right (id int);\n")
    stack.start(settings, owner=os.getpid())
    stack.stop(settings)


def test_a_misnamed_migration_is_not_passed_over(folder: Path, project: Path) -> None:
    (project / "supabase" / "migrations" / "tables.sql").write_text("create table public.lost (id int);\n")
    settings = Settings(root=folder / "state", project=project).at_port(free_ports())
    with pytest.raises(StackError, match=r"tables\.sql is no name for a migration"):
        stack.start(settings, owner=os.getpid())
    assert nothing_runs(settings)


def test_a_migration_that_vanished_is_explained(folder: Path, project: Path) -> None:
    with running_stack(folder / "state", project) as running:
        old = project / "supabase" / "migrations" / "20261121000000_notes.sql"
        old.rename(old.with_name("20261121000009_notes.sql"))
        with pytest.raises(StackError, match="migrations could not be pushed") as refused:
            stack.start(running.settings)
    assert "\n" not in str(refused.value)


def test_a_missing_package_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(DEBIAN.files, "postgresql-15-cron", folder / "nowhere.control")
    settings = Settings(root=folder / "state").at_port(free_ports())
    with pytest.raises(StackError, match=r"`apt-get install postgresql-15-cron`"):
        stack.start(settings)
    assert nothing_runs(settings)


def test_a_part_that_cannot_start_is_named_with_its_last_words(folder: Path, project: Path) -> None:
    config = project / "supabase" / "config.toml"
    config.write_text(config.read_text().replace("jwt_expiry = 3600", 'jwt_expiry = "soon"'))
    settings = Settings(root=folder / "state", project=project).at_port(free_ports())
    with pytest.raises(
        StackError, match=r"did not start: api ended with status \d+ while starting: .*jwt_expiry"
    ):
        stack.start(settings, push=False, owner=os.getpid())
    assert nothing_runs(settings)


def test_a_supervisor_that_is_gone_is_off_the_record_after_a_stop(folder: Path, project: Path) -> None:
    settings = Settings(root=folder / "state", project=project).at_port(free_ports())
    ended = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    recorded = Process.of(ended.pid)
    assert recorded is not None
    recorded.record(settings.pids / "supervisor.json")
    ended.communicate(b"\n")
    stack.stop(settings)
    assert nothing_runs(settings)


def test_another_port_for_a_running_stack_is_refused(folder: Path, project: Path) -> None:
    with running_stack(folder / "state", project) as running:
        other = running.settings.at_port(free_ports())
        with pytest.raises(StackError, match=f"already runs on port {running.settings.api_port}"):
            stack.start(other)
        assert Process.read(running.settings.pids / "supervisor.json")


def test_a_copied_state_folder_is_refused(
    folder: Path, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings(root=folder / "copy", project=project).at_port(free_ports())
    settings.root.mkdir()
    (folder / "data").mkdir()
    (folder / "data" / "PG_VERSION").write_text("15\n")
    (settings.root / "cluster").symlink_to(folder / "data")
    with pytest.raises(StackError, match="was copied or moved"):
        stack.start(settings)


@pytest.mark.parametrize("arguments", [[], ["begin"], ["start", "--port", "70000"], ["start", "--port", "x"]])
def test_wrong_usage_is_status_2(arguments: list[str]) -> None:
    refused = run(*arguments)
    assert refused.returncode == 2
    assert "Traceback" not in refused.stderr


@pytest.mark.parametrize("words", [["--port", "nonsense"], ["--for", "1", "--port"]])
def test_up_hands_the_port_to_the_local_supabase(words: list[str]) -> None:
    done = subprocess.run(
        [CHECKOUT / "scripts" / "up", *words], cwd=CHECKOUT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2, done.stderr
    assert "is not a number between 1 and" in done.stderr


def test_the_status_of_no_stack_is_said(folder: Path) -> None:
    refused = run("status", "--root", str(folder))
    assert refused.returncode == 1
    assert is_one_sentence(refused.stderr)
