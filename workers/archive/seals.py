"""Sealing: events that were committed since the last seal, archived parts, compactions and new keys become
links of one signed chain. Each seal leaves the database at once as a small file in the store.

The invariant that finds a cut: when seal N + 1 enters the database, the file of seal N is in the store. So
only the newest seal may lack its file, and whoever seals next writes it first.
"""

from __future__ import annotations

import base64
from dataclasses import fields, replace
from datetime import date
from typing import Any

import psycopg
from psycopg.rows import DictRow

from shared.errors import ConfigurationError, NotFound, Refused
from workers.archive.keys import SealKey, key_id
from workers.archive.seal import (
    COLUMNS,
    KEYS_FOLDER,
    Seal,
    compaction_hash,
    files_hash,
    from_file,
    path_of,
    to_file,
)
from workers.archive.store import Store

__all__ = ["Seal", "seal"]

Connection = psycopg.AsyncConnection[DictRow]

# Nobody else's seal comes in between so often.
TRIES = 20


async def seal(connection: Connection, store: Store, key: SealKey, *, day: date | None = None) -> list[Seal]:
    """Seal what is committed for good: every day's events (or only those of `day`), then archived parts,
    compactions and a new key that are not linked yet. Answers the seals that this call made.

    connection: a role that may seal (`archivist`), committing each statement alone

    Sealers beside each other do no harm. Killed at any point, the next call goes on. Raises `Unavailable`
    when the store is away (then at most one seal more is in the database), Refused when the store holds
    another chain, ConfigurationError when the newest seal is another key's that `key` cannot hand over from.
    """
    await connection.execute("select private.begin_epoch()")
    chain = _Chain(connection, store, key)
    await chain.catch_up()
    days = [day] if day is not None else await _unsealed_days(connection)
    for one in days:
        while await chain.seal_events(one):
            pass
    await chain.link(day)
    return chain.made


