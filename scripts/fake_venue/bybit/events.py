"""Bybit's web sockets: public topics, and the private one with orders, executions, positions and wallet."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aiohttp import web

from scripts.fake_venue.accounts import Account
from scripts.fake_venue.bybit import positions, records
from scripts.fake_venue.call import Call
from scripts.fake_venue.matching import Book
from scripts.fake_venue.streams import Listener
from workers.trading.paper.engine import Changes
from workers.trading.paper.order import ZERO, Order, Trade

if TYPE_CHECKING:
    from scripts.fake_venue.bybit.wire import Bybit

PRIVATE = frozenset({"order", "execution", "execution.fast", "position", "wallet"})


async def converse(wire: Bybit, call: Call, socket: web.WebSocketResponse) -> None:
    """Serve one socket, by the path that it was opened with."""
    market = "spot" if call.path.endswith("/spot") else "usdm"
    keys: list[str] = []

    def hear(listener: Listener, said: Any) -> None:
        number = said.get("req_id")
        if said.get("op") == "ping":
            listener.send(_pong(call, number))
        elif said.get("op") == "auth":
            _authenticate(wire, listener, said, keys)
        elif said.get("op") in ("subscribe", "unsubscribe"):
            private = call.path.endswith("/private")
            if private and not keys:
                listener.send(_answer(said, False, "Request not authorized"))
                return
            start = f"{keys[0]}:" if private else f"{market}:"
            topics = {f"{start}{topic}" for topic in said.get("args", [])}
            if said["op"] == "subscribe":
                listener.topics |= topics
            else:
                listener.topics -= topics
            listener.send(_answer(said, True, ""))

    await wire.streams.serve(socket, hear)


def _answer(said: Any, success: bool, text: str) -> dict[str, Any]:
    number = {"req_id": said["req_id"]} if said.get("req_id") is not None else {}
    op = said["op"]
    return {"success": success, "ret_msg": text, "conn_id": "fake", **number, "op": op}


def _pong(call: Call, number: Any) -> dict[str, Any]:
    if call.path.endswith("/private"):
        return {"req_id": number, "op": "pong", "args": ["1"], "conn_id": "fake"}
    return {"success": True, "ret_msg": "pong", "conn_id": "fake", "req_id": number, "op": "ping"}


def _authenticate(wire: Bybit, listener: Listener, said: Any, keys: list[str]) -> None:
    key, expires, signature = (str(part) for part in said["args"])
    account = wire.accounts.get(key)
    if account is None or account.revoked:
        listener.send(_failed(said, 10003, "API key is invalid."))
    elif int(expires) <= wire.server_ms():
        listener.send(_failed(said, 10004, "Params Error"))
    elif not account.signs(f"GET/realtime{expires}", signature):
        listener.send(_failed(said, 10004, "Error sign, please check your signature generation algorithm."))
    else:
        keys[:] = [key]
        listener.send(_answer(said, True, ""))


def _failed(said: Any, code: int, text: str) -> dict[str, Any]:
    return {**_answer(said, False, text), "ret_code": code, "retCode": code}


# -------------------------------------------------------------------- what happened


def publish(wire: Bybit, account: Account, changes: Changes) -> None:
    """Tell the account's streams what changed, each topic in the order in which it happened."""
    book = account.books["usdm"]
    changed = [one for one in changes.orders.values() if book.orders.get(one.id) is one]
    trades = [one for one in changes.trades if one.order_id in book.orders]
    for order in changed:
        ids = {order.request.client_id}
        _tell(wire, account, "order", records.shown(book, order), ids)
    for trade in trades:
        _tell(wire, account, "execution", records.execution(book, trade), {trade.client_id})
    _earn(account, book, trades)
    for symbol in sorted({trade.symbol for trade in trades}):
        if book.rules[symbol].market == "usdm":
            tell_position(wire, account, symbol)
    if trades or any(_binds(order) for order in changed):
        _tell(wire, account, "wallet", positions.unified(account), set())


def _binds(order: Order) -> bool:
    return order.request.trigger is None


def tell_position(wire: Bybit, account: Account, symbol: str) -> None:
    """A position of the account changed."""
    book = account.books["usdm"]
    for position in book.ledger.positions.values():
        if position.symbol == symbol and (position.amount or position.opened_ms):
            _tell(wire, account, "position", positions.shown(account, book, position), set())


def tell_execution(wire: Bybit, account: Account, row: dict[str, Any]) -> None:
    """Something was executed without an order: funding."""
    _tell(wire, account, "execution", row, set())


def _tell(wire: Bybit, account: Account, topic: str, row: dict[str, Any], ids: set[str]) -> None:
    payload = {
        "id": f"fake{wire.venue.next_number()}",
        "topic": topic,
        "creationTime": wire.now_ms(),
        "data": [row],
    }
    wire.streams.tell(f"{account.key}:{topic}", topic, payload, ids)


def _earn(account: Account, book: Book, trades: list[Trade]) -> None:
    for trade in trades:
        gained = book.realized.get((trade.symbol, trade.id), ZERO)
        if gained:
            number = str(trade.id)
            account.earn("REALIZED_PNL", trade.symbol, trade.fee_currency, gained, trade.at_ms, number)
