"""What Binance's user streams tell: executions, algo orders, balances and positions."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from scripts.fake_venue.accounts import Account
from scripts.fake_venue.binance import algo, spot, usdm
from scripts.fake_venue.matching import Book
from scripts.fake_venue.numbers import plain
from scripts.fake_venue.numbers import spot as eight
from workers.trading.paper.engine import Changes
from workers.trading.paper.order import ZERO, Order, Trade
from workers.trading.paper.rules import Market

if TYPE_CHECKING:
    from scripts.fake_venue.binance.wire import Binance


def topic_of(account: Account, market: Market) -> str:
    """What the account's listeners subscribed to."""
    return f"user:{account.key}:{market}"


def publish(wire: Binance, account: Account, changes: Changes) -> None:
    """Tell the account's streams what changed, in the order in which it happened."""
    for market, book in account.books.items():
        orders = [one for one in changes.orders.values() if book.orders.get(one.id) is one]
        trades = [one for one in changes.trades if one.order_id in {order.id for order in orders}]
        if not orders:
            continue
        topic = topic_of(account, market)
        if market == "usdm":
            _earn(account, book, trades)
        for name, payload, client_id in _events(wire, account, book, market, orders, trades):
            wire.streams.tell(topic, name, payload, {client_id})


Event = tuple[str, dict[str, Any], str]


def _events(
    wire: Binance, account: Account, book: Book, market: Market, orders: list[Order], trades: list[Trade]
) -> Iterator[Event]:
    told = {
        order.id: order.filled - sum((t.amount for t in trades if t.order_id == order.id), ZERO)
        for order in orders
    }
    costs = {
        order.id: order.cost - sum((t.amount * t.price for t in trades if t.order_id == order.id), ZERO)
        for order in orders
    }
    for order in orders:
        yield from _new(wire, book, market, order)
    if market == "spot":
        yield from _lists(wire, book, orders)
    for trade in trades:
        order = book.orders[trade.order_id]
        told[order.id] += trade.amount
        costs[order.id] += trade.amount * trade.price
        at = _Moment(told[order.id], costs[order.id], trade)
        yield _report(wire, book, market, order, "TRADE", at)
        yield _money(wire, book, market, trade)
    for order in orders:
        yield from _over(wire, book, market, order)
    if market == "spot":
        yield from _lists(wire, book, orders)


def _lists(wire: Binance, book: Book, orders: list[Order]) -> Iterator[Event]:
    """Lists that began, and lists that are over: each is told once."""
    names = dict.fromkeys(book.facts[order.id].get("list_client_id") for order in orders)
    for listed in [book.list_of(name) for name in names if name is not None]:
        shown = spot.shown_list(book, listed)
        facts = book.facts[listed[0].id]
        if facts.get("list_told") == shown["listStatusType"]:
            continue
        facts["list_told"] = shown["listStatusType"]
        payload = {
            "e": "listStatus",
            "E": wire.now_ms(),
            "s": shown["symbol"],
            "g": shown["orderListId"],
            "c": "OCO",
            "l": shown["listStatusType"],
            "L": shown["listOrderStatus"],
            "r": "NONE",
            "C": shown["listClientOrderId"],
            "T": shown["transactionTime"],
            "O": [
                {"s": one["symbol"], "i": one["orderId"], "c": one["clientOrderId"]}
                for one in shown["orders"]
            ],
        }
        yield "listStatus", payload, shown["listClientOrderId"]


class _Moment:
    """How far an order was filled when something happened, and by which trade."""

    def __init__(self, filled: Decimal, cost: Decimal, trade: Trade | None = None) -> None:
        self.filled = filled
        self.cost = cost
        self.trade = trade


def _new(wire: Binance, book: Book, market: Market, order: Order) -> Iterator[Event]:
    facts = book.facts.setdefault(order.id, {})
    if facts.get("algo") and not facts.get("algo_told"):
        facts["algo_told"] = "NEW"
        yield _algo(wire, book, order, "NEW")
    if facts.get("algo") and not order.triggered:
        return
    if not facts.get("told"):
        facts["told"] = "NEW"
        yield _report(wire, book, market, order, "NEW", _Moment(ZERO, ZERO))


