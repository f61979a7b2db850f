"""`sigtrail deploy`: is a project fit for machines, before the first of them starts."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from email.utils import parsedate_to_datetime
from typing import Any

import httpx
import typer

from cli.decisions import AsJson
from cli.output import print_json
from cli.project import database, run
from cli.queries import query
from cli.target import (
    Check,
    check_clock,
    check_extensions,
    check_migrations,
    check_policies,
    check_roles,
    check_version,
)
from shared.errors import SigtrailError
from shared.keys import mint
from shared.realtime import Realtime
from shared.settings import CHECKOUT, Settings, load
from shared.vault import Vault
from workers.archive.keys import SealKey

app = typer.Typer(name="deploy", help="Before the first machine starts.", no_args_is_help=True)

# The database roles that machines become through the REST interface.
TOKEN_ROLES = ("signal_worker", "analyst", "trading_bridge")
# A machine's name that nobody registers.
NOBODY = "deploy-check"
REALTIME_SECONDS = 10.0


@app.callback()
def deploy() -> None:
    """Before the first machine starts."""


@app.command("check")
def check(json: AsJson = False) -> None:
    """Look whether the project and the keys of this environment are fit: keys, roles, extensions, migrations,
    policies, clocks. Nothing is changed. Exit status 1 when something has to be done."""
    checks = run(look(load()))
    if json:
        print_json({"ok": all(one.ok for one in checks), "checks": [one.to_json() for one in checks]})
    else:
        for one in checks:
            print(f"{'fit ' if one.ok else 'LOOK'}  {one.name:<20} {one.found}")
            if not one.ok:
                print(f"      {one.do}")
    if not all(one.ok for one in checks):
        raise typer.Exit(1)


async def look(settings: Settings) -> list[Check]:
    """Every check of this project."""
    found = _look_at_settings(settings)
    async with httpx.AsyncClient(
        base_url=settings.supabase_url, timeout=15.0, trust_env=settings.supabase_url.startswith("https://")
    ) as http:
        answers = await _look_at_interface(http, settings)
        found += answers
        if answers[0].ok:
            found += await _look_at_tokens(http, settings)
            found.append(await _look_at_realtime(settings))
    return found + await _look_at_database(settings)


def _look_at_settings(settings: Settings) -> list[Check]:
    names: dict[str, tuple[str, Callable[[str], object]]] = {
        "supabase_secret_key": ("Settings, API Keys, of the project's dashboard has it", str),
        "supabase_jwt_secret": ("Settings, JWT Keys, has it: machines sign their own tokens with it", str),
        "supabase_db_url": ("Connect, in the project's dashboard, has it: the session pooler or direct", str),
        "sigtrail_master_key": (
            "make one with `openssl rand -base64 32`, and keep a copy elsewhere",
            Vault.from_text,
        ),
        "sigtrail_seal_key": (
            "make one with `sigtrail audit key`, and keep a copy elsewhere",
            SealKey.from_text,
        ),
    }
    wrong: list[Check] = []
    for name, (where, read) in names.items():
        value = getattr(settings, name)
        if value is None or not value.get_secret_value():
            wrong.append(Check("settings", False, f"{name.upper()} is not set", where))
            continue
        try:
            read(value.get_secret_value())
        except SigtrailError as error:
            wrong.append(Check("settings", False, str(error), where))
    return wrong or [Check("settings", True, "every key is set")]


async def _look_at_interface(http: httpx.AsyncClient, settings: Settings) -> list[Check]:
    """The address, the two keys, and the clock of whoever answers."""
    key = settings.supabase_publishable_key.get_secret_value()
    asked = time.time()
    try:
        answer = await http.get("/auth/v1/settings", headers={"apikey": key})
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        do = "look at SUPABASE_URL, and whether the project is paused"
        return [Check("interface", False, f"SUPABASE_URL does not answer ({type(error).__name__})", do)]
    answered = time.time()
    found = [Check("interface", True, f"{settings.supabase_url} answers")]
    do = "take SUPABASE_PUBLISHABLE_KEY of this project from Settings, API Keys"
    taken = answer.status_code == 200
    found.append(
        Check("publishable key", taken, "is taken" if taken else f"is refused ({answer.status_code})", do)
    )
    if (told := answer.headers.get("date")) is not None:
        # The header has whole seconds.
        theirs = parsedate_to_datetime(told).timestamp()
        found.append(check_clock("clock", theirs, asked - 1.0, answered))
    if settings.supabase_secret_key is not None:
        secret = settings.supabase_secret_key.get_secret_value()
        told_back = await _ask(http, secret, secret)
        taken = told_back is not None and told_back.status_code not in (401, 403)
        do = "take SUPABASE_SECRET_KEY of this project from Settings, API Keys"
        found.append(Check("secret key", taken, "is taken" if taken else f"is refused {_why(told_back)}", do))
    return found


async def _look_at_tokens(http: httpx.AsyncClient, settings: Settings) -> list[Check]:
    """Whether the interface believes tokens that are signed here, and becomes each role."""
    if settings.supabase_jwt_secret is None:
        return []
    key = settings.supabase_publishable_key.get_secret_value()
    found: list[Check] = []
    for role in TOKEN_ROLES:
        token = mint(settings.supabase_jwt_secret.get_secret_value(), role, NOBODY)
        answer = await _ask(http, key, token)
        ok = answer is not None and answer.status_code == 200
        if answer is not None and answer.status_code == 401:
            do = "take SUPABASE_JWT_SECRET of this project; where it signs by other keys, the legacy secret"
        else:
            do = "see roles and migrations below"
        found.append(Check(f"token {role}", ok, "is believed" if ok else f"is refused {_why(answer)}", do))
    return found


async def _ask(http: httpx.AsyncClient, key: str, token: str) -> httpx.Response | None:
    headers = {"apikey": key} | ({"Authorization": f"Bearer {token}"} if token.count(".") == 2 else {})
    try:
        return await http.get("/rest/v1/cloud_machines?select=machine_id&limit=1", headers=headers)
    except httpx.HTTPError:
        return None


def _why(answer: httpx.Response | None) -> str:
    if answer is None:
        return "(no answer)"
    try:
        told: Any = answer.json()
    except ValueError:
        told = None
    message = told.get("message") if isinstance(told, dict) else None
    return f"({answer.status_code}{': ' + str(message)[:120] if message else ''})"


async def _look_at_realtime(settings: Settings) -> Check:
    """Whether machines hear of work over a private channel."""
    do = "look whether Realtime is enabled, and its authorization; machines go on by polling without it"
    if settings.supabase_jwt_secret is None:
        return Check("realtime", False, "cannot be asked without SUPABASE_JWT_SECRET", do)
    secret = settings.supabase_jwt_secret.get_secret_value()
    realtime = Realtime(
        settings.supabase_url,
        settings.supabase_publishable_key.get_secret_value(),
        lambda: mint(secret, TOKEN_ROLES[0], NOBODY),
    )
    realtime.subscribe("machines", lambda _: None)
    await realtime.start()
    try:
        async with asyncio.timeout(REALTIME_SECONDS):
            await realtime.subscribed.wait()
    except TimeoutError:
        return Check("realtime", False, f"does not let machines listen: {realtime.last_error}", do)
    finally:
        await realtime.stop()
    return Check("realtime", True, "machines hear of work")


async def _look_at_database(settings: Settings) -> list[Check]:
    if settings.supabase_db_url is None:
        return []
    try:
        async with database(settings) as connection:
            asked = time.time()
            row = await (await connection.execute(query("deploy_facts"))).fetchone()
            answered = time.time()
            facts: dict[str, Any] = row["facts"] if row is not None else {}
            there: list[str] = []
            if facts["pushed"]:
                cursor = await connection.execute("select version from supabase_migrations.schema_migrations")
                there = [one["version"] for one in await cursor.fetchall()]
    except SigtrailError as error:
        do = "look at SUPABASE_DB_URL: host, port and password are under Connect in the project's dashboard"
        return [Check("database", False, str(error), do)]
    folder = CHECKOUT / "supabase" / "migrations"
    here = [path.name.split("_")[0] for path in sorted(folder.glob("*.sql"))]
    return [
        Check("database", True, f"reached as {facts['user']}"),
        check_version(facts["version"]),
        check_clock("database clock", float(facts["now"]), asked, answered),
        check_extensions(facts),
        check_migrations(here, there),
        check_roles(facts["roles"]),
        *check_policies(facts),
    ]
