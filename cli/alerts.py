"""`sigtrail alerts`: what a person should know now, and whether it reaches anybody."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import uuid4

import typer

from cli.decisions import AsJson
from cli.listing import list_rows
from cli.output import print_json, print_rows
from cli.project import ask, database, operator, run
from cli.queries import query
from shared.errors import ConfigurationError, NotFound
from shared.settings import load
from workers.alerts.channels import open_channels
from workers.alerts.delivery import Channel, Delivery, DeliveryFailed

app = typer.Typer(name="alerts", help="What a person should know now.", no_args_is_help=True)

ENDS = {"channel": "CHANNEL", "end": "END", "error": "WHY"}


@app.command("list")
def list_alerts(
    every: Annotated[bool, typer.Option("--all", help="Those that are over too.")] = False,
    limit: Annotated[int, typer.Option(min=1, help="At most so many, the latest first.")] = 50,
    json: AsJson = False,
) -> None:
    """Show what is the matter, since when, how often, and whom it reached."""
    columns = {
        "severity": "SEVERITY",
        "title": "WHAT",
        "times": "TIMES",
        "raised_at": "SINCE",
        "last_at": "LAST",
        "resolved_at": "OVER",
        "acknowledged_by": "SEEN BY",
        "delivered": "DELIVERED",
        "id": "ID",
    }
    list_rows("alerts_list", columns, json=json, empty="nothing is the matter", all=every, limit=limit)


@app.command("acknowledge")
def acknowledge(
    alert: Annotated[str, typer.Argument(help="The alert's id.")],
    note: Annotated[str | None, typer.Option(help="What is being done about it.")] = None,
    who: Annotated[str | None, typer.Option(help="Who looks after it.")] = None,
    json: AsJson = False,
) -> None:
    """Say that somebody has seen it and looks after it."""

    async def change() -> bool:
        async with operator() as client:
            told = {"alert_id": alert, "note": note, "who": who}
            return bool(await ask("alert", client.rpc("acknowledge_alert", told).execute))

    done = run(change())
    if json:
        print_json({"acknowledged": done, "alert_id": alert})


@app.command("test")
def send_test(
    outbox: Annotated[
        bool, typer.Option("--outbox", help="Through the database and the machines that run.")
    ] = False,
    seconds: Annotated[
        float, typer.Option("--for", min=1, help="Wait so long for the machines to deliver it.")
    ] = 60.0,
    json: AsJson = False,
) -> None:
    """Send a test alert to every channel of this environment. Exit status 1 when one does not take it."""
    rows = run(_through_outbox(seconds) if outbox else _directly())
    print_rows(rows, ENDS, json=json, empty="")
    if any(row["end"] != "sent" for row in rows):
        raise typer.Exit(1)


async def _directly() -> list[dict[str, Any]]:
    channels = open_channels(load())
    if not channels:
        raise ConfigurationError(
            "no channel is set: set SIGTRAIL_ALERT_WEBHOOK_URL, or those of Telegram or e-mail"
        )
    return list(await asyncio.gather(*map(_send, channels)))


async def _send(channel: Channel) -> dict[str, Any]:
    number, now = str(uuid4()), datetime.now(UTC).isoformat()
    alert: dict[str, Any] = {
        "id": number,
        "kind": "test",
        "severity": "info",
        "title": "a test: alerts of Sigtrail arrive here",
        "details": {},
        "machine_id": None,
        "user_id": None,
        "times": 1,
        "raised_at": now,
        "last_at": now,
        "resolved_at": None,
    }
    delivery = Delivery(f"{number}:raised:{channel.name}", number, "raised", channel.name, 1, alert)
    row: dict[str, Any] = {"channel": channel.name, "end": "sent", "error": None}
    try:
        await channel.send(delivery)
    except DeliveryFailed as error:
        row |= {"end": "failed", "error": str(error)}
    finally:
        await channel.close()
    return row


async def _through_outbox(seconds: float) -> list[dict[str, Any]]:
    told = {"kind": "test", "key": str(uuid4()), "title": "a test: alerts of Sigtrail arrive here"}
    async with operator() as client:
        alert = await ask("alert", client.rpc("raise_alert", told).execute)
    rows: list[dict[str, Any]] = []
    async with database() as connection:
        for _ in range(round(seconds)):
            rows = await (await connection.execute(query("alert_deliveries"), {"alert": alert})).fetchall()
            if rows and all(row["sent_at"] or row["dead_at"] for row in rows):
                break
            await asyncio.sleep(1.0)
    if not rows:
        raise NotFound(
            f"no machine took the alert within {seconds:g} s: does one run with a channel set?"
            " `sigtrail machines list`"
        )
    return [
        {
            "channel": row["channel"],
            "end": "sent" if row["sent_at"] else "given up" if row["dead_at"] else "waits",
            "error": row["error"],
        }
        for row in rows
    ]
