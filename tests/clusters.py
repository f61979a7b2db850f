"""Databases for tests: made once in a run of the tests, copied by whoever needs one."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from scripts.local_supabase import migrations
from scripts.local_supabase.cluster import Cluster
from scripts.local_supabase.lock import lock
from scripts.local_supabase.ports import free_ports
from scripts.local_supabase.settings import Settings

# The folder of this run of the tests, by which its processes find each other.
FOLDER = "TESTS_FOLDER"


def shared_folder() -> Path:
    """The folder that all processes of this run of the tests share; the database's user can enter it."""
    return Path(os.environ[FOLDER])


def bare_cluster(root: Path) -> Cluster:
    """A database with the hosted baseline and nothing else, in this folder on free ports, not running yet."""
    settings = Settings(root=root).at_port(free_ports())
    copy_baseline(settings)
    return Cluster(settings)


def migrated_cluster(root: Path) -> Cluster:
    """The same with the project's migrations."""
    settings = Settings(root=root).at_port(free_ports())
    copy_migrated(settings)
    return Cluster(settings)


def copy_baseline(settings: Settings) -> None:
    """Give this stack, which was never started, a database with the hosted baseline."""
    with lock(shared_folder() / "baseline.lock", wait=True):
        template = Cluster(Settings(root=shared_folder() / "baseline").at_port(free_ports()))
        template.prepare()
        # Tests kill servers, and never the machine: nothing here needs to wait for the disk.
        (template.data / "postgresql.auto.conf").write_text("fsync = off\n")
    _copy(template, settings)


def copy_migrated(settings: Settings) -> None:
    """Give this stack, which was never started, a database with the project's migrations."""
    folder = shared_folder() / "migrated"
    with lock(shared_folder() / "migrated.lock", wait=True):
        template = Cluster(Settings(root=folder).at_port(free_ports()))
        if not folder.exists():
            shutil.rmtree(folder.with_name("migrating"), ignore_errors=True)
            draft = bare_cluster(folder.with_name("migrating"))
            with draft.running():
                migrations.push(draft.settings)
            draft.settings.root.rename(folder)
    _copy(template, settings)


def _copy(template: Cluster, settings: Settings) -> None:
    settings.root.mkdir(parents=True, exist_ok=True)
    # The files keep their owner, who is not whoever runs the tests.
    subprocess.run(["/bin/cp", "--archive", str(template.data), str(settings.root / "cluster")], check=True)
