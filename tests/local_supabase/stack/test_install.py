"""scripts/install does what is missing, and nothing when nothing is."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from scripts.local_supabase.settings import CHECKOUT
from tests.local_supabase.stack.projects import open_folder

PACKAGES = (
    "postgresql-15",
    "postgresql-15-cron",
    "postgresql-15-wal2json",
    "postgresql-15-pgtap",
    "postgresql-15-plpgsql-check",
    "libtap-parser-sourcehandler-pgtap-perl",
)
NOBODY: dict[str, Any] = (
    {"user": "nobody", "group": "nogroup", "extra_groups": []} if os.geteuid() == 0 else {}
)


class Machine:
    """A checkout with everything installed, where the commands only write down how they were called."""

    def __init__(self, folder: Path) -> None:
        self.checkout = folder / "checkout"
        self.commands = folder / "bin"
        self.calls = folder / "calls"
        for made in (
            "scripts",
            ".venv/bin",
            "node_modules",
            "supabase/functions",
            "console/dist",
            "console/src",
            "console/public",
            "console/worker",
            "console/node_modules",
        ):
            (self.checkout / made).mkdir(parents=True)
        self.commands.mkdir()
        self.calls.touch()
        shutil.copy(CHECKOUT / "scripts" / "install", self.checkout / "scripts")
        self.put(self.commands / "apt-get", f'echo "apt-get $*" >> {self.calls}')
        self.put(self.checkout / ".venv/bin/npm", f'echo "npm $*" >> {self.calls}')
        self.put(self.checkout / ".venv/bin/python", f'[ "$1" = -c ] || echo "python $*" >> {self.calls}')
        self.put(self.checkout / ".venv/bin/deno", f'echo "deno $*" >> {self.calls}')
        self.install_packages(PACKAGES)
        self.stamp("requirements.lock", ".venv/.installed")
        self.stamp("package-lock.json", "node_modules/.installed")
        self.stamp("supabase/functions/deno.lock", ".venv/.functions")
        self.stamp("console/package-lock.json", "console/node_modules/.installed")
        for source in ("src/main.tsx", "public/icon.svg", "index.html", "vite.config.ts"):
            (self.checkout / "console" / source).write_text("source\n")
        self.install()
        self.calls.write_text("")

    def put(self, file: Path, script: str) -> None:
        file.write_text(f"#!/bin/sh\n{script}\n")
        file.chmod(0o755)

    def install_packages(self, packages: tuple[str, ...]) -> None:
        lines = "\n".join(f"{package} ii " for package in packages)
        self.put(self.commands / "dpkg-query", f"cat <<'END'\n{lines}\nEND\nexit 1")

    def stamp(self, lock: str, stamp: str) -> None:
        (self.checkout / lock).write_text("packages\n")
        digest = hashlib.sha256(b"packages\n").hexdigest()
        (self.checkout / stamp).write_text(f"{digest}  -\n")

    def install(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        for path in (self.checkout, *self.checkout.rglob("*"), self.calls):
            if os.geteuid() == 0:
                shutil.chown(path, "nobody", "nogroup")
        return subprocess.run(
            [str(self.checkout / "scripts" / "install"), *arguments],
            env={"PATH": f"{self.commands}:/usr/bin:/bin"},
            capture_output=True,
            text=True,
            check=False,
            **NOBODY,
        )


@pytest.fixture
def machine() -> Iterator[Machine]:
    with open_folder() as folder:
        yield Machine(folder)


def test_nothing_is_done_when_nothing_is_missing(machine: Machine) -> None:
    done = machine.install()
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert machine.calls.read_text() == ""


def test_a_client_needs_no_packages_of_debian(machine: Machine) -> None:
    machine.install_packages(())
    (machine.checkout / "package-lock.json").write_text("other packages\n")
    done = machine.install("--client")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert machine.calls.read_text() == ""


def test_wrong_usage_is_status_2(machine: Machine) -> None:
    assert machine.install("--fast").returncode == 2


def test_without_root_the_missing_packages_are_named_in_one_sentence(machine: Machine) -> None:
    machine.install_packages(PACKAGES[2:])
    refused = machine.install()
    assert refused.returncode == 1
    assert refused.stderr == "Ask root to run: apt-get install postgresql-15 postgresql-15-cron\n"
    assert machine.calls.read_text() == ""


def test_a_package_that_was_removed_is_missing(machine: Machine) -> None:
    lines = "\n".join(
        f"{package} {'rc' if package == 'postgresql-15-cron' else 'ii'} " for package in PACKAGES
    )
    machine.put(machine.commands / "dpkg-query", f"cat <<'END'\n{lines}\nEND")
    assert machine.install().stderr == "Ask root to run: apt-get install postgresql-15-cron\n"


@pytest.mark.parametrize(
    ("lock", "call"),
    [
        ("requirements.lock", "python -m pip install"),
        ("package-lock.json", "npm ci"),
        ("supabase/functions/deno.lock", "deno cache"),
        ("console/src/main.tsx", "npm run --prefix console"),
    ],
)
def test_a_changed_lock_is_installed_once(machine: Machine, lock: str, call: str) -> None:
    (machine.checkout / lock).write_text("other packages\n")
    assert machine.install().returncode == 0
    assert machine.calls.read_text().startswith(call)
    assert machine.calls.read_text().count("\n") == 1
    assert machine.install().returncode == 0
    assert machine.calls.read_text().count("\n") == 1


def test_packages_of_python_are_checked_against_their_hashes(machine: Machine) -> None:
    (machine.checkout / "requirements.lock").write_text("other packages\n")
    machine.install()
    assert "--require-hashes" in machine.calls.read_text()


@pytest.mark.parametrize(
    ("lock", "command", "said"),
    [
        ("requirements.lock", ".venv/bin/python", "pip could not install"),
        ("package-lock.json", ".venv/bin/npm", "npm could not install"),
        ("supabase/functions/deno.lock", ".venv/bin/deno", "Deno could not fetch"),
        ("console/src/main.tsx", ".venv/bin/npm", "The console could not be built"),
    ],
)
def test_a_failed_installation_is_said_and_tried_again(
    machine: Machine, lock: str, command: str, said: str
) -> None:
    (machine.checkout / lock).write_text("other packages\n")
    works = (machine.checkout / command).read_text()
    machine.put(machine.checkout / command, '[ "$1" = -c ] || exit 3')
    refused = machine.install()
    assert refused.returncode == 1
    assert said in refused.stderr.splitlines()[-1]
    (machine.checkout / command).write_text(works)
    assert machine.install().returncode == 0
    assert machine.calls.read_text().count("\n") == 1
