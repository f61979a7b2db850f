"""A fake venue that is stopped and started again goes on with its accounts."""

from __future__ import annotations

import stat
from decimal import Decimal
from pathlib import Path

from scripts.fake_venue import FakeVenue
from scripts.fake_venue.keeping import FILE, load, save
from workers.trading.paper.engine import Terms
from workers.trading.paper.order import Request, to_json
from workers.trading.paper.path import Bar

SYMBOL = "BTC/USDT:USDT"


def make_venue() -> FakeVenue:
    return FakeVenue(immediate=False, terms=Terms())


def walk(venue: FakeVenue, number: int, price: str) -> None:
    opened, value = 60_000 * number, Decimal(price)
    venue.candle(Bar(SYMBOL, opened, opened + 60_000, value, value, value, value, Decimal(1000)))


def trade(venue: FakeVenue) -> None:
    """A position with a stop that rests, and an account at another exchange."""
    venue.open_account("binanceusdm", "k", "s", {"USDT": "1000"}, leverage=7)
    venue.open_account("bybit", "other", "s", {"USDT": "5"}, permissions=["read"])
    book = venue.engine("k", "usdm")
    walk(venue, 1, "50000")
    book.place(Request(SYMBOL, "buy", "market", Decimal("0.01"), "entry"), 120_000, type="MARKET")
    walk(venue, 3, "50100")
    stop = Request(
        SYMBOL,
        "sell",
        "market",
        Decimal("0.01"),
        "stop",
        trigger="stop",
        trigger_price=Decimal(49000),
        reduce_only=True,
    )
    book.place(stop, 240_000, type="STOP_MARKET", algo=True, trail=Decimal("0.01"))


def test_orders_fills_and_money_outlive_the_venue(tmp_path: Path) -> None:
    before, after = make_venue(), make_venue()
    trade(before)
    save(before, tmp_path)
    assert stat.S_IMODE((tmp_path / FILE).stat().st_mode) == 0o600
    load(after, tmp_path)
    for venue in (before, after):
        # Both go on: the stop is met, and a new order takes the next number.
        walk(venue, 6, "48900")
        book = venue.engine("k", "usdm")
        book.place(Request(SYMBOL, "buy", "limit", Decimal("0.01"), "more", price=Decimal(40000)), 420_000)
    one, other = before.engine("k", "usdm"), after.engine("k", "usdm")
    assert len(one.trades) == 2
    for records in ([book.trades for book in (one, other)], [book.orders.values() for book in (one, other)]):
        # Saving takes numbers of the one that is saved.
        first, second = ([{**to_json(record), "id": 0} for record in part] for part in records)
        assert first == second
    assert (one.facts["5000002"], one.ledger) == (other.facts["5000002"], other.ledger)
    assert len({order.id for order in other.orders.values()}) == 3
    account = after.account("other")
    assert (account.secret, account.permissions) == ("s", frozenset({"read"}))
    assert account.books["spot"] is account.books["usdm"]
    assert after.account("k").leverages == before.account("k").leverages


def test_a_venue_without_a_past_begins_anew(tmp_path: Path) -> None:
    venue = make_venue()
    load(venue, tmp_path)
    assert not venue.binance.accounts
