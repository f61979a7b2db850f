"""Entries of every kind, and entries that fill in parts, come to the same ends on every wire."""

from __future__ import annotations

from contextlib import suppress
from decimal import Decimal
from typing import Any

import pytest

from shared.errors import OutcomeUnknown
from shared.money import add
from tests.conformance.stage import Stage
from workers.trading.orders import Leg, client_order_id


@pytest.mark.parametrize(
    ("kind", "entry", "before", "fills"),
    [
        ("market", "100", [], ["100"]),
        ("limit", "99.5", ["99.8"], ["99.4", "99.4"]),
        ("post_only", "99.5", ["99.8"], ["99.4", "99.4"]),
        ("stop", "100.5", ["100.2"], ["100.6", "100.6"]),
    ],
)
async def test_every_kind_of_entry_is_protected_and_ends(
    stage: Stage, kind: str, entry: str, before: list[str], fills: list[str]
) -> None:
    bridge = await stage.start()
    signal = await stage.make_ready(entry=entry, stop="97", target="104", kind=kind)
    await stage.settle(bridge)
    if before:
        await stage.play(bridge, *before)
        assert stage.resting() == [client_order_id(signal, Leg.ENTRY, 1)]
    await stage.play(bridge, *fills)
    assert (await stage.signal(signal))["status"] == "in_position"
    assert await stage.unprotected() == []
    await stage.play(bridge, "105", "105", "105")
    assert await stage.summary(signal) == {"status": "closed", "code": "take_profit", "resting": []}
    await stage.check_record()
    await stage.check_against_venue()


@pytest.mark.parametrize("moment", ["before", "after"])
async def test_an_entry_leaves_only_with_its_intent_in_the_record(stage: Stage, moment: str) -> None:
    """What was made ready meanwhile stays where it is, until the database has taken the intent."""
    asked: list[list[str]] = []

    async def call(name: str, params: Any) -> Any:
        if name != "record_trading" or not params["facts"].get("intents") or asked:
            return await stage.call(name, params)
        if moment == "after":
            await stage.call(name, params)
        # The request is made ready while the database is asked.
        await stage.unprotected()
        asked.append(stage.resting())
        raise OutcomeUnknown("the answer was lost")

    bridge = await stage.start(call=call)
    await stage.make_ready(entry="99.5", stop="97", target="104", kind="limit")
    with suppress(OutcomeUnknown):
        await stage.settle(bridge)
    assert (asked, stage.resting()) == ([[]], [])


async def test_protection_follows_what_was_filled(stage: Stage) -> None:
    bridge = await stage.start()
    signal = await stage.make_ready(entry="99.5", stop="97", target="104", kind="limit")
    await stage.settle(bridge)
    stage.offer("4")
    await stage.play(bridge, "99.4")
    stage.offer("0.001")
    await stage.play(bridge, "99.4")
    assert (await stage.orders(signal))["entry", 1]["status"] == "partially_filled"
    first = await protected(stage)
    assert Decimal("3.9") < first < Decimal("4.1")
    stage.offer(None)
    await stage.play(bridge, "99.4", "99.4")
    assert (await stage.orders(signal))["entry", 1]["status"] == "filled"
    position = await stage.position(signal)
    assert await protected(stage) == position["amount"] - position["amount"] % position["lot"]
    await stage.play(bridge, "96", "96", "96")
    assert await stage.summary(signal) == {"status": "closed", "code": "stop_loss", "resting": []}
    await stage.check_record()
    await stage.check_against_venue()


async def protected(stage: Stage) -> Decimal:
    """How much the stops cover that rest at the venue."""
    assert await stage.unprotected() == []
    stops = [one for one in stage.engine.open_orders() if one.request.trigger == "stop"]
    return add(*(one.amount - one.filled for one in stops))


async def test_what_is_too_small_to_sell_is_left_and_the_position_is_over(stage: Stage) -> None:
    bridge = await stage.start()
    signal = await stage.make_ready(entry="99.7", stop="97", target="104", kind="limit")
    await stage.settle(bridge)
    await stage.play(bridge, "99.6", "99.6", "105", "105", "105")
    assert await stage.summary(signal) == {"status": "closed", "code": "take_profit", "resting": []}
    position = await stage.position(signal)
    assert abs(position["amount"]) < position["lot"]
    if stage.kind == "spot":
        # The fee of the buy was taken from what was bought: a little of it is no whole step.
        assert 0 < stage.engine.ledger.balances["BTC"] < position["lot"]
    await stage.check_record()
    await stage.check_against_venue()
