"""Cold days for the archive: sealed, archived, compacted, and checked after each step."""

from __future__ import annotations

import itertools
import json
from datetime import UTC, date, datetime, timedelta

from pydantic import SecretStr

from shared.settings import Settings
from tests.audit.trail import Trail
from tests.database.stage import one
from workers.archive.connection import archivist
from workers.archive.day import archive_day, take_lock
from workers.archive.finding import Report

# A day that was archived once takes no more signals: each test has one of its own.
_days = (date(2024, 6, 1) + timedelta(days=number) for number in itertools.count())


async def make_archived_day(trail: Trail) -> date:
    """A cold day with six signals, one of them traded, in the archive; sealed and linked."""
    day = next(_days)
    trail.stage.operator.execute("select private.open_partition(%s)", (day,))
    noon = datetime(day.year, day.month, day.day, 12, tzinfo=UTC)
    trail.fire(6, at=noon, original_signal={"ä": [1.50, None]})
    assert trail.analyse(5) == 5
    (traded,) = trail.admin.execute("select id from public.signals where status = 'new'").fetchone() or (
        None,
    )
    add_event(trail, event_type="order_created", signal_id=str(traded), order_id=str(traded))
    await trail.seal()
    await archive(trail, day)
    await check(trail)
    return day


def add_event(trail: Trail, **event: str) -> None:
    """One more event of a signal."""
    one(trail.stage.operator, "select private.append_signal_events(%s::jsonb, now())", json.dumps([event]))


async def archive(trail: Trail, day: date) -> None:
    """Archive what is sealed of the day."""
    settings = Settings(
        _env_file=None,  # type: ignore[call-arg]
        supabase_url="http://127.0.0.1:1",
        SUPABASE_PUBLISHABLE_KEY=SecretStr("none"),
        supabase_db_url=SecretStr(trail.url),
        sigtrail_archive=str(trail.folder),
    )
    async with archivist(settings) as connection:
        assert await take_lock(connection)
        assert await archive_day(settings, connection, trail.store, day) is not None


def compact(trail: Trail, day: date) -> None:
    """Compact the day; it may have to wait for its moment."""
    trail.stage.operator.execute("select private.roll_up()")
    state = None
    for _ in range(10):
        state = one(trail.stage.operator, "select private.compact_day(%s)", day)["state"]
        if state == "compacted":
            return
    raise AssertionError(f"{day} is {state}")


async def check(trail: Trail, *, seals: int | None = None) -> Report:
    """Seal, and find everything as it was signed."""
    await trail.seal()
    report = await trail.verify()
    assert report.intact, report.findings
    assert report.unproven == []
    assert seals is None or report.seals == seals
    return report
