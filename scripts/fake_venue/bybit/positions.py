"""Bybit's positions, their protection, and the wallet."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from scripts.fake_venue.accounts import Account
from scripts.fake_venue.bybit.orders import page
from scripts.fake_venue.call import Call, VenueError
from scripts.fake_venue.liquidation import MAINTENANCE, liquidation_price
from scripts.fake_venue.matching import Book
from scripts.fake_venue.numbers import plain
from workers.trading.paper.engine import Changes
from workers.trading.paper.order import ZERO, Position, Request, Trigger

_DAY_MS = 86_400_000

if TYPE_CHECKING:
    from scripts.fake_venue.bybit.wire import Bybit


def listed(wire: Bybit, account: Account, call: Call) -> dict[str, Any]:
    """GET /v5/position/list: of one symbol also when it is empty, else those that hold something."""
    book = account.books["usdm"]
    if call.need("category") != "linear":
        return {"category": call.need("category"), "list": [], "nextPageCursor": ""}
    if call.params.get("symbol"):
        symbol = wire.find_listing(call).rule.symbol
        rows = [shown(account, book, one) for one in _rows_of(book, symbol)]
    else:
        held = [one for one in book.ledger.positions.values() if one.amount]
        rows = [shown(account, book, one) for one in held]
    rows, cursor = page(rows, call, 20, 200)
    return {"category": "linear", "list": rows, "nextPageCursor": cursor}


def _rows_of(book: Book, symbol: str) -> list[Position]:
    both = [book.ledger.position(symbol, "long"), book.ledger.position(symbol, "short")]
    if not book.ledger.netting:
        return both
    return [next((one for one in both if one.amount), both[0])]


def shown(account: Account, book: Book, position: Position) -> dict[str, Any]:
    """A position as answers and events tell it."""
    rule, amount = book.rules[position.symbol], position.amount
    mark = book.last_price.get(position.symbol, ZERO)
    value = amount * mark
    gain = (value - position.cost) * (1 if position.side == "long" else -1)
    guards = {
        order.request.trigger: plain(order.request.trigger_price)
        for order in book.open_orders(position.symbol)
        if book.facts[order.id].get("full")
        and order.request.side == ("sell" if position.side == "long" else "buy")
    }
    leverage = account.leverages.get(position.symbol, int(book.ledger.leverage))
    side = {"long": "Buy", "short": "Sell"}[position.side] if amount else ""
    return {
        "positionIdx": 0 if book.ledger.netting else (1 if position.side == "long" else 2),
        "riskId": 1,
        "riskLimitValue": "2000000",
        "symbol": rule.id,
        "side": side,
        "size": plain(amount),
        "avgPrice": plain(position.cost / amount) if amount else "0",
        "entryPrice": plain(position.cost / amount) if amount else "0",
        "positionValue": plain(position.cost) if amount else "",
        "tradeMode": 0,
        "positionStatus": "Normal",
        "autoAddMargin": 0,
        "adlRankIndicator": 0,
        "leverage": str(leverage),
        "positionBalance": "0",
        "markPrice": plain(mark),
        "liqPrice": plain(liquidation_price(book, position)) if amount else "",
        "bustPrice": "",
        "positionMM": plain(value * MAINTENANCE),
        "positionIM": plain(value / leverage),
        "tpslMode": "Full",
        "takeProfit": guards.get("take_profit", ""),
        "stopLoss": guards.get("stop", ""),
        "trailingStop": "0",
        "unrealisedPnl": plain(gain) if amount else "",
        "curRealisedPnl": "0",
        "cumRealisedPnl": "0",
        "isReduceOnly": False,
        "category": "linear",
        "createdTime": str(position.opened_ms),
        "updatedTime": str(position.opened_ms),
        "seq": 1,
    }


def trading_stop(wire: Bybit, account: Account, call: Call) -> dict[str, Any]:
    """POST /v5/position/trading-stop: sets, moves and removes (zero) a position's own protection."""
    book, symbol = account.books["usdm"], wire.find_listing(call).rule.symbol
    index = int(call.params.get("positionIdx", 0) or 0)
    rows = [one for one in _rows_of(book, symbol) if index in (0, 1 if one.side == "long" else 2)]
    held = next((one for one in rows if one.amount), None)
    if held is None:
        raise VenueError(10001, "can not set tp/sl/ts for zero position")
    changes, now = Changes(), wire.now_ms()
    words: tuple[tuple[str, str, Trigger], ...] = (
        ("stopLoss", "slSize", "stop"),
        ("takeProfit", "tpSize", "take_profit"),
    )
    for name, size, trigger in words:
        if call.params.get(name) not in (None, ""):
            partial = call.params.get("tpslMode") == "Partial" and call.params.get(size)
            amount = Decimal(str(call.params[size])) if partial else None
            _set_one(wire, book, held, trigger, Decimal(str(call.params[name])), amount, changes)
    if call.params.get("trailingStop") not in (None, ""):
        _set_trailing(wire, book, held, call, changes)
    if not changes:
        raise VenueError(34040, "not modified")
    for order in changes.orders.values():
        order.updated_ms = now
    wire.publish(account, changes)
    wire.tell_position(account, symbol)
    return {}


