"""What Bybit tells everybody: its instruments, prices, books and candles."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from scripts.fake_venue.bybit import candles
from scripts.fake_venue.call import Call
from scripts.fake_venue.listings import Listing
from scripts.fake_venue.numbers import digits, plain
from workers.trading.paper.order import ZERO

if TYPE_CHECKING:
    from scripts.fake_venue.bybit.wire import Bybit

_LAUNCHED = "1585526400000"


def _of_category(wire: Bybit, call: Call) -> list[Listing]:
    market = {"spot": "spot", "linear": "usdm"}.get(call.need("category"))
    if call.params.get("symbol") and market is not None:
        return [wire.find_listing(call)]
    return [one for one in wire.tape.listings.values() if one.rule.market == market]


def _instruments(wire: Bybit, call: Call) -> dict[str, Any]:
    # Nothing is about to be launched.
    rows = [] if call.params.get("status") == "PreLaunch" else _of_category(wire, call)
    build = _spot if call.params["category"] == "spot" else _linear
    return {"category": call.params["category"], "list": [build(row) for row in rows], "nextPageCursor": ""}


def _spot(listing: Listing) -> dict[str, Any]:
    rule = listing.rule
    return {
        "symbol": rule.id,
        "baseCoin": rule.base,
        "quoteCoin": rule.quote,
        "innovation": "0",
        "status": "Trading" if listing.trading else "Closed",
        "marginTrading": "none",
        "lotSizeFilter": {
            "basePrecision": plain(rule.step),
            "quotePrecision": "0.00000001",
            "minOrderQty": plain(rule.least_amount),
            "maxOrderQty": plain(rule.most_amount),
            "minOrderAmt": plain(rule.least_notional),
            "maxOrderAmt": "2000000",
        },
        "priceFilter": {"tickSize": plain(rule.tick)},
        "riskParameters": {"priceLimitRatioX": "0.05", "priceLimitRatioY": "0.05"},
    }


def _linear(listing: Listing) -> dict[str, Any]:
    rule = listing.rule
    return {
        "symbol": rule.id,
        "contractType": "LinearPerpetual",
        "status": "Trading" if listing.trading else "Closed",
        "baseCoin": rule.base,
        "quoteCoin": rule.quote,
        "launchTime": _LAUNCHED,
        "deliveryTime": "0",
        "deliveryFeeRate": "",
        "priceScale": str(digits(rule.tick)),
        "leverageFilter": {"minLeverage": "1", "maxLeverage": "100.00", "leverageStep": "0.01"},
        "priceFilter": {
            "minPrice": plain(listing.least_price),
            "maxPrice": plain(listing.most_price),
            "tickSize": plain(rule.tick),
        },
        "lotSizeFilter": {
            "maxOrderQty": plain(rule.most_amount),
            "minOrderQty": plain(rule.least_amount),
            "qtyStep": plain(rule.step),
            "postOnlyMaxOrderQty": plain(rule.most_amount),
            "maxMktOrderQty": plain(listing.most_market),
            "minNotionalValue": plain(rule.least_notional),
        },
        "unifiedMarginTrade": True,
        "fundingInterval": 480,
        "settleCoin": rule.quote,
        "copyTrading": "none",
        "isPreListing": False,
        "takerFee": plain(rule.taker),
        "makerFee": plain(rule.maker),
    }


def _tickers(wire: Bybit, call: Call) -> dict[str, Any]:
    rows = [ticker(wire, one) for one in _of_category(wire, call) if one.rule.symbol in wire.tape.prices]
    return {"category": call.params["category"], "list": rows}


def ticker(wire: Bybit, listing: Listing) -> dict[str, Any]:
    """A day's ticker as answers and streams tell it."""
    price = wire.tape.prices.get(listing.rule.symbol, ZERO)
    text = plain(price)
    linear = {
        "markPrice": text,
        "indexPrice": text,
        "openInterest": "1000",
        "openInterestValue": "1000",
        "fundingRate": "0.0001",
        "nextFundingTime": str((wire.now_ms() // 28_800_000 + 1) * 28_800_000),
    }
    return {
        "symbol": listing.rule.id,
        "lastPrice": text,
        "bid1Price": text,
        "bid1Size": "100",
        "ask1Price": plain(price + listing.rule.tick),
        "ask1Size": "100",
        "prevPrice24h": text,
        "price24hPcnt": "0",
        "highPrice24h": text,
        "lowPrice24h": text,
        "turnover24h": "1000",
        "volume24h": "1000",
        **(linear if listing.rule.market == "usdm" else {}),
    }


def _depth(wire: Bybit, call: Call) -> dict[str, Any]:
    listing = wire.find_listing(call)
    price = wire.tape.prices.get(listing.rule.symbol, ZERO)
    return {
        "s": listing.rule.id,
        "b": [[plain(price), "100"]],
        "a": [[plain(price + listing.rule.tick), "100"]],
        "ts": wire.now_ms(),
        "u": wire.venue.next_number(),
        "seq": 1,
    }


def _time(wire: Bybit, call: Call) -> dict[str, str]:
    now = wire.server_ms()
    return {"timeSecond": str(now // 1000), "timeNano": str(now * 1_000_000)}


ROUTES: dict[str, Callable[[Bybit, Call], Any]] = {
    "/v5/market/time": _time,
    "/v5/market/instruments-info": _instruments,
    "/v5/market/tickers": _tickers,
    "/v5/market/orderbook": _depth,
    "/v5/market/kline": candles.klines,
}


def tell_price(wire: Bybit, symbol: str) -> None:
    """The ticker of a symbol whose price moved."""
    listing = wire.tape.listings[symbol]
    topic = f"tickers.{listing.rule.id}"
    payload = {
        "topic": topic,
        "ts": wire.now_ms(),
        "type": "snapshot",
        "cs": 1,
        "data": ticker(wire, listing),
    }
    wire.streams.tell(f"{listing.rule.market}:{topic}", "tickers", payload)
