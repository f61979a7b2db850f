"""What a key may do is what its venue says, in the venue's own words over the venue's own wire."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from scripts.fake_venue import FakeVenue
from scripts.fake_venue.accounts import Permission
from shared import redaction
from shared.errors import InputError
from shared.venue_sessions import session_factory
from tests.trading.key_venue import Key, KeyVenue, open_key_venue
from workers.trading.venues.rights import Rights, RightsUnknown, ask_rights, read_bybit

SECRET = "s3cr3tOfTheKeyThatNobodyMaySee0123456789"
VENUES = [("binance", "spot"), ("binanceusdm", "usdm"), ("bybit", "spot"), ("bybit", "usdm"), ("okx", "usdm")]


@pytest.fixture
async def venue(tmp_path: Path) -> AsyncIterator[KeyVenue]:
    async with open_key_venue(tmp_path) as opened:
        yield opened


async def ask(venue: KeyVenue, name: str, market: str, key: Key, sandbox: bool = False) -> Rights:
    """Ask through ccxt, as the commands do."""
    keys = {"apiKey": key.key, "secret": key.secret}
    if name == "okx":
        keys["password"] = key.passphrase
    sessions = session_factory(venue.place, venue.authority)
    return await ask_rights(name, market, sandbox=sandbox, keys=keys, sessions=sessions)


@pytest.mark.parametrize(("name", "market"), VENUES)
async def test_each_venue_tells_what_a_key_may(venue: KeyVenue, name: str, market: str) -> None:
    key = venue.add(Key("the-key", SECRET, "phrase"))
    rights = await ask(venue, name, market, key)
    assert (rights.may_read, rights.may_trade, rights.may_withdraw) == (True, True, False)
    assert rights.permissions == "trade"
    assert rights.ip_restricted is False
    assert rights.holder == "4711"


@pytest.mark.parametrize(("name", "market"), VENUES)
async def test_each_venue_tells_what_a_key_may_not(venue: KeyVenue, name: str, market: str) -> None:
    key = venue.add(Key("the-key", SECRET, "phrase", trades=False, withdraws=True, addresses=("192.0.2.7",)))
    rights = await ask(venue, name, market, key)
    assert (rights.may_trade, rights.may_withdraw, rights.ip_restricted) == (False, True, True)
    assert rights.permissions == "read"


@pytest.mark.parametrize(("name", "market"), [("binance", "spot"), ("binanceusdm", "usdm")])
async def test_a_sandbox_without_a_wallet_is_asked_for_the_account(
    venue: KeyVenue, name: str, market: str
) -> None:
    key = venue.add(Key("the-key", SECRET))
    rights = await ask(venue, name, market, key, sandbox=True)
    assert (rights.may_trade, rights.may_withdraw, rights.ip_restricted) == (True, False, None)


@pytest.mark.parametrize(("name", "market"), VENUES)
async def test_a_key_that_the_venue_does_not_know_has_no_rights(
    venue: KeyVenue, name: str, market: str
) -> None:
    with pytest.raises(RightsUnknown, match="does not accept the key"):
        await ask(venue, name, market, Key("unknown", SECRET, "phrase"))


@pytest.mark.parametrize(("name", "market"), VENUES)
async def test_a_venue_that_echoes_the_request_gives_nothing_away(
    venue: KeyVenue, name: str, market: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redaction, "_pieces", set())
    key = venue.add(Key("the-key-of-this-account", SECRET, "phrase-of-this"))
    redaction.conceal([key.key, key.secret, key.passphrase])
    venue.echo = True
    with pytest.raises(RightsUnknown) as caught:
        await ask(venue, name, market, key)
    for hidden in (key.key, key.secret, key.passphrase):
        pieces = [form[at : at + 8] for form in redaction.forms(hidden) for at in range(len(form) - 7)]
        assert not [piece for piece in pieces if piece in str(caught.value)]


@pytest.mark.parametrize(("name", "market"), [one for one in VENUES if one[0] != "okx"])
@pytest.mark.parametrize(
    ("granted", "trade", "withdraw"),
    [(["read", "trade"], True, False), (["read"], False, False), (["read", "trade", "withdraw"], True, True)],
)
async def test_the_venue_that_bridges_trade_at_tells_it_too(
    name: str, market: str, granted: list[Permission], trade: bool, withdraw: bool
) -> None:
    async with FakeVenue(symbols=["BTCUSDT"]) as fake:
        fake.open_account(name, "key", "secret", {"USDT": "1"}, granted)
        keys = {"apiKey": "key", "secret": "secret"}
        rights = await ask_rights(name, market, sandbox=False, keys=keys, sessions=fake.session_factory())
    assert (rights.may_trade, rights.may_withdraw) == (trade, withdraw)


async def test_a_venue_that_hangs_up_says_nothing(venue: KeyVenue) -> None:
    venue.hangs_up = True
    with pytest.raises(RightsUnknown, match="did not say"):
        await ask(venue, "bybit", "usdm", Key("the-key", SECRET))


@pytest.mark.parametrize(
    "answer",
    [{}, {"result": {}}, {"result": {"permissions": {"ContractTrade": ["Order"]}, "readOnly": "no"}}],
)
async def test_an_answer_that_says_something_else_grants_nothing(answer: dict[str, Any]) -> None:
    with pytest.raises((KeyError, ValueError)):
        read_bybit(answer, "usdm")


async def test_a_venue_that_cannot_be_asked_is_named() -> None:
    with pytest.raises(InputError, match="nobody knows how to ask kraken"):
        await ask_rights("kraken", "spot", sandbox=False, keys={})
    with pytest.raises(InputError, match="binanceusdm is traded on usdm here, not on spot"):
        await ask_rights("binanceusdm", "spot", sandbox=False, keys={})
