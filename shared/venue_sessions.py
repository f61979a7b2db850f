"""HTTP and web socket sessions to venues, where they do not go the usual way.

`SIGTRAIL_VENUE_RESOLVER` (`host:port`) answers for every venue's name, and `SIGTRAIL_VENUE_CA` is trusted for
it and nobody else: how an unmodified ccxt, with the venues' own addresses, reaches a fake venue.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable
from pathlib import Path

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from shared.errors import ConfigurationError
from shared.settings import Settings

SessionFactory = Callable[[], aiohttp.ClientSession]


class OnePlace(AbstractResolver):
    """Resolves every name to one address and port."""

    def __init__(self, host: str, port: int) -> None:
        self._host = host
        self._port = port

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """The one address, whatever was asked for."""
        return [
            ResolveResult(
                hostname=host,
                host=self._host,
                port=self._port,
                family=socket.AF_INET,
                proto=0,
                flags=socket.AI_NUMERICHOST,
            )
        ]

    async def close(self) -> None:
        """Nothing is held."""


def session_factory_of(settings: Settings | None) -> SessionFactory | None:
    """What makes the sessions, or None for ccxt's own. Raises ConfigurationError for half a setting."""
    if settings is None:
        return None
    place, authority = settings.sigtrail_venue_resolver, settings.sigtrail_venue_ca
    if place is None and authority is None:
        return None
    if place is None or authority is None:
        raise ConfigurationError(
            "SIGTRAIL_VENUE_RESOLVER and SIGTRAIL_VENUE_CA belong together: set both, or neither"
        )
    return session_factory(place, authority)


def session_factory(place: str, authority: Path) -> SessionFactory:
    """Sessions that find every venue at `place` (`host:port`) and trust only `authority` (a PEM file)."""
    host, _, port = place.rpartition(":")
    if not host or not port.isdigit():
        raise ConfigurationError(f"SIGTRAIL_VENUE_RESOLVER is {place!r}: give an address as 127.0.0.1:8443")
    try:
        trust = ssl.create_default_context(cafile=str(authority))
    except (OSError, ssl.SSLError) as error:
        raise ConfigurationError(f"SIGTRAIL_VENUE_CA: cannot read {authority}: {error}") from error

    def make() -> aiohttp.ClientSession:
        connector = aiohttp.TCPConnector(resolver=OnePlace(host, int(port)), ssl=trust, use_dns_cache=False)
        return aiohttp.ClientSession(connector=connector)

    return make
