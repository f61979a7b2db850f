"""Where sessions to venues lead, by settings: to the venues, or all of them to one address."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import ccxt.pro
import pytest
from ccxt.base.errors import NetworkError

from scripts.fake_venue import FakeVenue
from shared.errors import ConfigurationError
from shared.settings import Settings
from shared.venue_sessions import session_factory, session_factory_of


def settings(**fields: Any) -> Settings:
    usual = {"supabase_url": "http://127.0.0.1:1", "SUPABASE_PUBLISHABLE_KEY": "none"}
    return Settings.model_validate({**usual, **fields})


def test_without_settings_ccxt_makes_its_own_sessions() -> None:
    assert session_factory_of(None) is None
    assert session_factory_of(settings()) is None


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"sigtrail_venue_resolver": "127.0.0.1:1"}, "set both, or neither"),
        ({"sigtrail_venue_ca": "/nowhere.pem"}, "set both, or neither"),
        ({"sigtrail_venue_resolver": "nowhere", "sigtrail_venue_ca": "/nowhere.pem"}, "give an address"),
        ({"sigtrail_venue_resolver": "127.0.0.1:1", "sigtrail_venue_ca": "/nowhere.pem"}, "cannot read"),
    ],
)
def test_half_a_setting_says_what_is_missing(fields: dict[str, str], says: str) -> None:
    with pytest.raises(ConfigurationError, match=says):
        session_factory_of(settings(**fields))


async def test_every_venue_is_found_at_the_one_address_and_only_its_authority_is_trusted(
    tmp_path: Path,
) -> None:
    async with FakeVenue() as fake, FakeVenue() as stranger:
        authority = tmp_path / "authority.pem"
        authority.write_bytes(fake.ca_pem)
        make = session_factory_of(
            settings(sigtrail_venue_resolver=fake.address, sigtrail_venue_ca=str(authority))
        )
        assert make is not None
        async with make() as session, session_factory(stranger.address, authority)() as misled:
            for name in ("binance", "binanceusdm", "bybit"):
                exchange = getattr(ccxt.pro, name)({"session": session})
                exchange.timeout_on_exit = 0
                assert await exchange.fetch_time() > 0
                exchange.session = misled
                with pytest.raises(NetworkError):
                    await exchange.fetch_time()
                exchange.session = session
                await exchange.close()
