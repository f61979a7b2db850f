"""What the archive's tests need: a database with the migrations, a folder for files, days with history."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import psycopg
import pytest

from tests.archive.history import History
from tests.clusters import migrated_cluster
from workers.archive.connection import Connection, archivist
from workers.archive.day import take_lock
from workers.archive.store import Store, open_store


@pytest.fixture(scope="session")
def archive_database(state_folder: Path) -> Iterator[str]:
    """The URL of a running database with the migrations, as postgres; no job runs in it."""
    cluster = migrated_cluster(state_folder / "archive")
    with cluster.running():
        with psycopg.connect(cluster.db_url, autocommit=True) as connection:
            connection.execute("select cron.unschedule(jobid) from cron.job")
        yield cluster.db_url


@pytest.fixture
def history(archive_database: str, state_folder: Path) -> Iterator[History]:
    """Past days of users of the test's own, in that database; all tests keep their files in one folder."""
    with History(archive_database, state_folder / "archived") as made:
        yield made


@pytest.fixture
async def store(history: History) -> AsyncIterator[Store]:
    """The store of that history, a folder."""
    opened = await open_store(history.settings)
    yield opened
    await opened.close()


@pytest.fixture
async def connection(history: History) -> AsyncIterator[Connection]:
    """A connection as the archive's role that holds its lock."""
    async with archivist(history.settings) as opened:
        assert await take_lock(opened)
        yield opened
