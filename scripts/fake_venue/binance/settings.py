"""Binance USD-M's settings of an account: position mode, leverage, margin."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from scripts.fake_venue.accounts import Account
from scripts.fake_venue.binance.margin import leverage_of
from scripts.fake_venue.call import Call, VenueError
from scripts.fake_venue.liquidation import MAINTENANCE

if TYPE_CHECKING:
    from scripts.fake_venue.binance.wire import Binance


def account_config(wire: Binance, account: Account, call: Call) -> dict[str, Any]:
    """GET /fapi/v1/accountConfig: what the account may do, and in which mode it holds positions."""
    return {
        "feeTier": 0,
        "canTrade": "trade" in account.permissions,
        "canDeposit": True,
        "canWithdraw": "withdraw" in account.permissions,
        "dualSidePosition": not account.books["usdm"].ledger.netting,
        "updateTime": 0,
        "multiAssetsMargin": False,
        "tradeGroupId": -1,
    }


def position_mode(wire: Binance, account: Account, call: Call) -> dict[str, Any]:
    """GET and POST /fapi/v1/positionSide/dual: hedge mode or one-way mode."""
    ledger = account.books["usdm"].ledger
    if call.method == "GET":
        return {"dualSidePosition": not ledger.netting}
    hedged = call.need("dualSidePosition").lower() == "true"
    if hedged != ledger.netting:
        raise VenueError(-4059, "No need to change position side.")
    if account.books["usdm"].open_orders():
        raise VenueError(-4067, "Position side cannot be changed if there exists open orders.")
    if any(position.amount for position in ledger.positions.values()):
        raise VenueError(-4068, "Position side cannot be changed if there exists position.")
    ledger.netting = not hedged
    return {"code": 200, "msg": "success"}


def set_leverage(wire: Binance, account: Account, call: Call) -> dict[str, Any]:
    """POST /fapi/v1/leverage."""
    listing, leverage = wire.find_listing(call), int(call.need("leverage"))
    if not 1 <= leverage <= 125:
        raise VenueError(-4028, f"Leverage {leverage} is not valid")
    account.leverages[listing.rule.symbol] = leverage
    return {"leverage": leverage, "maxNotionalValue": "50000000", "symbol": listing.rule.id}


def set_margin_type(wire: Binance, account: Account, call: Call) -> dict[str, Any]:
    """POST /fapi/v1/marginType: all positions here are on cross margin."""
    wire.find_listing(call)
    if call.need("marginType") == "CROSSED":
        raise VenueError(-4046, "No need to change margin type.")
    return {"code": 200, "msg": "success"}


def symbol_config(wire: Binance, account: Account, call: Call) -> list[dict[str, Any]]:
    """GET /fapi/v1/symbolConfig."""
    book = account.books["usdm"]
    symbols = [wire.find_listing(call).rule.symbol] if "symbol" in call.params else list(book.rules)
    return [
        {
            "symbol": book.rules[symbol].id,
            "marginType": "CROSSED",
            "isAutoAddMargin": False,
            "leverage": leverage_of(account, book, symbol),
            "maxNotionalValue": "50000000",
        }
        for symbol in symbols
        if book.rules[symbol].market == "usdm"
    ]


def leverage_brackets(wire: Binance, account: Account, call: Call) -> list[dict[str, Any]]:
    """GET /fapi/v1/leverageBracket: one bracket for all."""
    return [
        {
            "symbol": listing.rule.id,
            "notionalCoef": 1.0,
            "brackets": [
                {
                    "bracket": 1,
                    "initialLeverage": 125,
                    "notionalCap": 50_000_000,
                    "notionalFloor": 0,
                    "maintMarginRatio": float(MAINTENANCE),
                    "cum": 0.0,
                }
            ],
        }
        for listing in wire.tape.listings.values()
        if listing.rule.market == "usdm"
    ]
