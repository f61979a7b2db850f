"""One round of the archive's work: seal what is new, then take the cold days one after the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import structlog

from shared.settings import Settings
from workers.archive.connection import Connection, archivist
from workers.archive.day import NotRight, Part, Tell, archive_day, say_nothing, take_lock
from workers.archive.keys import SealKey
from workers.archive.seals import seal
from workers.archive.store import Store

log = structlog.get_logger(__name__)

# A day that is read right now is compacted in a moment, or by the database's own job later.
COMPACTION_TRIES = 3


@dataclass(slots=True)
class Round:
    """What a round did. `busy` when another archiver is at work: then it sealed and left the days alone."""

    seals: int = 0
    parts: list[Part] = field(default_factory=list)
    compacted: list[date] = field(default_factory=list)
    busy: bool = False


async def work(
    settings: Settings,
    store: Store,
    key: SealKey,
    *,
    days: Sequence[date] | None = None,
    compact: bool = True,
    tell: Tell = say_nothing,
) -> Round:
    """Seal everything, archive what is cold and not yet archived (or `days`, however young), and compact cold
    days; those of `days` that are not cold are never compacted.

    Killed at any point, the next round goes on. Raises `Unavailable` when the database or the store is away,
    and NotRight, after all other days are done, when one of them cannot be written or read back.
    """
    done = Round()
    failure: NotRight | None = None
    async with archivist(settings) as connection:
        done.seals += len(await seal(connection, store, key))
        cold = await _cold_days(connection)
        chosen = cold if days is None else list(days)
        if not chosen:
            return done
        if not await take_lock(connection):
            done.busy = True
            return done
        for day in chosen:
            done.seals += len(await seal(connection, store, key, day=day))
            try:
                part = await archive_day(settings, connection, store, day, tell)
            except NotRight as error:
                log.exception("day_not_archived", day=str(day))
                failure = failure or error
                continue
            if part is None:
                continue
            done.parts.append(part)
            # The part becomes a link of the chain before anything of the day may leave.
            done.seals += len(await seal(connection, store, key, day=day))
            if compact and day in cold and await compact_day(connection, day):
                done.compacted.append(day)
                done.seals += len(await seal(connection, store, key, day=day))
    if failure is not None:
        raise failure
    return done


async def _cold_days(connection: Connection) -> list[date]:
    rows = await (await connection.execute("select day from private.days_to_archive()")).fetchall()
    return [row["day"] for row in rows]


async def compact_day(connection: Connection, day: date) -> bool:
    """Have the database reduce an archived day to what was traded. False when it has to wait: its own job
    does it later."""
    state = ""
    for _ in range(COMPACTION_TRIES):
        cursor = await connection.execute("select private.compact_day(%s) as answer", (day,))
        row = await cursor.fetchone()
        answer: dict[str, Any] = row["answer"] if row else {}
        state = str(answer.get("state"))
        if state not in ("waiting", "changed"):
            break
    log.info("day_compaction", day=str(day), state=state)
    return state == "compacted"
