"""`sigtrail deploy`: is a project fit for machines, before the first of them starts."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from email.utils import parsedate_to_datetime
from functools import partial
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
from shared.errors import ConfigurationError, SigtrailError
from shared.keys import mint
from shared.machine_tokens import GivenTokens, given_tokens, warn_of
from shared.realtime import Realtime
from shared.settings import CHECKOUT, Settings, load
from shared.vault import Vault
from workers.archive.keys import SealKey

app = typer.Typer(name="deploy", help="Before the first machine starts.", no_args_is_help=True)

# The database roles that machines become through the REST interface.
TOKEN_ROLES = ("signal_worker", "analyst", "trading_bridge")
# What a machine needs beside its tokens, by their roles.
OF_ROLE = {
    "trading_bridge": ("sigtrail_master_key",),
    "archivist": ("sigtrail_seal_key", "supabase_db_url"),
}
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
    given, found = _look_at_given(settings)
    found += _look_at_settings(settings, given)
    async with httpx.AsyncClient(
        base_url=settings.supabase_url, timeout=15.0, trust_env=settings.supabase_url.startswith("https://")
    ) as http:
        answers = await _look_at_interface(http, settings)
        found += answers
        if answers[0].ok:
            tokens = _tokens_of(settings, given)
            found += await _look_at_tokens(http, settings, tokens)
            found += await _look_at_realtime(settings, tokens)
    return found + await _look_at_database(settings)


def _look_at_given(settings: Settings) -> tuple[GivenTokens | None, list[Check]]:
    """The tokens that this environment gives its machine, and for how long."""
    make = "make others with `sigtrail machines token`, where SUPABASE_JWT_SECRET is"
    try:
        given = given_tokens(settings)
    except ConfigurationError as error:
        return None, [Check("machine tokens", False, str(error), make)]
    if given is None:
        return None, []
    left = {role: one.ends_at - time.time() for role, one in given.tokens.items()}
    ended = [
        f"the token for the role {role} has ended" for role, seconds in sorted(left.items()) if seconds <= 0
    ]
    soon = ended + warn_of(left)
    ends = ", ".join(f"{role} until {one.end}" for role, one in sorted(given.tokens.items()))
    return given, [
        Check("machine tokens", not soon, "; ".join(soon) or f"machine {given.machine}: {ends}", make)
    ]


def _tokens_of(settings: Settings, given: GivenTokens | None) -> dict[str, Callable[[], str]]:
    """A token for each database role that this environment can become: what is signed here, and what its
    machine was given, with the machine's name."""
    found: dict[str, Callable[[], str]] = {}
    if settings.supabase_jwt_secret is not None:
        secret = settings.supabase_jwt_secret.get_secret_value()
        found |= {role: partial(mint, secret, role, NOBODY) for role in TOKEN_ROLES}
    if given is not None:
        found |= {f"{role} of {one.machine}": partial(str, one.text) for role, one in given.tokens.items()}
    return found


def _needed(settings: Settings, given: GivenTokens | None) -> set[str]:
    """What has to be set. An environment with tokens and without the secret is a machine's, which needs what
    its roles need, and nothing else."""
    if settings.supabase_jwt_secret is not None or given is None:
        return {
            "supabase_secret_key",
            "supabase_jwt_secret",
            *OF_ROLE["trading_bridge"],
            *OF_ROLE["archivist"],
        }
    return {name for role in given.tokens for name in OF_ROLE.get(role, ())}


def _look_at_settings(settings: Settings, given: GivenTokens | None) -> list[Check]:
    names: dict[str, tuple[str, Callable[[str], object]]] = {
        "supabase_secret_key": ("Settings, API Keys, of the project's dashboard has it", str),
        "supabase_jwt_secret": ("Settings, JWT Keys, has it: the machines' tokens are signed with it", str),
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
    needed = _needed(settings, given)
    for name, (where, read) in names.items():
        if name not in needed:
            continue
        value = getattr(settings, name)
        if value is None or not value.get_secret_value():
            wrong.append(Check("settings", False, f"{name.upper()} is not set", where))
            continue
        try:
            read(value.get_secret_value())
        except SigtrailError as error:
            wrong.append(Check("settings", False, str(error), where))
    said = "every key is set" if len(needed) == len(names) else "every key that its roles need is set"
    return wrong or [Check("settings", True, said)]


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


async def _look_at_tokens(
    http: httpx.AsyncClient, settings: Settings, tokens: Mapping[str, Callable[[], str]]
) -> list[Check]:
    """Whether the interface believes the tokens, and becomes each role."""
    key = settings.supabase_publishable_key.get_secret_value()
    found: list[Check] = []
    for role, make in tokens.items():
        answer = await _ask(http, key, make())
        # The archive may not read this table: it is known all the same.
        ok = answer is not None and answer.status_code in ((200, 403) if "archivist" in role else (200,))
        if answer is not None and answer.status_code == 401:
            do = (
                "take SUPABASE_JWT_SECRET of this project, where it signs by other keys the legacy secret;"
                " tokens that were made with another one are worth nothing"
            )
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


async def _look_at_realtime(settings: Settings, tokens: Mapping[str, Callable[[], str]]) -> list[Check]:
    """Whether machines hear of work over a private channel."""
    do = "look whether Realtime is enabled, and its authorization; machines go on by polling without it"
    listening = [make for role, make in tokens.items() if "archivist" not in role]
    if not listening:
        # The archive hears nothing; without any token there is a line about that already.
        return []
    realtime = Realtime(
        settings.supabase_url,
        settings.supabase_publishable_key.get_secret_value(),
        listening[0],
    )
    realtime.subscribe("machines", lambda _: None)
    await realtime.start()
    try:
        async with asyncio.timeout(REALTIME_SECONDS):
            await realtime.subscribed.wait()
    except TimeoutError:
        return [Check("realtime", False, f"does not let machines listen: {realtime.last_error}", do)]
    finally:
        await realtime.stop()
    return [Check("realtime", True, "machines hear of work")]


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
