"""A day that was sealed goes into the archive, and comes back as it was."""

from __future__ import annotations

from tests.archive.history import History
from workers.archive.connection import Connection
from workers.archive.day import archive_day
from workers.archive.seals import seal
from workers.archive.store import Store


async def test_a_day_is_archived_in_one_part(history: History, connection: Connection, store: Store) -> None:
    trader = history.trader(history.user())
    history.signals(trader, 30)
    assert await archive_day(history.settings, connection, store, history.day) is None  # not sealed

    await seal(connection, store, history.key, day=history.day)
    part = await archive_day(history.settings, connection, store, history.day)
    assert part is not None
    assert (part.number, part.signals, part.events) == (1, 30, 30)
    assert await archive_day(history.settings, connection, store, history.day) is None
