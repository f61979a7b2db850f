"""`sigtrail risk`: limits, what was lost against them, and the state of accounts."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from cli.decisions import AsJson, Why, Yes, be_sure, call
from cli.output import notes, print_json, print_rows
from cli.project import ask, database, find_trader, operator, run
from cli.queries import query
from shared.errors import InputError

app = typer.Typer(name="risk", help="Limits, losses and states of accounts.", no_args_is_help=True)
STATUSES = ("active", "reducing", "halted")
Account = Annotated[str, typer.Argument(help="The account's id, from `sigtrail accounts list`.")]


@app.command("show")
def show(json: AsJson = False) -> None:
    """Show what every account and trader may hold and lose, and what it lost."""

    async def read() -> list[dict[str, Any]]:
        async with database() as connection:
            return await (await connection.execute(query("risk_list"))).fetchall()

    columns = {
        "subject": "OF",
        "name": "NAME",
        "status": "STATUS",
        "daily_loss": "LOST TODAY",
        "max_daily_loss": "OF",
        "drawdown": "BELOW BEST",
        "max_drawdown": "OF ",
        "max_positions": "POSITIONS",
        "max_notional": "NOTIONAL",
        "max_symbol_notional": "A SYMBOL",
        "max_orders_per_minute": "ORDERS/MIN",
        "id": "ID",
    }
    print_rows(run(read()), columns, json=json, empty="there is no account")


@app.command("limit")
def limit(
    account: Annotated[str | None, typer.Option(help="The account's id.")] = None,
    trader: Annotated[str | None, typer.Option(help="Or the trader's name or id.")] = None,
    positions: Annotated[int | None, typer.Option(help="At most so many at once.")] = None,
    notional: Annotated[str | None, typer.Option(help="At most so much held, in quote currency.")] = None,
    symbol_notional: Annotated[str | None, typer.Option(help="At most so much of one symbol.")] = None,
    daily_loss: Annotated[str | None, typer.Option(help="At most so much lost on a UTC day.")] = None,
    drawdown: Annotated[str | None, typer.Option(help="At most so much below its best.")] = None,
    orders: Annotated[int | None, typer.Option(help="At most so many orders a minute.")] = None,
    reduce_at: Annotated[int, typer.Option(help="Only reduce from this percent of a loss limit on.")] = 80,
    json: AsJson = False,
) -> None:
    """Set the limits of an account or a trader. What is not given is no limit any more."""
    if (account is None) == (trader is None):
        raise InputError("give --account or --trader")
    limits = {
        "max_positions": positions,
        "max_notional": notional,
        "max_symbol_notional": symbol_notional,
        "max_daily_loss": daily_loss,
        "max_drawdown": drawdown,
        "max_orders_per_minute": orders,
        "reduce_at_percent": reduce_at,
    }
    given = {name: value for name, value in limits.items() if value is not None}

    async def change() -> Any:
        async with operator() as client:
            owner = account if trader is None else (await find_trader(client, trader))["id"]
            whose = {"account_id": owner} if trader is None else {"trader_id": owner}
            return await ask("limits", client.rpc("set_risk_limits", {"limits": given, **whose}).execute)

    made = run(change())
    if json:
        print_json(made)
    else:
        notes.print(f"the limits of {account or trader} are set", soft_wrap=True)


@app.command("status")
def set_status(
    account: Account,
    status: Annotated[str, typer.Argument(help="active, reducing or halted.")],
    why: Why,
    yes: Yes = False,
    json: AsJson = False,
) -> None:
    """Let an account trade, only reduce, or halt it: the only way out of a halt."""
    if status not in STATUSES:
        raise InputError(f"{status!r} is no status: use one of {', '.join(STATUSES)}")
    if status == "halted":
        be_sure(yes, f"close everything of account {account}")
    now = run(call("set_account_status", account_id=account, status=status, why=why))
    if json:
        print_json({"account_id": account, "status": now})
    else:
        notes.print(f"account {account} is {now} now", soft_wrap=True)
