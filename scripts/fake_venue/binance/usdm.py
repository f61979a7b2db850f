"""Binance USD-M's private requests: orders, trades, positions, income and settings."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from scripts.fake_venue.accounts import Account
from scripts.fake_venue.binance.numbers import plain
from scripts.fake_venue.binance.refusals import missing
from scripts.fake_venue.binance.spot import STATUS
from scripts.fake_venue.call import Call, VenueError
from scripts.fake_venue.matching import Book, TimeInForce
from workers.trading.paper.order import ZERO, Order, Position, Refused, Request, Side, Trade

if TYPE_CHECKING:
    from scripts.fake_venue.binance.wire import Binance

_WEEK_MS = 7 * 86_400_000
MAINTENANCE = Decimal("0.025")
_TIMES: dict[str, TimeInForce] = {"IOC": "IOC", "FOK": "FOK"}


def status_of(order: Order) -> str:
    """Binance's word for where an order is."""
    if order.status == "open":
        return "PARTIALLY_FILLED" if order.filled else "NEW"
    return STATUS[order.status]


def place(wire: Binance, account: Account, call: Call) -> dict[str, Any]:
    """POST /fapi/v1/order: market and limit; conditional orders have a book of their own."""
    book, listing = account.books["usdm"], wire.find_listing(call)
    kind = call.need("type")
    if kind not in ("MARKET", "LIMIT"):
        text = "Order type not supported for this endpoint. Please use the Algo Order API endpoints instead."
        raise VenueError(-4120, text)
    amount = Decimal(call.need("quantity"))
    if kind == "MARKET" and amount > listing.most_market:
        raise Refused("most_market", f"{amount} is over the most of a market order")
    in_force = str(call.params.get("timeInForce", "GTC"))
    side, reducing, position_side = direction(book, call)
    request = Request(
        symbol=listing.rule.symbol,
        side=side,
        kind="market" if kind == "MARKET" else "limit",
        amount=amount,
        client_id=str(call.params.get("newClientOrderId") or f"web_{wire.venue.next_number()}"),
        price=Decimal(call.need("price")) if kind == "LIMIT" else None,
        reduce_only=reducing,
        post_only=in_force == "GTX",
    )
    order, changes = book.place(
        request,
        wire.now_ms(),
        _TIMES.get(in_force, "GTC"),
        type=kind,
        wire_time_in_force=in_force,
        position_side=position_side,
    )
    wire.publish(account, changes)
    return shown(book, order)


def direction(book: Book, call: Call) -> tuple[Side, bool, str]:
    """Side, whether it may only close, and the position's side. Raises VenueError for the wrong mode."""
    side: Side = "buy" if call.need("side") == "BUY" else "sell"
    position_side = str(call.params.get("positionSide", "BOTH"))
    if (position_side == "BOTH") != book.ledger.netting:
        raise VenueError(-4061, "Order's position side does not match user's setting.")
    if position_side == "BOTH":
        return side, str(call.params.get("reduceOnly", "false")).lower() == "true", position_side
    if "reduceOnly" in call.params:
        raise VenueError(-1106, "Parameter 'reduceonly' sent when not required.")
    return side, (side == "buy") != (position_side == "LONG"), position_side


def modify(wire: Binance, account: Account, call: Call) -> dict[str, Any]:
    """PUT /fapi/v1/order: price and amount of a limit order in its place."""
    book, order = named(wire, account, call)
    if order is None or order.status != "open" or not order.working:
        raise VenueError(-2013, "Order does not exist.")
    amount, price = Decimal(call.need("quantity")), Decimal(call.need("price"))
    if amount == order.amount and price == order.request.price:
        raise VenueError(-5027, "No need to modify the order.")
    wire.publish(account, book.amend(order, wire.now_ms(), amount, price))
    return shown(book, order)


def cancel(wire: Binance, account: Account, call: Call) -> dict[str, Any]:
    """DELETE /fapi/v1/order."""
    book, order = named(wire, account, call)
    if order is None or order.status != "open":
        raise VenueError(-2011, "Unknown order sent.")
    wire.publish(account, book.cancel(order.id, wire.now_ms()))
    return shown(book, order)


def cancel_all(wire: Binance, account: Account, call: Call) -> dict[str, Any]:
    """DELETE /fapi/v1/allOpenOrders of one symbol; conditional orders stay."""
    book, symbol = account.books["usdm"], wire.find_listing(call).rule.symbol
    for order in book.open_orders(symbol):
        if order.working:
            wire.publish(account, book.cancel(order.id, wire.now_ms()))
    return {"code": 200, "msg": "The operation of cancel all open order is done."}


def query(wire: Binance, account: Account, call: Call) -> dict[str, Any]:
    """GET /fapi/v1/order."""
    book, order = named(wire, account, call)
    if order is None:
        raise VenueError(-2013, "Order does not exist.")
    return shown(book, order)


def open_orders(wire: Binance, account: Account, call: Call) -> list[dict[str, Any]]:
    """GET /fapi/v1/openOrders, of one symbol or all."""
    book = account.books["usdm"]
    symbol = wire.find_listing(call).rule.symbol if "symbol" in call.params else None
    return [shown(book, order) for order in book.open_orders(symbol) if order.working]


def all_orders(wire: Binance, account: Account, call: Call) -> list[dict[str, Any]]:
    """GET /fapi/v1/allOrders of one symbol."""
    book, symbol = account.books["usdm"], wire.find_listing(call).rule.symbol
    first = int(call.params.get("orderId", 0))
    start, end = int(call.params.get("startTime", 0)), int(call.params.get("endTime", 2**62))
    found = [
        order
        for order in book.orders.values()
        if order.request.symbol == symbol
        and order.working
        and int(order.id) >= first
        and start <= order.created_ms <= end
    ]
    limit = min(int(call.params.get("limit", 500)), 1000)
    return [shown(book, order) for order in (found[:limit] if first else found[-limit:])]


