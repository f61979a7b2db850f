"""`sigtrail emergency`: close everything, by the bridges or, without the database, by their journals."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli.decisions import AsJson, Why, Yes, be_sure, call
from cli.journals import ask_leases, close_journals, read_journals, to_json
from cli.output import notes, print_rows
from cli.project import run
from cli.running import machine_folder
from shared.errors import InputError, SigtrailError
from shared.settings import load
from workers.trading.emergency import Report

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
    also_moved: Annotated[
        bool,
        typer.Option("--also-moved", help="Also accounts that another machine may hold by now."),
    ] = False,
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
        _close_from_journals(folder, why, also_moved=also_moved, json=json)
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


def _close_from_journals(folder: Path | None, why: str, *, also_moved: bool, json: bool) -> None:
    settings = load()
    machines = machine_folder(settings).parent
    paths = sorted((folder.glob("*.jsonl")) if folder is not None else machines.glob("*/journal/*.jsonl"))
    if not paths:
        raise InputError(
            f"there is no journal in {folder or machines}: run this on the machine of the bridge"
        )
    found, reports = read_journals(paths)

    async def close_all() -> list[Report]:
        leases = await ask_leases(settings, [one.account.id for one in found])
        if leases is None and found:
            oldest = min(one.written_at for one in found)
            notes.print(
                "the database does not say who holds these accounts now: what another machine took since"
                f" {oldest.isoformat(timespec='seconds')} is closed, too",
                soft_wrap=True,
            )
        return await close_journals(found, leases, settings, why, also_moved=also_moved)

    reports += run(close_all())
    columns = {"account_id": "ACCOUNT", "closed": "EXITS", "cancelled": "CANCELLED", "problems": "PROBLEMS"}
    rows = [to_json(one) for one in reports]
    print_rows(rows, columns, json=json, empty="no account of a venue is in the journals")
    if not all(one.is_done for one in reports):
        raise NotDone("not everything is closed: look at the problems, then give the same command again")