class _Chain:
    """The end of the chain, and what this pass adds to it."""

    def __init__(self, connection: Connection, store: Store, key: SealKey) -> None:
        self._connection = connection
        self._store = store
        self._key = key
        self.made: list[Seal] = []
        # The newest seal whose file is known to be in the store.
        self._filed = 0

    async def catch_up(self) -> None:
        """Write the file of the newest seal if its sealer could not, and hand over to a new key."""
        newest = await self._newest()
        if newest is None:
            await self._publish_keys()
            return
        await self._file(newest)
        await self._refuse_another_chain(newest.number + 1)
        if newest.key_id != self._key.id:
            await self._hand_over(newest)

    async def seal_events(self, day: date) -> bool:
        """Add the next seal of the day's events; false when nothing is left."""
        for _ in range(TRIES):
            row = await self._one("select * from private.prepare_seal(%s)", day)
            if row is None:
                return False
            marks: bytes = row.pop("marks")
            made = self._sign(
                Seal(**row, kind="events", partition_day=day, reference=None, key_id=self._key.id), self._key
            )
            if await self._add(made, marks):
                return True
        raise Refused(f"seals of {day} were overtaken by others {TRIES} times: look who seals all the time")

    async def link(self, day: date | None) -> None:
        """Add the archived parts and the compactions that the chain does not hold yet."""
        for row in await self._all("select * from private.unlinked_parts(%s)", day):
            files = await self._all(
                "select * from public.archive_files where partition_day = %s and part = %s",
                row["day"],
                row["part"],
            )
            await self._link(
                kind="archive",
                partition_day=row["day"],
                reference=row["part"],
                from_tx=row["from_tx"],
                to_tx=row["to_tx"],
                event_count=row["event_count"],
                content_hash=files_hash(files),
            )
        for row in await self._all("select * from private.unlinked_compactions(%s)", day):
            await self._link(
                kind="compaction",
                partition_day=row["day"],
                reference=row["id"],
                from_tx=None,
                to_tx=row["to_tx"],
                event_count=row["kept_events"],
                content_hash=compaction_hash(row),
            )

    async def _link(self, **what: Any) -> None:
        for _ in range(TRIES):
            end = await self._end()
            made = self._sign(Seal(**end, **what, key_id=self._key.id), self._key)
            if await self._add(made, None) or await self._is_linked(made):
                return
        raise Refused(f"the chain was overtaken by others {TRIES} times: look who seals all the time")

    async def _hand_over(self, newest: Seal) -> None:
        old = self._key.older(newest.key_id)
        if old is None:
            raise ConfigurationError(
                f"the newest seal is signed by key {newest.key_id[:16]}, this is {self._key.id[:16]}: set "
                "SIGTRAIL_SEAL_KEY to NEW,OLD for the change, so that the old key signs the new one"
            )
        await self._publish_keys()
        end = await self._end()
        made = Seal(
            **end,
            kind="key",
            partition_day=None,
            reference=None,
            from_tx=None,
            to_tx=None,
            event_count=0,
            content_hash=self._key.public_key,
            key_id=old.id,
        )
        if not await self._add(self._sign(made, old), None):
            await self.catch_up()

    async def _add(self, made: Seal, marks: bytes | None) -> bool:
        if made.number == 1:
            await self._publish_keys()
            await self._refuse_another_chain(1)
        elif self._filed < made.number - 1:
            newest = await self._newest()
            if newest is None or newest.number != made.number - 1:
                return False
            await self._file(newest)
        values = [getattr(made, field.name) for field in fields(made)]
        row = await self._one(
            "select private.add_seal({}) as added".format(
                ", ".join(f"{field.name} => %s" for field in fields(made))
            ),
            *values,
        )
        if row is None or not row["added"]:
            return False
        self.made.append(made)
        await self._store.write(path_of(made.number), to_file(made, marks))
        self._filed = made.number
        return True

    async def _file(self, newest: Seal) -> None:
        """Make sure that the store has the file of the newest seal."""
        try:
            kept, _ = from_file(await self._store.read(path_of(newest.number)))
        except NotFound:
            marks = None
            if newest.kind == "events":
                row = await self._one(
                    "select * from private.sealed_content(%s, %s, %s)",
                    newest.partition_day,
                    newest.from_tx,
                    newest.to_tx,
                )
                # Events that changed meanwhile are for the verification to find, not for this to bless.
                marks = row["marks"] if row and row["content_hash"] == newest.content_hash else None
            await self._store.write(path_of(newest.number), to_file(newest, marks))
        except ValueError as error:
            raise Refused(
                f"{path_of(newest.number)} in the store is no seal: run sigtrail audit verify"
            ) from error
        else:
            if kept != newest:
                raise _another_chain(newest.number)
        self._filed = newest.number

    async def _refuse_another_chain(self, number: int) -> None:
        """A seal that the store has and the database lacks: a cut, or a database from the past."""
        try:
            await self._store.read(path_of(number))
        except NotFound:
            return
        # Another sealer may just have made it.
        if await self._one("select from public.audit_seals where number = %s", number) is None:
            raise _another_chain(number)

    async def _publish_keys(self) -> None:
        for public_key in self._key.public_keys:
            text = base64.b64encode(public_key)
            await self._store.write(f"{KEYS_FOLDER}/{key_id(public_key)}.txt", text + b"\n")

    async def _end(self) -> DictRow:
        """What a link follows."""
        return (await self._all("select * from private.chain_end()"))[0]

    async def _newest(self) -> Seal | None:
        row = await self._one(f"select {COLUMNS} from public.audit_seals order by number desc limit 1")  # noqa: S608
        return None if row is None else Seal.from_row(row)

    async def _is_linked(self, made: Seal) -> bool:
        return (
            await self._one(
                "select from public.audit_seals where kind = %s and partition_day = %s and reference = %s",
                made.kind,
                made.partition_day,
                made.reference,
            )
            is not None
        )

    def _sign(self, made: Seal, key: SealKey) -> Seal:
        return replace(made, signature=key.sign(made.message))

    async def _one(self, query: str, *arguments: Any) -> DictRow | None:
        return await (await self._connection.execute(query.encode(), arguments)).fetchone()

    async def _all(self, query: str, *arguments: Any) -> list[DictRow]:
        return await (await self._connection.execute(query.encode(), arguments)).fetchall()


async def _unsealed_days(connection: Connection) -> list[date]:
    rows = await (await connection.execute("select d as day from private.unsealed_days() d")).fetchall()
    return [row["day"] for row in rows]


def _another_chain(number: int) -> Refused:
    return Refused(
        f"the store holds another seal {number} than the database: the database was cut or restored to an "
        "earlier time, nothing more is sealed here; run sigtrail audit verify"
    )
