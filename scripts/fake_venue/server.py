"""One TLS server on loopback that answers for every host of every exchange played here."""

from __future__ import annotations

import asyncio
from email.utils import formatdate
from pathlib import Path
from time import perf_counter
from typing import Any
from urllib.parse import parse_qsl

import aiohttp
import orjson
from aiohttp import web

from scripts.fake_venue.call import Call, Reply
from scripts.fake_venue.certificate import issue
from scripts.fake_venue.exchange import Exchange
from scripts.fake_venue.faults import Fault, Faults
from shared.venue_sessions import OnePlace

_GARBAGE = '{"orderId": 12, "status": "NE'
_HTML = "<html><head><title>{status}</title></head><body>The server is not available.</body></html>"


class Server:
    """Takes requests and web sockets to the exchange whose host they name, and lets faults strike."""

    def __init__(self, exchanges: list[Exchange], faults: Faults, kept: Path | None = None) -> None:
        self.authority = issue(kept)
        self.port = 0
        self.routes: list[str] = []
        # When the requests of orders came, by the ids that their senders gave them: seconds of the clock that
        # all processes of a machine share (perf_counter).
        self.arrivals: dict[str, float] = {}
        self._exchanges = exchanges
        self._faults = faults
        self._sockets: set[web.WebSocketResponse] = set()
        self._closing = asyncio.Event()
        self._runner: web.AppRunner | None = None

    async def start(self, port: int) -> None:
        """Listen. Raises OSError if the port is taken."""
        app = web.Application(client_max_size=2**20)
        app.router.add_route("*", "/{tail:.*}", self._serve)
        # A client that gives up ends what hangs on its request.
        self._runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", port, ssl_context=self.authority.server)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """Close all connections and the port."""
        self._closing.set()
        for one in list(self._sockets):
            await one.close(code=aiohttp.WSCloseCode.GOING_AWAY)
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    def open_session(self) -> aiohttp.ClientSession:
        """A session that reaches this server under every host."""
        resolver = OnePlace("127.0.0.1", self.port)
        connector = aiohttp.TCPConnector(resolver=resolver, ssl=self.authority.client, use_dns_cache=False)
        return aiohttp.ClientSession(connector=connector)

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        arrived_at = perf_counter()
        host = request.host.split(":")[0]
        exchange = next((one for one in self._exchanges if host.endswith(one.suffixes)), None)
        if exchange is None:
            return web.Response(status=421, text=f"no exchange of this venue is called {host}")
        call = await _call_of(request, host)
        if request.headers.get("Upgrade", "").lower() == "websocket":
            return await self._converse(exchange, call, request)
        self.routes.append(call.route)
        named = call.params.get("newClientOrderId") or call.params.get("orderLinkId")
        if named is not None and call.method == "POST":
            self.arrivals.setdefault(str(named), arrived_at)
        response = await self._answer(exchange, call, request)
        # By the venue's own clock, as signed requests are judged.
        response.headers["Date"] = formatdate(exchange.server_ms() / 1000, usegmt=True)
        return response

    async def _answer(self, exchange: Exchange, call: Call, request: web.Request) -> web.StreamResponse:
        if wait := exchange.is_flooded(call.caller):
            return _respond(exchange.fail(Fault("rate_limited", retry_after=wait), call))
        faults = self._faults.of_call(call)
        for fault in faults:
            if fault.kind in ("partial", "fills_first"):
                exchange.race(fault, call)
        try:
            return await self._answer_broken(exchange, call, request, faults)
        finally:
            for fault in faults:
                if fault.kind == "partial":
                    exchange.tape.offered.pop(exchange.find_listing(call).rule.symbol, None)

    async def _answer_broken(
        self, exchange: Exchange, call: Call, request: web.Request, faults: list[Fault]
    ) -> web.StreamResponse:
        fault = next((one for one in faults if one.kind not in ("partial", "fills_first")), None)
        if fault is None:
            return _respond(exchange.answer(call))
        after = fault.kind.endswith("_after")
        reply = exchange.answer(call) if after else None
        return await self._break(exchange, fault, call, request, reply)

    async def _break(
        self, exchange: Exchange, fault: Fault, call: Call, request: web.Request, reply: Reply | None
    ) -> web.StreamResponse:
        kind = fault.kind.rsplit("_", 1)[0]
        if kind == "hang":
            await self._closing.wait()
            raise web.HTTPServiceUnavailable
        if kind == "drop":
            if request.transport is not None:
                request.transport.close()
            raise web.HTTPServiceUnavailable
        if kind == "error":
            return web.Response(
                status=fault.status, text=_HTML.format(status=fault.status), content_type="text/html"
            )
        if kind == "garbage":
            return web.Response(text=_GARBAGE, content_type="application/json")
        return _respond(exchange.fail(fault, call))

    async def _converse(self, exchange: Exchange, call: Call, request: web.Request) -> web.StreamResponse:
        if exchange.streams.is_cut:
            return web.Response(status=503, text="the streams are down")
        one = web.WebSocketResponse(autoping=True, compress=False)
        await one.prepare(request)
        self._sockets.add(one)
        try:
            await exchange.converse(call, one)
        finally:
            self._sockets.discard(one)
        return one


async def _call_of(request: web.Request, host: str) -> Call:
    body = (await request.read()).decode() if request.can_read_body else ""
    query = request.url.raw_query_string
    params: dict[str, Any] = dict(parse_qsl(query, keep_blank_values=True))
    if body:
        if body.lstrip().startswith(("{", "[")):
            parsed = orjson.loads(body)
            params |= parsed if isinstance(parsed, dict) else {"items": parsed}
        else:
            params |= dict(parse_qsl(body, keep_blank_values=True))
    headers = {name.lower(): value for name, value in request.headers.items()}
    return Call(host, request.method, request.path, query, body, headers, params)


def _respond(reply: Reply) -> web.Response:
    if isinstance(reply.payload, str):
        return web.Response(status=reply.status, text=reply.payload, headers=reply.headers)
    return web.Response(
        status=reply.status,
        body=orjson.dumps(reply.payload),
        content_type="application/json",
        headers=reply.headers,
    )
