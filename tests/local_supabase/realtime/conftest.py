from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from scripts.local_supabase.ports import free_ports
from tests.local_supabase.realtime.service import Database, Service


@pytest.fixture(scope="session")
def realtime_database(state_folder: Path) -> Iterator[Database]:
    """A database of its own, since these tests stop it and load a fixture of tables into it."""
    database = Database(state_folder / "realtime", free_ports())
    database.start()
    try:
        database.load_fixture()
        yield database
    finally:
        database.stop()


@pytest.fixture(scope="session")
async def service(realtime_database: Database) -> AsyncIterator[Service]:
    """The server on that database, with short waits."""
    service = Service(realtime_database.settings)
    await service.start()
    try:
        yield service
    finally:
        service.stop()
