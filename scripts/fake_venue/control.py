"""The hand of a test in a venue that runs in another process: small commands over HTTP on loopback."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from decimal import Decimal
from typing import Any

from aiohttp import web

from scripts.fake_venue.faults import Fault
from scripts.fake_venue.venue import VENUES, FakeVenue
from shared.clock import MarketClock, WallClock
from shared.identity import from_ms
from workers.trading.paper.order import to_json
from workers.trading.paper.path import Bar
from workers.trading.paper.rules import Market, rule_for

Command = Callable[..., Any]


class Control:
    """Takes `POST /<command>` with a JSON object of its arguments; the answer is `{"ok": true, "result": …}`
    or `{"ok": false, "error": …}`."""

    def __init__(self, venue: FakeVenue, stop: Callable[[], None]) -> None:
        self._venue = venue
        self._stop = stop
        self._runner: web.AppRunner | None = None
        self.port = 0
        self.commands: dict[str, Command] = {
            "open_account": self._open_account,
            "revoke": self._revoke,
            "move": venue.move,
            "candle": self._candle,
            "candles": self._candles,
            "list": self._list,
            "run_on": self._run_on,
            "ensure_account": self._ensure_account,
            "advance": self._advance,
            "offer": venue.offer,
            "delist": venue.delist,
            "change_rule": venue.change_rule,
            "fund": venue.fund,
            "close_position": self._close_position,
            "pay_fees_in": venue.pay_fees_in,
            "fault": self._fault,
            "clear_faults": venue.faults.clear,
            "faults": self._faults,
            "skew": self._skew,
            "limit_requests": self._limit_requests,
            "cut_streams": venue.cut_streams,
            "mend_streams": venue.mend_streams,
            "end_user_stream": venue.end_user_stream,
            "truth": self._truth,
            "requests": lambda: list(venue.requests),
            "arrivals": lambda: dict(venue.arrivals),
            "stop": stop,
        }

    async def start(self) -> None:
        """Listen on a free port of loopback."""
        app = web.Application()
        app.router.add_post("/{command}", self._serve)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.port = self._runner.addresses[0][1]

    async def close(self) -> None:
        """Take no more commands."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def _serve(self, request: web.Request) -> web.Response:
        name = request.match_info["command"]
        command = self.commands.get(name)
        if command is None:
            return _answer(error=f"there is no command {name}: {', '.join(sorted(self.commands))}")
        body = await request.text()
        try:
            result = command(**(json.loads(body) if body else {}))
            if isinstance(result, Awaitable):
                result = await result
        except (TypeError, ValueError, KeyError, ArithmeticError) as error:
            # What was asked for was wrong: the one who asked has to know, and the venue goes on.
            return _answer(error=f"{name}: {type(error).__name__}: {error}")
        return _answer(result)

    def _open_account(self, venue_id: str, key: str, secret: str, **more: Any) -> int:
        return self._venue.open_account(venue_id, key, secret, more.pop("balances"), **more).number

    def _ensure_account(self, venue_id: str, key: str, *, hedged: bool = False, **more: Any) -> bool:
        """Open an account unless it is open; whether it was opened now."""
        name, market = VENUES[venue_id]
        known = self._venue.exchanges[name].accounts.get(key)
        if known is not None and market in known.books:
            return False
        self._open_account(venue_id, key, **more)
        self._venue.ledger(key, market).netting = not hedged
        return True

    def _list(self, market: Market, symbols: list[str]) -> None:
        for name in symbols:
            for one in self._venue.exchanges.values():
                one.list_rule(rule_for(name, market))

    def _run_on(self, ms: int | None = None) -> int:
        """Market time from this moment on, moved by candles; the wall's clock without one."""
        self._venue.clock = WallClock() if ms is None else MarketClock(from_ms(ms))
        return self._venue.clock.millis()

    async def _candles(self, market: Market, bars: list[list[Any]]) -> int:
        """Candles that closed together, each as `[symbol, open_ms, close_ms, open, high, low, close, volume]`
        by the venue's names. The answer, how many orders changed, comes when the streams have told of it."""
        before = self._venue.changes
        for name, open_ms, close_ms, *numbers in bars:
            rule = rule_for(name, market)
            for one in self._venue.exchanges.values():
                one.list_rule(rule)
            clock = self._venue.clock
            if isinstance(clock, MarketClock) and close_ms > clock.millis():
                clock.advance_ms(close_ms)
            self._venue.candle(Bar(rule.symbol, open_ms, close_ms, *map(Decimal, numbers)))
        for one in self._venue.exchanges.values():
            await one.streams.told()
        return self._venue.changes - before

    def _revoke(self, key: str) -> None:
        self._venue.account(key).revoked = True

    def _candle(
        self, symbol: str, open_ms: int, close_ms: int, exchange: str | None = None, **prices: Any
    ) -> None:
        numbers = {name: Decimal(str(prices[name])) for name in ("open", "high", "low", "close", "volume")}
        self._venue.candle(Bar(symbol, open_ms, close_ms, **numbers), exchange)

    def _advance(self, to_ms: int) -> int:
        clock = self._venue.clock
        if not isinstance(clock, MarketClock):
            raise TypeError("this venue runs on the wall's clock: start it with --time")
        clock.advance_ms(to_ms)
        return clock.millis()

    def _close_position(
        self, key: str, symbol: str, why: str = "liquidation", price: str | None = None
    ) -> Any:
        return [to_json(order) for order in self._venue.close_position(key, symbol, why, price)]

    def _fault(self, kind: Any, **more: Any) -> int:
        self._venue.faults.add(Fault(kind, **more))
        return len(list(self._venue.faults))

    def _faults(self) -> list[dict[str, Any]]:
        return [asdict(fault) for fault in self._venue.faults]

    def _limit_requests(self, a_minute: int | None) -> None:
        self._venue.requests_a_minute = a_minute

    def _skew(self, ms: int) -> None:
        self._venue.skew_ms = ms

    def _truth(self, key: str, market: Any) -> dict[str, Any]:
        book = self._venue.engine(key, market)
        return {
            "orders": [to_json(order) for order in book.orders.values()],
            "open": [order.id for order in book.open_orders()],
            "trades": [to_json(trade) for trade in book.trades],
            "positions": [to_json(one) for one in book.ledger.positions.values() if one.amount],
            "balances": {coin: str(amount) for coin, amount in book.ledger.balances.items()},
            "incomes": [
                {"kind": one.kind, "symbol": one.symbol, "asset": one.asset, "amount": str(one.amount)}
                for one in self._venue.account(key).incomes
            ],
        }


def _answer(result: Any = None, error: str | None = None) -> web.Response:
    payload = {"ok": True, "result": result} if error is None else {"ok": False, "error": error}
    return web.json_response(payload, status=200 if error is None else 400)
