"""`sigtrail audit`: is the trail what was signed, what is a signal's story, what did a user's signals do."""

from __future__ import annotations

import base64
import sys
from typing import Annotated, Any

import typer

from cli.audit_report import write_report
from cli.audit_story import print_story, read_story
from cli.moments import day as to_day
from cli.moments import moment
from cli.output import notes, print_json, print_rows
from cli.project import database, run
from cli.queries import query
from shared.errors import ConfigurationError, InputError, NotAllowed, Unavailable
from shared.settings import Settings, load
from workers.archive.finding import Report
from workers.archive.keys import SealKey, key_id, new_seal_key, read_public_keys
from workers.archive.store import open_store
from workers.archive.verification import NotChecked, Verification

app = typer.Typer(
    name="audit", help="The trail: is it what was signed, and what does it tell.", no_args_is_help=True
)
AsJson = Annotated[bool, typer.Option("--json", help="One JSON document on standard output.")]


@app.command("verify")
def verify(
    day: Annotated[str | None, typer.Option(help="Only the events of this day: 2025-05-05.")] = None,
    public_key: Annotated[
        list[str] | None, typer.Option(help="A public key that you trust (base64); may be given again.")
    ] = None,
    head: Annotated[
        str | None,
        typer.Option(help="A seal that you wrote down earlier, NUMBER:HASH; it must still be there."),
    ] = None,
    json: AsJson = False,
) -> None:
    """Check every event, seal and archived file against the signed chain.

    Exit status 0: intact. 1: broken, with the first place and what was done there. 2: could not be checked.
    """
    only = to_day(day) if day is not None else None
    known = _head(head)

    async def check() -> Report:
        settings = load()
        store = await open_store(settings)
        try:
            async with database(settings) as connection:
                verification = Verification(
                    connection,
                    settings.need("supabase_db_url"),
                    store,
                    _trusted(settings, public_key or []),
                    _progress,
                )
                return await verification.run(only, known)
        finally:
            await store.close()

    try:
        report = run(check())
    except (Unavailable, NotChecked, ConfigurationError, NotAllowed) as error:
        if json:
            print_json({"status": "unchecked", "reason": str(error)})
        notes.print(f"sigtrail: could not be checked: {error}", markup=False, soft_wrap=True)
        raise typer.Exit(2) from None
    if json:
        print_json(report.to_json())
    else:
        _print(report)
    if not report.intact:
        raise typer.Exit(1)


@app.command("key")
def key(json: AsJson = False) -> None:
    """Make a key that signs seals, and print how to set it. Nothing is written or replaced."""
    text = new_seal_key()
    made = SealKey.from_text(text)
    public = base64.b64encode(made.public_key).decode()
    if json:
        print_json({"SIGTRAIL_SEAL_KEY": text, "public_key": public, "key_id": made.id})
        return
    print(f"SIGTRAIL_SEAL_KEY={text}")
    notes.print(
        f"Its public key is {public} (id {made.id[:16]}): give it to whoever verifies.\n"
        "Set the line above where the role archive runs, and keep it out of the database and its backups.\n"
        "To replace a key that is in use, set NEW,OLD until the next seal is made: the old key then signs "
        "the new one.",
        markup=False,
        soft_wrap=True,
    )


@app.command("seals")
def seals(
    day: Annotated[str | None, typer.Option(help="Only the seals of this day.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="At most so many, the newest first.")] = 50,
    json: AsJson = False,
) -> None:
    """Show the chain of seals, the newest first. The head that `verify --head` takes is number:hash."""

    async def read() -> list[dict[str, Any]]:
        async with database() as connection:
            bounds = {"day": to_day(day) if day is not None else None, "limit": limit}
            return await (await connection.execute(query("seals_list"), bounds)).fetchall()

    columns = {
        "number": "SEAL",
        "kind": "KIND",
        "partition_day": "DAY",
        "reference": "PART",
        "from_tx": "FROM TX",
        "to_tx": "TO TX",
        "event_count": "EVENTS",
        "sealed_at": "SEALED",
        "key_id": "KEY",
        "hash": "HASH",
    }
    print_rows(run(read()), columns, json=json, empty="nothing was sealed yet: does the role archive run?")


@app.command("show")
def show(
    signal: Annotated[
        str, typer.Argument(help="The signal's id, or its name such as BTCUSDT-1759487400000.")
    ],
    json: AsJson = False,
) -> None:
    """Tell the whole story of one signal in order, from candle to fill, with who and which machine."""
    story = run(read_story(signal))
    if json:
        print_json(story)
    else:
        print_story(story)


@app.command("report")
def report(
    user: Annotated[str, typer.Option(help="The user's email or id.")],
    since: Annotated[str, typer.Option("--from", help="Signals that fired at or after: 2025-05-05, 30d, …")],
    until: Annotated[str, typer.Option("--to", help="Signals that fired before.")],
) -> None:
    """Write every event of a user's signals as CSV on standard output, archived days included."""
    first, last = moment(since), moment(until)
    if last <= first:
        raise InputError(f"--to {until} does not lie after --from {since}")
    count = run(write_report(user, first, last, sys.stdout))
    notes.print(f"{count} events", markup=False)


def _trusted(settings: Settings, texts: list[str]) -> dict[str, bytes]:
    """Public keys from outside: those that were given, else those of SIGTRAIL_SEAL_KEY."""
    try:
        given = read_public_keys(texts)
    except ConfigurationError as error:
        raise InputError(str(error)) from None
    if given or settings.sigtrail_seal_key is None:
        return given
    keys = SealKey.from_text(settings.need("sigtrail_seal_key")).public_keys
    return {key_id(one): one for one in keys}


def _head(text: str | None) -> tuple[int, bytes] | None:
    if text is None:
        return None
    number, _, digest = text.partition(":")
    try:
        known = int(number), bytes.fromhex(digest)
    except ValueError:
        known = 0, b""
    if known[0] < 1 or len(known[1]) != 32:
        raise InputError(f"{text!r} is no head of a chain: `sigtrail audit verify` prints it, NUMBER:HASH")
    return known


def _progress(text: str) -> None:
    if notes.is_terminal:
        notes.print(text, markup=False, end="\r")


def _print(report: Report) -> None:
    counts = f"{report.events} events of {report.days} days under {report.seals} seals"
    if report.intact:
        print(f"intact: {counts}")
    else:
        first = report.findings[0]
        print(f"BROKEN, {first.kind}: {first.message}")
        for finding in report.findings[1:]:
            print(f"  also {finding.kind}: {finding.message}")
        print(f"checked: {counts}")
    for sentence in report.unproven:
        print(f"not proven: {sentence}")
    if report.head:
        print(f"head {report.head}")
