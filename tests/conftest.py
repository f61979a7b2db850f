"""What the tests share: databases and stacks of their own, in temporary folders on free ports."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from scripts.local_supabase.cluster import Cluster
from scripts.local_supabase.ports import free_ports
from scripts.local_supabase.settings import Settings
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


@pytest.fixture(scope="session")
def state_folder() -> Iterator[Path]:
    """A folder that the database's user can enter too, unlike pytest's own."""
    with tempfile.TemporaryDirectory(prefix="sigtrail-") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@pytest.fixture(scope="session")
def cluster(state_folder: Path) -> Iterator[Cluster]:
    """A running database with the hosted baseline and nothing else: no services, no migrations.

    `db_url` logs in as postgres, `admin_db_url` as the superuser, `settings` has the rest.
    """
    database = Cluster(Settings(root=state_folder / "cluster").at_port(free_ports()))
    with database.running():
        yield database


@pytest.fixture(scope="session")
def stack(state_folder: Path) -> Iterator[Stack]:
    """A running local Supabase with the project's migrations, shared by all tests: make rows of your own."""
    with running_stack(state_folder / "stack") as running:
        yield running
