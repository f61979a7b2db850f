"""`sigtrail emergency`: close everything, by the bridges or, without the database, by their journals."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from ccxt.base.errors import BaseError

from cli.decisions import AsJson, Why, Yes, be_sure, call
from cli.output import print_rows
from cli.project import run
from cli.running import machine_folder
from shared.clock import WallClock
from shared.errors import InputError, SigtrailError
from shared.market import Market
from shared.settings import Settings, load
from workers.trading.decisions.outcome import describe
from workers.trading.emergency import Report, close_account
from workers.trading.journal import Journal
from workers.trading.venues.exchanges import Exchanges, venue_of
from workers.trading.venues.sessions import session_factory_of

app = typer.Typer(name="emergency", help="Close everything at once.", no_args_is_help=True)


class NotDone(SigtrailError):
    """Something could not be closed; the report above says what."""


@app.callback()
def emergency() -> None:
    """Keeps `close` a command of its own: a lone command would be the whole program."""


@app.command("close")
def close(
    every: Annotated[bool, typer.Option("--all", help="Everything, of all accounts.")] = False,
    from_journal: Annotated[
        bool,
        typer.Option(
            "--from-journal",
            help="Without the database: straight at the venues, with this machine's journals; halts nothing.",
        ),
    ] = False,
    folder: Annotated[
        Path | None,
        typer.Option("--journals", help="Where the journals lie, if not where machines keep them."),
    ] = None,
    why: Why = "emergency close by an operator",
    yes: Yes = False,
    json: AsJson = False,
) -> None:
    """Flatten and cancel everything. With --all every account is halted until a person lifts that.

    With --from-journal nothing is halted: stop the bridges first, or they go on trading.
    """
    if every == from_journal:
        raise InputError(
            "say --all, which the bridges carry out, or --from-journal when the database is gone"
        )
    be_sure(yes, "close everything of every account")
    if from_journal:
        _close_from_journals(folder, why, json=json)
        return
    accounts = run(call("close_everything", why=why))
    columns = {
        "account_id": "ACCOUNT",
        "name": "NAME",
        "status": "STATUS",
        "positions": "OPEN",
        "orders": "ORDERS",
    }
    print_rows(accounts, columns, json=json, empty="there is no account")


def _close_from_journals(folder: Path | None, why: str, *, json: bool) -> None:
    settings = load()
    machines = machine_folder(settings).parent
    paths = sorted((folder.glob("*.jsonl")) if folder is not None else machines.glob("*/journal/*.jsonl"))
    if not paths:
        raise InputError(
            f"there is no journal in {folder or machines}: run this on the machine of the bridge"
        )
    reports = run(_close_all(paths, settings, why))
    rows = [_row(one) for one in reports]
    columns = {"account_id": "ACCOUNT", "closed": "EXITS", "cancelled": "CANCELLED", "problems": "PROBLEMS"}
    print_rows(rows, columns, json=json, empty="no account of a venue is in the journals")
    if not all(one.is_done for one in reports):
        raise NotDone("not everything is closed: look at the problems, then give the same command again")


async def _close_all(paths: list[Path], settings: Settings, why: str) -> list[Report]:
    key, clock = settings.sigtrail_master_key, WallClock()
    master_key = key.get_secret_value() if key is not None else None
    exchanges = Exchanges(clock, Market(), None, master_key, session_factory_of(settings))
    reports: list[Report] = []
    for path in paths:
        journal = Journal(path)
        contents = journal.read()
        account = contents.account
        if account is None or account.venue == "paper":
            continue
        try:
            exchange = await exchanges(account)
        except SigtrailError as error:
            reports.append(Report(account.id, problems=[str(error)], damaged=contents.damaged))
            continue
        venue = venue_of(exchange, account.market, exchanges.catalogue)
        try:
            try:
                report = await close_account(journal, contents, venue, why, clock.now)
            finally:
                await venue.close()
        except (BaseError, OSError, SigtrailError) as error:
            # One venue that does not answer keeps nobody from closing at the others.
            report = Report(account.id, problems=[describe(error)], damaged=contents.damaged)
        reports.append(report)
    await exchanges.catalogue.close()
    return reports


def _row(report: Report) -> dict[str, Any]:
    return {
        "account_id": str(report.account_id),
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
