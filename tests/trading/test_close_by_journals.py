"""Closing by journals at the command line: each account on its own, and only what is this machine's."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from ccxt.base.errors import ExchangeNotAvailable
from typer.testing import CliRunner, Result

from cli.emergency import NotDone
from cli.journals import read_journals
from cli.main import build
from shared.vault import new_master_key
from tests.stacks import Stack
from tests.trading.made import NOW, order, position
from tests.trading.test_person_commands import sealed_account
from tests.trading.world import World
from workers.trading.book import Trade
from workers.trading.emergency import Report
from workers.trading.journal import Contents, Journal
from workers.trading.ledger import Account
from workers.trading.orders import OrderStatus

MASTER_KEY = new_master_key()


def journals_of(folder: Path, *accounts: Account, also: Sequence[str] = ()) -> list[str]:
    """A journal of each account with one position; the command that closes by them."""
    for account in accounts:
        held = position(amount=Decimal("0.01"), lot=Decimal("0.001"))
        entry = order(status=OrderStatus.FILLED, filled=held.amount)
        trade = Trade(held.signal_id, {entry.client_order_id: entry}, held)
        Journal(folder / f"{account.id}.jsonl").begin(account, [trade])
    return ["emergency", "close", "--from-journal", "--journals", str(folder), "--yes", "--json", *also]


@pytest.fixture
def closed(monkeypatch: pytest.MonkeyPatch) -> list[UUID]:
    """The accounts that are closed by their journals, without any venue; no database."""
    monkeypatch.setenv("SUPABASE_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("SUPABASE_PUBLISHABLE_KEY", "none")
    monkeypatch.setenv("SUPABASE_DB_URL", "postgresql://nobody@127.0.0.1:1/nothing")
    monkeypatch.setenv("SIGTRAIL_MASTER_KEY", MASTER_KEY)
    made: list[UUID] = []

    async def close(_journal: Journal, contents: Contents, *_: Any) -> Report:
        assert contents.account is not None
        made.append(contents.account.id)
        return Report(contents.account.id)

    monkeypatch.setattr("cli.journals.close_account", close)
    return made


async def invoke(arguments: list[str]) -> Result:
    return await asyncio.to_thread(CliRunner().invoke, build(arguments), arguments)


async def test_a_journal_that_cannot_be_used_is_named_and_keeps_no_other_from_closing(
    tmp_path: Path, closed: list[UUID]
) -> None:
    good = sealed_account(MASTER_KEY)
    arguments = journals_of(tmp_path, good)
    (tmp_path / "half.jsonl").write_bytes(b'0badc0de {"kind":"acc')
    (tmp_path / "empty.jsonl").write_bytes(b"")
    (tmp_path / "folder.jsonl").mkdir()
    result = await invoke(arguments)
    assert closed == [good.id]
    assert isinstance(result.exception, NotDone)
    problems = {one["account_id"]: one["problems"] for one in json.loads(result.stdout) if one["account_id"]}
    assert problems == {str(good.id): []}
    told = " ".join(p for one in json.loads(result.stdout) for p in one["problems"])
    for name in ("half.jsonl", "empty.jsonl", "folder.jsonl"):
        assert name in told
    assert "by hand" in told
    assert "the database does not say" in result.stderr


async def test_what_this_machine_left_is_closed_only_on_demand(tmp_path: Path, closed: list[UUID]) -> None:
    held, left = sealed_account(MASTER_KEY), sealed_account(MASTER_KEY)
    arguments = journals_of(tmp_path, held, left)
    Journal(tmp_path / f"{left.id}.jsonl").leave(left.fence, NOW)
    result = await invoke(arguments)
    assert closed == [held.id]
    assert isinstance(result.exception, NotDone)
    [told] = [one["problems"] for one in json.loads(result.stdout) if one["account_id"] == str(left.id)]
    assert "lost it" in told[0]
    assert "--also-moved" in told[0]
    both = await invoke([*arguments, "--also-moved"])
    assert both.exit_code == 0, (both.output, both.exception)
    assert set(closed) == {held.id, left.id}


def test_of_two_journals_of_an_account_the_newer_lease_counts(tmp_path: Path) -> None:
    account = sealed_account(MASTER_KEY)
    for folder, fence in (("a", 5), ("b", 2)):
        journals_of(tmp_path / folder, replace(account, fence=fence))
    found, broken = read_journals(sorted(tmp_path.glob("*/*.jsonl")))
    assert [(one.account.fence, one.journal.path.parent.name) for one in found] == [(5, "a")]
    assert broken == []


async def test_what_another_machine_claimed_since_is_not_closed(
    world: World, stack: Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, closed: list[UUID]
) -> None:
    """The database answers after all: its fence decides."""
    monkeypatch.setenv("SUPABASE_DB_URL", stack.db_url)
    claim = {"max_rows": 1, "lease_seconds": 60, "accounts": [str(world.account)]}
    [claimed] = await world.call("claim_accounts", claim)
    account = replace(sealed_account(MASTER_KEY, world.account), fence=claimed["fence"] - 1)
    result = await invoke(journals_of(tmp_path, account))
    assert closed == []
    [report] = json.loads(result.stdout)
    assert world.machine in report["problems"][0]
    current = replace(account, fence=claimed["fence"])
    held = await invoke(journals_of(tmp_path, current))
    assert held.exit_code == 0, (held.output, held.exception)
    assert closed == [world.account]


@pytest.mark.parametrize("error", [ExchangeNotAvailable("away"), RuntimeError("nobody thought of this")])
async def test_an_account_that_fails_keeps_no_other_from_being_closed(
    error: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, closed: list[UUID]
) -> None:
    accounts = [sealed_account(MASTER_KEY) for _ in range(3)]
    arguments = journals_of(tmp_path, *accounts)

    async def fail(_journal: Journal, contents: Contents, *_: Any) -> Report:
        assert contents.account is not None
        closed.append(contents.account.id)
        if len(closed) == 1:
            raise error
        return Report(contents.account.id)

    monkeypatch.setattr("cli.journals.close_account", fail)
    result = await invoke(arguments)
    assert isinstance(result.exception, NotDone)
    assert set(closed) == {one.id for one in accounts}
    [report] = [one for one in json.loads(result.stdout) if one["problems"]]
    assert report["account_id"] == str(closed[0])
    assert str(error) in report["problems"][0]
