"""Verification: recompute the trail outside the database and hold it against the seals, their signatures and
their copies. What the database says is evidence to check, never an answer."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from datetime import date
from pathlib import Path
from typing import Any

import psycopg
from psycopg.rows import DictRow

from shared.errors import NotFound, SigtrailError
from workers.archive.cache import fetch_checked
from workers.archive.chain import (
    Chain,
    check_beyond,
    check_chain,
    check_copies,
    check_copy,
    list_copies,
    read_known_keys,
)
from workers.archive.cold_rows import read_rows
from workers.archive.encoding import Damaged
from workers.archive.finding import Finding, Kind, Report
from workers.archive.listing import ListedFile, list_files
from workers.archive.lives import Lives
from workers.archive.rows import DayRows, Place, Rows, Words, whole_signals
from workers.archive.seal import COLUMNS, Seal, compaction_hash, files_hash
from workers.archive.store import Store
from workers.archive.tiers import Pairs, Tiers, pairs
from workers.archive.windows import Windows

Connection = psycopg.AsyncConnection[DictRow]

# Files of seals that are read at once.
READERS = 16


class NotChecked(SigtrailError):
    """The trail could not be checked: something that the check needs is not there."""


class Verification:
    """One check of the trail.

    connection: reads the seals, the book of the archive and the days, as the owner
    url: where rows are copied from, by connections of its own
    trusted: public keys that came from outside, by id; without any, those of the store are taken
    progress: called with a sentence now and then
    """

    def __init__(
        self,
        connection: Connection,
        url: str,
        store: Store,
        trusted: Mapping[str, bytes],
        progress: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._connection = connection
        self._url = url
        self._store = store
        self._trusted = dict(trusted)
        self._progress = progress
        self._report = Report()

    async def run(self, day: date | None = None, head: tuple[int, bytes] | None = None) -> Report:
        """Check the chain and every day, or only the events of `day`.

        head: number and hash of a seal that the caller wrote down earlier: it must still be in the chain

        Raises `Unavailable` when the database or the store is away, NotChecked without any public key.
        """
        report = self._report
        chain = await self._check_chain(head)
        await self._check_links(chain, day)
        opened = [row["day"] for row in await self._all("select day from private.partition_days")]
        days = sorted({*chain.days, *opened}) if day is None else [day]
        for one in days:
            await self._check_day(one, chain.days.get(one, []))
        if day is not None:
            report.unproven.append(f"only {day} was checked, and the chain as a whole")
        if report.events_after_last_seal:
            report.unproven.append(
                f"{report.events_after_last_seal} events came after the last seal of their day: nothing "
                "covers them yet"
            )
        return report

    async def _check_chain(self, head: tuple[int, bytes] | None) -> Chain:
        report = self._report
        known = await read_known_keys(self._store)
        if not self._trusted:
            if not known:
                raise NotChecked("there is no public key: set SIGTRAIL_SEAL_KEY, or give --public-key")
            self._trusted = known
            report.unproven.append(
                "the public keys come from the store: whoever can write there may have replaced them all, "
                "give --public-key to rule that out"
            )
        self._progress("reading the chain of seals")
        # Copies first: seals that are made meanwhile are in the database then.
        copies = await list_copies(self._store)
        seals = await self._read_seals()
        chain = await asyncio.to_thread(check_chain, seals, self._trusted, known)
        report.unproven += check_copies(chain, copies | await self._fresh_copies(chain, copies))
        await check_beyond(chain, self._store, copies, known | self._trusted)
        for seal in chain.key_links:
            finding, _ = await check_copy(seal, self._store)
            report.add([finding] if finding else [])
        if head is not None:
            self._check_head(chain, seals, head)
        report.add(chain.findings)
        report.seals = chain.count
        report.head = f"{chain.newest.number}:{chain.newest.hash.hex()}" if chain.newest else None
        if not chain.count:
            report.unproven.append("nothing was ever sealed")
        return chain

    async def _fresh_copies(self, chain: Chain, copies: set[int]) -> set[int]:
        """Seals that came after the listing; their files are there by now, but perhaps for the newest."""
        last = max(copies, default=0)
        if chain.newest is None or chain.newest.number <= last:
            return set()
        return {number for number in await list_copies(self._store) if number > last}

    async def _read_seals(self) -> list[Seal]:
        # Times that Python has no word for were never signed either.
        columns = COLUMNS
        for name in ("sealed_at", "partition_day"):
            columns = columns.replace(
                name, f"case when {name} between '1970-01-01' and '9999-01-01' then {name} end as {name}"
            )
        found: list[Seal] = []
        async with self._connection.transaction(), self._connection.cursor("seals") as cursor:
            await cursor.execute(f"select {columns} from public.audit_seals order by number".encode())  # noqa: S608
            while rows := await cursor.fetchmany(5000):
                found += [Seal.from_row(row) for row in rows]
        return found

    def _check_head(self, chain: Chain, seals: Sequence[Seal], head: tuple[int, bytes]) -> None:
        number, wanted = head
        found = next((seal for seal in seals if seal.number == number), None)
        if found is None:
            chain.find("cut off", f"seal {number}, which you know, is not in the chain any more", number)
        elif found.hash != wanted:
            chain.find("forged seal", f"seal {number} is not the one that you know", number)

    async def _check_links(self, chain: Chain, day: date | None) -> None:
        """Hold the book of the archive and of compactions against their links."""
        report = self._report
        for seal in chain.links:
            if day is not None and seal.partition_day != day:
                continue
            finding, _ = await check_copy(seal, self._store)
            report.add([finding] if finding else [])
            if seal.kind == "archive":
                rows = await self._all(
                    "select * from public.archive_files where partition_day = %s and part = %s",
                    seal.partition_day,
                    seal.reference,
                )
                what = f"part {seal.reference} of the archived day {seal.partition_day}"
                content = files_hash(rows)
            else:
                rows = await self._all(
                    "select * from private.compactions where id = %s and day = %s",
                    seal.reference,
                    seal.partition_day,
                )
                what = f"compaction {seal.reference} of {seal.partition_day}"
                content = compaction_hash(rows[0]) if rows else b""
            if not rows:
                report.add(
                    [
                        Finding(
                            "removed",
                            f"{what} is not listed any more",
                            seal=seal.number,
                            day=seal.partition_day,
                        )
                    ]
                )
            elif content != seal.content_hash:
                report.add(
                    [
                        Finding(
                            "changed",
                            f"what is listed of {what} is not what was sealed",
                            seal=seal.number,
                            day=seal.partition_day,
                        )
                    ]
                )

    async def _check_day(self, day: date, seals: Sequence[Seal]) -> None:
        self._progress(f"checking {day}")
        report = self._report
        gate = asyncio.Semaphore(READERS)

        async def copy_of(seal: Seal) -> tuple[Finding | None, bytes | None]:
            async with gate:
                return await check_copy(seal, self._store)

        copies = await asyncio.gather(*(copy_of(seal) for seal in seals))
        report.add([finding for finding, _ in copies if finding])
        sealed = [(seal, marks) for seal, (_, marks) in zip(seals, copies, strict=True)]
        findings, windows, events = await self._compare(day, sealed)
        if findings:
            # A day's rows are swapped when it is compacted: what only a swap made wrong is right afterwards.
            findings, windows, events = await self._compare(day, sealed)
        report.add(findings)
        report.events += events
        report.days += bool(events or seals)
        report.events_after_last_seal += windows.after_last_seal if seals else 0
        if events and not seals:
            report.unproven.append(f"{events} events of {day} were never sealed")

    async def _compare(
        self, day: date, sealed: Sequence[tuple[Seal, bytes | None]]
    ) -> tuple[list[Finding], Windows, int]:
        """Read the day once, from the archive and Postgres together."""
        words = Words()
        windows, lives = Windows(day, sealed), Lives(day, words)
        rows = DayRows(self._url, day, words)
        events = 0
        try:
            async with self._pairs(rows, day, words) as (tiers, batches):
                async for batch in batches:
                    await asyncio.to_thread(_feed, batch, tiers, windows, lives)
                    events += len(batch.rows)
                    self._progress(f"checking {day}: {events} events")
        except (Damaged, NotFound) as error:
            # Without its files the day cannot be put together: that is the finding.
            kind: Kind = "changed" if isinstance(error, Damaged) else "removed"
            return [Finding(kind, f"the archive of {day}: {error}", day=day)], windows, events
        windows.end(rows.newest_tx)
        tiers.judge_unarchived(not windows.broken())
        findings = windows.findings
        if windows.broken():
            findings = [windows.finding(await self._find_place(day, windows)), *findings]
        findings += [
            Finding(
                "changed",
                f"the file of seal {seal.number} names other events than the seal",
                seal=seal.number,
                day=day,
            )
            for seal in windows.marks_changed()
        ]
        findings += tiers.findings + lives.findings
        findings += [
            Finding("inserted", f"signal {signal} has no events: it never came in", day=day, signal_id=signal)
            for signal in rows.eventless
        ]
        return findings, windows, events

    @asynccontextmanager
    async def _pairs(
        self, rows: DayRows, day: date, words: Words
    ) -> AsyncGenerator[tuple[Tiers, AsyncIterator[Pairs]]]:
        files = await list_files(self._connection, first=day, last=day)
        compacted = await self._all(
            "select coalesce(max(to_tx), 0) as to_tx from private.compactions where day = %s", day
        )
        tiers = Tiers(day, max((file.to_tx for file in files), default=0), compacted[0]["to_tx"], words)
        async with (
            aclosing(rows.batches()) as batches,
            aclosing(whole_signals(batches)) as warm,
            aclosing(self._cold(files, words)) as cold,
            aclosing(pairs(cold, warm)) as both,
        ):
            yield tiers, both

    async def _cold(self, files: Sequence[ListedFile], words: Words) -> AsyncGenerator[Rows]:
        """The archived events in batches; every file is the one that was listed."""
        if not files:
            return
        with tempfile.TemporaryDirectory(prefix="sigtrail-verify-") as folder:
            for file in files:
                if file.kind == "snapshots":  # the others are checked where they are read
                    await fetch_checked(self._store, file, Path(folder) / "snapshots")
        async with aclosing(read_rows(self._store, files, words)) as batches:
            async for batch in batches:
                yield batch

    async def _find_place(self, day: date, windows: Windows) -> Place | None:
        """The event at the place of the first change, or the last one before it."""
        wanted = windows.place_of_first_change()
        if wanted is None:
            return None
        number, place = wanted
        found, seen = None, 0
        words = Words()
        async with self._pairs(DayRows(self._url, day, words), day, words) as (_, batches):
            async for batch in batches:
                covered = windows.covered_by(number, batch.rows)
                if len(covered):
                    found = batch.rows.place(int(covered[min(place - seen, len(covered) - 1)]))
                if seen + len(covered) > place:
                    return found
                seen += len(covered)
        return found

    async def _all(self, query: str, *arguments: Any) -> list[DictRow]:
        return await (await self._connection.execute(query.encode(), arguments)).fetchall()


def _feed(batch: Pairs, tiers: Tiers, windows: Windows, lives: Lives) -> None:
    tiers.add(batch)
    windows.add(batch.rows)
    lives.add(batch.rows, batch.is_warm)
