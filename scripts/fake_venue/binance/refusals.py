"""Binance's own error numbers and texts, for what the engine refuses and what a fault asks for."""

from __future__ import annotations

from decimal import Decimal

from scripts.fake_venue.call import Reply, VenueError
from scripts.fake_venue.faults import Fault
from workers.trading.paper.order import Refused
from workers.trading.paper.rules import Market

_SPOT: dict[str, tuple[int, str]] = {
    "symbol": (-1121, "Invalid symbol."),
    "no_price": (-1013, "Market is closed."),
    "closed": (-1013, "Market is closed."),
    "duplicate": (-2010, "Duplicate order sent."),
    "funds": (-2010, "Account has insufficient balance for requested action."),
    "not_open": (-2011, "Unknown order sent."),
    "amount_step": (-1013, "Filter failure: LOT_SIZE"),
    "least_amount": (-1013, "Filter failure: LOT_SIZE"),
    "most_amount": (-1013, "Filter failure: LOT_SIZE"),
    "most_market": (-1013, "Filter failure: MARKET_LOT_SIZE"),
    "price_tick": (-1013, "Filter failure: PRICE_FILTER"),
    "price_high": (-1013, "Filter failure: PERCENT_PRICE_BY_SIDE"),
    "price_low": (-1013, "Filter failure: PERCENT_PRICE_BY_SIDE"),
    "most_waiting": (-1013, "Filter failure: MAX_NUM_ALGO_ORDERS"),
    "price": (-1102, "Mandatory parameter 'price' was not sent, was empty/null, or malformed."),
    "least_notional": (-1013, "Filter failure: NOTIONAL"),
    "post_only": (-2010, "Order would immediately match and take."),
    "triggers": (-2010, "Stop price would trigger immediately."),
}
_USDM: dict[str, tuple[int, str]] = {
    "symbol": (-1121, "Invalid symbol."),
    "no_price": (-4131, "The counterparty's best price does not meet the PERCENT_PRICE filter limit."),
    "closed": (-4141, "Symbol is closed."),
    "duplicate": (-4116, "ClientOrderId is duplicated."),
    "funds": (-2019, "Margin is insufficient."),
    "not_open": (-2011, "Unknown order sent."),
    "amount_step": (-1111, "Precision is over the maximum defined for this asset."),
    "least_amount": (-4003, "Quantity less than or equal to zero."),
    "most_amount": (-4005, "Quantity greater than max quantity."),
    "most_market": (-4005, "Quantity greater than max quantity."),
    "price_tick": (-4014, "Price not increased by tick size."),
    "price_high": (-4016, "Limit price can't be higher than the allowed one."),
    "price_low": (-4024, "Limit price can't be lower than the allowed one."),
    "most_waiting": (-4045, "Reach max stop order limit."),
    "price": (-1102, "Mandatory parameter 'price' was not sent, was empty/null, or malformed."),
    "post_only": (
        -5022,
        "Due to the order could not be executed as maker, the Post Only order will be rejected. "
        "The order will not be recorded in the order history",
    ),
    "reduce_only": (-2022, "ReduceOnly Order is rejected."),
    "triggers": (-2021, "Order would immediately trigger."),
}


def worded(refusal: Refused, market: Market, least_notional: Decimal) -> VenueError:
    """The engine's refusal as Binance says it."""
    if market == "usdm" and refusal.code == "least_notional":
        least = format(least_notional.normalize(), "f")
        return VenueError(
            -4164, f"Order's notional must be no smaller than {least} (unless you choose reduce only)."
        )
    code, message = (_USDM if market == "usdm" else _SPOT)[refusal.code]
    return VenueError(code, message)


def reply_to(error: VenueError) -> Reply:
    """An error as it travels."""
    return Reply({"code": error.code, "msg": str(error)}, error.status)


def missing(name: str) -> VenueError:
    """A mandatory parameter that was not sent."""
    return VenueError(-1102, f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed.")


def failure(fault: Fault) -> Reply:
    """The answer of a fault that Binance words itself."""
    retry = {"Retry-After": str(fault.retry_after)}
    if fault.kind == "rate_limited":
        text = "Too many requests; current limit is 6000 request weight per 1 MINUTE."
        return Reply({"code": -1003, "msg": text}, 429, retry)
    if fault.kind == "banned":
        text = "Way too many requests; IP banned until 1900000000000."
        return Reply({"code": -1003, "msg": text}, 418, retry)
    if fault.kind == "maintenance":
        return Reply({"code": 1, "msg": "System is under maintenance."}, 503)
    if fault.kind == "busy":
        text = "Server is currently overloaded with other requests. Please try again in a few minutes."
        return Reply({"code": -1008, "msg": text}, 503)
    if fault.kind.startswith("unknown"):
        text = (
            "Timeout waiting for response from backend server. Send status unknown; execution status unknown."
        )
        return Reply({"code": -1007, "msg": text}, 408)
    return Reply({"code": fault.code, "msg": fault.message}, 400)
