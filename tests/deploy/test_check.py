"""`sigtrail deploy check` finds what is not fit, says what to do about it, and finds nothing else."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from cli.deploy import look
from cli.target import (
    MOST_SKEW,
    Check,
    check_clock,
    check_extensions,
    check_migrations,
    check_roles,
    check_version,
)
from shared.keys import mint
from shared.settings import Settings
from tests.stacks import Stack

KEY = base64.b64encode(bytes(32)).decode()


def target(stack: Stack, **changes: Any) -> Settings:
    """The settings of this stack, with some of them wrong."""
    values: dict[str, Any] = {
        "SUPABASE_PUBLISHABLE_KEY": stack.publishable_key,
        "SUPABASE_SECRET_KEY": stack.secret_key,
        "supabase_jwt_secret": stack.jwt_secret,
        "supabase_db_url": stack.db_url,
        "sigtrail_master_key": KEY,
        "sigtrail_seal_key": KEY,
    }
    made = Settings(_env_file=None, supabase_url=stack.url, **values)  # type: ignore[call-arg]
    return made.model_copy(update=changes)


async def wrong(settings: Settings) -> dict[str, Check]:
    """What is not fit, by name."""
    found = {one.name: one for one in await look(settings) if not one.ok}
    assert all(one.do for one in found.values()), "each says what to do"
    return found


@contextmanager
def broken(stack: Stack, breaking: str, mending: str) -> Iterator[None]:
    """The stack's database with something wrong, for as long as the block lasts."""
    with psycopg.connect(stack.admin_db_url, autocommit=True) as database:
        database.execute(breaking.encode())
        try:
            yield
        finally:
            database.execute(mending.encode())


