"""`sigtrail traders`: strategies that fire signals, and how their signals are traded."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import orjson
import typer

from cli.output import notes, print_json, print_rows
from cli.project import ask, database, find_trader, find_user, operator, run
from cli.queries import query
from shared.errors import InputError
from workers.signals.parser import parse, parse_all

app = typer.Typer(name="traders", help="Strategies that fire signals.", no_args_is_help=True)
AsJson = Annotated[bool, typer.Option("--json", help="One JSON document on standard output.")]


@app.command("list")
def list_traders(
    user: Annotated[str | None, typer.Option(help="Only this user's (email or id).")] = None,
    json: AsJson = False,
) -> None:
    """Show traders with their counters."""

    async def read() -> list[dict[str, Any]]:
        async with database() as connection:
            return await (await connection.execute(query("traders_list"), {"user": user})).fetchall()

    columns = {
        "name": "NAME",
        "email": "USER",
        "status": "STATUS",
        "market": "MARKET",
        "interval": "INTERVAL",
        "symbols": "SYMBOLS",
        "total_signals_generated": "SIGNALS",
        "total_trades_executed": "TRADES",
        "winning_trades": "WON",
        "total_pnl": "P&L",
        "id": "ID",
    }
    print_rows(run(read()), columns, json=json, empty="no traders yet: `sigtrail traders add FILE`")


@app.command("show")
def show_trader(name: str) -> None:
    """Print everything of one trader as JSON: what `add` takes."""

    async def read() -> dict[str, Any]:
        async with operator() as client:
            return await find_trader(client, name)

    print_json(run(read()))


@app.command("add")
def add_trader(
    file: Annotated[Path, typer.Argument(help="JSON with the trader's columns, `conditions` as a list.")],
    user: Annotated[str, typer.Option(help="Whose trader it is (email or id).")],
    json: AsJson = False,
) -> None:
    """Make a trader from a JSON file. Its conditions are compiled first."""
    try:
        trader = orjson.loads(file.read_bytes())
    except (OSError, orjson.JSONDecodeError) as error:
        raise InputError(f"{file} cannot be read as JSON: {error}") from error
    if not isinstance(trader, dict):
        raise InputError(f"{file} must hold one JSON object with the trader's columns")
    made = run(create_trader(trader, user))
    if json:
        print_json(made)
    else:
        notes.print(f"trader {made['name']} is {made['id']} ({made['status']})", soft_wrap=True)


@app.command("check")
def check_condition(condition: str) -> None:
    """Say whether a condition would compile, and where it would not."""
    parse(condition)
    notes.print("the condition is sound")


@app.command("pause")
def pause(name: str) -> None:
    """Stop a trader from firing; what it has open is managed to its end."""
    run(_set_status(name, "paused"))


@app.command("resume")
def resume(name: str) -> None:
    """Let a paused trader fire again."""
    run(_set_status(name, "active"))


@app.command("remove")
def remove(name: str) -> None:
    """Retire a trader for good; its signals and trades stay on record."""
    run(_set_status(name, "deleted"))


async def create_trader(trader: dict[str, Any], user: str) -> dict[str, Any]:
    """Store a trader of `user`. Raises InputError for a condition that does not compile."""
    conditions = trader.get("conditions", [])
    if not isinstance(conditions, list) or not all(isinstance(one, str) for one in conditions):
        raise InputError('conditions must be a list of texts, such as ["RSI(14) < 30", "close > EMA(20)"]')
    parse_all(conditions)
    async with operator() as client:
        owner = await find_user(client, user)
        row = {**trader, "user_id": owner["id"]}
        rows = await ask("traders", client.table("traders").insert(row).execute)
        return dict(rows[0])


async def _set_status(name: str, status: str) -> None:
    async with operator() as client:
        trader = await find_trader(client, name)
        change = client.table("traders").update({"status": status}).eq("id", trader["id"])
        await ask("traders", change.execute)
    notes.print(f"{trader['name']} is {status} now")
