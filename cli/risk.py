"""`sigtrail risk`: limits of accounts and traders, and what was lost against them."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Annotated, Any

import typer

from cli.decisions import AsJson
from cli.listing import list_rows
from cli.output import print_json, print_rows
from cli.project import ask, find_trader, operator, run
from shared.errors import InputError

app = typer.Typer(name="risk", help="Limits of accounts and traders, and losses.", no_args_is_help=True)


@app.command("show")
def show(json: AsJson = False) -> None:
    """Show what every account and trader may hold and lose, and what it lost."""

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
    list_rows("risk_list", columns, json=json, empty="there is no account")


@app.command("limit")
def limit(
    account: Annotated[str | None, typer.Option(help="The account's id.")] = None,
    trader: Annotated[str | None, typer.Option(help="Or the trader's name or id.")] = None,
    positions: Annotated[str | None, typer.Option(help="At most so many at once.")] = None,
    notional: Annotated[str | None, typer.Option(help="At most so much held, in quote currency.")] = None,
    symbol_notional: Annotated[str | None, typer.Option(help="At most so much of one symbol.")] = None,
    daily_loss: Annotated[str | None, typer.Option(help="At most so much lost on a UTC day.")] = None,
    drawdown: Annotated[str | None, typer.Option(help="At most so much below its best.")] = None,
    orders: Annotated[str | None, typer.Option(help="At most so many orders a minute.")] = None,
    reduce_at: Annotated[
        str | None, typer.Option(help="Only reduce from this percent of a loss limit on (80 by itself).")
    ] = None,
    json: AsJson = False,
) -> None:
    """Set limits of an account or a trader. Those that are not given stay; `none` lifts one."""
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
    given = {name: _number(name, value) for name, value in limits.items() if value is not None}
    if not given:
        raise InputError("give at least one limit: see `sigtrail risk limit --help`")

    async def change() -> Any:
        async with operator() as client:
            owner = account if trader is None else (await find_trader(client, trader))["id"]
            whose = {"account_id": owner} if trader is None else {"trader_id": owner}
            return await ask("limits", client.rpc("set_risk_limits", {"limits": given, **whose}).execute)

    made = run(change())
    if json:
        print_json(made)
        return
    before = made["before"] or {}
    rows = [{"limit": name, "before": before.get(name), "after": made["after"][name]} for name in limits]
    columns = {"limit": f"LIMIT OF {account or trader}", "before": "BEFORE", "after": "NOW"}
    print_rows(rows, columns, json=False, empty="")


def _number(name: str, value: str) -> str | None:
    """A limit as the database takes it; None lifts it."""
    if value.lower() == "none":
        return None
    try:
        amount = Decimal(value)
    except InvalidOperation:
        amount = Decimal("nan")
    whole = name in ("max_positions", "max_orders_per_minute", "reduce_at_percent")
    if not amount.is_finite() or (whole and amount != amount.to_integral_value()):
        kind = "a whole number" if whole else "a number"
        raise InputError(f"{value!r} is no limit: give {kind}, or none to lift it")
    return value
