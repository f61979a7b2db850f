"""Binance USD-M's orders and trades."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from scripts.fake_venue.accounts import Account
from scripts.fake_venue.binance.refusals import missing
from scripts.fake_venue.binance.spot import STATUS
from scripts.fake_venue.call import Call, VenueError
from scripts.fake_venue.matching import Book, TimeInForce
from scripts.fake_venue.numbers import plain
from workers.trading.paper.order import Order, Refused, Request, Side, Trade

if TYPE_CHECKING:
    from scripts.fake_venue.binance.wire import Binance

_WEEK_MS = 7 * 86_400_000
_TIMES: dict[str, TimeInForce] = {"IOC": "IOC", "FOK": "FOK"}


def status_of(order: Order) -> str:
    """Binance's word for where an order is."""
    if order.status == "open":
        return "PARTIALLY_FILLED" if order.filled else "NEW"
    return STATUS[order.status]


def place(wire: Binance, account: Account, call: Call) -> dict[str, Any]:
    """POST /fapi/v1/order: market and limit; conditional orders have a book of their own."""
    book, listing = account.books["usdm"], wire.find_listing(call)
    kind = call.need("type")
    if kind not in ("MARKET", "LIMIT"):
        text = "Order type not supported for this endpoint. Please use the Algo Order API endpoints instead."
        raise VenueError(-4120, text)
    amount = Decimal(call.need("quantity"))
    if kind == "MARKET" and amount > listing.most_market:
        raise Refused("most_market", f"{amount} is over the most of a market order")
    in_force = str(call.params.get("timeInForce", "GTC"))
    side, reducing, position_side = direction(book, call)
    request = Request(
        symbol=listing.rule.symbol,
        side=side,
        kind="market" if kind == "MARKET" else "limit",
        amount=amount,
        client_id=str(call.params.get("newClientOrderId") or f"web_{wire.venue.next_number()}"),
        price=Decimal(call.need("price")) if kind == "LIMIT" else None,
        reduce_only=reducing,
        post_only=in_force == "GTX",
    )
    order, changes = book.place(
        request,
        wire.now_ms(),
        _TIMES.get(in_force, "GTC"),
        type=kind,
        wire_time_in_force=in_force,
        position_side=position_side,
    )
    wire.publish(account, changes)
    return shown(book, order)


def direction(book: Book, call: Call) -> tuple[Side, bool, str]:
    """Side, whether it may only close, and the position's side. Raises VenueError for the wrong mode."""
    side: Side = "buy" if call.need("side") == "BUY" else "sell"
    position_side = str(call.params.get("positionSide", "BOTH"))
    if (position_side == "BOTH") != book.ledger.netting:
        raise VenueError(-4061, "Order's position side does not match user's setting.")
    if position_side == "BOTH":
        return side, str(call.params.get("reduceOnly", "false")).lower() == "true", position_side
    if "reduceOnly" in call.params:
        raise VenueError(-1106, "Parameter 'reduceonly' sent when not required.")
    return side, (side == "buy") != (position_side == "LONG"), position_side


def modify(wire: Binance, account: Account, call: Call) -> dict[str, Any]:
    """PUT /fapi/v1/order: price and amount of a limit order in its place."""
    book, order = named(wire, account, call)
    if order is None or order.status != "open" or not order.working:
        raise VenueError(-2013, "Order does not exist.")
    amount, price = Decimal(call.need("quantity")), Decimal(call.need("price"))
    if amount == order.amount and price == order.request.price:
        raise VenueError(-5027, "No need to modify the order.")
    wire.publish(account, book.amend(order, wire.now_ms(), amount, price))
    return shown(book, order)


def cancel(wire: Binance, account: Account, call: Call) -> dict[str, Any]:
    """DELETE /fapi/v1/order."""
    book, order = named(wire, account, call)
    if order is None or order.status != "open":
        raise VenueError(-2011, "Unknown order sent.")
    wire.publish(account, book.cancel(order.id, wire.now_ms()))
    return shown(book, order)


def cancel_all(wire: Binance, account: Account, call: Call) -> dict[str, Any]:
    """DELETE /fapi/v1/allOpenOrders of one symbol; conditional orders stay."""
    book, symbol = account.books["usdm"], wire.find_listing(call).rule.symbol
    for order in book.open_orders(symbol):
        if order.working:
            wire.publish(account, book.cancel(order.id, wire.now_ms()))
    return {"code": 200, "msg": "The operation of cancel all open order is done."}


def query(wire: Binance, account: Account, call: Call) -> dict[str, Any]:
    """GET /fapi/v1/order."""
    book, order = named(wire, account, call)
    if order is None:
        raise VenueError(-2013, "Order does not exist.")
    return shown(book, order)


def open_orders(wire: Binance, account: Account, call: Call) -> list[dict[str, Any]]:
    """GET /fapi/v1/openOrders, of one symbol or all."""
    book = account.books["usdm"]
    symbol = wire.find_listing(call).rule.symbol if "symbol" in call.params else None
    return [shown(book, order) for order in book.open_orders(symbol) if order.working]


