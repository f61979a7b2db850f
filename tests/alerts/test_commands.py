"""`sigtrail alerts`: what is the matter, who has seen it, and whether a test arrives."""

from __future__ import annotations

import json
from asyncio import to_thread
from typing import Any

import psycopg
import pytest
from typer.testing import CliRunner

from cli.alerts import app
from shared.errors import SigtrailError
from tests.alerts.receivers import receiving
from tests.machine.scenes import machine_connection
from tests.stacks import Stack
from workers.alerts.deliverer import Deliverer
from workers.alerts.webhook import Webhook


def call(stack: Stack, *arguments: str, **more: str) -> tuple[int, str, str]:
    """Run the command with the settings of this stack; answers its status, its output and its errors."""
    settings = {
        "SUPABASE_URL": stack.url,
        "SUPABASE_DB_URL": stack.db_url,
        "SUPABASE_PUBLISHABLE_KEY": stack.publishable_key,
        "SUPABASE_SECRET_KEY": stack.secret_key,
    }
    done = CliRunner().invoke(app, arguments, env={**settings, **more})
    said = done.stderr
    if isinstance(done.exception, SigtrailError):
        said += str(done.exception)
    elif done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.exit_code, done.stdout, said


def rows_of(answer: tuple[int, str, str]) -> list[dict[str, Any]]:
    assert answer[0] == 0, answer[2]
    rows: list[dict[str, Any]] = json.loads(answer[1])
    return rows


async def test_an_alert_is_listed_with_whom_it_reached_and_who_has_seen_it(stack: Stack) -> None:
    with psycopg.connect(stack.db_url, autocommit=True) as database:
        database.execute("delete from public.alerts")
    status, _, said = await to_thread(call, stack, "list")
    assert (status, "nothing is the matter" in said) == (0, True)
    async with machine_connection(stack, "signal_worker") as connection, receiving(500) as receiver:
        alert = await connection.call("raise_alert", {"kind": "feed_silent", "title": "no candle came"})
        deliverer = Deliverer(connection.call, [Webhook(receiver.url)])
        await deliverer.deliver()
        await deliverer.close()
        status, _, _ = await to_thread(call, stack, "acknowledge", alert, "--note", "on it", "--who", "ann")
        assert status == 0
        [row] = rows_of(await to_thread(call, stack, "list", "--json"))
        assert (row["id"], row["acknowledged_by"], row["note"]) == (alert, "ann", "on it")
        assert row["delivered"] == "webhook tried 1 times: the webhook answered 500"
        await connection.call("resolve_alert", {"kind": "feed_silent"})
    assert rows_of(await to_thread(call, stack, "list", "--json")) == []
    assert len(rows_of(await to_thread(call, stack, "list", "--all", "--json"))) == 1


@pytest.mark.parametrize(("answer", "end"), [(200, "sent"), (500, "failed")])
async def test_a_test_alert_goes_to_every_channel_of_this_environment(
    stack: Stack, answer: int, end: str
) -> None:
    async with receiving(answer) as receiver:
        status, told, _ = await to_thread(
            call, stack, "test", "--json", SIGTRAIL_ALERT_WEBHOOK_URL=receiver.url
        )
    assert (status, [row["end"] for row in json.loads(told)]) == (0 if answer == 200 else 1, [end])
    assert len(receiver.got) == 1


async def test_a_test_without_a_channel_or_a_machine_says_what_is_missing(stack: Stack) -> None:
    status, _, said = await to_thread(call, stack, "test")
    assert (status, "no channel is set" in said) == (1, True)
    status, _, said = await to_thread(call, stack, "test", "--outbox", "--for", "1")
    assert (status, "no machine took the alert" in said) == (1, True)
