"""A machine with tokens that were made for it works without the secret that signs them; one with tokens that
are not its own, or none of its roles', does not start and says why."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row
from pydantic import SecretStr
from typer.testing import CliRunner

from cli.machines import app
from shared.client import connect
from shared.errors import ConfigurationError, NotAllowed
from shared.keys import mint
from shared.machine_tokens import GivenTokens, read_tokens
from shared.settings import Settings
from tests.machine.test_life import Reel
from tests.stacks import Stack
from tests.waiting import until
from workers.machine import Machine, build

STRANGER = "another-secret-of-thirty-two-letters-at-least"


def machine_settings(stack: Stack, **changes: Any) -> Settings:
    """As a machine of this stack that cannot sign tokens."""
    values: dict[str, Any] = {"SUPABASE_PUBLISHABLE_KEY": stack.publishable_key, "sigtrail_metrics_port": 0}
    made = Settings(_env_file=None, supabase_url=stack.url, **values)  # type: ignore[call-arg]
    return made.model_copy(update=changes)


async def machine_of(settings: Settings, state: Path, *roles: str) -> Machine:
    return await build(settings, feed=Reel(0), replaying=False, roles=roles, state=state, observed=True)


def ask(stack: Stack, text: str, *values: Any) -> list[dict[str, Any]]:
    with psycopg.connect(stack.db_url, row_factory=dict_row) as database:
        return database.execute(text.encode(), values).fetchall()


def test_the_operator_makes_tokens_for_one_machine(stack: Stack) -> None:
    environment = {
        "SUPABASE_URL": stack.url,
        "SUPABASE_PUBLISHABLE_KEY": stack.publishable_key,
        "SUPABASE_JWT_SECRET": stack.jwt_secret,
    }
    words = ["token", "--machine", "sig-one", "--days", "30"]
    roles = ["--role", "signal_worker", "--role", "analyst"]
    done = CliRunner().invoke(app, [*words, *roles], env=environment)
    assert done.exit_code == 0, done.output
    found = read_tokens(done.stdout.strip())
    assert {one.machine for one in found.values()} == {"sig-one"}
    assert found.keys() == {"signal_worker", "analyst"}
    assert "machine sig-one, role analyst, until" in done.stderr
    assert "eyJ" not in done.stderr
    told = json.loads(CliRunner().invoke(app, [*words, *roles, "--json"], env=environment).stdout)
    assert [one["role"] for one in told["tokens"]] == ["signal_worker", "analyst"]
    for wrong in (["--role", "service_role"], ["--role", "analyst", "--machine", "No Name"], []):
        assert CliRunner().invoke(app, [*words, *wrong], env=environment).exit_code != 0


async def test_a_machine_works_with_its_own_tokens_and_is_watched(stack: Stack, tmp_path: Path) -> None:
    path = tmp_path / "token"
    days = [
        mint(stack.jwt_secret, role, "sig-given", lifetime=3 * 86_400)
        for role in ("signal_worker", "analyst")
    ]
    path.write_text("\n".join(days))
    settings = machine_settings(stack, sigtrail_machine_token_file=path)
    machine = await machine_of(settings, tmp_path / "state", "signals", "analysis")
    assert (tmp_path / "state" / "machine_id").read_text().strip() == "sig-given"
    running = asyncio.create_task(machine.run())
    try:
        await until(lambda: machine.status.state == "running")
        mine = (
            "select details from public.cloud_machines where machine_id = 'sig-given' and details ? 'tokens'"
        )
        await until(lambda: ask(stack, mine), timeout=60)
        checks = (
            "select c from jsonb_array_elements(public.doctor() -> 'checks') c where c ->> 'name' = 'tokens'"
        )
        (check,) = (row["c"] for row in ask(stack, checks))
        assert not check["ok"]
        told = {one["role"] for one in check["found"] if one["machine_id"] == "sig-given"}
        assert told == {"signal_worker", "analyst"}
    finally:
        machine.stop()
        await running
    assert machine.status.errors == []


@pytest.mark.parametrize(
    ("token", "said"),
    [
        (
            ("analyst", "sig-given", 1),
            "machine sig-given has no token for the role signal_worker, only for analyst",
        ),
        (
            ("signal_worker", "sig-other", 1),
            "this is machine sig-given, and its tokens are of machine sig-other",
        ),
        (
            ("signal_worker", "sig-given", -1),
            "the token of machine sig-given for the role signal_worker ended at",
        ),
    ],
)
async def test_a_machine_does_not_start_with_a_token_that_is_none_of_its_own(
    stack: Stack, tmp_path: Path, token: tuple[str, str, int], said: str
) -> None:
    role, machine, days = token
    tmp_path.joinpath("machine_id").write_text("sig-given\n")
    made = mint(stack.jwt_secret, role, machine, lifetime=days * 86_400)
    with pytest.raises(ConfigurationError, match=said):
        await machine_of(machine_settings(stack, sigtrail_machine_token=SecretStr(made)), tmp_path, "signals")


async def test_a_strangers_token_is_believed_by_nobody(stack: Stack, tmp_path: Path) -> None:
    made = SecretStr(mint(STRANGER, "signal_worker", "sig-given", lifetime=86_400))
    machine = await machine_of(machine_settings(stack, sigtrail_machine_token=made), tmp_path, "signals")
    with pytest.raises(NotAllowed, match="register_machine"):
        await machine.run()


async def test_a_token_is_of_no_use_for_another_name(stack: Stack, tmp_path: Path) -> None:
    """Whatever a machine says of itself: the database goes by the token."""
    made = SecretStr(mint(stack.jwt_secret, "signal_worker", "sig-given", lifetime=86_400))
    given = GivenTokens(machine_settings(stack, sigtrail_machine_token=made))
    connection = await connect(machine_settings(stack), "signal_worker", "sig-given", given)
    body = {"machine_id": "sig-other", "region": "here", "roles": ["signals"], "version": "1"}
    with pytest.raises(NotAllowed, match="the token is of machine sig-given, it cannot register sig-other"):
        await connection.call("register_machine", body)
    await connection.close()
