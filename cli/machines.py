"""`sigtrail machines`: the processes that do the work."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from cli.output import print_rows
from cli.project import database, run
from cli.queries import query

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
        "version": "VERSION",
        "last_heartbeat_at": "LAST HEARD",
        "silent_seconds": "SILENT S",
    }
    print_rows(run(read()), columns, json=json, empty="no machine has registered yet: `./scripts/up`")
