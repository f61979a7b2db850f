"""Binance spot's private requests: orders, order lists, trades and balances."""

from __future__ import annotations

from decimal import ROUND_DOWN, Decimal
from typing import TYPE_CHECKING, Any

from scripts.fake_venue.accounts import Account
from scripts.fake_venue.binance.refusals import missing
from scripts.fake_venue.call import Call, VenueError
from scripts.fake_venue.matching import Book
from scripts.fake_venue.numbers import spot
from workers.trading.paper.order import ZERO, Kind, Order, Refused, Request, Trade, Trigger

if TYPE_CHECKING:
    from scripts.fake_venue.binance.wire import Binance

# Type on the wire: kind, trigger, post only.
TYPES: dict[str, tuple[Kind, Trigger | None, bool]] = {
    "MARKET": ("market", None, False),
    "LIMIT": ("limit", None, False),
    "LIMIT_MAKER": ("limit", None, True),
    "STOP_LOSS": ("market", "stop", False),
    "STOP_LOSS_LIMIT": ("limit", "stop", False),
    "TAKE_PROFIT": ("market", "take_profit", False),
    "TAKE_PROFIT_LIMIT": ("limit", "take_profit", False),
}
STATUS = {"filled": "FILLED", "canceled": "CANCELED", "expired": "EXPIRED"}
_DAY_MS = 86_400_000


def status_of(order: Order) -> str:
    """Binance's word for where an order is."""
    if order.status == "open":
        return "PARTIALLY_FILLED" if order.filled else "NEW"
    return STATUS[order.status]


def place(wire: Binance, account: Account, call: Call) -> dict[str, Any]:
    """POST /api/v3/order."""
    book = account.books["spot"]
    request, kind, time_in_force = _request_of(wire, book, call)
    order, changes = book.place(
        request, wire.now_ms(), time_in_force, type=kind, wire_time_in_force=time_in_force
    )
    wire.publish(account, changes)
    answer = placed(book, order)
    if call.params.get("newOrderRespType") == "ACK" or (
        kind not in ("MARKET", "LIMIT") and "newOrderRespType" not in call.params
    ):
        return {name: answer[name] for name in _ACK}
    return answer


_ACK = ("symbol", "orderId", "orderListId", "clientOrderId", "transactTime")


def _request_of(wire: Binance, book: Book, call: Call) -> tuple[Request, str, Any]:
    listing = wire.find_listing(call)
    kind = call.need("type")
    if kind not in TYPES:
        raise VenueError(-1116, "Invalid orderType.")
    form, trigger, post_only = TYPES[kind]
    side = call.need("side")
    price = Decimal(call.need("price")) if form == "limit" else None
    stop = Decimal(call.need("stopPrice")) if trigger else None
    if "quoteOrderQty" in call.params and form == "market":
        last = wire.tape.prices.get(listing.rule.symbol)
        if last is None:
            raise Refused("no_price", "no price yet")
        step = listing.rule.step
        amount = (Decimal(call.need("quoteOrderQty")) / last / step).to_integral_value(ROUND_DOWN) * step
    else:
        amount = Decimal(call.need("quantity"))
    if form == "market" and amount > listing.most_market:
        raise Refused("most_market", f"{amount} is over the most of a market order")
    request = Request(
        symbol=listing.rule.symbol,
        side="buy" if side == "BUY" else "sell",
        kind=form,
        amount=amount,
        client_id=str(call.params.get("newClientOrderId") or f"web_{wire.venue.next_number()}"),
        price=price,
        trigger=trigger,
        trigger_price=stop,
        post_only=post_only,
    )
    wire.check_trigger(request)
    return request, kind, call.params.get("timeInForce", "GTC")


def cancel(wire: Binance, account: Account, call: Call) -> dict[str, Any]:
    """DELETE /api/v3/order. Cancelling one side of an order list cancels the other, and answers the list."""
    book, order = _named(wire, account, call)
    if order is None or order.status != "open":
        raise VenueError(-2011, "Unknown order sent.")
    listed = book.list_of(book.facts[order.id].get("list_client_id", ""))
    for one in listed or [order]:
        if one.status == "open":
            wire.publish(account, book.cancel(one.id, wire.now_ms()))
    if not listed:
        return cancelled(book, order)
    return {**shown_list(book, listed), "orderReports": [cancelled(book, one) for one in listed]}


def cancel_all(wire: Binance, account: Account, call: Call) -> list[dict[str, Any]]:
    """DELETE /api/v3/openOrders of one symbol."""
    book, symbol = account.books["spot"], wire.find_listing(call).rule.symbol
    orders = book.open_orders(symbol)
    if not orders:
        raise VenueError(-2011, "Unknown order sent.")
    for order in orders:
        wire.publish(account, book.cancel(order.id, wire.now_ms()))
    return [cancelled(book, order) for order in orders]


