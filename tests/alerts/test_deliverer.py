"""Alerts leave the outbox of a real database, arrive at a server that fails at first, and are told once."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import psycopg
import pytest
from aiohttp import web
from psycopg.rows import dict_row

from shared.client import Connection
from shared.errors import NotSent, Refused
from tests.alerts.receivers import Receiver, receiving
from tests.machine.scenes import machine_connection
from tests.stacks import Stack
from tests.waiting import until
from workers.alerts.deliverer import Deliverer
from workers.alerts.delivery import ChannelName, Delivery
from workers.alerts.watch import Signs, Watch, find_matters
from workers.alerts.webhook import Webhook
from workers.health import Condition

OUTBOX = (
    "select a.kind, d.news, d.attempts, d.sent_at is not null as sent, d.error"
    " from private.alert_deliveries d join public.alerts a on a.id = d.alert_id order by a.raised_at, d.news"
)


@pytest.fixture
async def connection(stack: Stack) -> AsyncIterator[Connection]:
    """A machine, and no alerts but its own."""
    with psycopg.connect(stack.db_url, autocommit=True) as database:
        database.execute("delete from public.alerts")
    async with machine_connection(stack, "signal_worker") as made:
        yield made


def outbox(stack: Stack, change: str | None = None) -> list[dict[str, Any]]:
    """The deliveries, after a change of what only time would change."""
    with psycopg.connect(stack.db_url, autocommit=True, row_factory=dict_row) as database:
        if change is not None:
            database.execute(change.encode())
        return database.execute(OUTBOX).fetchall()


def told_to(receiver: Receiver) -> list[tuple[str, str]]:
    return [(headers["Idempotency-Key"], json.loads(body)["news"]) for headers, body in receiver.got]


async def test_an_alert_is_tried_until_it_arrives_and_then_never_again(
    stack: Stack, connection: Connection
) -> None:
    answers = [500, 200, 200]
    async with receiving(lambda _: web.Response(status=answers.pop(0))) as receiver:
        deliverer = Deliverer(connection.call, [Webhook(receiver.url, "hush")])
        first = await connection.call("raise_alert", {"kind": "feed_silent", "title": "no candle"})
        again = await connection.call("raise_alert", {"kind": "feed_silent", "title": "no candle still"})
        assert first == again
        assert await deliverer.deliver() == 1
        assert outbox(stack)[0] | {"kind": ""} == {
            "kind": "", "news": "raised", "attempts": 1, "sent": False, "error": "the webhook answered 500",
        }  # fmt: skip
        assert await deliverer.deliver() == 0, "not before its time"
        outbox(stack, "update private.alert_deliveries set available_at = now() - interval '1 second'")
        assert await deliverer.deliver() == 1
        assert await deliverer.deliver() == 0
        assert await connection.call("resolve_alert", {"kind": "feed_silent"}) is True
        assert await deliverer.deliver() == 1
        assert [row["sent"] for row in outbox(stack)] == [True, True]
        keys = told_to(receiver)
        assert [news for _, news in keys] == ["raised", "raised", "resolved"]
        assert keys[0] == keys[1] != keys[2]
        assert {key: int(count) for key, count in deliverer.counts.items()} == {
            ("webhook", "failed"): 1,
            ("webhook", "sent"): 2,
        }
        await deliverer.close()


async def test_two_machines_share_the_outbox_and_nothing_is_sent_twice(
    stack: Stack, connection: Connection
) -> None:
    async with receiving() as receiver, machine_connection(stack, "trading_bridge") as other:
        deliverers = [Deliverer(one.call, [Webhook(receiver.url)]) for one in (connection, other)]
        for number in range(25):
            await connection.call("raise_alert", {"kind": "machine_error", "title": "x", "key": str(number)})
        while sum(await asyncio.gather(*(one.deliver() for one in deliverers))):
            continue
        keys = [key for key, _ in told_to(receiver)]
        assert len(keys) == len(set(keys)) == 25
        for one in deliverers:
            await one.close()


async def test_what_a_machine_took_along_when_it_died_another_one_delivers(
    stack: Stack, connection: Connection
) -> None:
    await connection.call("raise_alert", {"kind": "machine_error", "title": "x"})
    taken = await connection.call("claim_alerts", {"channels": ["webhook"]})
    async with receiving() as receiver:
        deliverer = Deliverer(connection.call, [Webhook(receiver.url)])
        assert await deliverer.deliver() == 0
        outbox(stack, "update private.alert_deliveries set leased_until = now() - interval '1 second'")
        assert await deliverer.deliver() == 1
        assert told_to(receiver) == [(taken[0]["idempotency_key"], "raised")]
        await deliverer.close()


@dataclass
class Line:
    """A database of one delivery, which is away at first."""

    faults: list[Exception] = field(default_factory=list)
    calls: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    async def __call__(self, name: str, params: Mapping[str, Any], /) -> Any:
        if self.faults:
            raise self.faults.pop(0)
        self.calls.append((name, dict(params)))
        return []

    def names(self) -> list[tuple[str, str]]:
        return [(name, params.get("kind", "")) for name, params in self.calls]


class Nowhere:
    """A channel that takes everything."""

    name: ChannelName = "webhook"

    async def send(self, delivery: Delivery) -> None:
        """Taken."""

    async def close(self) -> None:
        """Nothing is held."""


async def test_neither_an_absent_nor_a_refusing_database_ends_the_deliverer() -> None:
    line = Line([NotSent("away"), Refused("no"), NotSent("away")])
    running = asyncio.create_task(Deliverer(line, [Nowhere()], poll_seconds=0.001).run())
    await until(lambda: len(line.calls) > 2)
    assert not running.done()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_a_machine_raises_what_is_wrong_and_ends_what_is_over() -> None:
    signs, line = Signs(), Line()
    watch = Watch(line, "sig-1", lambda: signs)
    await watch.look()
    assert line.calls == []
    signs = Signs(errors=2, last_error="trading: no", refusals={"bybit": 1}, silent=300.0, spool_alarm="disk")
    line.faults = [NotSent("away")]
    with pytest.raises(NotSent):
        await watch.look()
    await watch.look()
    raised = [
        ("raise_alert", kind) for kind in ("machine_error", "rate_limited", "feed_silent", "spool_alarm")
    ]
    assert line.names() == raised, "told again after the database was away"
    assert line.calls[0][1]["title"] == "machine sig-1: 2 errors, the last: trading: no"
    assert line.calls[1][1]["key"] == "bybit"
    line.calls.clear()
    await watch.look()
    assert line.names() == [("raise_alert", "feed_silent"), ("raise_alert", "spool_alarm")], "what lasts"
    line.calls.clear()
    signs = Signs(errors=2, refusals={"bybit": 1}, silent=3.0)
    await watch.look()
    await watch.look()
    assert line.names() == [("resolve_alert", "feed_silent"), ("resolve_alert", "spool_alarm")]


def test_what_is_no_trouble_yet_is_not_raised() -> None:
    assert find_matters(Signs(), Signs(silent=200.0, spool_age=200.0)) == {}
    assert find_matters(Signs(errors=5, refusals={"bybit": 4}), Signs(errors=5, refusals={"bybit": 4})) == {}
    # A desk that was seated anew begins to count anew.
    assert find_matters(Signs(refusals={"bybit": 4}), Signs(refusals={"bybit": 1})) == {}
    assert ("spool_alarm", "") in find_matters(Signs(), Signs(spool_age=301.0))
    starting = Signs.of(Condition("starting", 900.0, silent=900.0), 0, "", {})
    assert find_matters(Signs(), starting) == {}
