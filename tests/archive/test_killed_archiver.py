"""An archiver that dies at any point, or a store that fails: nothing is lost, doubled or listed wrongly."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from shared.errors import Unavailable
from shared.settings import CHECKOUT
from tests.archive.history import History
from tests.waiting import until
from workers.archive.cold import read_events
from workers.archive.connection import Connection, archivist
from workers.archive.day import NotRight, Progress, archive_day, folder_of, take_lock
from workers.archive.listing import list_files
from workers.archive.rounds import work
from workers.archive.seals import seal
from workers.archive.store import Store
from workers.archive.stores.folder import FolderStore


class Killed(BaseException):
    """Stands for the end of the process: nothing of ours may handle it."""


def prepare(history: History) -> None:
    trader = history.trader(history.user())
    history.signals(trader, 20)
    history.events(history.ids()[0], {"event_type": "order_created"}, {"event_type": "order_filled"})


async def assert_whole(history: History, connection: Connection, store: Store) -> None:
    """The archive has every event of the day once, the book names exactly the files that are there."""
    files = await list_files(connection, first=history.day, last=history.day)
    assert [one.path for one in await store.list(folder_of(history.day))] == sorted(one.path for one in files)
    records = [record async for record in read_events(store, files)]
    expected = history.rows("signal_events", "signal_id, number")
    assert [(record.signal_id, record.number) for record in records] == expected


BOUNDARIES = [("exporting", 1), *((stage, count) for count in (1, 2) for stage in ("stored", "verified"))]


@pytest.mark.parametrize(("stage", "count"), [*BOUNDARIES, ("listed", 1)])
async def test_a_run_that_dies_at_a_boundary_is_taken_up(
    stage: str, count: int, history: History, connection: Connection, store: Store
) -> None:
    prepare(history)
    await seal(connection, store, history.key, day=history.day)
    seen = 0

    def die(progress: Progress) -> None:
        nonlocal seen
        seen += progress.stage == stage
        if seen == count:
            raise Killed

    with pytest.raises(Killed):
        await archive_day(history.settings, connection, store, history.day, die)
    assert seen == count
    listed = await list_files(connection, first=history.day, last=history.day)
    assert bool(listed) == (stage == "listed")

    part = await archive_day(history.settings, connection, store, history.day)
    assert (part is None) == (stage == "listed")
    await assert_whole(history, connection, store)


VICTIM = """
import asyncio, sys
from pydantic import SecretStr
from shared.settings import Settings
from datetime import date
from workers.archive.connection import archivist
from workers.archive.day import archive_day, take_lock
from workers.archive.store import open_store

async def main():
    url, folder, day = sys.argv[1:]
    settings = Settings(_env_file=None, supabase_url="http://127.0.0.1:1", SUPABASE_PUBLISHABLE_KEY="x",
        supabase_db_url=url, sigtrail_archive=folder)
    store = await open_store(settings)
    async with archivist(settings) as connection:
        assert await take_lock(connection)
        def tell(progress):
            if progress.stage == "stored":
                print("stored", flush=True)
                while True:
                    pass
        await archive_day(settings, connection, store, date.fromisoformat(day), tell)

asyncio.run(main())
"""


async def test_a_process_that_is_killed_leaves_nothing_that_counts(history: History, store: Store) -> None:
    prepare(history)
    async with archivist(history.settings) as sealing:
        await seal(sealing, store, history.key, day=history.day)
    victim = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", VICTIM, history.url, str(history.folder), history.day.isoformat()),
        stdout=asyncio.subprocess.PIPE,
        cwd=CHECKOUT,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(CHECKOUT)},
    )
    assert victim.stdout is not None
    assert await victim.stdout.readline() == b"stored\n"
    async with archivist(history.settings) as second:
        assert not await take_lock(second)
        victim.send_signal(signal.SIGKILL)
        await victim.wait()
        leftovers = await store.list(folder_of(history.day))
        assert leftovers
        assert await list_files(second, first=history.day, last=history.day) == []
        # The database notices that the connection ended, and lets go of the lock.
        assert await until(lambda: take_lock(second))
        await archive_day(history.settings, second, store, history.day)
        await assert_whole(history, second, store)


async def test_two_archivers_at_once_do_no_harm(history: History, store: Store) -> None:
    prepare(history)
    both = await asyncio.gather(
        *(work(history.settings, store, history.key, days=[history.day]) for _ in range(2))
    )
    parts = [part for done in both for part in done.parts]
    assert len(parts) == 1
    async with archivist(history.settings) as connection:
        await assert_whole(history, connection, store)


class Faulty(FolderStore):
    """A folder that fails in one way when a file of a day is put or fetched."""

    def __init__(self, root: Path, spoil: Callable[[bytes], bytes] | None) -> None:
        super().__init__(root)
        self._spoil = spoil

    async def fetch(self, path: str, target: Path) -> None:
        if self._spoil is None:
            raise Unavailable(f"{path}: the store went away")
        await super().fetch(path, target)
        await asyncio.to_thread(lambda: target.write_bytes(self._spoil(target.read_bytes())))  # type: ignore[misc]


def flip(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (flip, "its bytes are others"),
        (lambda content: content[:-1], "bytes instead of"),
        (lambda content: b"", "0 bytes instead of"),
        (lambda content: b"<html>" + content[6:], "its bytes are others"),
    ],
)
async def test_what_cannot_be_read_back_is_not_listed(
    spoil: Any, message: str, history: History, connection: Connection, store: Store
) -> None:
    prepare(history)
    await seal(connection, store, history.key, day=history.day)
    with pytest.raises(NotRight, match=message):
        await archive_day(history.settings, connection, Faulty(history.folder, spoil), history.day)
    assert await list_files(connection, first=history.day, last=history.day) == []
    assert len(history.ids()) == 20
    await archive_day(history.settings, connection, store, history.day)
    await assert_whole(history, connection, store)


async def test_a_store_that_goes_away_is_tried_again_later(
    history: History, connection: Connection, store: Store
) -> None:
    prepare(history)
    await seal(connection, store, history.key, day=history.day)
    with pytest.raises(Unavailable, match="went away"):
        await archive_day(history.settings, connection, Faulty(history.folder, None), history.day)
    await archive_day(history.settings, connection, store, history.day)
    await assert_whole(history, connection, store)


async def test_a_cold_day_is_archived_and_compacted_in_a_round(history: History, store: Store) -> None:
    prepare(history)
    young = history.open_day()
    history.signals(history.trader(history.user()), 2, day=young)
    history.age(history.day, "8 days")
    history.age(young, "6 days")
    done = await work(history.settings, store, history.key)
    assert [part.day for part in done.parts] == [history.day]
    again = await work(history.settings, store, history.key)
    assert again.parts == []
