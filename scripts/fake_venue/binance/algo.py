"""Binance USD-M's conditional orders: a book of their own, with ids of their own, until they trigger.

What triggers becomes an order of the matching engine, with an order id; the algo order then names it as its
actual order and is finished with it. An algo order itself never says how much was filled.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from scripts.fake_venue.accounts import Account
from scripts.fake_venue.binance.refusals import missing
from scripts.fake_venue.binance.usdm import direction, kind_at_matching
from scripts.fake_venue.call import Call, VenueError
from scripts.fake_venue.matching import Book
from scripts.fake_venue.numbers import plain
from workers.trading.paper.order import Kind, Order, Request, Trigger

if TYPE_CHECKING:
    from scripts.fake_venue.binance.wire import Binance

TYPES: dict[str, tuple[Kind, Trigger]] = {
    "STOP": ("limit", "stop"),
    "STOP_MARKET": ("market", "stop"),
    "TAKE_PROFIT": ("limit", "take_profit"),
    "TAKE_PROFIT_MARKET": ("market", "take_profit"),
    "TRAILING_STOP_MARKET": ("market", "stop"),
}
# An algo id must never look like an order id.
_OFFSET = 1_000_000_000_000


def algo_id(order: Order) -> int:
    """The algo service's own number of an order."""
    return _OFFSET + int(order.id)


def status_of(order: Order) -> str:
    """Where the algo order is; once triggered it is over with its actual order."""
    if not order.triggered:
        return {"open": "NEW", "canceled": "CANCELED"}.get(order.status, "EXPIRED")
    return "TRIGGERED" if order.status == "open" else "FINISHED"


def place(wire: Binance, account: Account, call: Call) -> dict[str, Any]:
    """POST /fapi/v1/algoOrder."""
    if call.need("algoType") != "CONDITIONAL":
        raise VenueError(-4500, "Invalid algo type.")
    book, listing, kind = account.books["usdm"], wire.find_listing(call), call.need("type")
    if kind not in TYPES:
        raise VenueError(-1116, "Invalid orderType.")
    form, trigger = TYPES[kind]
    side, reducing, position_side = direction(book, call)
    facts: dict[str, Any] = {"type": kind, "algo": True, "position_side": position_side}
    if kind == "TRAILING_STOP_MARKET":
        facts["trail"], price = _trailing(wire, call, listing.rule.symbol, side == "sell")
    else:
        price = Decimal(call.need("triggerPrice"))
    request = Request(
        symbol=listing.rule.symbol,
        side=side,
        kind=form,
        amount=_amount(book, call, listing.rule.symbol, side == "sell"),
        client_id=str(call.params.get("clientAlgoId") or f"algo_{wire.venue.next_number()}"),
        price=Decimal(call.need("price")) if form == "limit" else None,
        trigger=trigger,
        trigger_price=price,
        reduce_only=reducing or call.params.get("closePosition") == "true",
    )
    wire.check_trigger(request)
    in_force = str(call.params.get("timeInForce", "GTC"))
    order, changes = book.place(request, wire.now_ms(), wire_time_in_force=in_force, **facts)
    wire.publish(account, changes)
    return shown(book, order)


def _trailing(wire: Binance, call: Call, symbol: str, sells: bool) -> tuple[Decimal, Decimal]:
    """The distance as a share, and where the stop is now."""
    share = Decimal(call.need("callbackRate")) / 100
    if not Decimal("0.001") <= share <= Decimal("0.1"):
        raise VenueError(-4136, "Invalid callback rate")
    start = Decimal(str(call.params.get("activatePrice") or wire.tape.prices[symbol]))
    step = wire.tape.listings[symbol].rule.tick
    return share, (start * (1 - share if sells else 1 + share) / step).to_integral_value() * step


def _amount(book: Book, call: Call, symbol: str, sells: bool) -> Decimal:
    if call.params.get("closePosition") == "true":
        return book.ledger.reducible(symbol, "sell" if sells else "buy")
    return Decimal(call.need("quantity"))


