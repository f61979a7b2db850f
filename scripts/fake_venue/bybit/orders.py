"""Bybit's orders: placing, amending, cancelling and asking for them and their executions."""

from __future__ import annotations

from decimal import ROUND_DOWN, Decimal
from typing import TYPE_CHECKING, Any

from scripts.fake_venue.accounts import Account
from scripts.fake_venue.bybit.records import exec_type, execution, link_of, shown
from scripts.fake_venue.call import Call, VenueError
from scripts.fake_venue.matching import Book, TimeInForce
from workers.trading.paper.engine import Changes
from workers.trading.paper.order import Attached, Order, Refused, Request, Trigger

if TYPE_CHECKING:
    from scripts.fake_venue.bybit.wire import Bybit

_TIMES: dict[str, TimeInForce] = {"IOC": "IOC", "FOK": "FOK"}
_RECENT = 500
_WEEK_MS = 7 * 86_400_000


def place(wire: Bybit, account: Account, call: Call) -> dict[str, Any]:
    """POST /v5/order/create: the answer says that it was taken, and nothing of what became of it."""
    book, listing = account.books["usdm"], wire.find_listing(call)
    kind = call.need("orderType")
    spot = listing.rule.market == "spot"
    request, facts = _request_of(wire, book, call, listing.rule.symbol)
    if kind == "Market" and request.amount > listing.most_market:
        raise Refused("most_market", f"{request.amount} is over the most of a market order")
    in_force = str(call.params.get("timeInForce", "IOC" if kind == "Market" else "GTC"))
    facts |= {"type": kind, "wire_time_in_force": in_force, "category": "spot" if spot else "linear"}
    last = wire.tape.prices.get(request.symbol)
    if in_force == "PostOnly" and _takes(request, last):
        # Taken first, and cancelled by the matching engine then.
        order, changes = book.place(request, wire.now_ms(), "GTC", dead=True, **facts)
    else:
        order, changes = book.place(request, wire.now_ms(), _TIMES.get(in_force, "GTC"), **facts)
    wire.publish(account, changes)
    return {"orderId": order.id, "orderLinkId": link_of(book, order)}


def _takes(request: Request, last: Decimal | None) -> bool:
    if last is None or request.price is None or request.trigger is not None:
        return False
    return request.price >= last if request.side == "buy" else request.price <= last


def _request_of(wire: Bybit, book: Book, call: Call, symbol: str) -> tuple[Request, dict[str, Any]]:
    rule = wire.tape.listings[symbol].rule
    side = "buy" if call.need("side") == "Buy" else "sell"
    link = str(call.params.get("orderLinkId") or "")
    facts: dict[str, Any] = {"link": link}
    reducing = call.params.get("reduceOnly") in (True, "true")
    index = int(call.params.get("positionIdx", 0) or 0)
    if rule.market == "usdm":
        if (index == 0) != book.ledger.netting:
            raise VenueError(10001, "position idx not match position mode")
        facts["position_idx"] = index
        if index:
            reducing = (side == "buy") != (index == 1)
    amount = Decimal(call.need("qty"))
    last = wire.tape.prices.get(symbol)
    by_cost = rule.market == "spot" and call.params["orderType"] == "Market" and side == "buy"
    if by_cost and call.params.get("marketUnit", "quoteCoin") == "quoteCoin":
        if last is None:
            raise Refused("no_price", "no price yet")
        amount = (amount / last / rule.step).to_integral_value(ROUND_DOWN) * rule.step
    price = Decimal(call.need("price")) if call.params["orderType"] == "Limit" else None
    trigger, trigger_price = _trigger_of(call, side, last)
    number = wire.venue.next_number()
    request = Request(
        symbol=symbol,
        side="buy" if side == "buy" else "sell",
        kind="market" if price is None else "limit",
        amount=amount,
        client_id=link or f"unnamed-{number}",
        price=price,
        trigger=trigger,
        trigger_price=trigger_price,
        reduce_only=reducing and rule.market == "usdm",
        attached=_attached(call, number),
    )
    return request, facts


def _trigger_of(call: Call, side: str, last: Decimal | None) -> tuple[Trigger | None, Decimal | None]:
    if not call.params.get("triggerPrice"):
        return None, None
    price = Decimal(str(call.params["triggerPrice"]))
    direction = int(call.params.get("triggerDirection") or 0)
    rises = direction == 1 if direction else last is None or price > last
    if direction and last is not None and (last >= price if rises else last <= price):
        word = "Rising" if rises else "Falling"
        raise VenueError(110093, f"expect {word}, but trigger_price[{price}] and current[{last}] differ")
    return ("stop" if rises == (side == "buy") else "take_profit"), price


def _attached(call: Call, number: int) -> tuple[Attached, ...]:
    words: tuple[tuple[str, Trigger], ...] = (("stopLoss", "stop"), ("takeProfit", "take_profit"))
    return tuple(
        Attached(trigger, Decimal(str(call.params[name])), f"attached-{number}-{trigger}")
        for name, trigger in words
        if call.params.get(name) not in (None, "", "0")
    )


def amend(wire: Bybit, account: Account, call: Call) -> dict[str, Any]:
    """POST /v5/order/amend: amount, price or trigger price of an open order, in its place."""
    book, order = _named(wire, account, call)
    if order is None or order.status != "open":
        raise Refused("not_open", "no such order")
    asked = {name: call.params.get(name) for name in ("qty", "price", "triggerPrice")}
    given = {name: Decimal(str(value)) for name, value in asked.items() if value not in (None, "")}
    changes = book.amend(
        order, wire.now_ms(), given.get("qty"), given.get("price"), given.get("triggerPrice")
    )
    wire.publish(account, changes)
    return {"orderId": order.id, "orderLinkId": link_of(book, order)}


