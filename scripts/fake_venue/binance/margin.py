"""Binance USD-M's money: positions and their margin, the wallet, and what it earned."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from scripts.fake_venue.accounts import Account
from scripts.fake_venue.call import Call
from scripts.fake_venue.liquidation import MAINTENANCE, liquidation_price
from scripts.fake_venue.matching import Book
from scripts.fake_venue.numbers import plain
from workers.trading.paper.order import ZERO, Position

if TYPE_CHECKING:
    from scripts.fake_venue.binance.wire import Binance


def held(book: Book) -> list[tuple[Position, Decimal, Decimal]]:
    """Positions that are not empty, with their mark price and unrealized profit."""
    rows = []
    for position in book.ledger.positions.values():
        if position.amount:
            mark = book.last_price[position.symbol]
            value = position.amount * mark
            gain = value - position.cost if position.side == "long" else position.cost - value
            rows.append((position, mark, gain))
    return rows


def position_risk(wire: Binance, account: Account, call: Call) -> list[dict[str, Any]]:
    """GET /fapi/v3/positionRisk: symbols with a position or an open order."""
    book = account.books["usdm"]
    wanted = wire.find_listing(call).rule.symbol if "symbol" in call.params else None
    rows = []
    for position, mark, gain in held(book):
        if wanted in (None, position.symbol):
            rows.append(_risk(book, position, mark, gain))
    return rows


def _risk(book: Book, position: Position, mark: Decimal, gain: Decimal) -> dict[str, Any]:
    sign = 1 if position.side == "long" else -1
    notional = position.amount * mark
    margin = notional / book.ledger.leverage
    return {
        "symbol": book.rules[position.symbol].id,
        "positionSide": "BOTH" if book.ledger.netting else position.side.upper(),
        "positionAmt": plain(sign * position.amount),
        "entryPrice": plain(position.cost / position.amount),
        "breakEvenPrice": plain(position.cost / position.amount),
        "markPrice": plain(mark),
        "unRealizedProfit": plain(gain),
        "liquidationPrice": plain(liquidation_price(book, position)),
        "isolatedMargin": "0",
        "notional": plain(sign * notional),
        "marginAsset": book.rules[position.symbol].quote,
        "isolatedWallet": "0",
        "initialMargin": plain(margin),
        "maintMargin": plain(notional * MAINTENANCE),
        "positionInitialMargin": plain(margin),
        "openOrderInitialMargin": "0",
        "adl": 1,
        "bidNotional": "0",
        "askNotional": "0",
        "updateTime": position.opened_ms,
    }


def account_info(wire: Binance, account: Account, call: Call) -> dict[str, Any]:
    """GET /fapi/v3/account (and v2): wallet, margins and positions."""
    book = account.books["usdm"]
    rows = held(book)
    assets = [_asset(book, coin, total, rows, wire.now_ms()) for coin, total in book.ledger.balances.items()]
    gains = sum((gain for _, _, gain in rows), ZERO)
    wallet = sum(book.ledger.balances.values(), ZERO)
    return {
        "feeTier": 0,
        "canTrade": "trade" in account.permissions,
        "canDeposit": True,
        "canWithdraw": "withdraw" in account.permissions,
        "multiAssetsMargin": False,
        "totalWalletBalance": plain(wallet),
        "totalUnrealizedProfit": plain(gains),
        "totalMarginBalance": plain(wallet + gains),
        "totalInitialMargin": plain(sum((p.amount * m / book.ledger.leverage for p, m, _ in rows), ZERO)),
        "totalMaintMargin": plain(sum((p.amount * m * MAINTENANCE for p, m, _ in rows), ZERO)),
        "availableBalance": plain(sum((book.free(coin) for coin in book.ledger.balances), ZERO)),
        "assets": assets,
        "positions": [
            {
                **_risk(book, position, mark, gain),
                "unrealizedProfit": plain(gain),
                "leverage": str(leverage_of(account, book, position.symbol)),
                "isolated": False,
            }
            for position, mark, gain in rows
        ],
    }


def _asset(
    book: Book, coin: str, total: Decimal, rows: list[tuple[Position, Decimal, Decimal]], now_ms: int
) -> dict[str, Any]:
    own = [row for row in rows if book.rules[row[0].symbol].quote == coin]
    gains = sum((gain for _, _, gain in own), ZERO)
    initial = sum((p.amount * mark / book.ledger.leverage for p, mark, _ in own), ZERO)
    return {
        "asset": coin,
        "walletBalance": plain(total),
        "unrealizedProfit": plain(gains),
        "marginBalance": plain(total + gains),
        "maintMargin": plain(sum((p.amount * mark * MAINTENANCE for p, mark, _ in own), ZERO)),
        "initialMargin": plain(initial),
        "positionInitialMargin": plain(initial),
        "openOrderInitialMargin": "0",
        "crossWalletBalance": plain(total),
        "crossUnPnl": plain(gains),
        "availableBalance": plain(book.free(coin)),
        "maxWithdrawAmount": plain(book.free(coin)),
        "updateTime": now_ms,
    }


def wallet(wire: Binance, account: Account, call: Call) -> list[dict[str, Any]]:
    """GET /fapi/v3/balance (and v2)."""
    return [
        {
            "accountAlias": f"fake{account.number}",
            "asset": row["asset"],
            "balance": row["walletBalance"],
            "crossWalletBalance": row["crossWalletBalance"],
            "crossUnPnl": row["crossUnPnl"],
            "availableBalance": row["availableBalance"],
            "maxWithdrawAmount": row["maxWithdrawAmount"],
            "marginAvailable": True,
            "updateTime": row["updateTime"],
        }
        for row in account_info(wire, account, call)["assets"]
    ]


def income(wire: Binance, account: Account, call: Call) -> list[dict[str, Any]]:
    """GET /fapi/v1/income: funding, realized profit, commission, liquidation fees and transfers."""
    kind, symbol = call.params.get("incomeType"), call.params.get("symbol")
    start, end = int(call.params.get("startTime", 0)), int(call.params.get("endTime", 2**62))
    found = [
        {
            "symbol": _id_of(wire, one.symbol),
            "incomeType": one.kind,
            "income": plain(one.amount),
            "asset": one.asset,
            "info": one.trade_id or one.kind,
            "time": one.at_ms,
            "tranId": one.id,
            "tradeId": one.trade_id,
        }
        for one in account.incomes
        if kind in (None, one.kind)
        and symbol in (None, _id_of(wire, one.symbol))
        and start <= one.at_ms <= end
    ]
    return found[: min(int(call.params.get("limit", 100)), 1000)]


def _id_of(wire: Binance, symbol: str) -> str:
    """Binance's name of a symbol; empty for money that moved for none."""
    return wire.tape.listings[symbol].rule.id if symbol else ""


def leverage_of(account: Account, book: Book, symbol: str) -> int:
    """The leverage that the account has set for a symbol."""
    return account.leverages.get(symbol, int(book.ledger.leverage))
