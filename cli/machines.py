"""`sigtrail machines`: the processes that do the work."""

from __future__ import annotations

import re
import sys
from typing import Annotated, Any

import typer

from cli.analyst import OPTION_HELP, with_analyst
from cli.candles import Source, open_live
from cli.output import print_json, print_rows
from cli.project import database, run
from cli.queries import query
from cli.running import machine_folder, run_machine
from shared.errors import InputError
from shared.keys import MACHINE_ROLES, mint
from shared.log import setup
from shared.machine_tokens import read_tokens
from shared.settings import Settings, load
from shared.venue_sessions import session_factory_of
from workers.machine import Machine, build

NAME = re.compile("[a-z0-9][a-z0-9-]{1,61}[a-z0-9]")

app = typer.Typer(name="machines", help="The processes that do the work.", no_args_is_help=True)


@app.command("list")
def list_machines(
    json: Annotated[bool, typer.Option("--json", help="One JSON document on standard output.")] = False,
) -> None:
    """Show every machine that ever registered, the most recently heard of first."""

    async def read() -> list[dict[str, Any]]:
        async with database() as connection:
            return await (await connection.execute(query("machines_list"))).fetchall()

    columns = {
        "machine_id": "MACHINE",
        "region": "REGION",
        "roles": "ROLES",
        "status": "STATUS",
        "shares": "SHARES",
        "version": "VERSION",
        "last_heartbeat_at": "LAST HEARD",
        "silent_seconds": "SILENT S",
    }
    print_rows(run(read()), columns, json=json, empty="no machine has registered yet: `./scripts/up`")


@app.command("shares")
def list_shares(
    json: Annotated[bool, typer.Option("--json", help="One JSON document on standard output.")] = False,
) -> None:
    """Show which machine evaluates which of the 64 shares of each venue's symbols, and how far it is."""

    async def read() -> list[dict[str, Any]]:
        async with database() as connection:
            return await (await connection.execute(query("machine_shares"))).fetchall()

    columns = {
        "venue": "VENUE",
        "market": "MARKET",
        "machine_id": "MACHINE",
        "count": "SHARES",
        "shares": "WHICH",
        "taken_at": "LAST TAKEN",
        "leased_until": "HELD UNTIL",
        "evaluated_to": "EVALUATED TO",
    }
    print_rows(run(read()), columns, json=json, empty="no machine has ever taken a share: `./scripts/up`")


@app.command("token")
def make_tokens(
    role: Annotated[
        list[str], typer.Option(help=f"Any of {', '.join(sorted(MACHINE_ROLES))}; may be given again.")
    ],
    machine: Annotated[str, typer.Option(help="The machine's name: small letters, digits and dashes.")],
    days: Annotated[int, typer.Option(min=1, max=366, help="For how long it is good.")] = 90,
    json: Annotated[bool, typer.Option("--json", help="One JSON document on standard output.")] = False,
) -> None:
    """Make tokens for one machine, so that it needs no SUPABASE_JWT_SECRET. They are kept nowhere.

    Signals work as signal_worker, analysis and monitoring as analyst, trading as trading_bridge, the archive
    as archivist. One line, for SIGTRAIL_MACHINE_TOKEN or the file of SIGTRAIL_MACHINE_TOKEN_FILE."""
    if NAME.fullmatch(machine) is None:
        raise InputError(f"{machine!r} is no machine's name: 3 to 63 small letters, digits and dashes")
    secret = load().need("supabase_jwt_secret")
    text = ",".join(mint(secret, one, machine, lifetime=days * 86_400) for one in dict.fromkeys(role))
    tokens = read_tokens(text)
    if json:
        told = [{"role": one.role, "token": one.text, "ends_at": one.end} for one in tokens.values()]
        print_json({"machine": machine, "tokens": told})
        return
    print(text)
    for one in tokens.values():
        print(f"machine {machine}, role {one.role}, until {one.end}", file=sys.stderr)


@app.command("run")
def run_roles(
    roles: Annotated[
        str, typer.Option(help="Which of signals, analysis, monitoring, trading, archive.")
    ] = "signals,analysis,monitoring,trading",
    venue: Annotated[str, typer.Option(help="Where live candles come from, as ccxt names it.")] = "binance",
    symbols: Annotated[
        str | None, typer.Option(help="Only these; those of the active traders without it.")
    ] = None,
    most_symbols: Annotated[
        int | None,
        typer.Option(min=1, help="Evaluate at most so many symbols; other machines take the rest."),
    ] = None,
    region: Annotated[str, typer.Option(help="Where this machine stands.")] = "local",
    analyst: Annotated[str | None, typer.Option(help=OPTION_HELP)] = None,
    readable: Annotated[bool, typer.Option("--readable", help="A log for people, not JSON lines.")] = False,
) -> None:
    """Run one machine on live candles until it is stopped; several may run, with the same or other roles."""
    setup(json=not readable, stream=sys.stderr)
    chosen = [one.strip() for one in roles.split(",") if one.strip()]
    source = Source(venue=venue, symbols=symbols, simulate=False)
    run(_run(chosen, source, region, analyst, most_symbols))


async def _run(
    roles: list[str], source: Source, region: str, analyst: str | None, most_symbols: int | None
) -> None:
    settings = load()
    if "analysis" in roles:
        settings = with_analyst(settings, analyst)
    machine = await _open(settings, roles, source, region, most_symbols)
    await run_machine(machine)
    if machine.status.errors:
        raise typer.Exit(1)


async def _open(
    settings: Settings, roles: list[str], source: Source, region: str, most_symbols: int | None
) -> Machine:
    """The machine. Nobody else keeps the candles that warm it up: it lets go of them one by one."""
    opened = await open_live(source, session_factory_of(settings), roles)
    return await build(
        settings,
        feed=opened.feed,
        warm=opened.warm,
        longer=opened.longer,
        replaying=False,
        roles=roles,
        state=machine_folder(settings, "-".join(sorted(roles))),
        paper=machine_folder(settings, "paper"),
        region=region,
        observed=True,
        shared=source.venue if source.chosen is None else None,
        most_symbols=most_symbols,
    )
