"""A database of its own with the project's migrations, for tests that need more than one connection."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests.clusters import migrated_cluster
from tests.database.stage import Stage


@pytest.fixture(scope="session")
def database(state_folder: Path) -> Iterator[str]:
    """The URL of a running database with the baseline and the migrations, as postgres."""
    cluster = migrated_cluster(state_folder / "database")
    with cluster.running():
        # What jobs do, the tests do themselves, when they mean it.
        with psycopg.connect(cluster.db_url, autocommit=True) as connection:
            connection.execute("select cron.unschedule(jobid) from cron.job")
        yield cluster.db_url


@pytest.fixture
def stage(database: str) -> Iterator[Stage]:
    """People, traders and machines of the test's own in that database."""
    with Stage(database) as stage:
        yield stage
