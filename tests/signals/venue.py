"""A venue that speaks Binance USD-M's public REST and streams, at the venue's own addresses.

The unmodified ccxt.pro talks to it: its session finds this server behind every name and trusts it.
"""

from __future__ import annotations

import json
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import trustme
from aiohttp import web
from aiohttp.abc import AbstractResolver, ResolveResult

Row = tuple[int, float, float, float, float, float]


class FakeVenue:
    """`candles` is what REST knows by symbol; `push` sends the forming candle to whoever subscribed."""

    def __init__(self, symbols: tuple[str, ...]) -> None:
        self.candles: dict[str, dict[int, Row]] = {symbol: {} for symbol in symbols}
        self.asked: list[tuple[str, int | None]] = []
        self.subscriptions = 0
        self.down = False
        self.refuse_klines = 0
        self._sockets: set[web.WebSocketResponse] = set()

    def know(self, symbol: str, row: Row) -> None:
        """A candle that closed, as REST tells it."""
        self.candles[symbol][row[0]] = row

    async def push(self, symbol: str, row: Row) -> None:
        """A state of the candle that is forming."""
        opened, o, h, low, c, v = row
        kline = {"t": opened, "T": opened + 59_999, "s": symbol, "i": "1m", "x": False, "n": 1}
        kline |= {"o": str(o), "h": str(h), "l": str(low), "c": str(c), "v": str(v)}
        frame = {"stream": f"{symbol.lower()}@kline_1m"}
        frame["data"] = {"e": "kline", "E": opened, "s": symbol, "k": kline}  # type: ignore[assignment]
        for socket_ in tuple(self._sockets):
            await socket_.send_str(json.dumps(frame if socket_.get("combined") else frame["data"]))

    async def drop(self) -> None:
        """Cut every stream."""
        for socket_ in tuple(self._sockets):
            await socket_.close()

    async def answer(self, request: web.Request) -> web.StreamResponse:
        if self.down:
            raise web.HTTPServiceUnavailable
        if request.headers.get("Upgrade", "").lower() == "websocket":
            return await self._stream(request)
        if request.path.endswith("/exchangeInfo"):
            return web.json_response({"timezone": "UTC", "symbols": [describe(one) for one in self.candles]})
        if request.path.endswith("/klines"):
            return self._klines(request)
        raise web.HTTPNotFound

    def _klines(self, request: web.Request) -> web.Response:
        symbol = request.query["symbol"]
        since = int(request.query["startTime"]) if "startTime" in request.query else None
        self.asked.append((symbol, since))
        if self.refuse_klines > 0:
            self.refuse_klines -= 1
            raise web.HTTPServiceUnavailable
        limit = int(request.query.get("limit", 500))
        rows = sorted(row for at, row in self.candles[symbol].items() if since is None or at >= since)
        rows = rows[-limit:] if since is None else rows[:limit]
        return web.json_response(
            [[row[0], *map(str, row[1:6]), row[0] + 59_999, "0", 1, "0", "0", "0"] for row in rows]
        )

    async def _stream(self, request: web.Request) -> web.WebSocketResponse:
        socket_ = web.WebSocketResponse()
        socket_["combined"] = "stream" in request.path
        await socket_.prepare(request)
        async for message in socket_:
            asked = json.loads(message.data)
            await socket_.send_str(json.dumps({"result": None, "id": asked["id"]}))
            if asked["method"] == "SUBSCRIBE":
                self._sockets.add(socket_)
                self.subscriptions += 1
        self._sockets.discard(socket_)
        return socket_


def describe(symbol: str) -> dict[str, Any]:
    """A symbol as exchangeInfo tells it, with what ccxt needs."""
    return {
        "symbol": symbol,
        "pair": symbol,
        "status": "TRADING",
        "contractType": "PERPETUAL",
        "deliveryDate": 4133404800000,
        "onboardDate": 1569398400000,
        "baseAsset": symbol.removesuffix("USDT"),
        "quoteAsset": "USDT",
        "marginAsset": "USDT",
        "pricePrecision": 2,
        "quantityPrecision": 3,
        "baseAssetPrecision": 8,
        "quotePrecision": 8,
        "orderTypes": ["LIMIT", "MARKET"],
        "timeInForce": ["GTC"],
        "filters": [
            {"filterType": "PRICE_FILTER", "minPrice": "0.01", "maxPrice": "1000000", "tickSize": "0.01"},
            {"filterType": "LOT_SIZE", "minQty": "0.001", "maxQty": "1000", "stepSize": "0.001"},
            {"filterType": "MIN_NOTIONAL", "notional": "5"},
        ],
    }


class _Here(AbstractResolver):
    def __init__(self, port: int) -> None:
        self._port = port

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        return [
            ResolveResult(hostname=host, host="127.0.0.1", port=self._port, family=family, proto=0, flags=0)
        ]

    async def close(self) -> None:
        return


@asynccontextmanager
async def serving(venue: FakeVenue) -> AsyncIterator[Callable[[], aiohttp.ClientSession]]:
    """Serve the venue, and give what makes a session that reaches it under any name."""
    authority = trustme.CA()
    served = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    names = ("fapi.binance.com", "fstream.binance.com", "api.binance.com", "stream.binance.com")
    authority.issue_cert(*names).configure_cert(served)
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", venue.answer)
    runner = web.AppRunner(application, shutdown_timeout=1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=served)
    await site.start()
    port = runner.addresses[0][1]
    sessions: list[aiohttp.ClientSession] = []

    def connect() -> aiohttp.ClientSession:
        connector = aiohttp.TCPConnector(resolver=_Here(port), ssl=trusting)
        sessions.append(aiohttp.ClientSession(connector=connector))
        return sessions[-1]

    try:
        yield connect
    finally:
        for session in sessions:
            await session.close()
        await venue.drop()
        await runner.cleanup()
