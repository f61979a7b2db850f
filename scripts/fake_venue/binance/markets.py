"""What Binance tells everybody: its symbols, prices, books and candles."""

from __future__ import annotations

from typing import Any

from scripts.fake_venue.listings import Listing
from scripts.fake_venue.numbers import digits, plain, spot
from workers.trading.paper.order import ZERO

_SPOT_TYPES = [
    "LIMIT",
    "LIMIT_MAKER",
    "MARKET",
    "STOP_LOSS",
    "STOP_LOSS_LIMIT",
    "TAKE_PROFIT",
    "TAKE_PROFIT_LIMIT",
]
_USDM_TYPES = [
    "LIMIT",
    "MARKET",
    "STOP",
    "STOP_MARKET",
    "TAKE_PROFIT",
    "TAKE_PROFIT_MARKET",
    "TRAILING_STOP_MARKET",
]
PERPETUAL_MS = 4133404800000


def spot_symbol(listing: Listing) -> dict[str, Any]:
    """One symbol of spot's exchangeInfo."""
    rule = listing.rule
    return {
        "symbol": rule.id,
        "status": "TRADING" if listing.trading else "BREAK",
        "baseAsset": rule.base,
        "baseAssetPrecision": 8,
        "quoteAsset": rule.quote,
        "quotePrecision": 8,
        "quoteAssetPrecision": 8,
        "orderTypes": _SPOT_TYPES,
        "icebergAllowed": True,
        "ocoAllowed": True,
        "otoAllowed": True,
        "quoteOrderQtyMarketAllowed": True,
        "allowTrailingStop": True,
        "cancelReplaceAllowed": True,
        "amendAllowed": True,
        "isSpotTradingAllowed": True,
        "isMarginTradingAllowed": False,
        "filters": [
            {
                "filterType": "PRICE_FILTER",
                "minPrice": spot(listing.least_price),
                "maxPrice": spot(listing.most_price),
                "tickSize": spot(rule.tick),
            },
            {
                "filterType": "LOT_SIZE",
                "minQty": spot(rule.least_amount),
                "maxQty": spot(rule.most_amount),
                "stepSize": spot(rule.step),
            },
            {
                "filterType": "MARKET_LOT_SIZE",
                "minQty": spot(ZERO),
                "maxQty": spot(listing.most_market),
                "stepSize": spot(ZERO),
            },
            {
                "filterType": "NOTIONAL",
                "minNotional": spot(rule.least_notional),
                "applyMinToMarket": True,
                "maxNotional": "9000000.00000000",
                "applyMaxToMarket": False,
                "avgPriceMins": 5,
            },
            {"filterType": "MAX_NUM_ORDERS", "maxNumOrders": 200},
            {
                "filterType": "PERCENT_PRICE_BY_SIDE",
                "bidMultiplierUp": plain(listing.band[1]),
                "bidMultiplierDown": plain(listing.band[0]),
                "askMultiplierUp": plain(listing.band[1]),
                "askMultiplierDown": plain(listing.band[0]),
                "avgPriceMins": 5,
            },
            {"filterType": "MAX_NUM_ALGO_ORDERS", "maxNumAlgoOrders": listing.most_waiting},
        ],
        "permissions": [],
        "permissionSets": [["SPOT"]],
        "defaultSelfTradePreventionMode": "EXPIRE_MAKER",
        "allowedSelfTradePreventionModes": ["EXPIRE_TAKER", "EXPIRE_MAKER", "EXPIRE_BOTH"],
    }


def usdm_symbol(listing: Listing) -> dict[str, Any]:
    """One symbol of USD-M's exchangeInfo."""
    rule = listing.rule
    return {
        "symbol": rule.id,
        "pair": rule.id,
        "contractType": "PERPETUAL",
        "deliveryDate": PERPETUAL_MS,
        "onboardDate": 1569398400000,
        "status": "TRADING" if listing.trading else "SETTLING",
        "maintMarginPercent": "2.5000",
        "requiredMarginPercent": "5.0000",
        "baseAsset": rule.base,
        "quoteAsset": rule.quote,
        "marginAsset": rule.quote,
        "pricePrecision": digits(rule.tick),
        "quantityPrecision": digits(rule.step),
        "baseAssetPrecision": 8,
        "quotePrecision": 8,
        "underlyingType": "COIN",
        "triggerProtect": "0.0500",
        "liquidationFee": "0.012500",
        "marketTakeBound": "0.05",
        "filters": [
            {
                "filterType": "PRICE_FILTER",
                "minPrice": plain(listing.least_price),
                "maxPrice": plain(listing.most_price),
                "tickSize": plain(rule.tick),
            },
            {
                "filterType": "LOT_SIZE",
                "minQty": plain(rule.least_amount),
                "maxQty": plain(rule.most_amount),
                "stepSize": plain(rule.step),
            },
            {
                "filterType": "MARKET_LOT_SIZE",
                "minQty": plain(rule.least_amount),
                "maxQty": plain(listing.most_market),
                "stepSize": plain(rule.step),
            },
            {"filterType": "MAX_NUM_ORDERS", "limit": 200},
            {"filterType": "MAX_NUM_ALGO_ORDERS", "limit": listing.most_waiting},
            {"filterType": "MIN_NOTIONAL", "notional": plain(rule.least_notional)},
            {
                "filterType": "PERCENT_PRICE",
                "multiplierUp": plain(listing.band[1]),
                "multiplierDown": plain(listing.band[0]),
                "multiplierDecimal": "4",
            },
        ],
        "orderTypes": _USDM_TYPES,
        "timeInForce": ["GTC", "IOC", "FOK", "GTX", "GTD"],
    }


def exchange_info(listings: list[dict[str, Any]], server_ms: int) -> dict[str, Any]:
    """The whole answer."""
    return {
        "timezone": "UTC",
        "serverTime": server_ms,
        "rateLimits": [
            {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": 6000},
            {"rateLimitType": "ORDERS", "interval": "SECOND", "intervalNum": 10, "limit": 100},
        ],
        "exchangeFilters": [],
        "symbols": listings,
    }