def cancel(wire: Bybit, account: Account, call: Call) -> dict[str, Any]:
    """POST /v5/order/cancel."""
    book, order = _named(wire, account, call)
    if order is None or order.status != "open":
        raise Refused("not_open", "no such order")
    wire.publish(account, book.cancel(order.id, wire.now_ms()))
    return {"orderId": order.id, "orderLinkId": link_of(book, order)}


def cancel_all(wire: Bybit, account: Account, call: Call) -> dict[str, Any]:
    """POST /v5/order/cancel-all, of one symbol or of a category."""
    book, changes, gone = account.books["usdm"], Changes(), []
    for order in _of_category(wire, book, call):
        if order.status == "open":
            changes.orders |= book.cancel(order.id, wire.now_ms()).orders
            gone.append({"orderId": order.id, "orderLinkId": link_of(book, order)})
    wire.publish(account, changes)
    return {"list": gone, "success": "1"}


def realtime(wire: Bybit, account: Account, call: Call) -> dict[str, Any]:
    """GET /v5/order/realtime: open orders; one that is named, also if it is among the last 500 closed."""
    book = account.books["usdm"]
    found = _of_category(wire, book, call)
    if _is_named(call):
        open_only = "0"
        found = [order for order in found[-_RECENT:] if _matches(book, order, call)]
    else:
        open_only = str(call.params.get("openOnly", "0"))
        found = [order for order in found if (order.status == "open") == (open_only == "0")]
    return _paged(wire, book, call, found)


def history(wire: Bybit, account: Account, call: Call) -> dict[str, Any]:
    """GET /v5/order/history: orders that are over, the latest first."""
    book = account.books["usdm"]
    found = [
        order
        for order in _of_category(wire, book, call)
        if order.status != "open" and (not _is_named(call) or _matches(book, order, call))
    ]
    return _paged(wire, book, call, found)


def executions(wire: Bybit, account: Account, call: Call) -> dict[str, Any]:
    """GET /v5/execution/list, the latest first. A start alone asks for seven days from it."""
    book, now = account.books["usdm"], wire.now_ms()
    start = int(call.params.get("startTime") or 0)
    end = int(call.params.get("endTime") or (start + _WEEK_MS if start else now))
    if start and end - start > _WEEK_MS:
        raise VenueError(10001, "The time range between startTime and endTime cannot exceed 7 days")
    start = start or end - _WEEK_MS
    named = {order.id for order in _of_category(wire, book, call)}
    if _is_named(call):
        named = {one for one in named if _matches(book, book.orders[one], call)}
    wanted = call.params.get("execType")
    rows = [
        execution(book, trade)
        for trade in book.trades
        if trade.order_id in named
        and start <= trade.at_ms <= end
        and wanted in (None, exec_type(book, trade))
    ]
    if wanted in (None, "Funding") and not _is_named(call):
        rows += [row for row in wire.funding_rows(account, call) if start <= int(row["execTime"]) <= end]
    rows.sort(key=lambda row: int(row["execTime"]), reverse=True)
    rows, cursor = page(rows, call, 50, 100)
    return {"category": call.need("category"), "list": rows, "nextPageCursor": cursor}


def page(rows: list[Any], call: Call, usual: int, most: int) -> tuple[list[Any], str]:
    """One page, and the cursor of the next."""
    limit = min(int(call.params.get("limit") or usual), most)
    first = int(str(call.params.get("cursor") or "0").removeprefix("page:") or 0)
    left = len(rows) > first + limit
    return rows[first : first + limit], f"page:{first + limit}" if left else ""


def _paged(wire: Bybit, book: Book, call: Call, found: list[Order]) -> dict[str, Any]:
    rows, cursor = page([shown(book, order) for order in reversed(found)], call, 20, 50)
    return {"category": call.need("category"), "list": rows, "nextPageCursor": cursor}


def _of_category(wire: Bybit, book: Book, call: Call) -> list[Order]:
    market = "spot" if call.need("category") == "spot" else "usdm"
    symbol = wire.find_listing(call).rule.symbol if call.params.get("symbol") else None
    only = call.params.get("orderFilter")
    return [
        order
        for order in book.orders.values()
        if book.rules[order.request.symbol].market == market
        and symbol in (None, order.request.symbol)
        and only in (None, "", filter_of(book, order))
    ]


def filter_of(book: Book, order: Order) -> str:
    """Which of Bybit's kinds of orders it is: plain, conditional, or protection."""
    if order.request.trigger is None:
        return "Order"
    spot = book.rules[order.request.symbol].market == "spot"
    return "tpslOrder" if spot and book.facts[order.id].get("attached") else "StopOrder"


def _is_named(call: Call) -> bool:
    return any(call.params.get(name) not in (None, "", "None") for name in ("orderId", "orderLinkId"))


def _matches(book: Book, order: Order, call: Call) -> bool:
    by_id = call.params.get("orderId")
    if by_id not in (None, "", "None"):
        return order.id == str(by_id)
    return link_of(book, order) == call.params.get("orderLinkId")


def _named(wire: Bybit, account: Account, call: Call) -> tuple[Book, Order | None]:
    if not _is_named(call):
        raise VenueError(10001, "OrderId or orderLinkId is required")
    book = account.books["usdm"]
    found = [order for order in _of_category(wire, book, call) if _matches(book, order, call)]
    return book, found[-1] if found else None
