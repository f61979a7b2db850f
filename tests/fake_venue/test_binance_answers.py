"""What becomes of a request whose answer goes wrong: which exception ccxt raises, and what the venue did."""

from __future__ import annotations

from typing import Any

import pytest
from ccxt.base.errors import (
    BaseError,
    DDoSProtection,
    ExchangeError,
    ExchangeNotAvailable,
    OperationFailed,
    OrderNotFound,
    RequestTimeout,
)

from scripts.fake_venue import Fault
from tests.fake_venue.conftest import Client

ORDERS = {"binance": "POST /api/v3/order", "binanceusdm": "POST /fapi/v1/order"}
pytestmark = pytest.mark.parametrize("name", list(ORDERS))


@pytest.fixture
async def client(open_client: Any, name: str) -> Client:
    one: Client = await open_client(name)
    return one


@pytest.mark.parametrize(
    ("kind", "raised"),
    [
        ("hang", RequestTimeout),
        ("drop", ExchangeNotAvailable),
        ("error", ExchangeNotAvailable),
        ("garbage", BaseError),
        ("unknown", RequestTimeout),
    ],
)
@pytest.mark.parametrize("taken", [True, False])
async def test_nobody_can_tell_from_the_error_whether_the_order_was_taken(
    client: Client, name: str, kind: Any, raised: type[BaseError], taken: bool
) -> None:
    """Pitfall 5: the same exception, and the order is there or not."""
    client.exchange.timeout = 300
    moment: Any = f"{kind}_{'after' if taken else 'before'}"
    fault = client.venue.faults.add(Fault(moment, route=ORDERS[name]))
    if kind == "garbage":
        # Not even an exception: ccxt makes an order of nothing out of what it cannot parse.
        order = await client.order("maybe")
        assert (order["id"], order["clientOrderId"], order["status"]) == (None, None, None)
    else:
        with pytest.raises(raised) as failed:
            await client.order("maybe")
        assert isinstance(failed.value, OperationFailed)
    assert fault.struck == 1
    assert (client.book.find(None, "maybe") is not None) is taken
    assert len(client.book.trades) == int(taken)
    if taken:
        client.exchange.timeout = 10_000
        assert (await client.find("maybe"))["filled"] == 0.01


@pytest.mark.parametrize(
    ("kind", "raised"),
    [
        ("rate_limited", DDoSProtection),
        ("banned", DDoSProtection),
        ("busy", OperationFailed),
        ("maintenance", ExchangeError),
    ],
)
async def test_what_the_venue_refuses_did_not_happen(
    client: Client, name: str, kind: Any, raised: type[BaseError]
) -> None:
    client.venue.faults.add(Fault(kind, route=ORDERS[name]))
    with pytest.raises((raised, ExchangeNotAvailable)):
        await client.order("refused")
    assert client.book.orders == {}
    assert (await client.order("refused"))["status"] == "closed"


async def test_a_fault_strikes_the_order_and_the_turn_that_it_names(client: Client, name: str) -> None:
    client.venue.faults.add(Fault("error_before", route=ORDERS[name], client_id="second"))
    client.venue.faults.add(Fault("busy", route=ORDERS[name], nth=2))
    await client.order("first")
    with pytest.raises(OperationFailed):
        await client.order("second")
    await client.order("third")
    assert [order.request.client_id for order in client.book.orders.values()] == ["first", "third"]


async def test_more_requests_than_a_minute_has_room_for_are_refused(client: Client) -> None:
    await client.exchange.fetch_balance()
    assert int(client.exchange.last_response_headers["X-MBX-USED-WEIGHT-1M"]) > 0
    client.venue.requests_a_minute = 0
    with pytest.raises(DDoSProtection, match="429"):
        await client.order("too many")
    assert 0 < int(client.exchange.last_response_headers["Retry-After"]) <= 60
    assert client.book.orders == {}


async def test_half_of_an_order_fills(client: Client, name: str) -> None:
    client.venue.faults.add(Fault("partial", route=ORDERS[name], share="0.5"))
    order = await client.order("half", price=50_010)
    assert (order["status"], order["filled"], order["remaining"]) == ("open", 0.005, 0.005)
    await client.order("whole")
    assert client.book.find(None, "whole").status == "filled"


async def test_an_order_fills_before_its_cancel_arrives(client: Client, name: str) -> None:
    await client.order("racing", price=49_000)
    client.venue.faults.add(Fault("fills_first", route="DELETE *"))
    with pytest.raises(OrderNotFound, match="Unknown order"):
        await client.exchange.cancel_order(None, client.symbol, {"clientOrderId": "racing"})
    assert (await client.find("racing"))["status"] == "closed"