def _over(wire: Binance, book: Book, market: Market, order: Order) -> Iterator[Event]:
    facts = book.facts[order.id]
    if order.status in ("canceled", "expired") and (not facts.get("algo") or order.triggered):
        word = "CANCELED" if order.status == "canceled" else "EXPIRED"
        if facts["told"] != word:
            facts["told"] = word
            yield _report(wire, book, market, order, word, _Moment(order.filled, order.cost))
    if not facts.get("algo"):
        return
    status = algo.status_of(order)
    if status == "FINISHED" and facts["algo_told"] == "NEW":
        yield _algo(wire, book, order, "TRIGGERED")
    if facts["algo_told"] != status:
        facts["algo_told"] = status
        yield _algo(wire, book, order, status)


def _report(wire: Binance, book: Book, market: Market, order: Order, what: str, at: _Moment) -> Event:
    build = _spot_report if market == "spot" else _usdm_report
    name = "executionReport" if market == "spot" else "ORDER_TRADE_UPDATE"
    return name, build(wire, book, order, what, at), order.request.client_id


def _status(order: Order, what: str, at: _Moment) -> str:
    if what != "TRADE":
        return what
    return "FILLED" if at.filled >= order.amount else "PARTIALLY_FILLED"


def _spot_report(wire: Binance, book: Book, order: Order, what: str, at: _Moment) -> dict[str, Any]:
    asked, facts, trade = order.request, book.facts[order.id], at.trade
    gone = what == "CANCELED"
    return {
        "e": "executionReport",
        "E": wire.now_ms(),
        "s": book.rules[asked.symbol].id,
        # A cancel has an id of its own; the order's then stands under C.
        "c": f"cancel{order.id}" if gone else asked.client_id,
        "S": asked.side.upper(),
        "o": facts.get("type", "MARKET"),
        "f": facts.get("wire_time_in_force", "GTC"),
        "q": eight(order.amount),
        "p": eight(asked.price),
        "P": eight(asked.trigger_price),
        "F": eight(ZERO),
        "g": facts.get("list_id", -1),
        "C": asked.client_id if gone else "",
        "x": what,
        "X": _status(order, what, at),
        "r": "NONE",
        "i": int(order.id),
        "l": eight(trade.amount if trade else ZERO),
        "z": eight(at.filled),
        "L": eight(trade.price if trade else ZERO),
        "n": eight(trade.fee) if trade else "0",
        "N": trade.fee_currency if trade else None,
        "T": trade.at_ms if trade else order.updated_ms,
        "t": trade.id if trade else -1,
        "I": wire.venue.next_number(),
        "w": order.status == "open" and order.working,
        "m": bool(trade and trade.maker),
        "M": False,
        "O": order.created_ms,
        "Z": eight(at.cost),
        "Y": eight(trade.price * trade.amount if trade else ZERO),
        "Q": eight(ZERO),
        "W": order.created_ms,
        "V": "EXPIRE_MAKER",
    }


def _usdm_report(wire: Binance, book: Book, order: Order, what: str, at: _Moment) -> dict[str, Any]:
    asked, facts, trade = order.request, book.facts[order.id], at.trade
    kind = facts.get("type", "MARKET")
    realized = book.realized.get((asked.symbol, trade.id)) if trade else None
    return {
        "e": "ORDER_TRADE_UPDATE",
        "E": wire.now_ms(),
        "T": trade.at_ms if trade else order.updated_ms,
        "o": {
            "s": book.rules[asked.symbol].id,
            "c": asked.client_id,
            "S": asked.side.upper(),
            "o": kind if asked.trigger is None else usdm.kind_at_matching(order),
            "f": facts.get("wire_time_in_force", "GTC"),
            "q": plain(order.amount),
            "p": plain(asked.price),
            "ap": plain(at.cost / at.filled if at.filled else ZERO),
            "sp": plain(asked.trigger_price),
            "x": "CALCULATED" if kind == "LIQUIDATION" and what == "TRADE" else what,
            "X": _status(order, what, at),
            "i": int(order.id),
            "l": plain(trade.amount if trade else ZERO),
            "z": plain(at.filled),
            "L": plain(trade.price if trade else ZERO),
            "n": plain(trade.fee if trade else ZERO),
            "N": trade.fee_currency if trade else None,
            "T": trade.at_ms if trade else order.updated_ms,
            "t": trade.id if trade else 0,
            "b": "0",
            "a": "0",
            "m": bool(trade and trade.maker),
            "R": asked.reduce_only and book.ledger.netting,
            "wt": "CONTRACT_PRICE",
            "ot": kind,
            "ps": facts.get("position_side", "BOTH"),
            "cp": False,
            "rp": plain(realized),
            "pP": False,
            "si": 0,
            "ss": 0,
            "V": "EXPIRE_MAKER",
            "pm": "NONE",
            "gtd": 0,
        },
    }


