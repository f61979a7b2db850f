"""`sigtrail archive`: take cold days out of the database, and ask about them afterwards."""

from __future__ import annotations

import asyncio
import csv
import sys
from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID

import pyarrow as pa
import typer

from cli.cells import defuse
from cli.moments import day, moment
from cli.output import notes, print_json, print_rows
from cli.project import database, find_trader, find_user, operator, run
from cli.queries import query
from cli.running import until_stopped
from shared.errors import InputError
from shared.settings import Settings, load
from workers.archive.cache import Cache, cache_folder
from workers.archive.day import Progress
from workers.archive.keys import SealKey
from workers.archive.question import Limits, ask
from workers.archive.reading import FIRST, LAST, Scope
from workers.archive.role import SECONDS
from workers.archive.rounds import Round, work
from workers.archive.store import open_store

app = typer.Typer(
    name="archive",
    help="Cold history: its files, and questions over warm and cold days.",
    no_args_is_help=True,
)

Json = Annotated[bool, typer.Option("--json", help="One JSON document on standard output.")]

# Questions that need no SQL. {n} is a number from the command line.
READY = {
    "last": (
        "select id, triggered_at, symbol, interval, side, status, outcome_code, initial_price, total_pnl "
        "from signals order by triggered_at desc, id desc limit {n}"
    ),
    "counts": (
        "select triggered_at::date as day, status, count(*) as signals from signals "
        "group by all order by day desc, status"
    ),
    "outcomes": (
        "select coalesce(outcome_code, '-') as outcome, count(*) as signals, sum(total_pnl) as total_pnl "
        "from signals group by all order by signals desc, outcome"
    ),
}


@app.command("run")
def run_archive(
    only: Annotated[
        str | None, typer.Option("--day", help="Only this day, however young; without it every cold day.")
    ] = None,
    until_done: Annotated[
        bool, typer.Option("--until-done", help="Stop when nothing is left; without it go on every minute.")
    ] = False,
    json: Json = False,
) -> None:
    """Seal what is new, archive cold days, and have them compacted. Ctrl-C is safe: the next run goes on."""
    settings = load()
    key = SealKey.from_text(settings.need("sigtrail_seal_key"))
    days = None if only is None else [day(only)]
    total = Round()

    async def rounds() -> None:
        store = await open_store(settings)
        try:
            while True:
                done = await work(settings, store, key, days=days, tell=_show)
                total.seals += done.seals
                total.parts += done.parts
                total.compacted += done.compacted
                total.busy = done.busy
                if done.busy:
                    notes.print("another archiver is at work: this one only sealed")
                if days is not None or (until_done and not done.parts):
                    return
                if not done.parts:
                    await asyncio.sleep(SECONDS)
        finally:
            await store.close()

    run(until_stopped(rounds()))
    if json:
        print_json(_summary(total))
    else:
        said = _summary(total)
        notes.print(
            f"{said['seals']} seals; {len(said['parts'])} parts with {said['signals']} signals "
            f"in {said['bytes']} bytes; {len(said['compacted'])} days compacted"
        )


def _show(progress: Progress) -> None:
    if progress.stage == "verified":
        part = 100 * progress.rows // max(progress.total, 1)
        notes.print(f"{progress.day} {part:3} %  {progress.path}", soft_wrap=True, markup=False)
    elif progress.stage == "listed":
        notes.print(f"{progress.day} is archived: {progress.rows} rows read back and counted")


def _summary(total: Round) -> dict[str, Any]:
    return {
        "seals": total.seals,
        "parts": [
            {
                "day": part.day,
                "part": part.number,
                "signals": part.signals,
                "events": part.events,
                "snapshots": part.snapshots,
                "files": part.files,
                "bytes": part.byte_count,
            }
            for part in total.parts
        ],
        "signals": sum(part.signals for part in total.parts),
        "bytes": sum(part.byte_count for part in total.parts),
        "compacted": total.compacted,
        "busy": total.busy,
    }


