"""Bybit's records of orders and executions, as its answers and its events tell them."""

from __future__ import annotations

from typing import Any

from scripts.fake_venue.matching import Book
from scripts.fake_venue.numbers import plain
from workers.trading.paper.order import ZERO, Order, Request, Trade


def link_of(book: Book, order: Order) -> str:
    """The client order id, empty for orders that nobody named."""
    return str(book.facts[order.id].get("link", ""))


def status_of(book: Book, order: Order) -> str:
    """Bybit's word for where an order is."""
    waiting = not order.working
    if order.status == "open":
        return "Untriggered" if waiting else ("PartiallyFilled" if order.filled else "New")
    if order.status == "filled":
        return "Filled"
    if waiting:
        return (
            "Cancelled"
            if order.status == "canceled" and not book.facts[order.id].get("full")
            else "Deactivated"
        )
    spot = book.rules[order.request.symbol].market == "spot"
    return "PartiallyFilledCanceled" if order.filled and spot else "Cancelled"


def shown(book: Book, order: Order) -> dict[str, Any]:
    """An order as every answer and event tells it."""
    facts, asked = book.facts[order.id], order.request
    rule = book.rules[asked.symbol]
    guards = bool(facts.get("attached") or facts.get("full"))
    legs = {leg.trigger: plain(leg.trigger_price) for leg in asked.attached}
    kinds = {"stop": "StopLoss", "take_profit": "TakeProfit"}
    over = order.status not in ("open", "filled")
    rejected = "EC_PostOnlyWillTakeLiquidity" if facts.get("dead") else "EC_PerCancelRequest"
    return {
        "category": "spot" if rule.market == "spot" else "linear",
        "orderId": order.id,
        "orderLinkId": link_of(book, order),
        "blockTradeId": "",
        "symbol": rule.id,
        "price": plain(asked.price),
        "qty": plain(order.amount),
        "side": asked.side.capitalize(),
        "isLeverage": "0",
        "positionIdx": int(facts.get("position_idx", 0)),
        "orderStatus": status_of(book, order),
        "cancelType": "CancelByUser" if order.status == "canceled" else "UNKNOWN",
        "rejectReason": rejected if over else "EC_NoError",
        "avgPrice": plain(order.average) if order.filled else "",
        "leavesQty": plain(ZERO if over else order.remaining),
        "leavesValue": plain(ZERO if over else order.remaining * (asked.price or ZERO)),
        "cumExecQty": plain(order.filled),
        "cumExecValue": plain(order.cost),
        "cumExecFee": plain(order.fee),
        "cumFeeDetail": {order.fee_currency: plain(order.fee)} if order.filled else {},
        "timeInForce": facts.get("wire_time_in_force", "IOC"),
        "orderType": facts.get("type", "Market"),
        "stopOrderType": "" if asked.trigger is None else (kinds[asked.trigger] if guards else "Stop"),
        "orderIv": "",
        "marketUnit": "baseCoin" if rule.market == "spot" else "",
        "triggerPrice": plain(asked.trigger_price) if asked.trigger else "",
        "takeProfit": legs.get("take_profit", ""),
        "stopLoss": legs.get("stop", ""),
        "tpslMode": "Full" if rule.market == "usdm" else "",
        "tpTriggerBy": "",
        "slTriggerBy": "",
        "triggerDirection": 0 if asked.trigger is None else (1 if _rises(asked) else 2),
        "triggerBy": "LastPrice" if asked.trigger else "",
        "reduceOnly": asked.reduce_only and rule.market == "usdm",
        "closeOnTrigger": guards,
        "createType": facts.get("create_type", "CreateByUser"),
        "placeType": "",
        "smpType": "None",
        "createdTime": str(order.created_ms),
        "updatedTime": str(order.updated_ms),
    }


def _rises(asked: Request) -> bool:
    return (asked.trigger == "stop") == (asked.side == "buy")


def exec_type(book: Book, trade: Trade) -> str:
    """Why it was traded: by an order, or by the venue."""
    return str(book.facts[trade.order_id].get("exec_type", "Trade"))


def execution(book: Book, trade: Trade) -> dict[str, Any]:
    """One fill as answers and events tell it."""
    order, rule = book.orders[trade.order_id], book.rules[trade.symbol]
    return {
        "category": "spot" if rule.market == "spot" else "linear",
        "symbol": rule.id,
        "execFee": plain(trade.fee),
        "execFeeV2": "",
        "execId": f"{trade.id:08x}-0000-4000-9000-{trade.id:012x}",
        "execPrice": plain(trade.price),
        "execQty": plain(trade.amount),
        "execType": exec_type(book, trade),
        "execValue": plain(trade.price * trade.amount),
        "execPnl": plain(book.realized.get((trade.symbol, trade.id))),
        "feeRate": plain(rule.maker if trade.maker else rule.taker),
        "feeCurrency": trade.fee_currency if rule.market == "spot" else "",
        "tradeIv": "",
        "markIv": "",
        "blockTradeId": "",
        "markPrice": plain(book.last_price.get(trade.symbol)),
        "indexPrice": "",
        "underlyingPrice": "",
        "leavesQty": plain(order.remaining if order.status == "open" else ZERO),
        "orderId": trade.order_id,
        "orderLinkId": link_of(book, order),
        "orderPrice": plain(order.request.price),
        "orderQty": plain(order.amount),
        "orderType": book.facts[order.id].get("type", "Market"),
        "stopOrderType": "UNKNOWN",
        "side": trade.side.capitalize(),
        "execTime": str(trade.at_ms),
        "isLeverage": "0",
        "isMaker": trade.maker,
        "closedSize": plain(trade.amount if order.request.reduce_only else ZERO),
        "createType": book.facts[order.id].get("create_type", "CreateByUser"),
        "seq": trade.id,
    }
