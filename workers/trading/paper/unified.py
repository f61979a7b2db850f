"""The paper exchange's records in ccxt's unified words."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Any

from ccxt.async_support.base.exchange import Exchange
from ccxt.base.errors import InvalidOrder

from shared.candles import exact
from workers.trading.paper.order import Order, Trade
from workers.trading.paper.rules import Rule


def order_fields(order: Order) -> dict[str, Any]:
    """An order, ready for ccxt's `safe_order`."""
    request = order.request
    stop = request.trigger_price if request.trigger == "stop" else None
    target = request.trigger_price if request.trigger == "take_profit" else None
    status = {"open": "open", "filled": "closed", "canceled": "canceled", "expired": "expired"}[order.status]
    return {
        "id": order.id,
        "clientOrderId": request.client_id,
        "timestamp": order.created_ms,
        "datetime": Exchange.iso8601(order.created_ms),
        "lastUpdateTimestamp": order.updated_ms,
        "symbol": request.symbol,
        "type": request.kind,
        "side": request.side,
        "amount": text(order.amount),
        "price": text(request.price),
        "triggerPrice": text(request.trigger_price),
        "stopLossPrice": text(stop),
        "takeProfitPrice": text(target),
        "filled": text(order.filled),
        "remaining": text(order.remaining),
        "cost": text(order.cost),
        "average": text(order.average),
        "status": status,
        "reduceOnly": request.reduce_only,
        "postOnly": request.post_only,
        "fee": {"cost": text(order.fee), "currency": order.fee_currency} if order.filled else None,
        "trades": None,
        "info": {
            "filled": str(order.filled),
            "cost": str(order.cost),
            "amount": str(order.amount),
            "attached": list(order.legs),
            "parent": order.parent,
        },
    }


def trade_fields(trade: Trade) -> dict[str, Any]:
    """A fill, ready for ccxt's `safe_trade`."""
    return {
        "id": str(trade.id),
        "order": trade.order_id,
        "clientOrderId": trade.client_id,
        "timestamp": trade.at_ms,
        "datetime": Exchange.iso8601(trade.at_ms),
        "symbol": trade.symbol,
        "side": trade.side,
        "price": str(trade.price),
        "amount": str(trade.amount),
        "cost": str(trade.price * trade.amount),
        "takerOrMaker": "maker" if trade.maker else "taker",
        "fee": {"cost": str(trade.fee), "currency": trade.fee_currency},
        # ccxt makes floats of numbers; the exact ones stand here, as in a real venue's raw answer.
        "info": {
            "price": str(trade.price),
            "amount": str(trade.amount),
            "fee": str(trade.fee),
            "clientOrderId": trade.client_id,
        },
    }


def number(name: str, value: Any) -> Decimal:
    try:
        return exact(value) if isinstance(value, float) else Decimal(str(value))
    except InvalidOperation as error:
        raise InvalidOrder(f"{name} {value!r} is no number") from error


def text(value: Decimal | None) -> str | None:
    return None if value is None else format(value, "f")


def market_fields(rule: Rule) -> dict[str, Any]:
    """ccxt's structure of a market."""
    swap = rule.market == "usdm"
    return {
        "id": rule.id,
        "symbol": rule.symbol,
        "base": rule.base,
        "quote": rule.quote,
        "settle": rule.quote if swap else None,
        "baseId": rule.base,
        "quoteId": rule.quote,
        "settleId": rule.quote if swap else None,
        "type": "swap" if swap else "spot",
        "spot": not swap,
        "margin": False,
        "swap": swap,
        "future": False,
        "option": False,
        "active": True,
        "contract": swap,
        "linear": True if swap else None,
        "inverse": False if swap else None,
        "contractSize": 1.0 if swap else None,
        "taker": float(rule.taker),
        "maker": float(rule.maker),
        "precision": {"amount": float(rule.step), "price": float(rule.tick)},
        "limits": {
            "amount": {"min": float(rule.least_amount), "max": float(rule.most_amount)},
            "price": {"min": float(rule.tick), "max": None},
            "cost": {"min": float(rule.least_notional), "max": None},
            "leverage": {"min": 1.0, "max": 125.0},
        },
        "info": {},
    }
