"""What a person types in an emergency, with the database and without it; and the limits that prevent one."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from typer.testing import CliRunner, Result

from cli.main import build
from scripts.fake_venue import FakeVenue
from shared.clock import WallClock
from shared.errors import InputError
from shared.market import Market
from shared.vault import new_master_key
from tests.stacks import Stack
from tests.trading.made import account, position, sealed
from tests.trading.world import World
from workers.trading.book import Trade
from workers.trading.journal import Journal
from workers.trading.ledger import Account
from workers.trading.orders import Leg, Order, OrderStatus, client_order_id
from workers.trading.venues.exchanges import Exchanges, venue_of

KEY, SECRET = "key-of-the-test", "secret-of-the-test"
Command = Callable[..., Awaitable[Result]]


@pytest.fixture
def command(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> Command:
    """Runs `sigtrail` as the operator of this stack's project."""
    monkeypatch.setenv("SUPABASE_URL", stack.url)
    monkeypatch.setenv("SUPABASE_DB_URL", stack.db_url)
    monkeypatch.setenv("SUPABASE_PUBLISHABLE_KEY", stack.publishable_key)
    monkeypatch.setenv("SUPABASE_SECRET_KEY", stack.secret_key)

    async def run(*arguments: str) -> Result:
        return await asyncio.to_thread(CliRunner().invoke, build(arguments), list(arguments))

    return run


def document(result: Result) -> Any:
    assert result.exit_code == 0, (result.output, result.exception)
    return json.loads(result.stdout)


async def test_what_a_wallet_and_the_record_differ_by_is_shown(world: World, command: Command) -> None:
    one = str(world.account)
    assert document(await command("accounts", "differences", one, "--json")) == []
    await world.sql.execute(
        """
        insert into public.account_differences (account_id, user_id, day, currency, venue_from, venue_to,
          recorded_from, recorded_to, rounding, since, looked_at)
        select %(account)s, %(user)s, private.utc_day(now()) - ago, c, 10, venue, 2, -3, 0, now(), now()
        from (values (0, 'USDT', 4), (0, 'BNB', 5), (7, 'USDT', 9)) as told (ago, c, venue)
        """,
        {"account": world.account, "user": world.user},
    )
    [row] = document(await command("accounts", "differences", "--json", one))
    shown = {name: row[name] for name in ("currency", "venue_change", "recorded_change", "difference")}
    assert shown == {"currency": "USDT", "venue_change": "-6", "recorded_change": "-5", "difference": "-1"}
    every = document(await command("accounts", "differences", one, "--json", "--all", "--days", "8"))
    assert [one["difference"] for one in every] == ["0", "-1", "4"]


async def test_a_position_is_closed_for_a_reason(world: World, command: Command) -> None:
    bridge = await world.start()
    signal = await world.make_ready()
    await world.settle(bridge)
    world.still()
    await world.settle(bridge)
    one = str((await world.position(signal))["id"])
    refused = await command("positions", "close", one)
    assert isinstance(refused.exception, InputError)
    assert "say --yes" in str(refused.exception)
    assert (await world.position(signal))["exit_reason"] is None
    answer = document(await command("positions", "close", one, "--yes", "--json", "--why", "a rumour"))
    assert answer == {"position_id": one, "state": "closing", "exit_reason": "manual_close"}
    world.wall += 30
    await world.settle(bridge)
    world.still()
    await world.settle(bridge)
    again = document(await command("positions", "close", one, "--yes", "--json"))
    assert again["state"] == "closed"


