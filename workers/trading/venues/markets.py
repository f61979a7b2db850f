"""What a venue lists: steps and limits of symbols, prices of currencies, and when they are read again."""

from __future__ import annotations

import asyncio
import gc
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Any

import structlog
from ccxt.base.errors import BadSymbol

from shared.errors import OrderDenied
from shared.identity import floor_ms
from shared.money import money
from workers.trading.decisions.rules import Rules, rules_of
from workers.trading.venues.reading import Reading
from workers.trading.venues.wire import Wire
from workers.trading.venues.wording import readable

log = structlog.get_logger(__name__)


class Markets:
    """The markets as one account goes by them. `data` answers what is public; `reading` says when its markets
    are read again."""

    def __init__(self, wire: Wire, data: Any, reading: Reading) -> None:
        self._wire = wire
        self._data = data
        self._reading = reading
        self._rules: dict[str, Rules] = {}
        # The markets that these are of.
        self._listed: Any = None

    async def open(self) -> None:
        """Learn them."""
        if self._data is self._wire.exchange:
            await self._wire.read("load_markets")
            return
        is_first = not self._data.markets
        async with self._wire.traffic.turn("read", "load_markets"):
            with readable("load_markets"):
                # All accounts wait for one answer: an account that gives up leaves it to the others.
                await asyncio.shield(self._data.load_markets())
        if is_first:
            # Most of what a bridge has in memory, and it stays: to look for garbage in it would hold back
            # whatever is to leave for a third of a second.
            gc.freeze()
        self._wire.exchange.set_markets_from_exchange(self._data)

    def close(self) -> None:
        """Read no more, unless others go by the same."""
        if self._data is self._wire.exchange:
            self._reading.stop()

    async def rules(self, symbol: str) -> Rules:
        """Steps and limits of a symbol. Raises OrderDenied for one that is not traded; what was traded when
        this account asked first keeps its last rules, by which it is left."""
        self._take_markets()
        known = self._rules.get(symbol)
        if known is not None:
            return known
        if symbol not in (self._wire.exchange.markets or {}):
            await self._relearn()
            self._take_markets()
        try:
            market = self._wire.exchange.market(symbol)
        except BadSymbol as error:
            raise OrderDenied(
                f"{self._wire.exchange.id} does not trade {symbol}", code="symbol_not_tradable"
            ) from error
        rules = self._rules[symbol] = rules_of(market, self._wire.exchange.precisionMode)
        return rules

    async def rate(self, currency: str, quote: str, at: datetime | None = None) -> Decimal:
        """The price of a currency in quote currency, what a fee in BNB is worth: the last one, or that of the
        minute `at`. Raises what ccxt raises where there is none."""
        # A market of perpetuals has no plain pair of the two.
        pairs = (f"{currency}/{quote}", f"{currency}/{quote}:{quote}")
        listed = [pair for pair in pairs if pair in (self._data.markets or {})]
        pair = (listed or pairs)[0]
        name = "fetch_ticker" if at is None else "fetch_ohlcv"
        async with self._wire.traffic.turn("read", name):
            with readable(name):
                if at is None:
                    return money((await self._data.fetch_ticker(pair))["last"])
                candles = await self._data.fetch_ohlcv(pair, "1m", floor_ms(at), 1)
                [closed] = [candle[4] for candle in candles if candle[0] == floor_ms(at)]
                return money(closed)

    def refresh(self, now: datetime) -> None:
        """Begin to read the markets again if that is due. Waits for nothing."""
        self._reading.look(self._relearn, now)

    def doubt(self, now: datetime) -> asyncio.Task[None] | None:
        """An order was refused as one that misses the rules: the markets are read again now, if they were not
        just before. The reading that is under way, to be waited for."""
        return self._reading.hurry(self._relearn, now)

    async def _relearn(self) -> None:
        before = dict(self._data.markets or {})
        async with self._wire.traffic.turn("read", "load_markets"):
            with readable("load_markets"):
                await asyncio.shield(self._data.load_markets(True))
        for symbol, market in before.items():
            if symbol not in self._data.markets:
                # Whoever holds it has orders there to ask about and to cancel.
                gone = {**market, "active": False}
                self._data.markets[symbol] = gone
                self._data.markets_by_id.setdefault(gone["id"], []).append(gone)

    def _take_markets(self) -> None:
        """Go by the markets that were read last, whoever had them read."""
        listed = getattr(self._data, "markets", None)
        if not listed or listed is self._listed:
            return
        self._listed = listed
        if self._data is not self._wire.exchange:
            self._wire.exchange.set_markets_from_exchange(self._data)
        for symbol, rules in self._rules.items():
            try:
                fresh = rules_of(listed[symbol], self._wire.exchange.precisionMode)
            except (KeyError, OrderDenied):
                fresh = replace(rules, traded=False)
            if fresh != rules:
                log.warning("rules_changed", symbol=symbol, venue=self._wire.exchange.id)
                self._rules[symbol] = fresh