@app.command("list")
def list_days(json: Json = False) -> None:
    """The parts of archived days: when, what, and how large."""

    async def read() -> list[dict[str, Any]]:
        async with database() as connection:
            return await (await connection.execute(query("archive_list"))).fetchall()

    columns = {
        "day": "DAY",
        "part": "PART",
        "signals": "SIGNALS",
        "events": "EVENTS",
        "snapshots": "SNAPSHOTS",
        "bytes": "BYTES",
        "bytes_a_signal": "A SIGNAL",
        "verified_at": "VERIFIED",
    }
    print_rows(run(read()), columns, json=json, empty="nothing is archived yet: `sigtrail archive run`")


@app.command("status")
def show_status(json: Json = False) -> None:
    """Where the archive is, how far it came, and what waits."""
    settings = load()

    async def read() -> dict[str, Any]:
        async with database() as connection:
            row = await (await connection.execute(query("archive_status"))).fetchone() or {}
        store = await open_store(settings)
        await store.close()
        return {"store": store.address, **row}

    found = run(read())
    if json:
        print_json(found)
        return
    for name, value in found.items():
        print(f"{name.replace('_', ' '):<16} {_text(value)}")


@app.command("query")
def ask_archive(
    user: Annotated[str, typer.Option(help="Whose rows, by email or id. Only these can be seen.")],
    question: Annotated[
        str, typer.Argument(help=f"A SELECT over signals, events and snapshots; or {', '.join(READY)}.")
    ],
    since: Annotated[str | None, typer.Option("--from", help="Signals from this day or time on.")] = None,
    until: Annotated[
        str | None, typer.Option("--to", help="Signals up to this day, itself included, or before this time.")
    ] = None,
    trader: Annotated[str | None, typer.Option(help="Only this trader's, by id or name.")] = None,
    number: Annotated[int, typer.Option("-n", min=1, help="How many the question `last` shows.")] = 100,
    seconds: Annotated[float, typer.Option(min=0.1, help="How long it may take.")] = 60.0,
    as_csv: Annotated[bool, typer.Option("--csv", help="CSV on standard output.")] = False,
    json: Json = False,
) -> None:
    """Ask about all of a user's history, in Postgres and in the archive.

    The SQL sees the rows of this user only, whatever it says; it reaches no file and no network. Numbers are
    decimals with 18 places; JSON columns take ->> and ->.
    """
    if as_csv and json:
        raise InputError("choose --csv or --json")
    settings = load()
    sql = READY[question].format(n=number) if question in READY else question
    newest = number if question == "last" else None
    first, beyond = FIRST if since is None else moment(since), LAST if until is None else _end(until)
    if first >= beyond:
        raise InputError("--from must not be after --to")

    async def read() -> pa.Table:
        async with operator(settings) as client:
            user_id = UUID((await find_user(client, user))["id"])
            trader_id = UUID((await find_trader(client, trader))["id"]) if trader else None
        scope = Scope(user_id, first, beyond, trader=trader_id, newest=newest)
        return await answer(settings, scope, sql, Limits(seconds=seconds))

    table = run(read())
    if as_csv:
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(table.column_names)
        for batch in table.to_batches(max_chunksize=10_000):
            writer.writerows([cell(value) for value in row.values()] for row in batch.to_pylist())
        return
    rows = [{name: _plain(value) for name, value in row.items()} for row in table.to_pylist()]
    headings = {name: name.upper().replace("_", " ") for name in table.column_names}
    print_rows(rows, headings, json=json, empty="nothing was found")


async def answer(settings: Settings, scope: Scope, sql: str, limits: Limits | None = None) -> pa.Table:
    """The answer of warm and cold days together."""
    store = await open_store(settings)
    try:
        return await ask(settings, store, Cache(cache_folder(settings)), scope, sql, limits)
    finally:
        await store.close()


def _end(text: str) -> datetime:
    """The first moment that is not asked for any more: a day is meant whole."""
    found = moment(text)
    return found + timedelta(days=1) if len(text.strip()) == len("2025-05-05") else found


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return _number(value)
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, timedelta):
        return str(value)
    if isinstance(value, Mapping):
        return {name: _plain(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_plain(one) for one in value]
    return value


def _number(value: Decimal) -> str:
    text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def cell(value: Any) -> Any:
    """One value in a line of CSV: what somebody wrote runs in no spreadsheet."""
    if isinstance(value, str):
        return defuse(value)
    plain = _plain(value)
    return plain.isoformat() if isinstance(plain, datetime) else plain


def _text(value: Any) -> str:
    return "-" if value is None else str(value)
