"""`sigtrail positions`: what is held, how it is protected, and what it earned."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from cli.decisions import AsJson, Why, Yes, be_sure, carry_out
from cli.listing import list_rows
from shared.errors import InputError

app = typer.Typer(name="positions", help="What is held, and what it earned.", no_args_is_help=True)
STATUSES = ("open", "closing", "closed")


@app.command("list")
def list_positions(
    status: Annotated[str | None, typer.Option(help="open, closing or closed; all without it.")] = None,
    trader: Annotated[str | None, typer.Option(help="Only this trader's (name or id).")] = None,
    symbol: Annotated[str | None, typer.Option(help="Only this symbol's.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="At most so many, the newest first.")] = 50,
    json: Annotated[bool, typer.Option("--json", help="One JSON document on standard output.")] = False,
) -> None:
    """Show positions, the newest first."""
    if status is not None and status not in STATUSES:
        raise InputError(f"{status!r} is no status of a position: use one of {', '.join(STATUSES)}")
    bounds = {"status": status, "trader": trader, "symbol": symbol, "limit": limit}
    columns = {
        "id": "POSITION",
        "opened_at": "OPENED",
        "symbol": "SYMBOL",
        "trader": "TRADER",
        "side": "SIDE",
        "status": "STATUS",
        "amount": "HELD",
        "entry_average": "ENTRY",
        "stop_loss": "STOP LOSS",
        "take_profit": "TAKE PROFIT",
        "protected": "PROTECTED",
        "exit_average": "EXIT",
        "exit_reason": "REASON",
        "slippage": "SLIPPAGE",
        "fees": "FEES",
        "realized_pnl": "P&L",
    }
    list_rows("positions_list", columns, json=json, empty="no positions match", **bounds)


@app.command("close")
def close_position(
    position: Annotated[str, typer.Argument(help="The position's id, from `sigtrail positions list`.")],
    why: Why = "closed by an operator",
    yes: Yes = False,
    json: AsJson = False,
) -> None:
    """Close one position at the market. The bridge that holds its account carries it out."""
    be_sure(yes, f"close position {position} at the market")

    def told(answer: Any) -> str:
        return f"position {position} is {answer['state']} for {answer['exit_reason']}"

    carry_out("close_position", told, json=json, position_id=position, why=why)
