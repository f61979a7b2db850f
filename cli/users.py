"""`sigtrail users`: who owns traders and signals."""

from __future__ import annotations

import secrets
from typing import Annotated, Any

import typer
from supabase_auth.errors import AuthApiError

from cli.output import notes, print_json, print_rows
from cli.project import ask, database, find_user, operator, run
from cli.queries import query
from shared.errors import InputError, Refused

app = typer.Typer(name="users", help="People who own traders.", no_args_is_help=True)
TIERS = ("free", "pro", "elite")
AsJson = Annotated[bool, typer.Option("--json", help="One JSON document on standard output.")]


@app.command("list")
def list_users(json: AsJson = False) -> None:
    """Show every user, with how many traders and signals they have today."""

    async def read() -> list[dict[str, Any]]:
        async with database() as connection:
            return await (await connection.execute(query("users_list"))).fetchall()

    columns = {
        "email": "EMAIL",
        "tier": "TIER",
        "traders": "TRADERS",
        "signals_today": "SIGNALS TODAY",
        "id": "ID",
        "created_at": "SINCE",
    }
    print_rows(run(read()), columns, json=json, empty="no users yet: `sigtrail users add EMAIL`")


@app.command("add")
def add_user(
    email: Annotated[str, typer.Argument(help="What they sign in with.")],
    tier: Annotated[str, typer.Option(help="free, pro or elite: how many signals a day.")] = "free",
    password: Annotated[
        str | None, typer.Option(help="Made and shown once when not given.", envvar="SIGTRAIL_PASSWORD")
    ] = None,
    json: AsJson = False,
) -> None:
    """Make a user."""
    if tier not in TIERS:
        raise InputError(f"{tier!r} is no tier: use one of {', '.join(TIERS)}")
    made = secrets.token_urlsafe(18) if password is None else None
    user = run(create_user(email, password or made or "", tier))
    answer = {"id": user["id"], "email": user["email"], "tier": user["tier"]}
    if made is not None:
        answer["password"] = made
    if json:
        print_json(answer)
        return
    notes.print(f"{email} is user {user['id']} ({tier})", soft_wrap=True)
    if made is not None:
        notes.print("their password, which is shown only now:")
        print(made)


@app.command("tier")
def set_tier(email: str, tier: str) -> None:
    """Move a user to another tier."""
    if tier not in TIERS:
        raise InputError(f"{tier!r} is no tier: use one of {', '.join(TIERS)}")

    async def change() -> None:
        async with operator() as client:
            user = await find_user(client, email)
            await ask("users", client.table("users").update({"tier": tier}).eq("id", user["id"]).execute)

    run(change())
    notes.print(f"{email} is {tier} now")


@app.command("operator")
def set_operator(
    email: str,
    remove: Annotated[bool, typer.Option("--remove", help="Take the right away again, at once.")] = False,
) -> None:
    """Let a user look after the platform in the console: its machines, shares, alerts and seals.

    They see nothing more of other users, and change nothing but acknowledging alerts of the platform.
    """

    async def change() -> None:
        async with operator() as client:
            user = await find_user(client, email)
            # Of what is stored beside it, nothing else changes; null takes it out.
            attributes: Any = {"app_metadata": {"role": None if remove else "operator"}}
            try:
                await client.auth.admin.update_user_by_id(user["id"], attributes)
            except AuthApiError as error:
                raise Refused(f"user {email}: {error.message}", code=error.code) from error

    run(change())
    if remove:
        notes.print(f"{email} oversees the platform no more", markup=False)
    else:
        notes.print(f"{email} oversees the platform from their next sign-in on", markup=False)


async def create_user(email: str, password: str, tier: str) -> dict[str, Any]:
    """Make a confirmed user with this password and tier, and answer their row."""
    async with operator() as client:
        attributes: Any = {"email": email, "password": password, "email_confirm": True}
        try:
            made = await client.auth.admin.create_user(attributes)
        except AuthApiError as error:
            raise Refused(f"user {email}: {error.message}", code=error.code) from error
        rows = await ask("users", client.table("users").update({"tier": tier}).eq("id", made.user.id).execute)
        return dict(rows[0])