def _set_one(
    wire: Bybit,
    book: Book,
    held: Position,
    trigger: Trigger,
    price: Decimal,
    amount: Decimal | None,
    changes: Changes,
) -> None:
    side = "sell" if held.side == "long" else "buy"
    same = [
        order
        for order in book.open_orders(held.symbol)
        if book.facts[order.id].get("full")
        and "trail_by" not in book.facts[order.id]
        and (order.request.trigger, order.request.side) == (trigger, side)
    ]
    if any(order.request.trigger_price == price for order in same) and amount is None:
        return
    if not price:
        for order in same:
            changes.orders |= book.cancel(order.id, wire.now_ms()).orders
        return
    last = book.last_price[held.symbol]
    below = (trigger == "stop") == (side == "sell")
    if last <= price if below else last >= price:
        word = "StopLoss" if trigger == "stop" else "TakeProfit"
        raise VenueError(10001, f"{word}:{price} set for {held.side} position should be on the other side")
    _guard(wire, book, held, trigger, price, amount, changes)


def _guard(
    wire: Bybit,
    book: Book,
    held: Position,
    trigger: Trigger,
    price: Decimal,
    amount: Decimal | None,
    changes: Changes,
    **facts: Any,
) -> None:
    request = Request(
        symbol=held.symbol,
        side="sell" if held.side == "long" else "buy",
        kind="market",
        amount=held.amount if amount is None else amount,
        client_id=f"position-{wire.venue.next_number()}",
        trigger=trigger,
        trigger_price=price,
        reduce_only=True,
    )
    created = "CreateByStopLoss" if trigger == "stop" else "CreateByTakeProfit"
    book.guard(
        request,
        wire.now_ms(),
        changes,
        full=amount is None,
        attached=True,
        type="Market",
        create_type=created,
        **facts,
    )


def _set_trailing(wire: Bybit, book: Book, held: Position, call: Call, changes: Changes) -> None:
    distance = Decimal(str(call.params["trailingStop"]))
    for order in book.open_orders(held.symbol):
        if "trail_by" in book.facts[order.id]:
            changes.orders |= book.cancel(order.id, wire.now_ms()).orders
    if not distance:
        return
    start = Decimal(str(call.params.get("activePrice") or book.last_price[held.symbol]))
    price = start - distance if held.side == "long" else start + distance
    _guard(wire, book, held, "stop", price, None, changes, trail_by=distance)


def set_leverage(wire: Bybit, account: Account, call: Call) -> dict[str, Any]:
    """POST /v5/position/set-leverage."""
    symbol, leverage = wire.find_listing(call).rule.symbol, int(Decimal(call.need("buyLeverage")))
    if account.leverages.get(symbol) == leverage:
        raise VenueError(110043, "Set leverage not modified")
    account.leverages[symbol] = leverage
    return {}


def switch_mode(wire: Bybit, account: Account, call: Call) -> dict[str, Any]:
    """POST /v5/position/switch-mode: 0 is one-way, 3 is hedge mode."""
    ledger, netting = account.books["usdm"].ledger, int(call.need("mode")) == 0
    if ledger.netting == netting:
        raise VenueError(110025, "Position mode is not modified")
    if any(position.amount for position in ledger.positions.values()):
        raise VenueError(110024, "You have an existing position, so the position mode cannot be switched.")
    ledger.netting = netting
    return {}


