"""`sigtrail signals`: what fired, and why it was or was not traded."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

import typer
from rich.console import Console

from cli.moments import moment
from cli.output import print_json, print_rows, show
from cli.project import Database, database, run
from cli.queries import query
from shared.errors import InputError, NotFound
from shared.identity import floor_ms, lowest_id
from shared.lifecycle import OutcomeCode, SignalStatus

app = typer.Typer(name="signals", help="What fired, and what became of it.", no_args_is_help=True)
AsJson = Annotated[bool, typer.Option("--json", help="One JSON document on standard output.")]


@app.command("list")
def list_signals(
    trader: Annotated[str | None, typer.Option(help="Only this trader's (name or id).")] = None,
    symbol: Annotated[str | None, typer.Option(help="Only this symbol's.")] = None,
    status: Annotated[str | None, typer.Option(help="Only those in this status.")] = None,
    outcome: Annotated[str | None, typer.Option(help="Only those that ended with this code.")] = None,
    since: Annotated[
        str | None, typer.Option(help="Triggered at or after this time: 2025-05-05, 24h, …")
    ] = None,
    until: Annotated[str | None, typer.Option(help="Triggered before this time.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="At most so many, the newest first.")] = 50,
    json: AsJson = False,
) -> None:
    """Show signals, the newest first."""
    _one_of("status", status, [one.value for one in SignalStatus])
    _one_of("outcome", outcome, [one.value for one in OutcomeCode])
    bounds = {
        "trader": trader,
        "symbol": symbol,
        "status": status,
        "outcome": outcome,
        "from_id": lowest_id(floor_ms(moment(since))) if since else None,
        "to_id": lowest_id(floor_ms(moment(until))) if until else None,
        "limit": limit,
    }

    async def read() -> list[dict[str, Any]]:
        async with database() as connection:
            return await (await connection.execute(query("signals_list"), bounds)).fetchall()

    columns = {
        "triggered_at": "TRIGGERED",
        "symbol": "SYMBOL",
        "trader": "TRADER",
        "side": "SIDE",
        "status": "STATUS",
        "outcome_code": "OUTCOME",
        "initial_price": "PRICE",
        "analysis_confidence": "CONFIDENCE",
        "total_pnl": "P&L",
        "id": "ID",
    }
    print_rows(run(read()), columns, json=json, empty="no signals match")


@app.command("show")
def show_signal(
    signal: Annotated[
        str, typer.Argument(help="The signal's id, or its name such as BTCUSDT-1759487400000.")
    ],
    json: AsJson = False,
) -> None:
    """Show one signal with its whole history: events, snapshots, orders, fills, position."""
    found = run(_read_all(signal))
    if json:
        print_json(found)
    else:
        _print(found)


async def _read_all(name: str) -> dict[str, Any]:
    async with database() as connection:
        signal = await _find(connection, name)
        history = {}
        for part in ("events", "snapshots", "orders", "positions", "executions"):
            rows = await connection.execute(query(f"signal_{part}"), {"id": signal["id"]})
            history[part] = await rows.fetchall()
    return {"signal": signal, **history}


async def _find(connection: Database, name: str) -> dict[str, Any]:
    """A signal by id or human name; a name that several traders share needs the id."""
    bounds: dict[str, Any]
    try:
        bounds = {"first": UUID(name), "last": UUID(name), "symbol": None}
    except ValueError:
        symbol, _, ms = name.rpartition("-")
        if not symbol or not ms.isdigit():
            raise InputError(
                f"{name!r} is neither a signal's id nor a name such as BTCUSDT-1759487400000"
            ) from None
        bounds = {"first": lowest_id(int(ms)), "last": lowest_id(int(ms) + 1), "symbol": symbol}
    found = await (await connection.execute(query("signal_find"), bounds)).fetchall()
    if not found:
        raise NotFound(f"there is no signal {name}: see `sigtrail signals list`")
    if len(found) > 1:
        choices = ", ".join(f"{row['id']} ({row['trader']})" for row in found)
        raise InputError(f"several signals are named {name}: {choices}; give the id")
    return found[0]


def _print(found: dict[str, Any]) -> None:
    signal = found["signal"]
    # A pipe has no width: nothing is folded there.
    console = Console(highlight=False, soft_wrap=True)
    console.print(
        f"[bold]{signal['symbol']} {signal['side']}[/] by {signal['trader']}, triggered "
        f"{show(signal['triggered_at'])} at {signal['initial_price']}"
    )
    ended = f", {signal['outcome_code']}: {signal['outcome_text']}" if signal["outcome_code"] else ""
    console.print(f"{signal['status']}{ended}   P&L {signal['total_pnl']}   {signal['id']}", markup=False)
    for condition in signal["matched_conditions"]:
        console.print(f"  matched  {show(condition)}", markup=False)
    if signal["analysis_trade_plan"]:
        console.print(f"  plan     {show(signal['analysis_trade_plan'])}", markup=False)
    sections = {
        "events": (
            "occurred_at",
            ("number", "event_type", "from_status", "to_status", "event_data", "error_info", "worker"),
        ),
        "snapshots": ("occurred_at", ("action", "price", "confidence", "reasoning")),
        "orders": (
            "intended_at",
            (
                "leg",
                "side",
                "kind",
                "amount",
                "price",
                "trigger_price",
                "status",
                "filled",
                "average",
                "code",
            ),
        ),
        "executions": ("executed_at", ("side", "amount", "price", "fee", "fee_currency")),
        "positions": (
            "opened_at",
            (
                "side",
                "status",
                "amount",
                "entry_average",
                "exit_average",
                "exit_reason",
                "fees",
                "realized_pnl",
            ),
        ),
    }
    for name, (time, fields) in sections.items():
        if not found[name]:
            continue
        console.print(f"\n[bold]{name}[/]")
        for row in found[name]:
            values = "  ".join(
                f"{field} {show(row[field])}" for field in fields if row.get(field) not in (None, {}, [])
            )
            console.print(f"  {show(row[time])}  {values}", markup=False)


def _one_of(name: str, given: str | None, known: list[str]) -> None:
    if given is not None and given not in known:
        raise InputError(f"{given!r} is no {name}: use one of {', '.join(known)}")
