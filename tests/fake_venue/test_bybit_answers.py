"""Who may ask Bybit's wire, and what becomes of a request whose answer goes wrong."""

from __future__ import annotations

from typing import Any

import pytest
from ccxt.base.errors import (
    AuthenticationError,
    ExchangeError,
    ExchangeNotAvailable,
    InvalidNonce,
    NetworkError,
    OperationFailed,
    PermissionDenied,
    RateLimitExceeded,
    RequestTimeout,
)

from scripts.fake_venue import Fault
from tests.fake_venue.conftest import KEY, Client

CREATE = "POST /v5/order/create"


@pytest.fixture
async def client(open_client: Any) -> Client:
    one: Client = await open_client("bybit")
    # What ccxt asks for before the first order, and keeps.
    await one.exchange.is_unified_enabled()
    return one


@pytest.mark.parametrize(
    ("kind", "raised"),
    [
        ("hang", RequestTimeout),
        ("drop", ExchangeNotAvailable),
        ("error", ExchangeNotAvailable),
        ("garbage", None),
        # "Server Timeout" to Bybit, and a definite refusal by its class to ccxt: it is none.
        ("unknown", ExchangeError),
    ],
)
@pytest.mark.parametrize("taken", [True, False])
async def test_nobody_can_tell_from_the_error_whether_the_order_was_taken(
    client: Client, kind: str, raised: Any, taken: bool
) -> None:
    """Pitfall 5: the same exception, and the order is there or not."""
    client.exchange.timeout = 300
    moment: Any = f"{kind}_{'after' if taken else 'before'}"
    client.venue.faults.add(Fault(moment, route=CREATE))
    if raised is None:
        # Not even an exception: ccxt makes an order of nothing out of what it cannot parse.
        order = await client.order("maybe")
        assert (order["id"], order["clientOrderId"], order["status"]) == (None, None, None)
    else:
        with pytest.raises(raised) as failed:
            await client.order("maybe")
        assert isinstance(failed.value, OperationFailed) is (kind != "unknown")
    assert (client.book.find(None, "maybe") is not None) is taken


@pytest.mark.parametrize(
    ("kind", "raised"),
    [
        ("rate_limited", RateLimitExceeded),
        ("banned", NetworkError),
        ("maintenance", ExchangeNotAvailable),
        ("busy", ExchangeError),
    ],
)
async def test_what_the_venue_refuses_did_not_happen(client: Client, kind: Any, raised: Any) -> None:
    """`busy` is "System error" to Bybit, and ccxt takes it for a definite refusal (10016)."""
    client.venue.faults.add(Fault(kind, route=CREATE))
    with pytest.raises(raised):
        await client.order("refused")
    assert client.book.orders == {}


async def test_a_wrong_secret_is_refused(client: Client) -> None:
    client.exchange.secret = "somebody else's"
    with pytest.raises(AuthenticationError, match="10004"):
        await client.order("forged")
    assert client.book.orders == {}


async def test_an_unknown_and_a_revoked_key_are_refused(client: Client) -> None:
    client.venue.account(KEY).revoked = True
    with pytest.raises(AuthenticationError, match="33004"):
        await client.order("revoked")
    client.exchange.apiKey = "nobody"
    with pytest.raises(AuthenticationError, match="10003"):
        await client.exchange.fetch_balance()


@pytest.mark.parametrize("skew_ms", [30_000, -30_000])
async def test_a_request_of_another_time_is_refused(client: Client, skew_ms: int) -> None:
    client.venue.skew_ms = skew_ms
    with pytest.raises(InvalidNonce, match="10002"):
        await client.order("late")
    assert client.book.orders == {}


async def test_a_key_that_may_only_read_places_nothing(client: Client) -> None:
    client.venue.account(KEY).permissions = frozenset({"read"})
    await client.exchange.fetch_balance()
    with pytest.raises(PermissionDenied, match="10005"):
        await client.order("forbidden")
    told = await client.exchange.privateGetV5UserQueryApi()
    assert told["result"]["readOnly"] == 1
    assert told["result"]["permissions"]["Wallet"] == []