def all_orders(wire: Binance, account: Account, call: Call) -> list[dict[str, Any]]:
    """GET /fapi/v1/allOrders of one symbol."""
    book, symbol = account.books["usdm"], wire.find_listing(call).rule.symbol
    first = int(call.params.get("orderId", 0))
    start, end = int(call.params.get("startTime", 0)), int(call.params.get("endTime", 2**62))
    found = [
        order
        for order in book.orders.values()
        if order.request.symbol == symbol
        and order.working
        and int(order.id) >= first
        and start <= order.created_ms <= end
    ]
    limit = min(int(call.params.get("limit", 500)), 1000)
    return [shown(book, order) for order in (found[:limit] if first else found[-limit:])]


def user_trades(wire: Binance, account: Account, call: Call) -> list[dict[str, Any]]:
    """GET /fapi/v1/userTrades. Without times: the last seven days; with a start alone: seven days from it."""
    book, symbol = account.books["usdm"], wire.find_listing(call).rule.symbol
    of = call.params.get("orderId")
    first, start, end = int(call.params.get("fromId", 0)), 0, 2**62
    if "startTime" in call.params:
        start = int(call.params["startTime"])
        end = int(call.params.get("endTime", start + _WEEK_MS))
    elif "endTime" in call.params:
        end = int(call.params["endTime"])
        start = end - _WEEK_MS
    elif not first:
        start = wire.now_ms() - _WEEK_MS
    if {"startTime", "endTime"} <= call.params.keys() and end - start > _WEEK_MS:
        raise VenueError(-4165, "The time between startTime and endTime can't be longer than 7 days.")
    found = [
        trade
        for trade in book.trades
        if trade.symbol == symbol
        and trade.id >= first
        and start <= trade.at_ms <= end
        and of in (None, trade.order_id)
    ]
    limit = min(int(call.params.get("limit", 500)), 1000)
    forward = first or "startTime" in call.params
    return [trade_of(book, trade) for trade in (found[:limit] if forward else found[-limit:])]


def named(wire: Binance, account: Account, call: Call) -> tuple[Book, Order | None]:
    """The order that a request names. One that waits for its trigger is not known here."""
    book, symbol = account.books["usdm"], wire.find_listing(call).rule.symbol
    by_id, by_client = call.params.get("orderId"), call.params.get("origClientOrderId")
    if by_id is None and by_client is None:
        raise missing("orderId")
    order = book.find(by_id, by_client)
    if order is None or order.request.symbol != symbol or not order.working:
        return book, None
    return book, order


# -------------------------------------------------------------------- shapes


def shown(book: Book, order: Order) -> dict[str, Any]:
    """An order as every answer tells it."""
    facts, asked = book.facts[order.id], order.request
    return {
        "orderId": int(order.id),
        "symbol": book.rules[asked.symbol].id,
        "status": status_of(order),
        "clientOrderId": asked.client_id,
        "price": plain(asked.price),
        "avgPrice": plain(order.average),
        "origQty": plain(order.amount),
        "executedQty": plain(order.filled),
        "cumQty": plain(order.filled),
        "cumQuote": plain(order.cost),
        "timeInForce": facts.get("wire_time_in_force", "GTC"),
        "type": facts["type"] if asked.trigger is None else kind_at_matching(order),
        "reduceOnly": asked.reduce_only and book.ledger.netting,
        "closePosition": False,
        "side": asked.side.upper(),
        "positionSide": facts.get("position_side", "BOTH"),
        "stopPrice": plain(asked.trigger_price),
        "workingType": "CONTRACT_PRICE",
        "priceProtect": False,
        "origType": facts["type"],
        "priceMatch": "NONE",
        "selfTradePreventionMode": "EXPIRE_MAKER",
        "goodTillDate": 0,
        "time": order.created_ms,
        "updateTime": order.updated_ms,
    }


def kind_at_matching(order: Order) -> str:
    """What an order is once it is in the matching engine."""
    return "MARKET" if order.request.kind == "market" else "LIMIT"


def trade_of(book: Book, trade: Trade) -> dict[str, Any]:
    """One row of userTrades. It names no client order id: that is Binance's way."""
    return {
        "buyer": trade.side == "buy",
        "commission": plain(trade.fee),
        "commissionAsset": trade.fee_currency,
        "id": trade.id,
        "maker": trade.maker,
        "orderId": int(trade.order_id),
        "price": plain(trade.price),
        "qty": plain(trade.amount),
        "quoteQty": plain(trade.price * trade.amount),
        "realizedPnl": plain(book.realized.get((trade.symbol, trade.id))),
        "side": trade.side.upper(),
        "positionSide": book.facts[trade.order_id].get("position_side", "BOTH"),
        "symbol": book.rules[trade.symbol].id,
        "time": trade.at_ms,
    }
