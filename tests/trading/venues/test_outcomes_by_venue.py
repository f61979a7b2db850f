"""What Binance, Bybit and OKX answer to an order, read by the unmodified ccxt, and what it is taken for."""

from __future__ import annotations

import json
from typing import Any

import ccxt.pro
import pytest
from ccxt.base.errors import BaseError, DDoSProtection, ExchangeError, RateLimitExceeded

from workers.trading.decisions.outcome import Outcome, judge

ROUTES = {
    "binance": "https://api.binance.com/api/v3/order",
    "binanceusdm": "https://fapi.binance.com/fapi/v1/order",
    "bybit": "https://api.bybit.com/v5/order/create",
    "okx": "https://www.okx.com/api/v5/trade/batch-orders",
}


def told(venue: str, status: int, body: Any, *, worked_before: bool = True) -> BaseError:
    """The exception that ccxt makes of an answer to an order."""
    exchange = getattr(ccxt.pro, venue)()
    exchange.options["hasAlreadyAuthenticatedSuccessfully"] = worked_before
    text = body if isinstance(body, str) else json.dumps(body, separators=(",", ":"))
    parsed = exchange.parse_json(text)
    route = ROUTES[venue]
    try:
        exchange.handle_errors(status, "", route, "POST", {}, text, parsed, {}, "")
        exchange.handle_http_status_code(status, "", route, "POST", text)
    except BaseError as error:
        return error
    raise AssertionError("ccxt took the answer for a success")


def binance(code: int, message: str = "…") -> dict[str, Any]:
    return {"code": code, "msg": message}


def bybit(code: int, message: str = "…") -> dict[str, Any]:
    return {"retCode": code, "retMsg": message, "result": {}, "retExtInfo": {}, "time": 1}


def okx(code: str, message: str = "…") -> dict[str, Any]:
    return {"code": "1", "data": [{"clOrdId": "", "ordId": "", "sCode": code, "sMsg": message}], "msg": ""}