async def test_everything_is_closed_and_lifted_for_a_reason(world: World, command: Command) -> None:
    unsaid = await command("emergency", "close", "--yes")
    assert isinstance(unsaid.exception, InputError)
    accounts = document(await command("emergency", "close", "--all", "--yes", "--json", "--why", "storm"))
    account = str(world.account)
    assert [one["status"] for one in accounts if one["account_id"] == account] == ["halted"]
    without = await command("accounts", "status", account, "active")
    assert isinstance(without.exception, InputError)
    lifted = document(await command("accounts", "status", account, "active", "--why", "it is over", "--json"))
    assert lifted == {"account_id": account, "status": "active"}
    rows = await world.fetch(
        "select details ->> 'reason' as why from public.account_events"
        " where account_id = %s and event_type = 'status_changed' order by id",
        world.account,
    )
    assert [row["why"] for row in rows] == ["storm", "it is over"]


async def test_an_account_is_closed(world: World, command: Command) -> None:
    bridge = await world.start()
    signal = await world.make_ready()
    await world.settle(bridge)
    world.still()
    await world.settle(bridge)
    account = str(world.account)
    answer = document(await command("accounts", "close", account, "--yes", "--json", "--why", "enough"))
    assert (answer["status"], answer["positions"]) == ("halted", 1)
    world.wall += 30
    for _ in range(2):
        await world.settle(bridge)
        world.still()
    assert (await world.signal(signal))["outcome_code"] == "emergency_close"
    assert not world.exchange.paper_engine.open_orders()


async def test_a_halt_is_asked_about(world: World, command: Command) -> None:
    refused = await command("accounts", "status", str(world.account), "halted")
    assert isinstance(refused.exception, InputError)
    assert "say --yes" in str(refused.exception)
    assert (
        await world.fetch("select status from public.exchange_accounts where id = %s", world.account)
    ) == [{"status": "active"}]


