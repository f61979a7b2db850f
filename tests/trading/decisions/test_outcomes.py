"""The outcome policy row by row, and what the bridge does about each outcome of an order command."""

from __future__ import annotations

import ccxt
import pytest
from ccxt.base.errors import (
    AccountSuspended,
    AuthenticationError,
    BadRequest,
    BadResponse,
    BadSymbol,
    CancelPending,
    DDoSProtection,
    DuplicateOrderId,
    ExchangeClosedByUser,
    ExchangeError,
    ExchangeNotAvailable,
    InsufficientFunds,
    InvalidNonce,
    InvalidOrder,
    NotSupported,
    OnMaintenance,
    OperationFailed,
    OrderImmediatelyFillable,
    PermissionDenied,
    RateLimitExceeded,
    RequestTimeout,
)

from shared.lifecycle import ENDINGS, SignalStatus
from tests.trading.world import World
from workers.trading.decisions.outcome import Outcome, is_misfit, judge
from workers.trading.orders import Leg, client_order_id


@pytest.mark.parametrize(
    ("error", "outcome", "code"),
    [
        (RequestTimeout("no answer in 10 s"), Outcome.UNRESOLVED, "order_unresolved"),
        (ExchangeNotAvailable("502"), Outcome.UNRESOLVED, "order_unresolved"),
        (OnMaintenance("later"), Outcome.UNRESOLVED, "order_unresolved"),
        (DDoSProtection("429"), Outcome.UNRESOLVED, "order_unresolved"),
        (RateLimitExceeded("slow down"), Outcome.UNRESOLVED, "order_unresolved"),
        # Binance's -1021, clock skew: ccxt calls it a network error.
        (InvalidNonce("-1021"), Outcome.UNRESOLVED, "order_unresolved"),
        (BadResponse("<html>"), Outcome.UNRESOLVED, "order_unresolved"),
        (OperationFailed("-1001 internal error"), Outcome.UNRESOLVED, "order_unresolved"),
        (CancelPending("…"), Outcome.UNRESOLVED, "order_unresolved"),
        (ExchangeClosedByUser("closed"), Outcome.UNRESOLVED, "order_unresolved"),
        (DuplicateOrderId("again"), Outcome.UNRESOLVED, "order_unresolved"),
        (
            InvalidOrder('binance {"code":-4116,"msg":"ClientOrderId is duplicated."}'),
            Outcome.UNRESOLVED,
            None,
        ),
        (BadRequest("okx 51016 Duplicated client order ID"), Outcome.UNRESOLVED, None),
        (InsufficientFunds("-2010"), Outcome.REJECTED, "insufficient_balance"),
        (BadSymbol("no such market"), Outcome.REJECTED, "symbol_not_tradable"),
        (AuthenticationError("bad key"), Outcome.REJECTED, "account_inactive"),
        (PermissionDenied("read only"), Outcome.REJECTED, "account_inactive"),
        (AccountSuspended("suspended"), Outcome.REJECTED, "account_inactive"),
        (InvalidOrder("precision"), Outcome.REJECTED, "order_rejected"),
        (OrderImmediatelyFillable("post only"), Outcome.REJECTED, "order_rejected"),
        (BadRequest("MIN_NOTIONAL"), Outcome.REJECTED, "order_rejected"),
        (NotSupported("no such parameter"), Outcome.REJECTED, "order_rejected"),
        (ExchangeError('bybit {"retCode":110099,"retMsg":"new reason"}'), Outcome.REJECTED, "order_rejected"),
        # No reason that anybody knows: half an answer, a proxy's page.
        (ExchangeError("bybit {}"), Outcome.UNRESOLVED, None),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else None,
)
def test_each_error_of_placing_an_order_has_its_outcome(
    error: ccxt.BaseError, outcome: Outcome, code: str | None
) -> None:
    verdict = judge(error)
    assert verdict.outcome is outcome
    assert verdict.code == (code or "order_unresolved")
    assert verdict.message.startswith(type(error).__name__)


def every_kind(kind: type[ccxt.BaseError]) -> list[type[ccxt.BaseError]]:
    return [kind, *(deeper for below in kind.__subclasses__() for deeper in every_kind(below))]


@pytest.mark.parametrize("kind", every_kind(OperationFailed), ids=lambda kind: kind.__name__)
def test_no_operation_that_failed_is_ever_taken_for_a_refusal(kind: type[ccxt.BaseError]) -> None:
    assert judge(kind("whatever")).outcome is Outcome.UNRESOLVED


@pytest.mark.parametrize(
    ("error", "misses"),
    [
        (InvalidOrder('binance {"code":-1013,"msg":"Filter failure: PRICE_FILTER"}'), True),
        (InvalidOrder('binanceusdm {"code":-4014,"msg":"Price not increased by tick size."}'), True),
        (BadRequest('bybit {"retCode":10001,"retMsg":"Qty invalid"}'), True),
        (ExchangeError('bybit {"retCode":110074,"retMsg":"This contract is not live"}'), True),
        (InvalidOrder("binance amount of BTC/USDT must be greater than minimum amount precision"), True),
        (BadSymbol("binance does not have market symbol BTC/USDT"), True),
        (InvalidOrder('binance {"code":-2021,"msg":"Order would immediately trigger."}'), False),
        (InsufficientFunds('binance {"code":-2019,"msg":"Margin is insufficient."}'), False),
        (OrderImmediatelyFillable("binance would match"), False),
    ],
)
def test_a_refusal_tells_whether_rules_may_be_of_yesterday(error: ccxt.BaseError, misses: bool) -> None:
    assert is_misfit(error) is misses


def test_every_outcome_code_of_a_refusal_is_a_reason_to_expire() -> None:
    reasons = {str(code) for code, status in ENDINGS.items() if status is SignalStatus.EXPIRED}
    codes = {judge(kind("x")).code for kind in every_kind(ExchangeError)} - {"order_unresolved"}
    assert codes <= reasons


class Faults:
    """Faults of the venue by leg of the only signal: an exception before or after the order was taken."""

    def __init__(self, world: World, faults: dict[Leg, tuple[str, ccxt.BaseError]]) -> None:
        self.world = world
        self.faults = faults

    def __call__(self, method: str, moment: str, client_id: str) -> None:
        if method != "create_order" or not self.world.signals:
            return
        for leg, (when, error) in list(self.faults.items()):
            if when == moment and client_id == client_order_id(self.world.signals[0], leg, 1):
                del self.faults[leg]
                raise error


async def test_an_order_that_was_taken_in_spite_of_a_timeout_is_found(world: World) -> None:
    await world.use_exchange(fault=Faults(world, {Leg.ENTRY: ("after", RequestTimeout("…"))}))
    bridge = await world.start()
    signal = await world.make_ready()
    assert await world.settle(bridge) > 0
    assert "order_unresolved" in await world.events(signal)
    entry = (await world.orders(signal))["entry", 1]
    assert entry["status"] == "open"
    assert entry["code"] is None
    world.candle("100")
    await world.settle(bridge)
    assert (await world.signal(signal))["status"] == "in_position"
    assert len(world.exchange.paper_engine.orders) == 3


async def test_an_order_that_was_lost_is_sent_again_under_the_same_id(world: World) -> None:
    await world.use_exchange(fault=Faults(world, {Leg.ENTRY: ("before", RequestTimeout("…"))}))
    bridge = await world.start()
    signal = await world.make_ready()
    await world.settle(bridge)
    assert [o.request.client_id for o in world.exchange.paper_engine.orders.values()] == [
        client_order_id(signal, Leg.ENTRY, 1)
    ]
    assert {leg for leg, _ in await world.orders(signal)} == {"entry", "stop_loss", "take_profit"}


class Outage:
    """A venue that loses the first order and answers nothing at all from then on."""

    def __init__(self) -> None:
        self.lasts = False

    def __call__(self, method: str, moment: str, client_id: str) -> None:
        if self.lasts or method == "create_order":
            self.lasts = True
            raise RequestTimeout("the venue is away")


async def test_an_order_that_was_lost_and_came_too_late_is_not_sent_again(world: World) -> None:
    await world.use_exchange(fault=Outage())
    bridge = await world.start()
    signal = await world.make_ready(minutes=5)
    for _ in range(6):
        await world.settle(bridge)
        assert (await world.orders(signal))["entry", 1]["status"] == "unresolved"
        world.still()
    world.exchange.paper_fault = None
    await world.settle(bridge)
    expired = await world.signal(signal)
    assert (expired["status"], expired["outcome_code"]) == ("expired", "signal_stale")
    assert not world.exchange.paper_engine.orders
    await world.check_record()


async def test_a_stop_that_the_venue_refuses_ends_in_a_market_exit(world: World) -> None:
    await world.use_exchange(
        attached=False,
        fault=Faults(world, {Leg.STOP_LOSS: ("before", InvalidOrder("would trigger at once"))}),
    )
    bridge = await world.start()
    signal = await world.make_ready()
    await world.settle(bridge)
    world.candle("100")
    await world.settle(bridge)
    assert await world.unprotected() == []
    world.candle("100")
    await world.settle(bridge)
    closed = await world.signal(signal)
    assert (closed["status"], closed["outcome_code"]) == ("closed", "protection_failed")
    assert "protection_failed" in await world.events(signal)
    assert world.exchange.paper_engine.open_orders() == []
    await world.check_record()
    await world.check_against_venue()


async def test_a_stop_that_nobody_confirms_in_time_ends_in_a_market_exit(world: World) -> None:
    await world.use_exchange(attached=False)
    bridge = await world.start()
    signal = await world.make_ready()
    await world.settle(bridge)
    stop = client_order_id(signal, Leg.STOP_LOSS, 1)

    def mute(method: str, moment: str, client_id: str) -> None:
        if client_id == stop and moment == "before":
            raise RequestTimeout("no answer about the stop")

    world.exchange.paper_fault = mute
    world.candle("100")
    await world.settle(bridge)
    assert [row["reason"] for row in await world.unprotected()] == ["no confirmed stop loss"]
    world.candle("100")
    await world.settle(bridge)
    assert await world.unprotected() == []
    world.exchange.paper_fault = None
    world.candle("100")
    await world.settle(bridge)
    closed = await world.signal(signal)
    assert (closed["status"], closed["outcome_code"]) == ("closed", "protection_failed")
    await world.check_record()
    await world.check_against_venue()


async def test_a_position_that_the_venue_closed_itself_is_written_off(world: World) -> None:
    await world.use_exchange(attached=False)
    bridge = await world.start()
    signal = await world.make_ready()
    await world.settle(bridge)
    world.candle("100")
    await world.settle(bridge)
    # A liquidation: the venue holds nothing any more, and the protection went with it.
    engine = world.exchange.paper_engine
    for position in engine.ledger.positions.values():
        position.amount = position.cost = type(position.amount)(0)
    for order in engine.open_orders():
        engine.cancel(order.id, world.clock.millis())
    world.exchange.paper_activity += 1
    for _ in range(20):
        world.candle("100")
        await world.settle(bridge)
    closed = await world.signal(signal)
    assert (closed["status"], closed["outcome_code"]) == ("closed", "venue_closed")
    await world.check_record()


@pytest.mark.parametrize(
    "said",
    [
        'binance {"code":-2010,"msg":"Account has insufficient balance.","orderId":"duplicate-4116"}',
        'bybit {"retCode":110007,"retMsg":"ab not enough","result":{"orderId":"51011-12141-110030"}}',
    ],
)
def test_a_number_somewhere_in_an_answer_makes_no_duplicate_of_a_refusal(said: str) -> None:
    assert judge(InvalidOrder(said)).outcome is Outcome.REJECTED


@pytest.mark.parametrize(
    "said",
    [
        'binanceusdm {"code":-4116,"msg":"ClientOrderId is in use."}',
        'binance {"code":-2010,"msg":"Duplicate order sent."}',
        'okx {"code":"1","data":[{"clOrdId":"a","sCode":"51016","sMsg":"Client order ID exists"}],"msg":""}',
        'bybit {"retCode":110072,"retMsg":"OrderLinkedID is taken"}',
    ],
)
def test_a_duplicate_is_known_by_its_code_or_its_sentence(said: str) -> None:
    assert judge(InvalidOrder(said)).outcome is Outcome.UNRESOLVED
