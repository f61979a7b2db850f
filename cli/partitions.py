"""`sigtrail partitions`: the days that history has room for."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Annotated, Any

import typer

from cli.moments import day
from cli.output import notes, print_json, print_rows
from cli.project import database, run
from cli.queries import query
from shared.errors import InputError

app = typer.Typer(name="partitions", help="The days that history has room for.", no_args_is_help=True)
AsJson = Annotated[bool, typer.Option("--json", help="One JSON document on standard output.")]


@app.command("list")
def list_partitions(json: AsJson = False) -> None:
    """Show each day with its tier, its size and how far it has come."""

    async def read() -> list[dict[str, Any]]:
        async with database() as connection:
            return await (await connection.execute(query("partitions_list"))).fetchall()

    columns = {
        "day": "DAY",
        "tier": "TIER",
        "signals": "SIGNALS (ABOUT)",
        "bytes": "BYTES",
        "last_write_at": "LAST WRITE",
        "archived_at": "ARCHIVED",
        "compacted_at": "COMPACTED",
    }
    print_rows(run(read()), columns, json=json, empty="no partitions: is the schema there?")


@app.command("backfill")
def backfill(
    first: Annotated[str, typer.Argument(help="First day, 2025-05-04.")],
    last: Annotated[str, typer.Argument(help="Last day, included.")],
    json: AsJson = False,
) -> None:
    """Open recorded days, so that signals of the past may come in."""
    if day(last) < day(first):
        raise InputError(f"the last day {last} lies before the first day {first}")
    opened = run(open_days(first, last))
    if json:
        print_json(opened)
        return
    fresh = sum(1 for row in opened if row["opened"])
    notes.print(f"{len(opened)} days from {first} to {last} are open, {fresh} of them new")


async def open_days(first: str, last: str) -> list[dict[str, Any]]:
    """Make room for these days; answers each day and whether it was opened now."""
    async with database() as connection:
        days = {"first": day(first), "last": day(last)}
        return await (await connection.execute(query("partitions_open"), days)).fetchall()


def runs(days: Sequence[date]) -> list[tuple[date, date]]:
    """Days in order as first and last of each unbroken row of them."""
    found: list[tuple[date, date]] = []
    for one in days:
        if found and one - found[-1][1] == timedelta(days=1):
            found[-1] = (found[-1][0], one)
        else:
            found.append((one, one))
    return found
