"""What is public at a venue, asked for once and shared by all of its accounts: markets and prices.

A second connection of ccxt's, without keys: its questions queue on their own, so that no cancel waits behind
them, and a hundred accounts hold one list of markets.
"""

from __future__ import annotations

from typing import Any

from ccxt.async_support.base.exchange import Exchange

from shared.venue_sessions import SessionFactory
from workers.trading.venues.reading import Reading


class Catalogue:
    """The public side of venues, by venue, market and sandbox. Closed by whoever made it."""

    def __init__(self, session_factory: SessionFactory | None = None) -> None:
        self._session_factory = session_factory
        self._sources: dict[tuple[str, str, str], Any] = {}
        # By the connection that reads.
        self._readings: dict[int, Reading] = {}

    def source_of(self, exchange: Any) -> Any:
        """The public connection beside an account's; the exchange itself where it is its own market."""
        if not isinstance(exchange, Exchange) or exchange.id == "paper":
            return exchange
        # A sandbox is known by its addresses.
        key = (exchange.id, str(exchange.options.get("defaultType")), str(exchange.urls.get("api")))
        source = self._sources.get(key)
        if source is None:
            config: dict[str, Any] = {
                # Where requests are counted here, ccxt paces none of them.
                "enableRateLimit": exchange.enableRateLimit,
                "options": dict(exchange.options),
            }
            if self._session_factory is not None:
                config["session"] = self._session_factory()
            source = self._sources[key] = type(exchange)(config)
            source.timeout_on_exit = exchange.timeout_on_exit
            source.urls = exchange.urls
        return source

    def reading_of(self, source: Any) -> Reading:
        """When the markets of a public connection are read again, for all of its accounts."""
        return self._readings.setdefault(id(source), Reading())

    async def close(self) -> None:
        """Close the public connections."""
        readings, self._readings = list(self._readings.values()), {}
        for reading in readings:
            reading.stop()
        sources, self._sources = list(self._sources.values()), {}
        for source in sources:
            session = None if source.own_session else source.session
            await source.close()
            if session is not None:
                await session.close()
