"""What venues let through: budgets by address and by account, and what each request costs of them. Data only.

From the venues' own documentation; a share is left free, since what leaves evenly may arrive in a bunch.
Where a venue counts in other ways (by endpoint, by symbol), the tightest count that a bridge can meet
stands for all.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from workers.trading.traffic.traffic import Turn

# Whose budget it is: of the address that requests come from, or of the account that they are signed for.
Scope = Literal["address", "account"]
# What is counted: the weight of every request, or orders.
Unit = Literal["weight", "orders"]


@dataclass(frozen=True, slots=True)
class Budget:
    """At most `limit` of a unit within any `window_ms`; `reserve` of it is for cancels and stops alone, and
    `entries` of the rest for orders, which never wait behind questions."""

    scope: Scope
    unit: Unit
    limit: int
    window_ms: int
    reserve: int
    entries: int = 0

    def __post_init__(self) -> None:
        lasts = self.window_ms >= 1 and self.entries >= 0
        if not (0 < self.reserve < self.limit and self.reserve + self.entries < self.limit and lasts):
            raise ValueError(f"a reserve lies within its limit, and a window lasts: {self}")

    def room(self, turn: Turn) -> int:
        """Up to how much may be used for a request of this kind to leave."""
        if turn in ("stop", "cancel"):
            return self.limit
        if turn == "order":
            return self.limit - self.reserve
        asked = self.limit - self.reserve - self.entries
        return asked if turn == "read" else max(1, asked * 7 // 8)


@dataclass(frozen=True, slots=True)
class Tariff:
    """A venue's budgets and prices. `weights` are by ccxt's method; `weight` is for the others."""

    budgets: tuple[Budget, ...]
    weight: int = 1
    weights: Mapping[str, int] = field(default_factory=dict)
    # Which headers tell how much of the address's weight is used, by window in ms.
    used_headers: Mapping[str, int] = field(default_factory=dict)
    # How many orders a method places or cancels at once, where it is not one.
    orders: Mapping[str, int] = field(default_factory=dict)

    def costs(self, name: str, orders: bool) -> dict[Unit, int]:
        """What a request costs: ccxt's method, and whether it places, amends or cancels an order."""
        count = self.orders.get(name, 1 if orders else 0)
        return {"weight": self.weights.get(name, self.weight), "orders": count}


SECOND, MINUTE, DAY = 1_000, 60_000, 86_400_000

_BINANCE = Tariff(
    budgets=(
        Budget("address", "weight", 5400, MINUTE, 600, 400),
        Budget("account", "orders", 90, 10 * SECOND, 30),
        Budget("account", "orders", 180_000, DAY, 20_000),
    ),
    weight=2,
    weights={
        "load_markets": 40,
        "fetch_balance": 20,
        "fetch_order": 4,
        "fetch_open_orders": 6,
        "fetch_my_trades": 20,
        "fetch_orders": 20,
        "fetch_ticker": 2,
        "fetch_time": 1,
        "create_order": 1,
        "cancel_order": 1,
        "private_post_orderlist_oco": 1,
        "private_delete_orderlist": 1,
    },
    # A list of orders is as many orders as it has.
    orders={"private_post_orderlist_oco": 2, "private_delete_orderlist": 2},
    used_headers={"x-mbx-used-weight-1m": MINUTE},
)
_BINANCE_USDM = Tariff(
    budgets=(
        Budget("address", "weight", 2100, MINUTE, 300, 150),
        Budget("account", "orders", 270, 10 * SECOND, 60),
        Budget("account", "orders", 1080, MINUTE, 200),
    ),
    weight=5,
    weights={
        "load_markets": 1,
        "fetch_order": 1,
        "fetch_open_orders": 1,
        "fetch_ticker": 1,
        "fetch_time": 1,
        "create_order": 1,
        "edit_order": 1,
        "cancel_order": 1,
        "cancel_all_orders": 1,
        "fetch_funding_history": 30,
        "fetch_ledger": 30,
    },
    used_headers={"x-mbx-used-weight-1m": MINUTE},
)
_BYBIT = Tariff(
    budgets=(
        Budget("address", "weight", 540, 5 * SECOND, 100, 60),
        # Ten a second and endpoint; stops, cancels and entries are different endpoints for some accounts
        # only.
        Budget("account", "orders", 9, SECOND, 3),
    ),
)
_OKX = Tariff(
    budgets=(
        Budget("address", "weight", 36, 2 * SECOND, 8, 4),
        Budget("account", "orders", 54, 2 * SECOND, 14),
    ),
)
# Venues that nobody has looked at are treated as the strictest of those that somebody has.
_OTHER = Tariff(
    budgets=(
        Budget("address", "weight", 10, SECOND, 3, 2),
        Budget("account", "orders", 5, SECOND, 2),
    ),
)
TARIFFS: Mapping[str, Tariff] = {
    "binance": _BINANCE,
    "binanceusdm": _BINANCE_USDM,
    "bybit": _BYBIT,
    "okx": _OKX,
}


def tariff_of(venue: str) -> Tariff:
    """The tariff of a venue, by ccxt's name."""
    return TARIFFS.get(venue, _OTHER)
