"""The private stream on real sockets: quick when it works, and nothing is lost when it does not."""

from __future__ import annotations

from collections.abc import AsyncIterator
from decimal import Decimal

import pytest

from scripts.fake_venue import Fault
from tests.conformance.conftest import SPOKEN
from tests.conformance.stage import KEY, Stage, open_stage
from tests.trading.world import Sql
from tests.waiting import until
from workers.trading.role import TradingRole
from workers.trading.venues.stream import Stream


@pytest.fixture(params=[wire for wire in SPOKEN if not wire.startswith("paper")])
async def stage(request: pytest.FixtureRequest, sql: Sql) -> AsyncIterator[Stage]:
    async with open_stage(sql, request.param) as made:
        yield made


def stream_of(bridge: TradingRole) -> Stream:
    (desk,) = bridge._desks.values()
    stream = desk._venue.stream
    assert stream is not None
    return stream


async def listening(stage: Stage) -> tuple[TradingRole, Stream]:
    """A bridge whose stream is connected and that has caught up."""
    bridge = await stage.start()
    stream = stream_of(bridge)
    await until(lambda: stream.is_healthy)
    await until(lambda: is_subscribed(stage))
    await until(lambda: quiet(stage, bridge, stream))
    return bridge, stream


def is_subscribed(stage: Stage) -> bool:
    """Whether the venue tells the account's events to somebody."""
    assert stage.fake is not None
    listeners = [one for exchange in stage.fake.exchanges.values() for one in exchange.streams._listeners]
    return any(listener.topics for listener in listeners)


async def quiet(stage: Stage, bridge: TradingRole, stream: Stream) -> bool:
    await stage.settle(bridge)
    return not stream.has_rung


async def test_a_fill_rings_before_any_poll_is_due(stage: Stage) -> None:
    bridge, stream = await listening(stage)
    signal = await stage.make_ready()
    await stage.settle(bridge)
    # No market time passes from here on: only the stream can have told.
    await until(lambda: protected(stage, bridge, str(signal)))
    assert stream.is_healthy
    assert await stage.unprotected() == []


async def protected(stage: Stage, bridge: TradingRole, signal: str) -> bool:
    await stage.settle(bridge)
    rows = await stage.fetch(
        "select 1 from public.orders where signal_id = %s and leg = 'stop_loss' and status = 'open'", signal
    )
    return bool(rows)


@pytest.mark.parametrize("kind", ["lost", "doubled", "swapped"])
async def test_events_that_are_lost_doubled_or_late_change_nothing(stage: Stage, kind: str) -> None:
    assert stage.fake is not None
    bridge, _ = await listening(stage)
    stage.fake.faults.add(Fault(kind=kind, route="EVENT *", times=100))  # type: ignore[arg-type]
    signal = await stage.enter(bridge)
    await stage.play(bridge, "105", "105", "105")
    assert await stage.summary(signal) == {"status": "closed", "code": "take_profit", "resting": []}
    await stage.check_record()
    await stage.check_against_venue()


async def test_a_stream_that_was_cut_is_caught_up_with(stage: Stage) -> None:
    assert stage.fake is not None
    bridge, stream = await listening(stage)
    signal = await stage.enter(bridge)
    await stage.fake.cut_streams()
    await until(lambda: not stream.is_healthy)
    stage.candle("97")
    stage.fake.mend_streams()
    await until(lambda: stream.is_healthy)
    await stage.play(bridge, "97", "97")
    assert await stage.summary(signal) == {"status": "closed", "code": "stop_loss", "resting": []}
    await stage.check_record()
    await stage.check_against_venue()


async def test_a_fee_in_a_coin_that_ccxt_does_not_know_is_recorded(stage: Stage) -> None:
    """Such a fill ends ccxt's receive loop; the bridge hears it, asks, and goes on hearing."""
    assert stage.fake is not None
    if stage.venue_id == "bybit":
        return  # Bybit takes its fees in what is traded.
    bridge, stream = await listening(stage)
    pair = "BNB/USDT" if stage.kind == "spot" else "BNB/USDT:USDT"
    stage.fake.move(pair, "600")
    stage.fake.engine(KEY, stage.engine_market).ledger.balances["BNB"] = Decimal(10)
    stage.fake.pay_fees_in(KEY, stage.engine_market, "BNB")
    signal = await stage.enter(bridge)
    await stage.play(bridge, "105", "105", "105")
    assert await stage.summary(signal) == {"status": "closed", "code": "take_profit", "resting": []}
    fees = await stage.fetch(
        "select distinct fee_currency from public.trade_executions where user_id = %s", stage.user
    )
    assert [row["fee_currency"] for row in fees] == ["BNB"]
    await until(lambda: stream.is_healthy)
    assert Decimal(str((await stage.position(signal))["fees"])) > 0


async def test_a_fee_in_a_coin_without_a_market_keeps_no_fill_out_of_the_record(stage: Stage) -> None:
    assert stage.fake is not None
    if stage.venue_id == "bybit":
        return  # Bybit takes its fees in what is traded.
    bridge, _ = await listening(stage)
    stage.fake.engine(KEY, stage.engine_market).ledger.balances["KITE"] = Decimal(10)
    stage.fake.pay_fees_in(KEY, stage.engine_market, "KITE")
    signal = await stage.enter(bridge)
    await stage.play(bridge, "105", "105", "105")
    assert await stage.summary(signal) == {"status": "closed", "code": "take_profit", "resting": []}
    await stage.check_record()
    await stage.check_against_venue()
    fees = await stage.fetch(
        "select fee_currency, fee_quote, fee_open from public.trade_executions where user_id = %s", stage.user
    )
    assert {(row["fee_currency"], row["fee_quote"]) for row in fees} == {("KITE", None)}
    assert all("BadSymbol" in row["fee_open"] for row in fees)
