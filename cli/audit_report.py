"""What an auditor gets of one user: every event of the signals of a time, as CSV.

The columns, in this order, and for good (more may come at the end):

    signal_id, signal           the signal's id, and its human name
    symbol, side, interval      what fired
    trader_id, source           whose strategy, and whether a machine (cloud) or a browser (local) sent it
    triggered_at                the close of the candle that fired
    initial_price               the price then, a decimal
    number                      the event's place in the signal's trail, from 1 and without gaps
    occurred_at, recorded_at    the domain's time and the database's, both UTC in ISO 8601
    event_type, location        what happened, and where in the pipeline
    from_status, to_status      the change of the signal's status, empty when it did not change
    worker                      the machine or role that did it
    order_id, position_id, execution_id
    event_data, error_info      JSON
    tx                          the transaction that wrote it: `sigtrail audit seals` shows its seal

CRLF and quotes as RFC 4180 has them. A cell that a spreadsheet would run as a formula gets an apostrophe in
front. Rows are in order of signal (so of time) and number.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from typing import Any, TextIO

from cli.cells import defuse
from cli.project import database
from cli.queries import query
from shared.errors import NotFound
from shared.identity import floor_ms
from shared.settings import load
from workers.archive.cache import Cache, cache_folder
from workers.archive.question import Limits, ask
from workers.archive.reading import Scope
from workers.archive.store import open_store

COLUMNS = (
    *(
        "signal_id",
        "signal",
        "symbol",
        "side",
        "interval",
        "trader_id",
        "source",
        "triggered_at",
        "initial_price",
    ),
    *("number", "occurred_at", "recorded_at", "event_type", "location", "from_status", "to_status", "worker"),
    *("order_id", "position_id", "execution_id", "event_data", "error_info", "tx"),
)

LIMITS = Limits(seconds=600.0, memory="1GB", rows=5_000_000)

_QUERY = """
select e.signal_id, s.symbol, s.side, s."interval", s.trader_id, s.source, s.triggered_at, s.initial_price,
    e.number, e.occurred_at, e.created_at as recorded_at, e.event_type, e.location, e.from_status,
    e.to_status, e.worker, e.order_id, e.position_id, e.execution_id, e.event_data, e.error_info, e.tx
from events e join signals s on s.id = e.signal_id
order by e.signal_id, e.number
"""


async def write_report(user: str, first: datetime, last: datetime, output: TextIO) -> int:
    """Write the events of the user's signals that fired from `first` on and before `last`; how many they are.

    Streamed: what is in memory is a day at most. Raises NotFound for a user that is not there.
    """
    settings = load()
    async with database(settings) as connection:
        days = {row["day"] for row in await (await connection.execute(query("days_of_history"))).fetchall()}
        owner = await (await connection.execute(query("user_find"), {"user": user})).fetchone()
    if owner is None:
        raise NotFound(f"there is no user {user}: see `sigtrail users list`")
    store = await open_store(settings)
    cache = Cache(cache_folder(settings))
    writer = csv.writer(output)
    writer.writerow(COLUMNS)
    count = 0
    try:
        for start, end in steps(first, last):
            if start.date() not in days:
                continue
            found = await ask(settings, store, cache, Scope(owner["id"], start, end), _QUERY, LIMITS)
            for batch in found.to_batches(max_chunksize=10_000):
                for row in batch.to_pylist():
                    row["signal"] = f"{row['symbol']}-{floor_ms(_utc(row['triggered_at']))}"
                    writer.writerow([cell(row[name]) for name in COLUMNS])
                    count += 1
    finally:
        await store.close()
    return count


def steps(first: datetime, last: datetime) -> Iterator[tuple[datetime, datetime]]:
    """The time day by day."""
    while first < last:
        midnight = datetime.combine(first.date() + timedelta(days=1), time(), UTC)
        end = min(midnight, last)
        yield first, end
        first = end


def cell(value: Any) -> str:
    """One value as an auditor's spreadsheet may show it."""
    if value is None:
        return ""
    if isinstance(value, datetime):
        return _utc(value).isoformat(timespec="microseconds")
    if isinstance(value, Decimal):
        text = format(value, "f")
        return text.rstrip("0").rstrip(".") if "." in text else text
    return defuse(value) if isinstance(value, str) else str(value)


def _utc(value: datetime) -> datetime:
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