def transfers(wire: Bybit, account: Account, call: Call) -> dict[str, Any]:
    """GET /v5/account/transaction-log, of the transfers alone: of the last day unless both ends are named."""
    kind = call.need("type")
    if kind not in ("TRANSFER_IN", "TRANSFER_OUT"):
        raise VenueError(10001, f"this log is kept of transfers, not of {kind}")
    now = wire.now_ms()
    start = int(call.params.get("startTime", now - _DAY_MS))
    end = int(call.params.get("endTime", start + _DAY_MS))
    found = [
        {
            "id": f"{one.id}_{one.asset}_{kind}",
            "symbol": "",
            "category": "",
            "side": "None",
            "transactionTime": str(one.at_ms),
            "type": kind,
            "qty": "0",
            "currency": one.asset,
            "cashFlow": "0",
            "fee": "0",
            "change": plain(one.amount),
            "cashBalance": "0",
            "orderId": "",
            "tradeId": "",
        }
        for one in account.incomes
        if one.kind == "TRANSFER"
        and (one.amount > ZERO) == (kind == "TRANSFER_IN")
        and start <= one.at_ms <= end
    ]
    return {"list": found[: min(int(call.params.get("limit", 20)), 50)], "nextPageCursor": ""}


def wallet(wire: Bybit, account: Account, call: Call) -> dict[str, Any]:
    """GET /v5/account/wallet-balance."""
    return {"list": [unified(account)]}


def unified(account: Account) -> dict[str, Any]:
    """The whole wallet, as answers and events tell it."""
    book = account.books["usdm"]
    coins = []
    for coin, total in sorted(book.ledger.balances.items()):
        held = [one for one in book.ledger.positions.values() if one.symbol.endswith(f":{coin}")]
        margin = sum((one.cost / book.ledger.leverage for one in held), ZERO)
        coins.append(
            {
                "coin": coin,
                "equity": plain(total),
                "usdValue": plain(total),
                "walletBalance": plain(total),
                "free": "",
                "locked": plain(total - book.free(coin) - margin),
                "borrowAmount": "0",
                "accruedInterest": "0",
                "availableToWithdraw": "",
                "totalOrderIM": "0",
                "totalPositionIM": plain(margin),
                "totalPositionMM": "0",
                "unrealisedPnl": "0",
                "cumRealisedPnl": "0",
                "bonus": "0",
                "collateralSwitch": True,
                "marginCollateral": True,
            }
        )
    return {
        "accountType": "UNIFIED",
        "totalEquity": plain(sum(book.ledger.balances.values(), ZERO)),
        "totalWalletBalance": plain(sum(book.ledger.balances.values(), ZERO)),
        "totalAvailableBalance": plain(sum((book.free(coin) for coin in book.ledger.balances), ZERO)),
        "accountIMRate": "0",
        "accountMMRate": "0",
        "coin": coins,
    }


def key_info(wire: Bybit, account: Account, call: Call) -> dict[str, Any]:
    """GET /v5/user/query-api: what the key may do."""
    trades = "trade" in account.permissions
    return {
        "id": str(account.number),
        "note": "",
        "apiKey": account.key,
        "readOnly": 0 if trades else 1,
        "secret": "",
        "permissions": {
            "ContractTrade": ["Order", "Position"] if trades else [],
            "Spot": ["SpotTrade"] if trades else [],
            "Wallet": ["Withdraw"] if "withdraw" in account.permissions else [],
            "Options": [],
            "Derivatives": ["DerivativesTrade"] if trades else [],
            "Exchange": [],
        },
        "ips": ["*"],
        "type": 1,
        "deadlineDay": 90,
        "uta": 1,
        "unified": 0,
        "userID": account.number,
        "isMaster": True,
    }


def account_info(wire: Bybit, account: Account, call: Call) -> dict[str, Any]:
    """GET /v5/account/info."""
    return {
        "marginMode": "REGULAR_MARGIN",
        "updatedTime": str(wire.now_ms()),
        "unifiedMarginStatus": 6,
        "dcpStatus": "OFF",
        "timeWindow": 10,
        "smpGroup": 0,
        "isMasterTrader": False,
        "spotHedgingStatus": "OFF",
    }
