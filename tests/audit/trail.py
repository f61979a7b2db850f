"""A trail with its seals, a superuser who forges it, and the check that has to notice."""

from __future__ import annotations

import json
import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
from psycopg.rows import DictRow, dict_row

from tests.database.stage import Stage, ingest, noon, row
from workers.archive.finding import Report
from workers.archive.keys import SealKey, new_seal_key
from workers.archive.seals import Seal, seal
from workers.archive.stores.folder import FolderStore
from workers.archive.verification import Verification

# Everything that a trail consists of. Only a superuser who switches triggers off can truncate these.
TABLES = (
    "public.signals",
    "public.signal_events",
    "public.signal_monitoring_snapshots",
    "public.signal_queue",
    "public.audit_seals",
    "public.archive_files",
    "private.compactions",
)
# What forgeries touch, and a test puts back.
SAVED = (
    "public.signals",
    "public.signal_events",
    "public.audit_seals",
    "public.archive_files",
    "private.compactions",
)


class Trail:
    """One chain: `stage` makes honest history, `admin` is the superuser, `store` the world outside."""

    def __init__(self, stage: Stage, admin_url: str, folder: Path) -> None:
        self.stage = stage
        self.url = stage.url
        self.admin_url = admin_url
        self.admin = psycopg.connect(admin_url, autocommit=True)
        self.admin.execute("set session_replication_role = replica")
        self.admin.execute(f"truncate {', '.join(TABLES)} cascade".encode())
        self.folder = folder
        self.store = FolderStore(folder)
        self.key = SealKey.from_text(new_seal_key())
        self.worker = stage.machine("signal_worker")
        self.analyst = stage.machine("analyst")
        self.user_id = stage.user()
        self.trader_id = stage.trader(self.user_id)

    def close(self) -> None:
        self.admin.close()

    # Honest history

    def fire(self, count: int, *, at: datetime | None = None, prefix: str = "S", **more: Any) -> None:
        """New signals, on symbols of their own."""
        rows = [row(self.trader_id, f"{prefix}{number}USDT", at, **more) for number in range(count)]
        answer = ingest(self.worker, rows)
        assert answer["inserted"] == count, answer

    def analyse(self, verdicts: int = 100) -> int:
        """Claim what is new, and reject it."""
        claimed = self.analyst.execute(
            "select signal_id, fence from public.claim_work('analysis', %s, 600)", (verdicts,)
        ).fetchall()
        results = [
            {"signal_id": str(found), "fence": fence, "verdict": "rejected", "confidence": "0.1",
             "outcome_code": "low_confidence", "result": {"why": "against the trend – 逆張り"}}
            for found, fence in claimed
        ]  # fmt: skip
        done = self.analyst.execute("select public.complete_analysis(%s)", (json.dumps(results),)).fetchone()
        assert done is not None
        assert done[0]["done"] == len(results), done
        return len(results)

    async def seal(self, key: SealKey | None = None, day: date | None = None) -> list[Seal]:
        async with self.archivist() as connection:
            return await seal(connection, self.store, key or self.key, day=day)

    @asynccontextmanager
    async def archivist(self) -> AsyncIterator[psycopg.AsyncConnection[DictRow]]:
        async with await psycopg.AsyncConnection.connect(
            self.url, autocommit=True, row_factory=dict_row
        ) as connection:
            await connection.execute("set role archivist")
            yield connection

    async def verify(
        self, *, keys: list[SealKey] | None = None, day: date | None = None, head: str | None = None
    ) -> Report:
        trusted = {key.id: key.public_key for key in (keys if keys is not None else [self.key])}
        known = None
        if head is not None:
            number, _, digest = head.partition(":")
            known = int(number), bytes.fromhex(digest)
        async with await psycopg.AsyncConnection.connect(
            self.url, autocommit=True, row_factory=dict_row
        ) as connection:
            return await Verification(connection, self.url, self.store, trusted).run(day, known)

    # The superuser

    def forge(self, statement: str, *arguments: Any) -> None:
        """Change what nobody may: triggers are off, and something must have changed."""
        cursor = self.admin.execute(statement.encode(), arguments or None)
        assert cursor.rowcount, f"{statement} changed nothing"

    def save(self) -> None:
        for table in SAVED:
            name = table.replace(".", "_")
            self.admin.execute(f"drop table if exists private.saved_{name}".encode())
            self.admin.execute(f"create table private.saved_{name} as table {table}".encode())
        shutil.copytree(self.folder, self.folder.with_name("saved"))

    def restore(self) -> None:
        for table in SAVED:
            name = table.replace(".", "_")
            self.admin.execute(f"delete from {table}".encode())
            self.admin.execute(
                f"insert into {table} overriding system value table private.saved_{name}".encode()
            )
        shutil.rmtree(self.folder)
        shutil.copytree(self.folder.with_name("saved"), self.folder)

    @contextmanager
    def without_checks(self, *tables: str) -> Iterator[None]:
        """These tables without their checks, until the end of the block."""
        checks = self.admin.execute(
            "select conrelid::regclass::text, quote_ident(conname), pg_get_constraintdef(oid) "
            "from pg_constraint where contype = 'c' and conrelid = any (%s::regclass[])",
            (list(tables),),
        ).fetchall()
        for table, name, _ in checks:
            self.admin.execute(f"alter table {table} drop constraint {name}".encode())
        yield
        for table, name, definition in checks:
            self.admin.execute(f"alter table {table} add constraint {name} {definition}".encode())


def yesterday() -> date:
    return noon().date()


def at(minutes: int) -> datetime:
    """Yesterday, so long after noon."""
    return noon() + timedelta(minutes=minutes)


def first_kind(report: Report) -> str:
    assert report.findings, "nothing was found"
    return report.findings[0].kind


def signals_of(trail: Trail) -> list[UUID]:
    rows = trail.admin.execute("select id from public.signals order by id").fetchall()
    return [found for (found,) in rows]