def replace(wire: Binance, account: Account, call: Call) -> dict[str, Any]:
    """POST /api/v3/order/cancelReplace: cancel, then a new order if that worked."""
    book, old = account.books["spot"], str(call.params.get("cancelOrderId", ""))
    order = book.find(old or None, call.params.get("cancelOrigClientOrderId"))
    if order is None or order.status != "open":
        failed = {"code": -2011, "msg": "Unknown order sent."}
        data = {"cancelResult": "FAILURE", "newOrderResult": "NOT_ATTEMPTED", "cancelResponse": failed}
        raise Answered(
            {"code": -2022, "msg": "Order cancel-replace failed.", "data": {**data, "newOrderResponse": None}}
        )
    wire.publish(account, book.cancel(order.id, wire.now_ms()))
    gone = cancelled(book, order)
    try:
        fresh = place(wire, account, call)
    except Refused as refusal:
        error = wire.worded(refusal, call)
        data = {"cancelResult": "SUCCESS", "newOrderResult": "FAILURE", "cancelResponse": gone}
        refused = {"code": error.code, "msg": str(error)}
        raise Answered(
            {
                "code": -2021,
                "msg": "Order cancel-replace partially failed.",
                "data": {**data, "newOrderResponse": refused},
            }
        ) from refusal
    return {
        "cancelResult": "SUCCESS",
        "newOrderResult": "SUCCESS",
        "cancelResponse": gone,
        "newOrderResponse": fresh,
    }


class Answered(Exception):
    """A refusal whose body is more than a number and a text."""

    def __init__(self, payload: dict[str, Any], status: int = 400) -> None:
        super().__init__(payload["msg"])
        self.payload = payload
        self.status = status


def query(wire: Binance, account: Account, call: Call) -> dict[str, Any]:
    """GET /api/v3/order."""
    book, order = _named(wire, account, call)
    if order is None:
        raise VenueError(-2013, "Order does not exist.")
    return queried(book, order)


def open_orders(wire: Binance, account: Account, call: Call) -> list[dict[str, Any]]:
    """GET /api/v3/openOrders, of one symbol or all."""
    book = account.books["spot"]
    symbol = wire.find_listing(call).rule.symbol if "symbol" in call.params else None
    return [queried(book, order) for order in book.open_orders(symbol)]


def all_orders(wire: Binance, account: Account, call: Call) -> list[dict[str, Any]]:
    """GET /api/v3/allOrders of one symbol."""
    book, symbol = account.books["spot"], wire.find_listing(call).rule.symbol
    start, end = _window(call)
    first = int(call.params.get("orderId", 0))
    found = [
        order
        for order in book.orders.values()
        if order.request.symbol == symbol and int(order.id) >= first and start <= order.created_ms <= end
    ]
    return [queried(book, order) for order in _page(found, call, forward=bool(first))]


def my_trades(wire: Binance, account: Account, call: Call) -> list[dict[str, Any]]:
    """GET /api/v3/myTrades of one symbol."""
    book, symbol = account.books["spot"], wire.find_listing(call).rule.symbol
    start, end = _window(call)
    if "startTime" in call.params and "endTime" in call.params and end - start > _DAY_MS:
        raise VenueError(-1127, "More than 24 hours between startTime and endTime.")
    first, of = int(call.params.get("fromId", 0)), call.params.get("orderId")
    found = [
        trade
        for trade in book.trades
        if trade.symbol == symbol
        and trade.id >= first
        and start <= trade.at_ms <= end
        and of in (None, trade.order_id)
    ]
    forward = "fromId" in call.params or "startTime" in call.params
    return [trade_of(wire, book, trade) for trade in _page(found, call, forward=forward)]


def _window(call: Call) -> tuple[int, int]:
    return int(call.params.get("startTime", 0)), int(call.params.get("endTime", 2**62))


def _page(found: list[Any], call: Call, *, forward: bool) -> list[Any]:
    limit = min(int(call.params.get("limit", 500)), 1000)
    return found[:limit] if forward else found[-limit:]


def balances(wire: Binance, account: Account, call: Call) -> dict[str, Any]:
    """GET /api/v3/account."""
    book = account.books["spot"]
    rows = []
    for coin, total in sorted(book.ledger.balances.items()):
        free = book.free(coin)
        rows.append({"asset": coin, "free": spot(free), "locked": spot(total - free)})
    return {
        "makerCommission": 10,
        "takerCommission": 10,
        "buyerCommission": 0,
        "sellerCommission": 0,
        "commissionRates": {"maker": "0.00100000", "taker": "0.00100000", "buyer": "0", "seller": "0"},
        "canTrade": "trade" in account.permissions,
        "canWithdraw": "withdraw" in account.permissions,
        "canDeposit": True,
        "brokered": False,
        "requireSelfTradePrevention": False,
        "preventSor": False,
        "updateTime": wire.now_ms(),
        "accountType": "SPOT",
        "balances": rows,
        "permissions": ["SPOT"],
        "uid": account.number,
    }