async def test_a_project_that_is_fit_is_fit_in_every_way(stack: Stack) -> None:
    found = await look(target(stack))
    assert [one for one in found if not one.ok] == []
    assert {one.name for one in found} >= {
        "settings", "interface", "publishable key", "secret key", "clock",
        "token signal_worker", "token analyst", "token trading_bridge", "realtime",
        "database", "postgres", "database clock", "extensions", "migrations",
        "roles", "policies", "anonymous", "schemas",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "names", "said"),
    [
        ({"supabase_secret_key": None}, {"settings"}, "SUPABASE_SECRET_KEY is not set"),
        ({"sigtrail_master_key": SecretStr("short")}, {"settings"}, "SIGTRAIL_MASTER_KEY"),
        ({"sigtrail_seal_key": SecretStr("c2hvcnQ=")}, {"settings"}, "SIGTRAIL_SEAL_KEY"),
        (
            {"supabase_jwt_secret": SecretStr("another-secret-of-thirty-two-letters-at-least")},
            {"token signal_worker", "token analyst", "token trading_bridge", "realtime"},
            "is refused (401",
        ),
        (
            {"supabase_secret_key": SecretStr("sb_secret_nobody-knows-this-key")},
            {"secret key"},
            "is refused (401",
        ),
        (
            {"supabase_db_url": SecretStr("postgresql://postgres:wrong@127.0.0.1:1/postgres")},
            {"database"},
            "cannot be reached",
        ),
        ({"supabase_url": "http://127.0.0.1:1"}, {"interface"}, "does not answer"),
    ],
)
async def test_settings_of_another_project_are_found(
    stack: Stack, changes: dict[str, Any], names: set[str], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cli.deploy.REALTIME_SECONDS", 0.5)
    found = await wrong(target(stack, **changes))
    assert found.keys() == names
    assert any(said in one.found for one in found.values())
    assert not any("wrong@" in one.found or "nobody-knows" in one.found for one in found.values())


def tokens_for(stack: Stack, *roles: str, secret: str | None = None, days: float = 30) -> SecretStr:
    made = [mint(secret or stack.jwt_secret, role, "sig-one", lifetime=int(days * 86_400)) for role in roles]
    return SecretStr(",".join(made))


async def test_a_machine_that_was_given_tokens_needs_no_secret(stack: Stack) -> None:
    nothing = dict.fromkeys(
        (
            "supabase_jwt_secret",
            "supabase_secret_key",
            "supabase_db_url",
            "sigtrail_master_key",
            "sigtrail_seal_key",
        )
    )
    worker = target(stack, **nothing, sigtrail_machine_token=tokens_for(stack, "signal_worker"))
    found = {one.name: one for one in await look(worker)}
    assert [one for one in found.values() if not one.ok] == []
    assert found["token signal_worker of sig-one"].found == "is believed"
    assert "machine sig-one: signal_worker until" in found["machine tokens"].found
    assert found["realtime"].ok
    archive = target(
        stack,
        **nothing | {"sigtrail_master_key": None},
        sigtrail_machine_token=tokens_for(stack, "archivist"),
    )
    assert (await wrong(archive)).keys() == {"settings"}, "it signs, and reads and writes days as they are"
    several = target(stack, **nothing, sigtrail_machine_token=tokens_for(stack, "trading_bridge", "analyst"))
    assert "SIGTRAIL_MASTER_KEY is not set" in (await wrong(several))["settings"].found


async def test_the_operator_sees_both_what_is_signed_here_and_what_was_given(stack: Stack) -> None:
    found = {
        one.name for one in await look(target(stack, sigtrail_machine_token=tokens_for(stack, "archivist")))
    }
    assert found >= {"token signal_worker", "token archivist of sig-one", "realtime", "machine tokens"}


@pytest.mark.parametrize(
    ("days", "secret", "names", "said"),
    [
        (6.0, None, {"machine tokens"}, "the token for the role analyst ends in 6.0 days"),
        (
            -1.0,
            None,
            {"machine tokens", "token analyst of sig-one"},
            "the token for the role analyst has ended",
        ),
        (
            30.0,
            "another-secret-of-thirty-two-letters-at-least",
            {"token analyst of sig-one"},
            "is refused (401",
        ),
    ],
)
async def test_tokens_that_end_or_are_a_strangers_are_found(
    stack: Stack, days: float, secret: str | None, names: set[str], said: str
) -> None:
    found = await wrong(
        target(stack, sigtrail_machine_token=tokens_for(stack, "analyst", secret=secret, days=days))
    )
    assert found.keys() == names
    assert any(said in one.found for one in found.values())


async def test_what_is_no_token_is_said(stack: Stack) -> None:
    found = await wrong(target(stack, sigtrail_machine_token=SecretStr("sb_secret_not-a-token")))
    assert found["machine tokens"].found == "machine token 1 is no token (a JWT), or is not whole"


@pytest.mark.parametrize(
    ("breaking", "mending", "names", "said"),
    [
        (
            "revoke analyst from authenticator",
            "grant analyst to authenticator",
            {"roles", "token analyst"},
            "grant analyst to authenticator;",
        ),
        (
            "alter role trading_bridge bypassrls",
            "alter role trading_bridge nobypassrls",
            {"roles"},
            "alter role trading_bridge nologin nobypassrls;",
        ),
        (
            "alter table public.alerts disable row level security",
            "alter table public.alerts enable row level security",
            {"policies"},
            "alter table alerts enable row level security;",
        ),
        (
            "grant select on public.signals to anon",
            "revoke select on public.signals from anon",
            {"anonymous"},
            "revoke it from anon",
        ),
        (
            "grant usage on schema partitions to authenticated",
            "revoke usage on schema partitions from authenticated",
            {"schemas"},
            "revoke usage on schema partitions",
        ),
        (
            "update supabase_migrations.schema_migrations set version = '20261121099999'"
            " where version = '20261121000300'",
            "update supabase_migrations.schema_migrations set version = '20261121000300'"
            " where version = '20261121099999'",
            {"migrations"},
            "a newer one",
        ),
    ],
)
async def test_a_database_that_is_broken_in_one_way_is_found_broken_in_that_way(
    stack: Stack, breaking: str, mending: str, names: set[str], said: str
) -> None:
    with broken(stack, breaking, mending):
        found = await wrong(target(stack))
    assert found.keys() == names
    assert any(said in one.do for one in found.values())
    assert await wrong(target(stack)) == {}


def test_only_versions_that_are_tested_are_fit() -> None:
    assert [check_version(number).ok for number in (140012, 150004, 160001, 170002)] == [
        False,
        True,
        False,
        True,
    ]
    assert check_version(150004).found == "PostgreSQL 15.4"


@given(st.floats(0, 2e9), st.floats(0, 100), st.floats(-1000, 1000))
def test_a_clock_is_off_by_what_no_delay_explains(asked: float, took: float, skew: float) -> None:
    for moment in (asked, asked + took):
        ok = check_clock("clock", moment + skew, asked, asked + took).ok
        # Whatever the answer's way took may explain as much.
        assert ok or abs(skew) > MOST_SKEW - 1e-3
        assert not ok or abs(skew) <= MOST_SKEW + took + 1e-3


def test_what_is_missing_is_told_from_what_is_newer() -> None:
    here = ["1", "2", "3"]
    assert check_migrations(here, here).ok
    assert "db push" in check_migrations(here, ["1"]).do
    assert "2 of 3 are missing, the first 2" in check_migrations(here, ["1"]).found
    assert "newer" in check_migrations(here, ["1", "2", "3", "4"]).do
    assert "checkout" in check_migrations([], ["1"]).do
    assert check_migrations(here, []).found.startswith("3 of 3")


@pytest.mark.parametrize(
    ("fact", "said"),
    [("cron_available", "use a server"), ("cron_database", "cron.database_name"), ("cron_here", "enable it")],
)
def test_a_missing_extension_is_named_with_where_to_get_it(fact: str, said: str) -> None:
    facts = dict.fromkeys(("cron_available", "cron_database", "cron_here"), True)
    assert check_extensions(facts).ok
    found = check_extensions({**facts, fact: False})
    assert (found.ok, said in found.do) == (False, True)


def test_before_the_first_push_the_roles_are_missing() -> None:
    found = check_roles({})
    assert (found.ok, "db push" in found.do) == (False, True)