def user_trades(wire: Binance, account: Account, call: Call) -> list[dict[str, Any]]:
    """GET /fapi/v1/userTrades. Without times: the last seven days; with a start alone: seven days from it."""
    book, symbol = account.books["usdm"], wire.find_listing(call).rule.symbol
    of = call.params.get("orderId")
    first, start, end = int(call.params.get("fromId", 0)), 0, 2**62
    if "startTime" in call.params:
        start = int(call.params["startTime"])
        end = int(call.params.get("endTime", start + _WEEK_MS))
    elif "endTime" in call.params:
        end = int(call.params["endTime"])
        start = end - _WEEK_MS
    elif not first:
        start = wire.now_ms() - _WEEK_MS
    if {"startTime", "endTime"} <= call.params.keys() and end - start > _WEEK_MS:
        raise VenueError(-4165, "The time between startTime and endTime can't be longer than 7 days.")
    found = [
        trade
        for trade in book.trades
        if trade.symbol == symbol
        and trade.id >= first
        and start <= trade.at_ms <= end
        and of in (None, trade.order_id)
    ]
    limit = min(int(call.params.get("limit", 500)), 1000)
    forward = first or "startTime" in call.params
    return [trade_of(book, trade) for trade in (found[:limit] if forward else found[-limit:])]


def named(wire: Binance, account: Account, call: Call) -> tuple[Book, Order | None]:
    """The order that a request names. One that waits for its trigger is not known here."""
    book, symbol = account.books["usdm"], wire.find_listing(call).rule.symbol
    by_id, by_client = call.params.get("orderId"), call.params.get("origClientOrderId")
    if by_id is None and by_client is None:
        raise missing("orderId")
    order = book.find(by_id, by_client)
    if order is None or order.request.symbol != symbol or not order.working:
        return book, None
    return book, order


# -------------------------------------------------------------------- money


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


def liquidation_price(book: Book, position: Position) -> Decimal:
    """Where margin ends, for one position on a cross account with nothing else; zero if it cannot."""
    wallet = book.ledger.balances.get(book.rules[position.symbol].quote, ZERO)
    if position.side == "long":
        found = (position.cost - wallet) / (position.amount * (1 - MAINTENANCE))
    else:
        found = (position.cost + wallet) / (position.amount * (1 + MAINTENANCE))
    step = book.rules[position.symbol].tick
    return max(ZERO, (found / step).to_integral_value() * step)


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
                "leverage": str(_leverage(account, book, position.symbol)),
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
    """GET /fapi/v1/income: funding, realized profit, commission and liquidation fees."""
    kind, symbol = call.params.get("incomeType"), call.params.get("symbol")
    start, end = int(call.params.get("startTime", 0)), int(call.params.get("endTime", 2**62))
    found = [
        {
            "symbol": wire.tape.listings[one.symbol].rule.id,
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
        and symbol in (None, wire.tape.listings[one.symbol].rule.id)
        and start <= one.at_ms <= end
    ]
    return found[: min(int(call.params.get("limit", 100)), 1000)]


# -------------------------------------------------------------------- settings


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


def _leverage(account: Account, book: Book, symbol: str) -> int:
    return account.leverages.get(symbol, int(book.ledger.leverage))


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
            "leverage": _leverage(account, book, symbol),
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


# -------------------------------------------------------------------- shapes


def shown(book: Book, order: Order) -> dict[str, Any]:
    """An order as every answer tells it."""
    facts, asked = book.facts[order.id], order.request
    return {
        "orderId": int(order.id),
        "symbol": book.rules[asked.symbol].id,
        "status": status_of(order),
        "clientOrderId": asked.client_id,
        "price": plain(asked.price),
        "avgPrice": plain(order.average),
        "origQty": plain(order.amount),
        "executedQty": plain(order.filled),
        "cumQty": plain(order.filled),
        "cumQuote": plain(order.cost),
        "timeInForce": facts.get("wire_time_in_force", "GTC"),
        "type": facts["type"] if asked.trigger is None else kind_at_matching(order),
        "reduceOnly": asked.reduce_only and book.ledger.netting,
        "closePosition": False,
        "side": asked.side.upper(),
        "positionSide": facts.get("position_side", "BOTH"),
        "stopPrice": plain(asked.trigger_price),
        "workingType": "CONTRACT_PRICE",
        "priceProtect": False,
        "origType": facts["type"],
        "priceMatch": "NONE",
        "selfTradePreventionMode": "EXPIRE_MAKER",
        "goodTillDate": 0,
        "time": order.created_ms,
        "updateTime": order.updated_ms,
    }


def kind_at_matching(order: Order) -> str:
    """What an order is once it is in the matching engine."""
    return "MARKET" if order.request.kind == "market" else "LIMIT"


def trade_of(book: Book, trade: Trade) -> dict[str, Any]:
    """One row of userTrades. It names no client order id: that is Binance's way."""
    return {
        "buyer": trade.side == "buy",
        "commission": plain(trade.fee),
        "commissionAsset": trade.fee_currency,
        "id": trade.id,
        "maker": trade.maker,
        "orderId": int(trade.order_id),
        "price": plain(trade.price),
        "qty": plain(trade.amount),
        "quoteQty": plain(trade.price * trade.amount),
        "realizedPnl": plain(book.realized.get((trade.symbol, trade.id))),
        "side": trade.side.upper(),
        "positionSide": book.facts[trade.order_id].get("position_side", "BOTH"),
        "symbol": book.rules[trade.symbol].id,
        "time": trade.at_ms,
    }
