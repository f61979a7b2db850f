"""`sigtrail orders`: what was sent to venues, and what they made of it."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from cli.moments import moment
from cli.output import print_rows
from cli.project import database, run
from cli.queries import query
from shared.errors import InputError

app = typer.Typer(name="orders", help="What was sent to venues.", no_args_is_help=True)
STATUSES = (
    "intended",
    "submitted",
    "open",
    "partially_filled",
    "filled",
    "canceled",
    "rejected",
    "denied",
    "unresolved",
)


@app.command("list")
def list_orders(
    status: Annotated[str | None, typer.Option(help="Only those in this status.")] = None,
    trader: Annotated[str | None, typer.Option(help="Only this trader's (name or id).")] = None,
    symbol: Annotated[str | None, typer.Option(help="Only this symbol's.")] = None,
    since: Annotated[
        str | None, typer.Option(help="Intended at or after this time: 2025-05-05, 24h, …")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="At most so many, the newest first.")] = 50,
    json: Annotated[bool, typer.Option("--json", help="One JSON document on standard output.")] = False,
) -> None:
    """Show orders, the newest first."""
    if status is not None and status not in STATUSES:
        raise InputError(f"{status!r} is no status of an order: use one of {', '.join(STATUSES)}")
    bounds = {
        "status": status,
        "trader": trader,
        "symbol": symbol,
        "since": moment(since) if since else None,
        "limit": limit,
    }

    async def read() -> list[dict[str, Any]]:
        async with database() as connection:
            return await (await connection.execute(query("orders_list"), bounds)).fetchall()

    columns = {
        "intended_at": "INTENDED",
        "symbol": "SYMBOL",
        "trader": "TRADER",
        "leg": "LEG",
        "side": "SIDE",
        "kind": "KIND",
        "amount": "AMOUNT",
        "price": "PRICE",
        "trigger_price": "TRIGGER",
        "status": "STATUS",
        "filled": "FILLED",
        "average": "AVERAGE",
        "fees": "FEES",
        "code": "CODE",
        "client_order_id": "CLIENT ORDER ID",
    }
    print_rows(run(read()), columns, json=json, empty="no orders match")