async def test_who_has_no_name_may_close_all_the_same(
    world: World, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nobody() -> str:
        raise KeyError("getpwuid(): uid not found: 4711")

    monkeypatch.setattr("getpass.getuser", nobody)
    assert document(await command("accounts", "close", str(world.account), "--yes", "--json"))


async def test_rules_are_set_and_shown(world: World, command: Command) -> None:
    account = str(world.account)
    made = document(
        await command(
            "risk", "limit", "--account", account, "--positions", "3", "--daily-loss", "99.5", "--json"
        )
    )
    assert made["before"] is None
    after = made["after"]
    assert (after["max_positions"], Decimal(str(after["max_daily_loss"]))) == (3, Decimal("99.5"))
    more = await command("risk", "limit", "--account", account, "--orders", "9", "--reduce-at", "70")
    assert more.exit_code == 0, (more.output, more.exception)
    assert [line.split() for line in more.stdout.splitlines() if line.startswith("max_orders")] == [
        ["max_orders_per_minute", "-", "9"]
    ]
    lifted = document(await command("risk", "limit", "--account", account, "--orders", "none", "--json"))
    assert lifted["before"] == {**after, "max_orders_per_minute": 9, "reduce_at_percent": 70}
    assert lifted["after"] == {**after, "reduce_at_percent": 70}
    for wrong in (("--positions", "2.5"), ("--notional", "much"), ()):
        refused = await command("risk", "limit", "--account", account, *wrong)
        assert isinstance(refused.exception, InputError)
    shown = document(await command("risk", "show", "--json"))
    [row] = [one for one in shown if one["id"] == account]
    assert (row["subject"], row["max_positions"], row["max_daily_loss"], row["daily_loss"]) == (
        "account",
        3,
        "99.5",
        "0",
    )
    both = await command("risk", "limit")
    assert isinstance(both.exception, InputError)


async def test_everything_is_closed_over_the_wire_without_the_database(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An unmodified ccxt, keys that only the master key opens, a venue's own book: flat at the end."""
    async with FakeVenue() as venue:
        venue.move("BTC/USDT:USDT", "50000")
        venue.open_account("binanceusdm", KEY, SECRET, {"USDT": "10000"})
        authority, master_key = tmp_path / "ca.pem", new_master_key()
        authority.write_bytes(venue.ca_pem)
        monkeypatch.setenv("SUPABASE_URL", "http://127.0.0.1:1")
        monkeypatch.setenv("SUPABASE_PUBLISHABLE_KEY", "none")
        monkeypatch.setenv("SIGTRAIL_MASTER_KEY", master_key)
        monkeypatch.setenv("SIGTRAIL_VENUE_RESOLVER", venue.address)
        monkeypatch.setenv("SIGTRAIL_VENUE_CA", str(authority))
        account = sealed_account(master_key)
        journal = Journal(tmp_path / f"{account.id}.jsonl")
        await hold(venue, account, master_key, journal)
        assert held_at(venue) == [Decimal("0.01")]
        assert len(venue.engine(KEY, "usdm").open_orders()) == 1

        arguments = ["emergency", "close", "--from-journal", "--journals", str(tmp_path), "--yes", "--json"]
        result = await asyncio.to_thread(CliRunner().invoke, build(arguments), arguments)
        [report] = document(result)
        assert report["done"], report
        assert [one["outcome"] for one in report["closed"]] == ["confirmed"]
        assert report["cancelled"] == 1
        assert held_at(venue) == []
        assert venue.engine(KEY, "usdm").open_orders() == []
        assert KEY not in result.output + journal.path.read_text()
        assert SECRET not in result.output + journal.path.read_text()
        again = await asyncio.to_thread(CliRunner().invoke, build(arguments), arguments)
        assert document(again)[0]["closed"] == []


def held_at(venue: FakeVenue) -> list[Decimal]:
    return [one.amount for one in venue.ledger(KEY, "usdm").positions.values() if one.amount]


def sealed_account(master_key: str, account_id: UUID | None = None) -> Account:
    return sealed(account(id=account_id or uuid4()), master_key, {"apiKey": KEY, "secret": SECRET})


async def hold(venue: FakeVenue, account: Account, master_key: str, journal: Journal) -> None:
    """Buy, rest a stop, and write both into the journal, as a bridge would before it is killed."""
    exchanges = Exchanges(WallClock(), Market(), None, master_key, venue.session_factory())
    edge = venue_of(await exchanges(account), "usdm", exchanges.catalogue)
    held = position(amount=Decimal("0.01"), lot=Decimal("0.001"), stop_loss=Decimal(49000))
    orders = {
        leg: Order(
            client_order_id=client_order_id(held.signal_id, leg, 1),
            signal_id=held.signal_id,
            trader_id=held.trader_id,
            leg=leg,
            attempt=1,
            symbol=held.symbol,
            side="buy" if leg is Leg.ENTRY else "sell",
            kind="market" if leg is Leg.ENTRY else "stop",
            amount=held.amount,
            status=OrderStatus.OPEN,
            trigger_price=None if leg is Leg.ENTRY else held.stop_loss,
            reduce_only=leg is not Leg.ENTRY,
        )
        for leg in (Leg.ENTRY, Leg.STOP_LOSS)
    }
    await edge.open()
    entry = await edge.place(orders[Leg.ENTRY], [])
    stop = await edge.place(orders[Leg.STOP_LOSS], [])
    await edge.close()
    await exchanges.catalogue.close()
    known = [
        replace(
            orders[Leg.ENTRY],
            status=OrderStatus.FILLED,
            filled=held.amount,
            venue_order_id=entry.venue_order_id,
        ),
        replace(orders[Leg.STOP_LOSS], venue_order_id=stop.venue_order_id),
    ]
    journal.begin(account, [Trade(held.signal_id, {one.client_order_id: one for one in known}, held)])


async def test_an_account_only_reduces_when_a_person_says_so(world: World, command: Command) -> None:
    told = await command("accounts", "status", str(world.account), "reducing")
    assert told.exit_code == 0, (told.output, told.exception)
    assert (
        await world.fetch("select status from public.exchange_accounts where id = %s", world.account)
    ) == [{"status": "reducing"}]
    unknown = await command("accounts", "status", str(uuid4()), "reducing")
    assert "there is no exchange account" in str(unknown.exception)
