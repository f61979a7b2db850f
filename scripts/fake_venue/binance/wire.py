"""Binance as a whole: which request goes where, who may ask, and how refusals travel."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from aiohttp import web

from scripts.fake_venue.accounts import Account
from scripts.fake_venue.binance import (
    algo,
    candles,
    events,
    listen_keys,
    lists,
    margin,
    public,
    settings,
    spot,
    usdm,
)
from scripts.fake_venue.binance.conversation import converse
from scripts.fake_venue.binance.refusals import failure, missing, reply_to, worded
from scripts.fake_venue.binance.signature import account_of, check
from scripts.fake_venue.call import Call, Reply, VenueError
from scripts.fake_venue.exchange import Exchange
from scripts.fake_venue.faults import Fault
from scripts.fake_venue.listings import Listing
from scripts.fake_venue.matching import Book
from workers.trading.paper.engine import Changes
from workers.trading.paper.order import Refused, Request
from workers.trading.paper.path import Bar
from workers.trading.paper.rules import Market

Handler = Callable[["Binance", Account, Call], Any]

PRIVATE: dict[str, Handler] = {
    "POST /api/v3/order": spot.place,
    "GET /api/v3/order": spot.query,
    "DELETE /api/v3/order": spot.cancel,
    "POST /api/v3/order/cancelReplace": spot.replace,
    "GET /api/v3/openOrders": spot.open_orders,
    "DELETE /api/v3/openOrders": spot.cancel_all,
    "GET /api/v3/allOrders": spot.all_orders,
    "GET /api/v3/myTrades": spot.my_trades,
    "GET /api/v3/account": spot.balances,
    "POST /api/v3/orderList/oco": lists.place,
    "DELETE /api/v3/orderList": lists.cancel,
    "GET /api/v3/orderList": lists.query,
    "GET /api/v3/openOrderList": lists.open_lists,
    "GET /sapi/v1/account/apiRestrictions": public.restrictions,
    "GET /sapi/v1/capital/config/getall": public.coins,
    "POST /fapi/v1/order": usdm.place,
    "GET /fapi/v1/order": usdm.query,
    "PUT /fapi/v1/order": usdm.modify,
    "DELETE /fapi/v1/order": usdm.cancel,
    "DELETE /fapi/v1/allOpenOrders": usdm.cancel_all,
    "GET /fapi/v1/openOrder": usdm.query,
    "GET /fapi/v1/openOrders": usdm.open_orders,
    "GET /fapi/v1/allOrders": usdm.all_orders,
    "GET /fapi/v1/userTrades": usdm.user_trades,
    "GET /fapi/v2/account": margin.account_info,
    "GET /fapi/v3/account": margin.account_info,
    "GET /fapi/v2/balance": margin.wallet,
    "GET /fapi/v3/balance": margin.wallet,
    "GET /fapi/v2/positionRisk": margin.position_risk,
    "GET /fapi/v3/positionRisk": margin.position_risk,
    "GET /fapi/v1/income": margin.income,
    "GET /fapi/v1/accountConfig": settings.account_config,
    "GET /fapi/v1/positionSide/dual": settings.position_mode,
    "POST /fapi/v1/positionSide/dual": settings.position_mode,
    "POST /fapi/v1/leverage": settings.set_leverage,
    "POST /fapi/v1/marginType": settings.set_margin_type,
    "GET /fapi/v1/symbolConfig": settings.symbol_config,
    "GET /fapi/v1/leverageBracket": settings.leverage_brackets,
    "POST /fapi/v1/algoOrder": algo.place,
    "GET /fapi/v1/algoOrder": algo.query,
    "DELETE /fapi/v1/algoOrder": algo.cancel,
    "GET /fapi/v1/openAlgoOrders": algo.open_orders,
    "GET /fapi/v1/allAlgoOrders": algo.all_orders,
    "DELETE /fapi/v1/algoOpenOrders": algo.cancel_all,
}
# Listen keys want the key, and no signature.
KEYED: dict[str, Handler] = {
    "POST /fapi/v1/listenKey": listen_keys.open_listen_key,
    "PUT /fapi/v1/listenKey": listen_keys.keep_listen_key,
    "DELETE /fapi/v1/listenKey": listen_keys.close_listen_key,
}
_TRADES = {
    "POST /api/v3/order",
    "POST /api/v3/order/cancelReplace",
    "POST /api/v3/orderList/oco",
    "POST /fapi/v1/order",
    "POST /fapi/v1/algoOrder",
    "PUT /fapi/v1/order",
}


class Binance(Exchange):
    """Spot and USD-M futures. One key may have a wallet on each."""

    name = "binance"
    ids_forever = False
    suffixes = ("binance.com", "binance.vision", "binancefuture.com")

    def answer(self, call: Call) -> Reply:
        weight = {"X-MBX-USED-WEIGHT-1M": str(self.taken[call.caller])}
        try:
            return Reply(self._answer(call), headers=weight)
        except spot.Answered as answered:
            return Reply(answered.payload, answered.status)
        except Refused as refusal:
            return reply_to(self.worded(refusal, call))
        except KeyError as error:
            return reply_to(missing(str(error.args[0])))
        except VenueError as error:
            return reply_to(error)

    def _answer(self, call: Call) -> Any:
        if (keyed := KEYED.get(call.route)) is not None:
            return keyed(self, account_of(call, self.accounts), call)
        if (private := PRIVATE.get(call.route)) is not None:
            account = account_of(call, self.accounts)
            check(call, account, self.server_ms())
            market = market_of(call)
            if market not in account.books and call.path.startswith(("/api/", "/fapi/")):
                raise VenueError(-2015, "Invalid API-key, IP, or permissions for action.", 401)
            if call.route in _TRADES and "trade" not in account.permissions:
                raise VenueError(-2015, "Invalid API-key, IP, or permissions for action.", 401)
            return private(self, account, call)
        if call.method == "GET" and (told := public.ROUTES.get(call.path)) is not None:
            return told(self, call)
        raise VenueError(-5000, f"Path {call.path}, Method {call.method} is invalid", 404)

    def fail(self, fault: Fault, call: Call) -> Reply:
        return failure(fault)

    def worded(self, refusal: Refused, call: Call) -> VenueError:
        """An engine's refusal as this market says it."""
        market = market_of(call)
        name = call.params.get("symbol")
        found = [one for one in self.tape.listings.values() if one.rule.id == name]
        least = next((one.rule.least_notional for one in found if one.rule.market == market), Decimal(5))
        return worded(refusal, market, least)

    def find_listing(self, call: Call) -> Listing:
        market, name = market_of(call), call.need("symbol")
        return self.listing(name, market)

    def listing(self, name: str, market: Market) -> Listing:
        """A symbol by Binance's own name. Raises VenueError."""
        listing = self.find_by_id(name, market)
        if listing is None:
            raise VenueError(-1121, "Invalid symbol.")
        return listing

    def check_trigger(self, request: Request) -> None:
        """Raises Refused for a conditional order whose trigger is behind the price already."""
        last, trigger = self.tape.prices.get(request.symbol), request.trigger_price
        if request.trigger is None or trigger is None or last is None:
            return
        below = (request.trigger == "stop") == (request.side == "sell")
        if last <= trigger if below else last >= trigger:
            raise Refused("triggers", f"{request.symbol} is at {last}, the trigger at {trigger}")

    # ---------------------------------------------------------------- streams

    async def converse(self, call: Call, socket: web.WebSocketResponse) -> None:
        await converse(self, call, socket)

    def publish(self, account: Account, changes: Changes) -> None:
        events.publish(self, account, changes)

    def tell_price(self, symbol: str) -> None:
        public.tell_price(self, symbol)

    def tell_candle(self, bar: Bar, *, closed: bool = True) -> None:
        candles.tell_candle(self, bar, closed=closed)

    def tell_funding(self, account: Account, book: Book, symbol: str, paid: Decimal, rate: Decimal) -> None:
        events.tell_funding(self, account, book, symbol, paid)

    def closing_facts(self, why: str) -> dict[str, str]:
        client_id = {"liquidation": "autoclose-", "adl": "adl_autoclose-"}.get(why, "settlement_autoclose-")
        return {"client_id": client_id, "type": "LIQUIDATION" if why == "liquidation" else "MARKET"}


def market_of(call: Call) -> Market:
    """Which of Binance's markets a request is for."""
    return "usdm" if call.path.startswith(("/fapi", "/futures")) else "spot"
