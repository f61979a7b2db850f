"""Who may ask Binance's wires, and what comes out of ccxt when somebody may not."""

from __future__ import annotations

from typing import Any

import pytest
from ccxt.base.errors import AuthenticationError, DDoSProtection, InvalidNonce, NetworkError

from tests.fake_venue.conftest import KEY, Client

pytestmark = pytest.mark.parametrize("name", ["binance", "binanceusdm"])


@pytest.fixture
async def client(open_client: Any, name: str) -> Client:
    one: Client = await open_client(name)
    return one


async def test_a_wrong_secret_is_refused(client: Client) -> None:
    client.exchange.secret = "somebody else's"
    with pytest.raises(AuthenticationError, match="-1022"):
        await client.order("forged")
    assert client.book.orders == {}


async def test_an_unknown_key_is_refused(client: Client) -> None:
    client.exchange.options["hasAlreadyAuthenticatedSuccessfully"] = False
    client.exchange.apiKey = "nobody"
    with pytest.raises(AuthenticationError, match="-2015"):
        await client.exchange.fetch_balance()


async def test_a_key_that_is_revoked_later_looks_like_a_rate_limit(open_client: Any, name: str) -> None:
    """After one success, ccxt takes -2015 for a ban, on spot: the error says nothing about the key."""
    client = await open_client(name)
    await client.exchange.fetch_balance()
    client.venue.account(KEY).revoked = True
    with pytest.raises(DDoSProtection if name == "binance" else AuthenticationError, match="-2015"):
        await client.order("revoked")


@pytest.mark.parametrize("skew_ms", [30_000, -30_000])
async def test_a_request_of_another_time_is_refused(client: Client, skew_ms: int) -> None:
    """-1021 is a NetworkError to ccxt, although the venue refused: nobody may take it for a lost answer."""
    client.venue.skew_ms = skew_ms
    with pytest.raises(InvalidNonce, match="-1021") as refused:
        await client.order("late")
    assert isinstance(refused.value, NetworkError)
    assert client.book.orders == {}
    await client.exchange.load_time_difference()
    assert (await client.order("in time"))["status"] == "closed"


async def test_a_key_that_may_only_read_places_nothing(client: Client) -> None:
    account = client.venue.account(KEY)
    account.permissions = frozenset({"read"})
    await client.exchange.fetch_balance()
    with pytest.raises((AuthenticationError, DDoSProtection), match="-2015"):
        await client.order("forbidden")
    assert client.book.orders == {}
