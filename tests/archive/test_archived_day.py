"""A day that was sealed goes into the archive, and comes back as it was."""

from __future__ import annotations

from hashlib import sha256

from tests.archive.history import History
from workers.archive.cold import read_events
from workers.archive.connection import Connection
from workers.archive.day import archive_day
from workers.archive.listing import list_files
from workers.archive.records import digest
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


async def test_the_seals_hold_for_what_the_archive_gives_back(
    history: History, connection: Connection, store: Store
) -> None:
    trader = history.trader(history.user())
    history.signals(trader, 5)
    first, second, *_ = history.ids()
    history.events(
        first, {"event_type": "order_created", "event_data": {"price": "1.50", "n": [1, 2.5e3, None]}}
    )
    await seal(connection, store, history.key, day=history.day)
    assert await archive_day(history.settings, connection, store, history.day) is not None
    history.events(
        second, {"event_type": "order_created"}, {"event_type": "order_filled", "worker": 'ä, "b"\n'}
    )
    history.signals(trader, 2, first=30)
    await seal(connection, store, history.key, day=history.day)
    part = await archive_day(history.settings, connection, store, history.day)
    assert part is not None
    assert (part.number, part.signals, part.events) == (2, 3, 4)

    records = [record async for record in read_events(store, await list_files(connection, first=history.day))]
    assert [(record.signal_id, record.number) for record in records] == history.rows(
        "signal_events", "signal_id, number"
    )
    seals = history.operator.execute(
        "select from_tx, to_tx, event_count, content_hash from public.audit_seals "
        "where kind = 'events' and partition_day = %s order by number",
        (history.day,),
    ).fetchall()
    assert len(seals) == 2
    for from_tx, to_tx, count, content in seals:
        digests = [digest(record) for record in records if from_tx <= record.tx < to_tx]
        assert len(digests) == count
        assert sha256(b"".join(digests)).digest() == content
