"""What a fake venue knows of its accounts, kept in a file from one run to the next."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
from dataclasses import asdict
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scripts.fake_venue.accounts import Account, Income
from scripts.fake_venue.exchange import Exchange
from scripts.fake_venue.matching import Book
from workers.trading.paper.ledger import PaperLedger
from workers.trading.paper.order import order_from_json, position_from_json, to_json, trade_from_json
from workers.trading.paper.rules import rule_for

if TYPE_CHECKING:
    from scripts.fake_venue.venue import FakeVenue

FILE = "accounts.json"
SECONDS = 2.0


def save(venue: FakeVenue, folder: Path) -> None:
    """Write all accounts, whole or not at all. Nobody else may read the file: it holds their secrets."""
    told = {
        "numbers": venue.next_number(),
        "exchanges": {name: _exchange(one) for name, one in venue.exchanges.items()},
    }
    draft = folder / f"{FILE}.new"
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        json.dump(told, file, default=_plain)
    draft.replace(folder / FILE)


async def keep(venue: FakeVenue, folder: Path) -> None:
    """Save whenever something happened: a venue that is killed loses the last seconds at most."""
    saved = -1
    while True:
        happened = sum(one.streams.events for one in venue.exchanges.values())
        if happened != saved:
            save(venue, folder)
            saved = happened
        await asyncio.sleep(SECONDS)


def load(venue: FakeVenue, folder: Path) -> None:
    """Fill a venue that has no accounts yet with those of an earlier run, if there was one."""
    path = folder / FILE
    if not path.exists():
        return
    told = json.loads(path.read_text(), object_hook=_decimal)
    venue.number_from(told["numbers"])
    for name, kept in told["exchanges"].items():
        exchange = venue.exchanges[name]
        for venue_id, market in kept["listings"]:
            exchange.list_rule(rule_for(venue_id, market))
        tape = exchange.tape
        tape.prices.update(kept["prices"])
        tape.orders = itertools.count(kept["next_order"])
        tape.trades |= {symbol: itertools.count(number) for symbol, number in kept["next_trades"].items()}
        for one in kept["accounts"]:
            account = _account_from(exchange, venue, one)
            exchange.accounts[account.key] = account


def _exchange(exchange: Exchange) -> dict[str, Any]:
    tape = exchange.tape
    return {
        "listings": [(one.rule.id, one.rule.market) for one in tape.listings.values()],
        "prices": tape.prices,
        "next_order": next(tape.orders),
        "next_trades": {symbol: next(numbers) for symbol, numbers in tape.trades.items()},
        "accounts": [_account(one) for one in exchange.accounts.values()],
    }


def _account(account: Account) -> dict[str, Any]:
    books: dict[int, dict[str, Any]] = {}
    for market, book in account.books.items():
        # Where one wallet serves both markets, both are one book.
        books.setdefault(id(book), {**_book(book), "markets": []})["markets"].append(market)
    return {
        "key": account.key,
        "secret": account.secret,
        "permissions": sorted(account.permissions),
        "number": account.number,
        "revoked": account.revoked,
        "leverages": account.leverages,
        "incomes": [asdict(one) for one in account.incomes],
        "books": list(books.values()),
    }


def _book(book: Book) -> dict[str, Any]:
    ledger = book.ledger
    return {
        "balances": ledger.balances,
        "leverage": ledger.leverage,
        "netting": ledger.netting,
        "positions": [to_json(one) for one in ledger.positions.values()],
        "orders": [to_json(one) for one in book.orders.values()],
        "facts": book.facts,
        "trades": [to_json(one) for one in book.trades],
        "realized": [[*key, amount] for key, amount in book.realized.items()],
        "seen_ms": book.seen_ms,
        "fee_coin": book.fee_coin,
    }


def _account_from(exchange: Exchange, venue: FakeVenue, kept: dict[str, Any]) -> Account:
    account = Account(
        exchange.name, kept["key"], kept["secret"], frozenset(kept["permissions"]), kept["number"]
    )
    account.revoked, account.leverages = kept["revoked"], kept["leverages"]
    account.incomes = [Income(**one) for one in kept["incomes"]]
    for one in kept["books"]:
        book = _book_from(exchange, venue, one)
        account.books |= dict.fromkeys(one["markets"], book)
    return account


def _book_from(exchange: Exchange, venue: FakeVenue, kept: dict[str, Any]) -> Book:
    ledger = PaperLedger(kept["balances"], kept["leverage"], netting=kept["netting"])
    for told in kept["positions"]:
        position = position_from_json(told)
        ledger.positions[position.symbol, position.side] = position
    book = venue.make_book(exchange, ledger)
    for told in kept["orders"]:
        book.restore(order_from_json(told))
    book.facts.update(kept["facts"])
    book.trades = [trade_from_json(told) for told in kept["trades"]]
    book.realized = {(symbol, number): amount for symbol, number, amount in kept["realized"]}
    book.seen_ms.update(kept["seen_ms"])
    book.fee_coin = kept["fee_coin"]
    return book


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return {"decimal": str(value)}
    raise TypeError(f"{type(value).__name__} is not kept")


def _decimal(told: dict[str, Any]) -> Any:
    return Decimal(told["decimal"]) if told.keys() == {"decimal"} else told
