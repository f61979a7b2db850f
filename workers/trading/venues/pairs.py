"""A stop loss and a take profit as one request, where a venue has lists of orders: its words and its answer.

Both are market orders behind a trigger, as they are wherever else they rest. A limit order as the target
would end the stop with its first partial fill, and leave the rest of the position bare.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ccxt.base.errors import BadResponse

from shared.errors import OrderDenied
from shared.money import text
from workers.trading.decisions.reconciliation import VenueOrder
from workers.trading.decisions.rules import Rules
from workers.trading.orders import Order
from workers.trading.venues.capabilities import Capabilities
from workers.trading.venues.wording import read_order, word_amount


def word_pair(exchange: Any, stop: Order, target: Order, row: Capabilities, rules: Rules) -> dict[str, Any]:
    """The request for both. Raises OrderDenied for a symbol that takes no such list."""
    market = exchange.market(stop.symbol)
    if row.oco is None or not rules.takes_pairs:
        raise OrderDenied(f"the venue takes no pair of orders of {stop.symbol}", code="order_denied")
    if stop.amount != target.amount or stop.side != target.side:
        raise OrderDenied("the two of a pair are of one amount and side", code="order_denied")
    sells = stop.side == "sell"
    asked = {
        "symbol": market["id"],
        "side": stop.side.upper(),
        # Checked against the venue's step as every amount is, and then as text: no digit is lost.
        "quantity": exchange.amount_to_precision(stop.symbol, word_amount(exchange, stop, rules)),
        "listClientOrderId": list_id(stop),
    }
    for one, kind, where in (
        (stop, row.oco.stop, "below" if sells else "above"),
        (target, row.oco.target, "above" if sells else "below"),
    ):
        if one.trigger_price is None:
            raise ValueError(f"an order of {one.symbol} lacks its trigger price")
        asked[f"{where}Type"] = kind
        asked[f"{where}StopPrice"] = exchange.price_to_precision(one.symbol, text(one.trigger_price))
        asked[f"{where}ClientOrderId"] = row.client_ids.sent(one.client_order_id)
    return asked


def word_pair_cancel(exchange: Any, stop: Order) -> dict[str, Any]:
    """The request to cancel both."""
    return {"symbol": exchange.market(stop.symbol)["id"], "listClientOrderId": list_id(stop)}


def list_id(stop: Order) -> str:
    """The list's own id: it derives from its stop's."""
    return f"{stop.client_order_id[:32]}oco"


def read_pair(
    exchange: Any, answer: Mapping[str, Any], pair: tuple[Order, Order], row: Capabilities, rules: Rules
) -> list[VenueOrder]:
    """What an answer about a list says of the two. Raises BadResponse for one that does not tell of both."""
    market = exchange.market(pair[0].symbol)
    # The answer to a cancel names our ids as the original ones.
    reports = {
        str(one.get("origClientOrderId") or one["clientOrderId"]): one
        for one in (*answer["orders"], *(answer.get("orderReports") or ()))
    }
    found: list[VenueOrder] = []
    for order in pair:
        report = reports.get(row.client_ids.seen(order.client_order_id))
        if report is None:
            raise BadResponse(f"the answer about a list says nothing of {order.client_order_id}")
        told = read_order(exchange.parse_order(report, market), row, rules, order)
        found.append(replace(told, client_order_id=order.client_order_id))
    return found
