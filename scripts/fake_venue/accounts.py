"""Who may call, with which keys, and what they own."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Literal

from scripts.fake_venue.matching import Book
from workers.trading.paper.rules import Market

Permission = Literal["read", "trade", "withdraw"]


@dataclass(slots=True)
class Income:
    """Money that moved on an account: funding, realized profit, commission, a liquidation's fee, a transfer
    (of no symbol)."""

    id: int
    kind: str
    symbol: str
    asset: str
    amount: Decimal
    at_ms: int
    trade_id: str = ""


@dataclass(slots=True)
class Account:
    """One account of an exchange. `books` by market; on Bybit both markets are one book."""

    exchange: str
    key: str
    secret: str
    permissions: frozenset[Permission]
    number: int
    books: dict[Market, Book] = field(default_factory=dict)
    incomes: list[Income] = field(default_factory=list)
    leverages: dict[str, int] = field(default_factory=dict)
    revoked: bool = False
    # What one venue's wire alone keeps: algo orders, order lists, protection of positions.
    kept: dict[str, Any] = field(default_factory=dict)

    def signs(self, text: str, signature: str) -> bool:
        """Whether this is the account's own HMAC-SHA256 of the text, in hex."""
        own = hmac.new(self.secret.encode(), text.encode(), hashlib.sha256).hexdigest()
        return hmac.compare_digest(own, signature.lower())

    def earn(
        self, kind: str, symbol: str, asset: str, amount: Decimal, at_ms: int, trade_id: str = ""
    ) -> None:
        """Note money that moved."""
        number = self.number * 1_000_000 + len(self.incomes) + 1
        self.incomes.append(Income(number, kind, symbol, asset, amount, at_ms, trade_id))
