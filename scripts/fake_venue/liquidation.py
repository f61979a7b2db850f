"""Where a futures position's margin ends."""

from __future__ import annotations

from decimal import Decimal

from scripts.fake_venue.matching import Book
from workers.trading.paper.order import ZERO, Position

MAINTENANCE = Decimal("0.025")  # of a position's value, the same for all symbols


def liquidation_price(book: Book, position: Position) -> Decimal:
    """Where margin ends, for one position on a cross account with nothing else; zero if it cannot."""
    wallet = book.ledger.balances.get(book.rules[position.symbol].quote, ZERO)
    if position.side == "long":
        found = (position.cost - wallet) / (position.amount * (1 - MAINTENANCE))
    else:
        found = (position.cost + wallet) / (position.amount * (1 + MAINTENANCE))
    step = book.rules[position.symbol].tick
    return max(ZERO, (found / step).to_integral_value() * step)
