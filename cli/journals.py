"""Closing by the journals that bridges left on this machine: each account on its own."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from ccxt.base.errors import BaseError

from cli.project import database
from cli.queries import query
from shared.clock import WallClock
from shared.errors import SigtrailError
from shared.market import Market
from shared.settings import Settings
from shared.venue_sessions import session_factory_of
from workers.trading.decisions.outcome import describe
from workers.trading.emergency import Report, close_account
from workers.trading.journal import Contents, Journal, JournalUnreadable
from workers.trading.ledger import Account
from workers.trading.venues.exchanges import Exchanges, venue_of

# An emergency does not wait for a database that is gone.
DATABASE_SECONDS = 3.0
# Venues count requests by address: more at once would only wait for each other.
AT_ONCE = 8
# Of each account that the database has: the fence of its lease now, and whose it is.
Leases = Mapping[UUID, tuple[int, str]]


@dataclass(frozen=True, slots=True)
class Found:
    """One journal that names its account."""

    journal: Journal
    contents: Contents
    account: Account
    written_at: datetime


def read_journals(paths: Iterable[Path]) -> tuple[list[Found], list[Report]]:
    """The journals of venues' accounts, for each account the one with the newest lease; and a report for each
    file that cannot be used."""
    newest: dict[UUID, Found] = {}
    broken: list[Report] = []
    for path in paths:
        journal = Journal(path)
        try:
            contents = journal.read()
            written_at = datetime.fromtimestamp(path.stat().st_mtime, UTC)
        except (JournalUnreadable, OSError) as error:
            broken.append(Report(None, problems=[str(error)]))
            continue
        account = contents.account
        if account is None:
            text = (
                f"the journal {path} does not say whose it is ({contents.damaged} damaged lines): its name is"
                " the account's id (`sigtrail accounts list`); close that one at its venue by hand"
            )
            broken.append(Report(None, problems=[text], damaged=contents.damaged))
            continue
        known = newest.get(account.id)
        if account.venue != "paper" and (known is None or known.account.fence < account.fence):
            newest[account.id] = Found(journal, contents, account, written_at)
    return list(newest.values()), broken


async def ask_leases(settings: Settings, accounts: Iterable[UUID]) -> Leases | None:
    """Who holds these accounts now; None when the database does not say."""
    try:
        async with asyncio.timeout(DATABASE_SECONDS), database(settings) as connection:
            rows = await (
                await connection.execute(query("account_leases"), {"ids": list(accounts)})
            ).fetchall()
    except (SigtrailError, TimeoutError):
        return None
    return {row["id"]: (int(row["lease_fence"]), str(row["lease_machine"])) for row in rows}


def whose_else(found: Found, leases: Leases | None) -> str | None:
    """Why the account may be another machine's by now, None as far as it is this one's."""
    fence, machine = (leases or {}).get(found.account.id, (0, ""))
    if fence > found.account.fence:
        return f"it was claimed since by {machine} (lease {fence}, this journal is of {found.account.fence})"
    if found.contents.left_at is not None and fence == 0:
        return f"this machine gave it back or lost it at {found.contents.left_at.isoformat()}"
    return None


async def close_journals(
    found: Iterable[Found], leases: Leases | None, settings: Settings, why: str, *, also_moved: bool
) -> list[Report]:
    """Close everything of these accounts, several at once. One that fails is reported and keeps no other."""
    key = settings.sigtrail_master_key
    master_key = key.get_secret_value() if key is not None else None
    exchanges = Exchanges(WallClock(), Market(), None, master_key, session_factory_of(settings))
    found, turns = list(found), asyncio.Semaphore(AT_ONCE)

    async def close(one: Found) -> Report:
        async with turns:
            return await _close(one, exchanges, why)

    def other(one: Found) -> str | None:
        return None if also_moved else whose_else(one, leases)

    wanted = [one for one in found if other(one) is None]
    ends = await asyncio.gather(*(close(one) for one in wanted), return_exceptions=True)
    await exchanges.catalogue.close()
    reports = [
        # What nobody expected of one account is reported with the others, and the command fails.
        end if isinstance(end, Report) else _failed(one, describe(end))
        for one, end in zip(wanted, ends, strict=True)
    ]
    for one in found:
        if (reason := other(one)) is not None and one.contents.trades:
            reports.append(_failed(one, f"not closed: {reason}; close it there, or say --also-moved"))
    return sorted(reports, key=lambda report: str(report.account_id))


async def _close(one: Found, exchanges: Exchanges, why: str) -> Report:
    try:
        exchange = await exchanges(one.account)
    except SigtrailError as error:
        return _failed(one, str(error))
    venue = venue_of(exchange, one.account.market, exchanges.catalogue)
    try:
        try:
            return await close_account(one.journal, one.contents, venue, why, WallClock().now)
        finally:
            await venue.close()
    except (BaseError, OSError, SigtrailError) as error:
        return _failed(one, describe(error))


def _failed(one: Found, problem: str) -> Report:
    return Report(one.account.id, problems=[problem], damaged=one.contents.damaged)


def to_json(report: Report) -> dict[str, Any]:
    """A report as plain data."""
    return {
        "account_id": None if report.account_id is None else str(report.account_id),
        "closed": [
            {
                "signal_id": str(one.signal_id),
                "client_order_id": one.client_order_id,
                "amount": one.amount,
                "outcome": one.outcome,
            }
            for one in report.closed
        ],
        "cancelled": report.cancelled,
        "problems": report.problems,
        "damaged_lines": report.damaged,
        "done": report.is_done,
    }
