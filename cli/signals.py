"""`sigtrail signals`: what fired, and why it was or was not traded."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

import typer
from rich.console import Console

from cli.export import fetch
from cli.moments import moment
from cli.output import notes, print_json, print_rows, show
from cli.project import Database, database, find_trader, find_user, operator, run
from cli.queries import query
from shared.errors import InputError, NotFound
from shared.identity import floor_ms, lowest_id
from shared.lifecycle import OutcomeCode, SignalStatus
from shared.settings import load

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


@app.command("export")
def export_signals(
    user: Annotated[str | None, typer.Option(help="Whose (email or id).")] = None,
    trader: Annotated[str | None, typer.Option(help="Only this trader's (name or id).")] = None,
    symbol: Annotated[str | None, typer.Option(help="Only this symbol's.")] = None,
    status: Annotated[str | None, typer.Option(help="Only those in this status.")] = None,
    outcome: Annotated[str | None, typer.Option(help="Only those that ended with this code.")] = None,
    search: Annotated[str | None, typer.Option(help="Only those whose texts hold all these words.")] = None,
    since: Annotated[
        str | None, typer.Option("--from", help="Triggered at or after this time: 2025-05-05, 7d, …")
    ] = None,
    until: Annotated[str | None, typer.Option("--to", help="Triggered before this time.")] = None,
    columns: Annotated[str | None, typer.Option(help="Only these columns: id,symbol,status.")] = None,
    format: Annotated[str | None, typer.Option(help="csv or ndjson; by the file's name, else csv.")] = None,
    output: Annotated[Path | None, typer.Option(help="The file to write; standard output without.")] = None,
) -> None:
    """Write every signal that a user's filter shows, the newest first, as CSV or NDJSON.

    It reads as that user. The file gets its name when it is whole.
    """
    _one_of("status", status, [one.value for one in SignalStatus])
    _one_of("outcome", outcome, [one.value for one in OutcomeCode])
    _one_of("format", format, ["csv", "ndjson"])
    named = output is not None and output.suffix in (".ndjson", ".jsonl")
    owner, trader_id = run(_whose(user, trader))
    given = {
        "format": format or ("ndjson" if named else "csv"),
        "trader": trader_id,
        "symbol": symbol,
        "status": status,
        "outcome": outcome,
        "search": search,
        "from": moment(since).isoformat() if since else None,
        "to": moment(until).isoformat() if until else None,
        "columns": columns,
    }
    try:
        rows = fetch(load(), owner, {name: value for name, value in given.items() if value}, output)
    except BrokenPipeError:
        # Whoever read it has enough: `| head`. Nothing more can be written there, not even at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(1) from None
    notes.print(f"{rows} signals{'' if output is None else f' in {output}'}", markup=False, soft_wrap=True)


async def _whose(user: str | None, trader: str | None) -> tuple[str, str | None]:
    """The id of the user who reads, and of the trader if one was named."""
    if user is None and trader is None:
        raise InputError("say whose signals: --user EMAIL or --trader NAME")
    async with operator() as client:
        owner = None if user is None else str((await find_user(client, user))["id"])
        if trader is None:
            return str(owner), None
        found = await find_trader(client, trader)
    if owner is not None and found["user_id"] != owner:
        raise NotFound(f"user {user} has no trader {trader}: see `sigtrail traders list`")
    return str(found["user_id"]), str(found["id"])


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
        for row in map(brief, found[name]):
            values = "  ".join(
                f"{field} {show(row[field])}" for field in fields if row.get(field) not in (None, {}, [])
            )
            console.print(f"  {show(row[time])}  {values}", markup=False)


def brief(row: dict[str, Any]) -> dict[str, Any]:
    """A row of the history for people: a question to a model is pages long, and stays in the JSON."""
    data = row.get("event_data")
    if row.get("event_type") != "analysis_requested" or not isinstance(data, dict) or "request" not in data:
        return row
    return {**row, "event_data": {**data, "request": "see --json"}}


def _one_of(name: str, given: str | None, known: list[str]) -> None:
    if given is not None and given not in known:
        raise InputError(f"{given!r} is no {name}: use one of {', '.join(known)}")