UNKNOWN = [
    ("binance", 400, binance(-1000, "An unknown error occurred while processing the request.")),
    ("binance", 500, binance(-1001, "Internal error; unable to process your request. Please try again.")),
    ("binance", 503, binance(-1008, "Request throttled by system-level protection.")),
    (
        "binance",
        408,
        binance(-1007, "Timeout waiting for response. Send status unknown."),
    ),
    ("binance", 400, binance(-1006, "An unexpected response was received from the message bus.")),
    ("binance", 400, binance(-1021, "Timestamp for this request is outside of the recvWindow.")),
    ("binance", 429, binance(-1003, "Too many requests.")),
    ("binance", 418, binance(-1003, "Way too many requests; IP banned.")),
    ("binance", 502, "<html>Bad Gateway</html>"),
    ("binance", 504, ""),
    ("binance", 403, "<html>WAF</html>"),
    ("binance", 503, {"msg": "Unknown error, please check your request or try again later."}),
    ("binance", 400, binance(-2010, "Duplicate order sent.")),
    ("binanceusdm", 400, binance(-4116, "ClientOrderId is duplicated.")),
    ("binanceusdm", 503, binance(-1001, "Internal error; unable to process your request.")),
    ("binanceusdm", 408, binance(-1007, "Timeout waiting for response from backend server.")),
    ("binanceusdm", 400, binance(-1021)),
    ("bybit", 200, bybit(10000, "Server Timeout")),
    ("bybit", 200, bybit(10016, "Internal server error.")),
    ("bybit", 200, bybit(10002, "The request time exceeds the time window range.")),
    ("bybit", 200, bybit(10006, "Too many visits!")),
    ("bybit", 200, bybit(10018, "Exceeded the IP Rate Limit.")),
    ("bybit", 200, bybit(170007, "Timeout waiting for response from backend server.")),
    ("bybit", 200, bybit(110072, "OrderLinkedID is duplicate")),
    ("bybit", 200, bybit(170141, "Duplicate clientOrderId")),
    ("bybit", 200, {}),
    ("bybit", 403, "<html>access too frequent</html>"),
    ("bybit", 502, "<html>Bad Gateway</html>"),
    ("okx", 200, okx("51016", "Duplicated client order ID")),
    ("okx", 200, {"code": "50004", "data": [], "msg": "Endpoint request timeout"}),
    ("okx", 503, {"code": "50001", "data": [], "msg": "Service temporarily unavailable"}),
    ("okx", 200, {"code": "50013", "data": [], "msg": "Systems are busy."}),
    ("okx", 200, {"code": "50026", "data": [], "msg": "System error"}),
    ("okx", 429, {"code": "50011", "data": [], "msg": "Too Many Requests"}),
    ("okx", 401, {"code": "50102", "data": [], "msg": "Timestamp request expired"}),
    ("okx", 200, okx("51149", "Order timed out.")),
]
REFUSED = [
    (
        "binance",
        400,
        binance(-2010, "Account has insufficient balance for requested action."),
        "insufficient",
    ),
    ("binance", 400, binance(-1013, "Filter failure: NOTIONAL"), "order_rejected"),
    ("binance", 400, binance(-1013, "Filter failure: LOT_SIZE"), "order_rejected"),
    ("binance", 400, binance(-1111, "Precision is over the maximum."), "order_rejected"),
    ("binance", 400, binance(-1121, "Invalid symbol."), "symbol_not_tradable"),
    ("binance", 400, binance(-2010, "Order would immediately match and take."), "order_rejected"),
    ("binance", 400, binance(-1013, "Market is closed."), "symbol_not_tradable"),
    ("binance", 401, binance(-2015, "Invalid API-key, IP, or permissions for action."), "account_inactive"),
    ("binanceusdm", 400, binance(-2019, "Margin is insufficient."), "insufficient"),
    ("binanceusdm", 400, binance(-2021, "Order would immediately trigger."), "order_rejected"),
    ("binanceusdm", 400, binance(-2022, "ReduceOnly Order is rejected."), "order_rejected"),
    ("binanceusdm", 400, binance(-4164, "Order's notional must be no smaller than 5."), "order_rejected"),
    ("binanceusdm", 400, binance(-5022, "Post only order will be rejected."), "order_rejected"),
    (
        "binanceusdm",
        401,
        binance(-2015, "Invalid API-key, IP, or permissions for action."),
        "account_inactive",
    ),
    (
        "binanceusdm",
        400,
        binance(-4140, "Invalid symbol status for opening position."),
        "symbol_not_tradable",
    ),
    ("binanceusdm", 400, binance(-4141, "Symbol is closed."), "symbol_not_tradable"),
    ("bybit", 200, bybit(110074, "This contract is not live"), "symbol_not_tradable"),
    ("bybit", 200, bybit(170209, "This trading pair is not available."), "symbol_not_tradable"),
    ("bybit", 200, bybit(110007, "available balance not enough"), "insufficient"),
    ("bybit", 200, bybit(170131, "Insufficient balance."), "insufficient"),
    ("bybit", 200, bybit(10003, "API key is invalid."), "account_inactive"),
    ("bybit", 200, bybit(33004, "Your api key has expired."), "account_inactive"),
    ("bybit", 200, bybit(10005, "Permission denied"), "account_inactive"),
    ("bybit", 200, bybit(170140, "Order value exceeded lower limit."), "order_rejected"),
    ("bybit", 200, bybit(110017, "orderQty will be truncated to zero"), "order_rejected"),
    ("bybit", 200, bybit(110099, "a reason that ccxt has not heard of"), "order_rejected"),
    ("okx", 200, okx("51008", "Order failed. Insufficient balance."), "insufficient"),
    ("okx", 200, okx("51020", "Order amount should be greater than the minimum."), "order_rejected"),
    ("okx", 200, okx("51001", "Instrument ID does not exist."), "symbol_not_tradable"),
    ("okx", 401, {"code": "50111", "data": [], "msg": "Invalid OK-ACCESS-KEY"}, "account_inactive"),
    (
        "okx",
        200,
        {"code": "50110", "data": [], "msg": "Your IP is not linked."},
        "account_inactive",
    ),
]


def name(value: Any) -> str | None:
    return json.dumps(value)[:60] if isinstance(value, dict | str) else None


@pytest.mark.parametrize(("venue", "status", "body"), UNKNOWN, ids=name)
def test_an_answer_that_proves_nothing_leaves_the_order_to_be_asked_for(
    venue: str, status: int, body: Any
) -> None:
    assert judge(told(venue, status, body)).outcome is Outcome.UNRESOLVED


@pytest.mark.parametrize(("venue", "status", "body", "code"), REFUSED, ids=name)
def test_a_definite_refusal_names_its_reason(venue: str, status: int, body: Any, code: str) -> None:
    verdict = judge(told(venue, status, body))
    assert verdict.outcome is Outcome.REJECTED
    assert verdict.code.startswith(code)


def test_a_revoked_key_is_a_refusal_before_and_after_its_first_success() -> None:
    body = binance(-2015, "Invalid API-key, IP, or permissions for action.")
    fresh, known = (told("binance", 401, body, worked_before=before) for before in (False, True))
    assert isinstance(fresh, ExchangeError)
    assert isinstance(known, DDoSProtection), "ccxt takes it for a ban, which would be no refusal"
    assert judge(fresh).code == judge(known).code == "account_inactive"


def test_rate_limits_are_no_refusals() -> None:
    for error in (told("binance", 429, binance(-1003)), told("bybit", 200, bybit(10006))):
        assert isinstance(error, DDoSProtection | RateLimitExceeded)
        assert judge(error).outcome is Outcome.UNRESOLVED
