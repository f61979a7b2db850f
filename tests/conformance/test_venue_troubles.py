"""A venue in trouble, as the bridge meets it on the wire: nothing new leaves, what is held stays protected
and what happened there is found afterwards, and no other symbol is kept waiting."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import pytest

from scripts.fake_venue import Fault
from tests.conformance.conftest import SPOKEN
from tests.conformance.stage import KEY, Stage, open_stage
from tests.trading.world import Sql
from tests.waiting import until
from workers.trading.orders import Leg, client_order_id
from workers.trading.role import TradingRole

ALWAYS = 1_000_000


@pytest.fixture(params=[wire for wire in SPOKEN if not wire.startswith("paper")])
async def stage(request: pytest.FixtureRequest, sql: Sql) -> AsyncIterator[Stage]:
    async with open_stage(sql, request.param) as made:
        yield made


async def is_held(stage: Stage, bridge: TradingRole, signal: UUID) -> bool:
    """Whether a signal is in a position; the bridge looks first. A venue that was left alone is asked again
    after a second or so."""
    await stage.settle(bridge)
    return bool((await stage.signal(signal))["status"] == "in_position")


async def end_of(stage: Stage, bridge: TradingRole, signal: UUID) -> Any:
    """The code with which a signal ended, None before; the bridge looks first."""
    await stage.settle(bridge)
    return (await stage.signal(signal))["outcome_code"]


async def check(stage: Stage) -> None:
    await stage.check_record()
    await stage.check_against_venue()
    assert await stage.unprotected() == []
    assert len(stage.sent()) == len(set(stage.sent()))


async def trouble(stage: Stage, kind: str) -> None:
    """From now on every request meets it."""
    assert stage.fake is not None
    if kind == "revoked":
        stage.fake.account(KEY).revoked = True
    elif kind == "skewed":
        stage.fake.skew_ms = 30_000
    else:
        stage.fake.faults.add(Fault(kind="maintenance", route="*", times=ALWAYS))


async def end_trouble(stage: Stage) -> None:
    assert stage.fake is not None
    stage.fake.account(KEY).revoked = False
    stage.fake.skew_ms = 0
    stage.fake.faults.clear()


# Each trouble where ccxt makes something else of it than elsewhere.
@pytest.mark.parametrize(
    ("stage", "kind"),
    [
        ("binance-usdm", "maintenance"),
        ("bybit-usdm", "maintenance"),
        ("binance-spot", "revoked"),
        ("bybit-usdm", "revoked"),
        ("binance-usdm", "skewed"),
        ("bybit-usdm", "skewed"),
    ],
    indirect=["stage"],
)
async def test_while_nothing_can_be_asked_nothing_new_is_sent_and_all_is_found_afterwards(
    stage: Stage, kind: str
) -> None:
    bridge = await stage.start()
    signal = await stage.enter(bridge)
    sent = stage.sent()
    await trouble(stage, kind)
    late = await stage.make_ready("ETHUSDT")
    await stage.play(bridge, "100", "97", "97")
    assert stage.sent() == sent
    (told,) = bridge.gates.visible().values()
    assert told["clock"]["sound"] is (kind != "skewed")
    key = bridge.troubles().get(str(stage.account), {})
    assert ("key" in key) is (kind == "revoked")
    assert key.get("do") in (None, f"sigtrail accounts verify {stage.account}")
    assert (await stage.signal(late))["status"] == "ready"
    assert (await stage.signal(signal))["status"] == "in_position"
    await end_trouble(stage)
    assert await until(lambda: end_of(stage, bridge, signal)) == "stop_loss"
    stage.candles({"ETHUSDT": ("100", "100", "100", "100")})
    # As the slow poll for work does.
    stage.wakes.wake("trading")
    await until(lambda: is_held(stage, bridge, late))
    assert bridge.troubles() == {}
    assert stage.sent().count(client_order_id(late, Leg.ENTRY, 1)) == 1
    await check(stage)


@pytest.mark.parametrize("stage", ["binance-usdm", "bybit-usdm"], indirect=True)
async def test_an_order_that_leaves_by_a_wrong_clock_is_there_once(stage: Stage) -> None:
    """The venue refuses it for its time, which ccxt calls a network error; then the clock is known."""
    assert stage.fake is not None
    bridge = await stage.start()
    signal = await stage.make_ready()
    # Everything was asked in time, and the order comes too late.
    stage.fake.faults.add(
        Fault(
            kind="refused", route="POST *", client_id=client_order_id(signal, Leg.ENTRY, 1), **late_by(stage)
        )
    )
    await stage.settle(bridge)
    entry = (await stage.orders(signal))["entry", 1]
    assert (entry["status"], stage.sent()) == ("unresolved", [])
    for _ in range(4):
        await stage.wait(bridge, 5)
    await stage.play(bridge, "100")
    assert (await stage.signal(signal))["status"] == "in_position"
    await check(stage)


def late_by(stage: Stage) -> dict[str, Any]:
    """How the venue says that a request is of another time."""
    if stage.venue_id == "bybit":
        return {"code": 10002, "message": "invalid request, please check your server timestamp"}
    return {"code": -1021, "message": "Timestamp for this request is outside of the recvWindow."}


async def test_a_symbol_that_is_delisted_keeps_no_other_from_its_end(stage: Stage) -> None:
    assert stage.fake is not None
    bridge = await stage.start()
    gone = await stage.enter(bridge)
    other = await stage.make_ready("ETHUSDT")
    await stage.settle(bridge)
    await until(lambda: is_held(stage, bridge, other))
    stage.fake.delist(stage.symbol)
    stage.clock.advance_ms(stage.clock.millis() + 61_000)
    fresh = await stage.make_ready()
    await stage.settle(bridge)
    assert (await stage.signal(fresh))["outcome_code"] == "symbol_not_tradable"
    # Nothing at the venue guards it, and nobody says otherwise.
    assert [row["signal_id"] for row in await stage.unprotected()] == [gone]
    for _ in range(3):
        stage.candles({"ETHUSDT": ("105", "105", "105", "105")})
        await stage.settle(bridge)
    assert (await stage.signal(other))["outcome_code"] == "take_profit"
    assert bridge.counts["desks_failed"] == 0
    # Its exits were refused as well; they are given again, and once it is traded they fill.
    for exchange in stage.fake.exchanges.values():
        exchange.tape.listings[stage.symbol].trading = True
    await stage.wait(bridge, 1_800)
    assert (await stage.signal(gone))["outcome_code"] == "protection_failed"
    await check(stage)
