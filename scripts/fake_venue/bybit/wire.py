"""Bybit as a whole: which request goes where, who may ask, and how refusals travel."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from aiohttp import web

from scripts.fake_venue.accounts import Account
from scripts.fake_venue.bybit import candles, events, orders, positions, public
from scripts.fake_venue.bybit.refusals import failure, refuse, worded, wrap
from scripts.fake_venue.bybit.signature import check
from scripts.fake_venue.call import Call, Reply, VenueError
from scripts.fake_venue.exchange import Exchange
from scripts.fake_venue.faults import Fault
from scripts.fake_venue.listings import Listing
from scripts.fake_venue.matching import Book
from scripts.fake_venue.numbers import plain
from workers.trading.paper.engine import Changes
from workers.trading.paper.order import Refused
from workers.trading.paper.path import Bar
from workers.trading.paper.rules import Market

if TYPE_CHECKING:
    from scripts.fake_venue.venue import FakeVenue

Handler = Callable[["Bybit", Account, Call], Any]

PRIVATE: dict[str, Handler] = {
    "POST /v5/order/create": orders.place,
    "POST /v5/order/amend": orders.amend,
    "POST /v5/order/cancel": orders.cancel,
    "POST /v5/order/cancel-all": orders.cancel_all,
    "GET /v5/order/realtime": orders.realtime,
    "GET /v5/order/history": orders.history,
    "GET /v5/execution/list": orders.executions,
    "GET /v5/position/list": positions.listed,
    "POST /v5/position/trading-stop": positions.trading_stop,
    "POST /v5/position/set-leverage": positions.set_leverage,
    "POST /v5/position/switch-mode": positions.switch_mode,
    "GET /v5/account/wallet-balance": positions.wallet,
    "GET /v5/account/transaction-log": positions.transfers,
    "GET /v5/account/info": positions.account_info,
    "GET /v5/user/query-api": positions.key_info,
    "GET /v5/asset/coin/query-info": lambda wire, account, call: {"rows": wire.coin_rows()},
}


class Bybit(Exchange):
    """Spot and linear perpetuals, in one wallet."""

    name = "bybit"
    ids_forever = True
    suffixes = ("bybit.com", "bytick.com")

    def __init__(self, venue: FakeVenue, listings: dict[str, Listing]) -> None:
        super().__init__(venue, listings)
        self.tape.uuids = True
        for listing in self.tape.listings.values():
            # The recorded least notional is Binance's; Bybit's is the same for all.
            listing.rule = replace(listing.rule, least_notional=Decimal(5))

    def markets_of(self, market: Market) -> tuple[Market, ...]:
        return ("spot", "usdm")

    def answer(self, call: Call) -> Reply:
        now = self.server_ms()
        try:
            return wrap(self._answer(call), now)
        except Refused as refusal:
            error = worded(refusal, self._market_of(call))
            return refuse(error.code, str(error), now)
        except KeyError as missing:
            return refuse(10001, f"params error: {missing.args[0]} is required", now)
        except VenueError as error:
            return refuse(error.code, str(error), now)

    def _answer(self, call: Call) -> Any:
        if (private := PRIVATE.get(call.route)) is not None:
            account = check(call, self.accounts, self.server_ms())
            if call.method == "POST" and "trade" not in account.permissions:
                raise VenueError(10005, "Permission denied, please check your API key permissions.")
            return private(self, account, call)
        if call.method == "GET" and (told := public.ROUTES.get(call.path)) is not None:
            return told(self, call)
        raise VenueError(10001, f"path {call.path} is not served here")

    def fail(self, fault: Fault, call: Call) -> Reply:
        return failure(fault, self.server_ms())

    @staticmethod
    def _market_of(call: Call) -> Market:
        return "spot" if call.params.get("category") == "spot" else "usdm"

    def find_listing(self, call: Call) -> Listing:
        name, market = call.need("symbol"), self._market_of(call)
        listing = self.find_by_id(name, market)
        if listing is None:
            raise Refused("symbol", f"{name} is not listed")
        return listing

    def coin_rows(self) -> list[dict[str, Any]]:
        """The coins of what is listed."""
        rules = [listing.rule for listing in self.tape.listings.values()]
        names = {coin for rule in rules for coin in (rule.base, rule.quote)}
        return [
            {"name": name, "coin": name, "remainAmount": "0", "chains": []}
            for name in sorted(names | self.coins)
        ]

    def funding_rows(self, account: Account, call: Call) -> list[dict[str, Any]]:
        """Funding as executions tell it: the fee is positive where it was paid."""
        rows = []
        for one in account.incomes:
            if one.kind != "FUNDING_FEE":
                continue
            rule = self.tape.listings[one.symbol].rule
            if call.params.get("symbol") not in (None, rule.id):
                continue
            rows.append(
                {
                    "symbol": rule.id,
                    "category": "linear",
                    "execType": "Funding",
                    "execFee": plain(-one.amount),
                    "execId": f"{one.id:08x}-0000-4000-a000-{one.id:012x}",
                    "execTime": str(one.at_ms),
                    "execQty": "0",
                    "execPrice": plain(self.tape.prices.get(one.symbol)),
                    "execValue": "0",
                    "feeRate": "0.0001",
                    "side": "Buy",
                    "orderId": "",
                    "orderLinkId": "",
                    "isMaker": False,
                    "feeCurrency": "",
                }
            )
        return rows

    # ---------------------------------------------------------------- streams

    async def converse(self, call: Call, socket: web.WebSocketResponse) -> None:
        await events.converse(self, call, socket)

    def publish(self, account: Account, changes: Changes) -> None:
        events.publish(self, account, changes)

    def tell_position(self, account: Account, symbol: str) -> None:
        """Tell the account's streams what it holds of a symbol."""
        events.tell_position(self, account, symbol)

    def tell_price(self, symbol: str) -> None:
        public.tell_price(self, symbol)

    def tell_candle(self, bar: Bar, *, closed: bool = True) -> None:
        candles.tell_candle(self, bar, closed=closed)

    def tell_funding(self, account: Account, book: Book, symbol: str, paid: Decimal, rate: Decimal) -> None:
        row = self.funding_rows(account, Call("", "GET", "", "", "", {}, {}))[-1]
        events.tell_execution(self, account, row)

    def closing_facts(self, why: str) -> dict[str, str]:
        kinds = {
            "liquidation": ("CreateByLiq", "BustTrade"),
            "adl": ("CreateByAdl_PassThrough", "AdlTrade"),
        }
        created, executed = kinds.get(why, ("CreateBySettle", "Settle"))
        return {"client_id": f"{why}-", "type": "Market", "create_type": created, "exec_type": executed}
