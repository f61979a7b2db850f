"""What Binance tells everybody, and what a key may do."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from scripts.fake_venue.accounts import Account
from scripts.fake_venue.binance import candles
from scripts.fake_venue.binance.markets import exchange_info, spot_symbol, usdm_symbol
from scripts.fake_venue.call import Call
from scripts.fake_venue.listings import Listing
from scripts.fake_venue.numbers import plain
from workers.trading.paper.order import ZERO
from workers.trading.paper.rules import Market

if TYPE_CHECKING:
    from scripts.fake_venue.binance.wire import Binance

_HOUR, _DAY = 3_600_000, 86_400_000


def _is_usdm(call: Call) -> bool:
    return call.path.startswith("/fapi")


def _time(wire: Binance, call: Call) -> dict[str, int]:
    return {"serverTime": wire.server_ms()}


def _nothing(wire: Binance, call: Call) -> dict[str, Any]:
    return {}


def _info(wire: Binance, call: Call) -> dict[str, Any]:
    market: Market = "usdm" if _is_usdm(call) else "spot"
    show = usdm_symbol if market == "usdm" else spot_symbol
    rows = [show(one) for one in wire.tape.listings.values() if one.rule.market == market]
    if "symbol" in call.params:
        wire.find_listing(call)
        rows = [row for row in rows if row["symbol"] == call.params["symbol"]]
    return exchange_info(rows, wire.server_ms())


def _no_symbols(wire: Binance, call: Call) -> dict[str, Any]:
    return exchange_info([], wire.server_ms())


def _listings(wire: Binance, call: Call) -> list[Listing]:
    if "symbol" in call.params:
        return [wire.find_listing(call)]
    market = "usdm" if _is_usdm(call) else "spot"
    return [
        one
        for one in wire.tape.listings.values()
        if one.rule.market == market and one.rule.symbol in wire.tape.prices
    ]


def _each(build: Callable[[Binance, Listing], dict[str, Any]]) -> Callable[[Binance, Call], Any]:
    def told(wire: Binance, call: Call) -> Any:
        rows = [build(wire, listing) for listing in _listings(wire, call)]
        return rows[0] if "symbol" in call.params else rows

    return told


def _price(wire: Binance, listing: Listing) -> dict[str, Any]:
    price = wire.tape.prices.get(listing.rule.symbol, ZERO)
    return {"symbol": listing.rule.id, "price": plain(price), "time": wire.now_ms()}


def _quotes(wire: Binance, listing: Listing) -> tuple[Decimal, Decimal]:
    price = wire.tape.prices.get(listing.rule.symbol, ZERO)
    return price, price + listing.rule.tick if price else ZERO


def _book_ticker(wire: Binance, listing: Listing) -> dict[str, Any]:
    bid, ask = _quotes(wire, listing)
    return {
        "symbol": listing.rule.id,
        "bidPrice": plain(bid),
        "bidQty": "100",
        "askPrice": plain(ask),
        "askQty": "100",
        "time": wire.now_ms(),
    }


def _day(wire: Binance, listing: Listing) -> dict[str, Any]:
    bid, ask = _quotes(wire, listing)
    price, now = plain(bid), wire.now_ms()
    return {
        "symbol": listing.rule.id,
        "priceChange": "0",
        "priceChangePercent": "0",
        "weightedAvgPrice": price,
        "prevClosePrice": price,
        "lastPrice": price,
        "lastQty": "1",
        "bidPrice": price,
        "bidQty": "100",
        "askPrice": plain(ask),
        "askQty": "100",
        "openPrice": price,
        "highPrice": price,
        "lowPrice": price,
        "volume": "1000",
        "quoteVolume": plain(bid * 1000),
        "openTime": now - _DAY,
        "closeTime": now,
        "firstId": 1,
        "lastId": 1000,
        "count": 1000,
    }


def _premium(wire: Binance, listing: Listing) -> dict[str, Any]:
    price, now = plain(wire.tape.prices.get(listing.rule.symbol, ZERO)), wire.now_ms()
    eight_hours = 8 * _HOUR
    return {
        "symbol": listing.rule.id,
        "markPrice": price,
        "indexPrice": price,
        "estimatedSettlePrice": price,
        "lastFundingRate": "0.00010000",
        "interestRate": "0.00010000",
        "nextFundingTime": (now // eight_hours + 1) * eight_hours,
        "time": now,
    }


def _depth(wire: Binance, call: Call) -> dict[str, Any]:
    bid, ask = _quotes(wire, wire.find_listing(call))
    rows = {"bids": [[plain(bid), "100"]], "asks": [[plain(ask), "100"]]}
    return {"lastUpdateId": wire.venue.next_number(), "E": wire.now_ms(), "T": wire.now_ms(), **rows}


ROUTES: dict[str, Callable[[Binance, Call], Any]] = {
    "/api/v3/ping": _nothing,
    "/api/v3/time": _time,
    "/api/v3/exchangeInfo": _info,
    "/api/v3/ticker/price": _each(_price),
    "/api/v3/ticker/bookTicker": _each(_book_ticker),
    "/api/v3/ticker/24hr": _each(_day),
    "/api/v3/depth": _depth,
    "/api/v3/klines": candles.klines,
    # Margin trading: there is none.
    "/sapi/v1/margin/allPairs": lambda wire, call: [],
    "/sapi/v1/margin/isolated/allPairs": lambda wire, call: [],
    "/sapi/v1/margin/allAssets": lambda wire, call: [],
    "/sapi/v1/system/status": lambda wire, call: {"status": 0, "msg": "normal"},
    "/fapi/v1/ping": _nothing,
    "/fapi/v1/time": _time,
    "/fapi/v1/exchangeInfo": _info,
    "/fapi/v1/ticker/price": _each(_price),
    "/fapi/v2/ticker/price": _each(_price),
    "/fapi/v1/ticker/bookTicker": _each(_book_ticker),
    "/fapi/v1/ticker/24hr": _each(_day),
    "/fapi/v1/premiumIndex": _each(_premium),
    "/fapi/v1/depth": _depth,
    "/fapi/v1/klines": candles.klines,
    # Coin-margined futures: ccxt asks for them with the others, and there are none.
    "/dapi/v1/exchangeInfo": _no_symbols,
    "/dapi/v1/time": _time,
}


def restrictions(wire: Binance, account: Account, call: Call) -> dict[str, Any]:
    """GET /sapi/v1/account/apiRestrictions: what the key may do."""
    trades = "trade" in account.permissions
    return {
        "ipRestrict": False,
        "createTime": wire.server_ms(),
        "enableReading": True,
        "enableWithdrawals": "withdraw" in account.permissions,
        "enableInternalTransfer": "withdraw" in account.permissions,
        "enableMargin": False,
        "enableFutures": trades and "usdm" in account.books,
        "permitsUniversalTransfer": False,
        "enableVanillaOptions": False,
        "enableFixApiTrade": False,
        "enableFixReadOnly": True,
        "enableSpotAndMarginTrading": trades and "spot" in account.books,
        "enablePortfolioMarginTrading": False,
    }


def coins(wire: Binance, account: Account, call: Call) -> list[dict[str, Any]]:
    """GET /sapi/v1/capital/config/getall: the coins of what is listed."""
    names = {
        coin for listing in wire.tape.listings.values() for coin in (listing.rule.base, listing.rule.quote)
    }
    return [
        {
            "coin": name,
            "depositAllEnable": True,
            "withdrawAllEnable": True,
            "name": name,
            "free": "0",
            "locked": "0",
            "freeze": "0",
            "isLegalMoney": False,
            "trading": True,
            "networkList": [],
        }
        for name in sorted(names | wire.coins)
    ]


# -------------------------------------------------------------------- market streams


def tell_price(wire: Binance, symbol: str) -> None:
    """Tickers of a symbol whose price moved."""
    listing = wire.tape.listings[symbol]
    rule = listing.rule
    bid, ask = _quotes(wire, listing)
    start, now = f"{rule.market}:{rule.id.lower()}", wire.now_ms()
    price = plain(bid)
    mini = {"E": now, "s": rule.id, "c": price, "o": price, "h": price, "l": price, "v": "1000", "q": "1000"}
    wire.streams.tell(f"{start}@miniTicker", "24hrMiniTicker", {"e": "24hrMiniTicker", **mini})
    full = {
        **mini,
        "e": "24hrTicker",
        "p": "0",
        "P": "0",
        "w": price,
        "b": price,
        "B": "100",
        "a": plain(ask),
        "A": "100",
        "Q": "1",
        "O": now - _DAY,
        "C": now,
        "F": 1,
        "L": 1000,
        "n": 1000,
    }
    wire.streams.tell(f"{start}@ticker", "24hrTicker", full)
    quote = {"u": wire.venue.next_number(), "s": rule.id, "b": price, "B": "100", "a": plain(ask), "A": "100"}
    if rule.market == "usdm":
        quote = {"e": "bookTicker", "E": now, "T": now, **quote}
        mark = {
            "e": "markPriceUpdate",
            "E": now,
            "s": rule.id,
            "p": price,
            "i": price,
            "P": price,
            "r": "0.0001",
        }
        wire.streams.tell(f"{start}@markPrice", "markPriceUpdate", {**mark, "T": now})
    wire.streams.tell(f"{start}@bookTicker", "bookTicker", quote)