def _named(wire: Binance, account: Account, call: Call) -> tuple[Book, Order | None]:
    book, symbol = account.books["spot"], wire.find_listing(call).rule.symbol
    by_id, by_client = call.params.get("orderId"), call.params.get("origClientOrderId")
    if by_id is None and by_client is None:
        raise missing("orderId")
    order = book.find(by_id, by_client)
    return book, order if order is not None and order.request.symbol == symbol else None


# -------------------------------------------------------------------- shapes


def kind_of(book: Book, order: Order) -> str:
    """The type that the order was sent with."""
    return str(book.facts[order.id].get("type", "MARKET"))


def shown(book: Book, order: Order) -> dict[str, Any]:
    """What every answer about an order has in common."""
    facts = book.facts[order.id]
    return {
        "symbol": book.rules[order.request.symbol].id,
        "orderId": int(order.id),
        "orderListId": facts.get("list_id", -1),
        "clientOrderId": order.request.client_id,
        "price": spot(order.request.price),
        "origQty": spot(order.amount),
        "executedQty": spot(order.filled),
        "origQuoteOrderQty": spot(ZERO),
        "cummulativeQuoteQty": spot(order.cost),
        "status": status_of(order),
        "timeInForce": facts.get("wire_time_in_force", "GTC"),
        "type": kind_of(book, order),
        "side": order.request.side.upper(),
        **({"stopPrice": spot(order.request.trigger_price)} if order.request.trigger else {}),
        "selfTradePreventionMode": "EXPIRE_MAKER",
    }


def shown_list(book: Book, orders: list[Order]) -> dict[str, Any]:
    """What every answer about a list of orders has in common."""
    facts = book.facts[orders[0].id]
    live = any(order.status == "open" for order in orders)
    return {
        "orderListId": facts["list_id"],
        "contingencyType": "OCO",
        "listStatusType": "EXEC_STARTED" if live else "ALL_DONE",
        "listOrderStatus": "EXECUTING" if live else "ALL_DONE",
        "listClientOrderId": facts["list_client_id"],
        "transactionTime": max(order.updated_ms for order in orders),
        "symbol": book.rules[orders[0].request.symbol].id,
        "orders": [
            {
                "symbol": book.rules[order.request.symbol].id,
                "orderId": int(order.id),
                "clientOrderId": order.request.client_id,
            }
            for order in orders
        ],
    }


def placed(book: Book, order: Order) -> dict[str, Any]:
    """The FULL answer to a new order."""
    rule = book.rules[order.request.symbol]
    return {
        **shown(book, order),
        "transactTime": order.updated_ms,
        "workingTime": order.created_ms if order.working else -1,
        "fills": [
            {
                "price": spot(trade.price),
                "qty": spot(trade.amount),
                "commission": spot(trade.fee),
                "commissionAsset": trade.fee_currency or rule.quote,
                "tradeId": trade.id,
            }
            for trade in book.trades_of(order)
        ],
    }


def queried(book: Book, order: Order) -> dict[str, Any]:
    """An order as queries tell it."""
    return {
        **shown(book, order),
        "stopPrice": spot(order.request.trigger_price),
        "icebergQty": spot(ZERO),
        "time": order.created_ms,
        "updateTime": order.updated_ms,
        "isWorking": order.working,
        "workingTime": order.created_ms if order.working else -1,
    }


def cancelled(book: Book, order: Order) -> dict[str, Any]:
    """The answer to a cancel: the id of the cancel itself stands where the order's own stood."""
    return {
        **shown(book, order),
        "origClientOrderId": order.request.client_id,
        "clientOrderId": f"cancel{order.id}",
        "transactTime": order.updated_ms,
    }


def trade_of(wire: Binance, book: Book, trade: Trade) -> dict[str, Any]:
    """One row of myTrades."""
    return {
        "symbol": book.rules[trade.symbol].id,
        "id": trade.id,
        "orderId": int(trade.order_id),
        "orderListId": book.facts[trade.order_id].get("list_id", -1),
        "price": spot(trade.price),
        "qty": spot(trade.amount),
        "quoteQty": spot(trade.price * trade.amount),
        "commission": spot(trade.fee),
        "commissionAsset": trade.fee_currency,
        "time": trade.at_ms,
        "isBuyer": trade.side == "buy",
        "isMaker": trade.maker,
        "isBestMatch": True,
    }
