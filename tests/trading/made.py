"""Accounts, orders, positions and rules for tests without a database."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

from shared.vault import Vault
from workers.trading.decisions.rules import Rules
from workers.trading.ledger import Account
from workers.trading.orders import Leg, Order, OrderStatus, Position, client_order_id

SIGNAL = UUID("01985f3f-e000-8abc-9def-0123456789ab")
NOW = datetime(2025, 5, 5, 12, tzinfo=UTC)
RULES = Rules(
    symbol="BTC/USDT:USDT",
    base="BTC",
    quote="USDT",
    amount_step=Decimal("0.001"),
    price_tick=Decimal("0.1"),
    min_amount=Decimal("0.001"),
    max_amount=Decimal(10000),
    min_cost=Decimal(5),
)


def account(venue: str = "binanceusdm", **fields: Any) -> Account:
    """An account that this machine holds and may trade; fields override what is usual."""
    usual: dict[str, Any] = {
        "id": uuid4(),
        "user_id": uuid4(),
        "market": "usdm",
        "sandbox": False,
        "status": "active",
        "permissions": "trade",
        "settings": {},
        "fence": 1,
        "opened_at": NOW,
    }
    return Account(venue=venue, **{**usual, **fields})


def sealed(one: Account, master_key: str, keys: Mapping[str, str]) -> Account:
    """The account with its keys sealed, as its row has them."""
    made = Vault.from_text(master_key).seal(one.user_id, one.id, dict(keys))
    return replace(
        one,
        sealed={
            "ciphertext": base64.b64encode(made.ciphertext).decode(),
            "salt": base64.b64encode(made.salt).decode(),
            "key_version": made.key_version,
        },
    )


def order(leg: Leg = Leg.ENTRY, attempt: int = 1, **fields: Any) -> Order:
    """An order of one signal; fields override what a long position's would have."""
    kinds = {Leg.STOP_LOSS: "stop", Leg.TAKE_PROFIT: "take_profit"}
    prices = {Leg.STOP_LOSS: Decimal(98), Leg.TAKE_PROFIT: Decimal(104)}
    usual: dict[str, Any] = {
        "client_order_id": client_order_id(SIGNAL, leg, attempt),
        "signal_id": SIGNAL,
        "trader_id": SIGNAL,
        "leg": leg,
        "attempt": attempt,
        "symbol": RULES.symbol,
        "side": "buy" if leg is Leg.ENTRY else "sell",
        "kind": kinds.get(leg, "market"),
        "amount": Decimal(10),
        "status": OrderStatus.OPEN,
        "trigger_price": prices.get(leg),
        "reduce_only": leg is not Leg.ENTRY,
        "venue_order_id": f"v-{leg.value}-{attempt}",
        "sent_at": NOW,
    }
    return Order(**{**usual, **fields})


def position(**fields: Any) -> Position:
    """An open long position of ten at 100."""
    usual: dict[str, Any] = {
        "id": SIGNAL,
        "signal_id": SIGNAL,
        "trader_id": SIGNAL,
        "venue_symbol": "BTCUSDT",
        "symbol": RULES.symbol,
        "side": "long",
        "amount": Decimal(10),
        "lot": Decimal("0.001"),
        "entry_average": Decimal(100),
        "opened_at": NOW,
        "stop_loss": Decimal(98),
        "take_profit": Decimal(104),
    }
    return Position(**{**usual, **fields})
