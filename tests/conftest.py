"""What the tests share: databases and stacks of their own, in temporary folders on free ports."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from scripts.local_supabase import ports
from scripts.local_supabase.cluster import Cluster
from tests import clusters
from tests.clusters import bare_cluster
from tests.stacks import Stack, running_stack

# Tests never reach the Supabase project that the caller's environment may name.
for name in [name for name in os.environ if name.startswith(("SUPABASE_", "SIGTRAIL_"))]:
    del os.environ[name]


# No test depends on how fast the machine is, and each run tries the same examples. To look for new ones:
# pytest --hypothesis-profile explore
settings.register_profile(
    "same", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("explore", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("same")


# Two processes that look for free ports at once would find the same ones: each worker has a range of its own.
if "PYTEST_XDIST_WORKER" in os.environ:
    worker, workers = int(os.environ["PYTEST_XDIST_WORKER"][2:]), int(os.environ["PYTEST_XDIST_WORKER_COUNT"])
    width = (ports.HIGHEST - ports.LOWEST) // workers // 4 * 4
    ports.LOWEST += worker * width
    ports.HIGHEST = ports.LOWEST + width


def pytest_configure(config: pytest.Config) -> None:
    """Make the folder of this run, which its workers find in their environment."""
    if hasattr(config, "workerinput"):
        return
    folder = Path(tempfile.mkdtemp(prefix="sigtrail-"))
    folder.chmod(0o755)
    os.environ[clusters.FOLDER] = str(folder)
    # What a server that was just told to end still writes is no reason to fail.
    config.add_cleanup(lambda: shutil.rmtree(folder, ignore_errors=True))


@pytest.fixture(scope="session")
def state_folder(worker_id: str) -> Path:
    """A folder that the database's user can enter too, unlike pytest's own; each worker has one."""
    folder = clusters.shared_folder() / worker_id
    folder.mkdir()
    return folder


@pytest.fixture(scope="session")
def cluster(state_folder: Path) -> Iterator[Cluster]:
    """A running database with the hosted baseline and nothing else: no services, no migrations.

    `db_url` logs in as postgres, `admin_db_url` as the superuser, `settings` has the rest.
    """
    database = bare_cluster(state_folder / "cluster")
    with database.running():
        yield database


@pytest.fixture(scope="session")
def stack(state_folder: Path) -> Iterator[Stack]:
    """A running local Supabase with the project's migrations, shared by all tests: make rows of your own."""
    with running_stack(state_folder / "stack") as running:
        yield running