def _algo(wire: Binance, book: Book, order: Order, status: str) -> Event:
    asked, facts = order.request, book.facts[order.id]
    payload = {
        "e": "ALGO_UPDATE",
        "T": order.updated_ms,
        "E": wire.now_ms(),
        "o": {
            "caid": asked.client_id,
            "aid": algo.algo_id(order),
            "at": "CONDITIONAL",
            "o": facts["type"],
            "s": book.rules[asked.symbol].id,
            "S": asked.side.upper(),
            "ps": facts.get("position_side", "BOTH"),
            "f": facts.get("wire_time_in_force", "GTC"),
            "q": plain(order.amount),
            "X": status,
            "ai": order.id if order.triggered else "",
            "ap": plain(order.average),
            "aq": plain(order.filled),
            "act": usdm.kind_at_matching(order) if order.triggered else "",
            "tp": plain(asked.trigger_price),
            "p": plain(asked.price),
            "V": "EXPIRE_MAKER",
            "wt": "CONTRACT_PRICE",
            "pm": "NONE",
            "cp": False,
            "pP": False,
            "R": asked.reduce_only,
            "tt": order.updated_ms if order.triggered else 0,
            "gtd": 0,
        },
    }
    return "ALGO_UPDATE", payload, asked.client_id


def _money(wire: Binance, book: Book, market: Market, trade: Trade) -> Event:
    rule = book.rules[trade.symbol]
    if market == "spot":
        coins = sorted({rule.base, rule.quote, trade.fee_currency})
        totals = {coin: book.ledger.balances.get(coin, ZERO) for coin in coins}
        rows = [
            {"a": coin, "f": eight(book.free(coin)), "l": eight(total - book.free(coin))}
            for coin, total in totals.items()
        ]
        payload = {"e": "outboundAccountPosition", "E": wire.now_ms(), "u": trade.at_ms, "B": rows}
        return "outboundAccountPosition", payload, trade.client_id
    return "ACCOUNT_UPDATE", _account_update(wire, book, trade.symbol, "ORDER", ZERO), trade.client_id


def _account_update(wire: Binance, book: Book, symbol: str, why: str, change: Decimal) -> dict[str, Any]:
    rule = book.rules[symbol]
    wallet = plain(book.ledger.balances.get(rule.quote, ZERO))
    rows = []
    sides = [position for position in book.ledger.positions.values() if position.symbol == symbol]
    if book.ledger.netting:
        # One row: the side that holds something, or nothing at all.
        sides = [next((one for one in sides if one.amount), None) or sides[0]] if sides else []
    for position in sides:
        sign = 1 if position.side == "long" else -1
        entry = position.cost / position.amount if position.amount else ZERO
        mark = book.last_price.get(symbol, entry)
        rows.append(
            {
                "s": rule.id,
                "pa": plain(sign * position.amount),
                "ep": plain(entry),
                "bep": plain(entry),
                "cr": "0",
                "up": plain(sign * (mark * position.amount - position.cost)),
                "mt": "cross",
                "iw": "0",
                "ps": "BOTH" if book.ledger.netting else position.side.upper(),
                "ma": rule.quote,
            }
        )
    return {
        "e": "ACCOUNT_UPDATE",
        "E": wire.now_ms(),
        "T": wire.now_ms(),
        "a": {
            "m": why,
            "B": [{"a": rule.quote, "wb": wallet, "cw": wallet, "bc": plain(change)}],
            "P": rows,
        },
    }


def _earn(account: Account, book: Book, trades: list[Trade]) -> None:
    for trade in trades:
        number = str(trade.id)
        gained = book.realized.get((trade.symbol, trade.id), ZERO)
        if gained:
            account.earn("REALIZED_PNL", trade.symbol, trade.fee_currency, gained, trade.at_ms, number)
        account.earn("COMMISSION", trade.symbol, trade.fee_currency, -trade.fee, trade.at_ms, number)


def tell_funding(wire: Binance, account: Account, book: Book, symbol: str, paid: Decimal) -> None:
    """Funding: the wallet changed, and no order did."""
    payload = _account_update(wire, book, symbol, "FUNDING_FEE", -paid)
    # The position is not part of it on a cross account.
    payload["a"]["P"] = []
    wire.streams.tell(topic_of(account, "usdm"), "ACCOUNT_UPDATE", payload)
