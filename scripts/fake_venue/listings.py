"""What a venue lists: symbols with their filters, from a recorded exchangeInfo or a small set of its own."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from workers.trading.paper.rules import FEES, KNOWN, Market, Rule, rule_for

RECORDED: dict[Market, str] = {
    "spot": "binance_spot_exchangeInfo_*.json.gz",
    "usdm": "binance_usdm_exchangeInfo_*.json.gz",
}


@dataclass(slots=True)
class Listing:
    """One symbol. `trading` is False once it is delisted; `most_market` bounds market orders alone."""

    rule: Rule
    least_price: Decimal
    most_price: Decimal
    most_market: Decimal
    trading: bool = True
    # Limit prices may be this far from the last price: lowest and highest, as shares of it.
    band: tuple[Decimal, Decimal] = (Decimal("0.2"), Decimal(5))
    most_waiting: int = 5  # conditional orders that may be open


def built_in(market: Market, symbols: Iterable[str] | None = None) -> dict[str, Listing]:
    """The symbols that the paper exchange knows, or those that are named, by the venue's name."""
    names = KNOWN[market] if symbols is None else symbols
    return {name: plain_listing(rule_for(name, market)) for name in names}


def recorded(folder: Path, market: Market, symbols: Iterable[str] | None = None) -> dict[str, Listing]:
    """Symbols and filters of a recorded answer (`exchange_info` of the recorded data). FileNotFoundError if
    there is none."""
    path = next(iter(sorted(folder.glob(RECORDED[market]))), None)
    if path is None:
        raise FileNotFoundError(f"{folder} holds no {RECORDED[market]}")
    with gzip.open(path) as file:
        answer = json.load(file)
    wanted = None if symbols is None else set(symbols)
    return {
        raw["symbol"]: _of(raw, market)
        for raw in answer["symbols"]
        if (wanted is None or raw["symbol"] in wanted)
        and raw["status"] == "TRADING"
        and (market == "spot" or raw.get("contractType") == "PERPETUAL")
    }


def plain_listing(rule: Rule) -> Listing:
    """A symbol with the bounds that most have."""
    listing = Listing(rule, rule.tick, Decimal(10_000_000), rule.most_amount)
    if rule.market == "usdm":
        listing.band, listing.most_waiting = (Decimal("0.95"), Decimal("1.05")), 200
    return listing


def _of(raw: dict[str, Any], market: Market) -> Listing:
    filters = {one["filterType"]: one for one in raw["filters"]}
    prices, lots = filters["PRICE_FILTER"], filters["LOT_SIZE"]
    least = filters.get("MIN_NOTIONAL", filters.get("NOTIONAL", {}))
    base, quote = raw["baseAsset"], raw["quoteAsset"]
    maker, taker = FEES[market]
    rule = Rule(
        id=raw["symbol"],
        symbol=f"{base}/{quote}:{raw['marginAsset']}" if market == "usdm" else f"{base}/{quote}",
        market=market,
        base=base,
        quote=quote,
        tick=_number(prices["tickSize"]),
        step=_number(lots["stepSize"]),
        least_amount=_number(lots["minQty"]),
        most_amount=_number(lots["maxQty"]),
        least_notional=Decimal(least.get("minNotional", least.get("notional", "5"))),
        maker=maker,
        taker=taker,
    )
    listing = plain_listing(rule)
    listing.least_price, listing.most_price = _number(prices["minPrice"]), _number(prices["maxPrice"])
    listing.most_market = Decimal(filters.get("MARKET_LOT_SIZE", lots)["maxQty"]) or rule.most_amount
    band = filters.get("PERCENT_PRICE")
    if band is not None:
        listing.band = _number(band["multiplierDown"]), _number(band["multiplierUp"])
    return listing


def _number(text: str) -> Decimal:
    # Recorded as 0.00100000: the trailing zeros would look like precision.
    return Decimal(text).normalize() + 0
