"""Binance spot's order lists: one cancels the other."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from scripts.fake_venue.accounts import Account
from scripts.fake_venue.binance.refusals import missing
from scripts.fake_venue.binance.spot import TYPES, cancelled, placed, shown_list
from scripts.fake_venue.call import Call, VenueError
from scripts.fake_venue.matching import Book
from workers.trading.paper.engine import Changes
from workers.trading.paper.order import Order, Refused, Request

if TYPE_CHECKING:
    from scripts.fake_venue.binance.wire import Binance


def place(wire: Binance, account: Account, call: Call) -> dict[str, Any]:
    """POST /api/v3/orderList/oco: one order above the price, one below."""
    book = account.books["spot"]
    list_id = wire.venue.next_number()
    client_id = str(call.params.get("listClientOrderId") or f"list_{list_id}")
    requests = [_side_of(wire, call, where) for where in ("above", "below")]
    try:
        for request in requests:
            wire.check_trigger(request)
    except Refused as refusal:
        raise VenueError(-2010, "The relationship of the prices for the orders is not correct.") from refusal
    if book.list_of(client_id) and any(one.status == "open" for one in book.list_of(client_id)):
        raise VenueError(-2010, "Duplicate order sent.")
    orders = book.place_pair(
        requests[0], requests[1], wire.now_ms(), list_id=list_id, list_client_id=client_id
    )
    for order, where in zip(orders, ("above", "below"), strict=True):
        book.facts[order.id]["type"] = call.need(f"{where}Type")
    wire.publish(account, Changes(orders={order.id: order for order in orders}))
    return {**shown_list(book, orders), "orderReports": [placed(book, order) for order in orders]}


def _side_of(wire: Binance, call: Call, where: str) -> Request:
    kind = call.need(f"{where}Type")
    if kind not in TYPES or kind in ("MARKET", "LIMIT"):
        raise VenueError(-1116, "Invalid orderType.")
    form, trigger, post_only = TYPES[kind]
    number = wire.venue.next_number()
    return Request(
        symbol=wire.find_listing(call).rule.symbol,
        side="buy" if call.need("side") == "BUY" else "sell",
        kind=form,
        amount=Decimal(call.need("quantity")),
        client_id=str(call.params.get(f"{where}ClientOrderId") or f"{where}_{number}"),
        price=Decimal(call.need(f"{where}Price")) if form == "limit" else None,
        trigger=trigger,
        trigger_price=Decimal(call.need(f"{where}StopPrice")) if trigger else None,
        post_only=post_only,
    )


def cancel(wire: Binance, account: Account, call: Call) -> dict[str, Any]:
    """DELETE /api/v3/orderList."""
    book, orders = _named(account, call)
    live = [order for order in orders if order.status == "open"]
    if not live:
        raise VenueError(-2011, "Unknown order list sent.")
    for order in live:
        wire.publish(account, book.cancel(order.id, wire.now_ms()))
    return {**shown_list(book, orders), "orderReports": [cancelled(book, order) for order in orders]}


def query(wire: Binance, account: Account, call: Call) -> dict[str, Any]:
    """GET /api/v3/orderList."""
    book, orders = _named(account, call)
    if not orders:
        raise VenueError(-2018, "Order list does not exist.")
    return shown_list(book, orders)


def open_lists(wire: Binance, account: Account, call: Call) -> list[dict[str, Any]]:
    """GET /api/v3/openOrderList."""
    book = account.books["spot"]
    lists: dict[int, list[Order]] = {}
    for order in book.open_orders():
        if "list_id" in book.facts[order.id]:
            lists.setdefault(book.facts[order.id]["list_id"], []).append(order)
    return [shown_list(book, orders) for orders in lists.values()]


def _named(account: Account, call: Call) -> tuple[Book, list[Order]]:
    book = account.books["spot"]
    number = call.params.get("orderListId")
    name = call.params.get("origClientOrderId") or call.params.get("listClientOrderId")
    if number is None and name is None:
        raise missing("orderListId")
    found = [
        order
        for order in book.orders.values()
        if (number is not None and str(book.facts[order.id].get("list_id")) == number)
        or (name is not None and book.facts[order.id].get("list_client_id") == name)
    ]
    return book, found