def cancel(wire: Binance, account: Account, call: Call) -> dict[str, Any]:
    """DELETE /fapi/v1/algoOrder."""
    book, order = _named(account, call)
    if order is None or order.status != "open" or order.triggered:
        raise VenueError(-2011, "Unknown order sent.")
    wire.publish(account, book.cancel(order.id, wire.now_ms()))
    return {
        "algoId": algo_id(order),
        "clientAlgoId": order.request.client_id,
        "code": "200",
        "msg": "success",
    }


def cancel_all(wire: Binance, account: Account, call: Call) -> dict[str, Any]:
    """DELETE /fapi/v1/algoOpenOrders of one symbol."""
    book, symbol = account.books["usdm"], wire.find_listing(call).rule.symbol
    for order in _waiting(book, symbol):
        wire.publish(account, book.cancel(order.id, wire.now_ms()))
    return {"code": 200, "msg": "The operation of cancel all open order is done."}


def query(wire: Binance, account: Account, call: Call) -> dict[str, Any]:
    """GET /fapi/v1/algoOrder."""
    book, order = _named(account, call)
    if order is None:
        raise VenueError(-2013, "Order does not exist.")
    return shown(book, order)


def open_orders(wire: Binance, account: Account, call: Call) -> list[dict[str, Any]]:
    """GET /fapi/v1/openAlgoOrders, of one symbol or all."""
    symbol = wire.find_listing(call).rule.symbol if "symbol" in call.params else None
    book = account.books["usdm"]
    return [shown(book, order) for order in _waiting(book, symbol)]


def all_orders(wire: Binance, account: Account, call: Call) -> list[dict[str, Any]]:
    """GET /fapi/v1/allAlgoOrders of one symbol."""
    book, symbol = account.books["usdm"], wire.find_listing(call).rule.symbol
    first = int(call.params.get("algoId", 0))
    found = [
        order
        for order in book.orders.values()
        if order.request.symbol == symbol and book.facts[order.id].get("algo") and algo_id(order) >= first
    ]
    limit = min(int(call.params.get("limit", 500)), 1000)
    return [shown(book, order) for order in (found[:limit] if first else found[-limit:])]


def _waiting(book: Book, symbol: str | None) -> list[Order]:
    return [
        order
        for order in book.open_orders(symbol)
        if book.facts[order.id].get("algo") and not order.triggered
    ]


def _named(account: Account, call: Call) -> tuple[Book, Order | None]:
    book = account.books["usdm"]
    by_id, by_client = call.params.get("algoId"), call.params.get("clientAlgoId")
    if by_id is None and by_client is None:
        raise missing("algoId")
    own = None if by_id is None or not by_id.isdigit() else str(int(by_id) - _OFFSET)
    order = book.find(own, None) if by_id is not None else book.find(None, by_client)
    return book, order if order is not None and book.facts[order.id].get("algo") else None


def shown(book: Book, order: Order) -> dict[str, Any]:
    """An algo order as answers tell it."""
    facts, asked = book.facts[order.id], order.request
    done = order.triggered
    return {
        "algoId": algo_id(order),
        "clientAlgoId": asked.client_id,
        "algoType": "CONDITIONAL",
        "orderType": facts["type"],
        "symbol": book.rules[asked.symbol].id,
        "side": asked.side.upper(),
        "positionSide": facts.get("position_side", "BOTH"),
        "timeInForce": facts.get("wire_time_in_force", "GTC"),
        "quantity": plain(order.amount),
        "algoStatus": status_of(order),
        "actualOrderId": order.id if done else "",
        "actualPrice": plain(order.average),
        "actualType": kind_at_matching(order) if done else "",
        "triggerPrice": plain(asked.trigger_price),
        "price": plain(asked.price),
        "icebergQuantity": None,
        "tpTriggerPrice": "0.000",
        "tpPrice": "0.000",
        "slTriggerPrice": "0.000",
        "slPrice": "0.000",
        "tpOrderType": "",
        "selfTradePreventionMode": "EXPIRE_MAKER",
        "workingType": "CONTRACT_PRICE",
        "priceMatch": "NONE",
        "closePosition": False,
        "priceProtect": False,
        "reduceOnly": asked.reduce_only,
        "createTime": order.created_ms,
        "updateTime": order.updated_ms,
        "triggerTime": order.updated_ms if done else 0,
        "goodTillDate": 0,
    }
