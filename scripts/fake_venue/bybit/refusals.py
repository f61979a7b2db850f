"""Bybit's own return codes and texts, for what the engine refuses and what a fault asks for."""

from __future__ import annotations

from typing import Any

from scripts.fake_venue.call import Reply, VenueError
from scripts.fake_venue.faults import Fault
from workers.trading.paper.order import Refused
from workers.trading.paper.rules import Market

_LINEAR: dict[str, tuple[int, str]] = {
    "symbol": (10001, "params error: symbol invalid"),
    "no_price": (110003, "Order price exceeds the allowable range."),
    "closed": (110074, "This contract is not live"),
    "duplicate": (110072, "OrderLinkedID is duplicate"),
    "funds": (110007, "ab not enough for new order"),
    "not_open": (110001, "order not exists or too late to cancel"),
    "amount_step": (10001, "Qty invalid"),
    "least_amount": (10001, "The number of contracts exceeds minimum limit allowed"),
    "most_amount": (10001, "The number of contracts exceeds maximum limit allowed"),
    "most_market": (10001, "The number of contracts exceeds maximum limit allowed"),
    "price_tick": (10001, "Price invalid"),
    "price_high": (110003, "Order price exceeds the allowable range."),
    "price_low": (110003, "Order price exceeds the allowable range."),
    "most_waiting": (110009, "The number of stop orders exceeds the maximum allowable limit"),
    "price": (10001, "Price invalid"),
    "least_notional": (110094, "Order does not meet minimum order value 5USDT"),
    "reduce_only": (110017, "current position is zero, cannot fix reduce-only order qty"),
    "triggers": (110093, "expect Falling, but trigger_price >= current"),
}
_SPOT: dict[str, tuple[int, str]] = {
    "symbol": (170121, "Invalid symbol."),
    "no_price": (170209, "This trading pair is not available."),
    "closed": (170209, "This trading pair is not available."),
    "duplicate": (170141, "Duplicate clientOrderId"),
    "funds": (170131, "Insufficient balance."),
    "not_open": (170213, "Order does not exist."),
    "amount_step": (170137, "Order volume decimal too long."),
    "least_amount": (170136, "Order quantity lower than the minimum."),
    "most_amount": (170135, "Order quantity larger than the maximum."),
    "most_market": (170135, "Order quantity larger than the maximum."),
    "price_tick": (170134, "Order price decimal too long."),
    "price_high": (170193, "Buy order price cannot be higher than the allowed price."),
    "price_low": (170194, "Sell order price cannot be lower than the allowed price."),
    "most_waiting": (170812, "You have too many conditional orders."),
    "price": (170117, "Invalid price."),
    "least_notional": (170140, "Order value exceeded lower limit."),
    "triggers": (170312, "Trigger price is invalid."),
}


def worded(refusal: Refused, market: Market) -> VenueError:
    """The engine's refusal as Bybit says it."""
    code, message = (_LINEAR if market == "usdm" else _SPOT)[refusal.code]
    return VenueError(code, message)


def wrap(result: Any, now_ms: int) -> Reply:
    """An answer as it travels."""
    return Reply({"retCode": 0, "retMsg": "OK", "result": result, "retExtInfo": {}, "time": now_ms})


def refuse(code: int, message: str, now_ms: int) -> Reply:
    """A refusal as it travels: the HTTP status says that all is well."""
    return Reply({"retCode": code, "retMsg": message, "result": {}, "retExtInfo": {}, "time": now_ms})


def failure(fault: Fault, now_ms: int) -> Reply:
    """The answer of a fault that Bybit words itself."""
    if fault.kind == "rate_limited":
        reply = refuse(10006, "Too many visits. Exceeded the API Rate Limit.", now_ms)
        reset = str(now_ms + 1000 * fault.retry_after)
        return Reply(reply.payload, 200, {"X-Bapi-Limit-Reset-Timestamp": reset, "X-Bapi-Limit-Status": "0"})
    if fault.kind == "banned":
        return Reply("Forbidden: access too frequent.", 403)
    if fault.kind == "maintenance":
        return Reply("Service is under maintenance.", 503)
    if fault.kind == "busy":
        return refuse(10016, "System error. Please try again later.", now_ms)
    if fault.kind.startswith("unknown"):
        return refuse(10000, "Server Timeout", now_ms)
    return refuse(fault.code, fault.message, now_ms)
