"""How an account stands at its venue, as ccxt answers it: nearness to liquidation, and funding."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal

from shared.identity import from_ms
from shared.money import ZERO, money, multiply
from workers.trading.decisions.external import VenueIncome
from workers.trading.decisions.margin import VenuePosition
from workers.trading.decisions.rules import Rules

# Of a venue's entry prices so much is taken for rounding.
_MILLIONTH = Decimal("0.000001")


@dataclass(frozen=True, slots=True)
class Balance:
    """What is in the wallet of one currency, less what open positions cost; `rounding` may be lost of it."""

    currency: str
    amount: Decimal
    rounding: Decimal = ZERO


def read_wallet(answer: Mapping[str, Any], way: Literal["total", "assets"]) -> dict[str, Decimal]:
    """What is in a wallet, by currency."""
    if way == "assets":
        found = {str(one["asset"]): money(one["walletBalance"]) for one in answer["info"]["assets"]}
    else:
        totals = answer.get("total") or {}
        found = {str(name): money(total) for name, total in totals.items() if total is not None}
    return {name: amount for name, amount in found.items() if amount}


def read_cost(answer: Mapping[str, Any], rules: Rules) -> Balance | None:
    """What a position cost, below zero for a short one, and what its entry price may be rounded by; None for
    one that holds nothing."""
    if not answer.get("contracts"):
        return None
    amount = multiply(abs(money(answer["contracts"])), rules.contract_size)
    cost = multiply(amount, money(answer["entryPrice"]))
    signed = -cost if answer.get("side") == "short" else cost
    return Balance(rules.quote, signed, multiply(cost, _MILLIONTH))


def read_transfer(answer: Mapping[str, Any]) -> VenueIncome:
    """Money that came to the account, or left it."""
    amount = abs(money(answer["amount"]))
    return VenueIncome(
        venue_income_id=str(answer["id"]),
        kind="transfer",
        symbol=None,
        amount=amount if answer["direction"] == "in" else -amount,
        currency=str(answer["currency"]),
        occurred_at=from_ms(int(answer["timestamp"])),
        # Nobody wins or loses by it.
        rate=ZERO,
    )


def read_standing(answer: Mapping[str, Any], rules: Rules) -> VenuePosition | None:
    """A position with its margin; None for one that holds nothing, or has no mark price yet."""
    contracts, mark = answer.get("contracts"), answer.get("markPrice")
    if not contracts or not mark:
        return None
    liquidation = answer.get("liquidationPrice")
    return VenuePosition(
        symbol=rules.symbol,
        side="short" if answer.get("side") == "short" else "long",
        amount=multiply(abs(money(contracts)), rules.contract_size),
        mark_price=money(mark),
        # Venues write zero for a position that cannot be liquidated.
        liquidation_price=_above_zero(liquidation),
        maintenance_margin=money(answer.get("maintenanceMargin") or 0),
    )


def read_funding(answer: Mapping[str, Any], rules: Rules) -> VenueIncome:
    """One payment of funding: below zero it was paid, above it was received.

    Bybit tells funding as the fee of an execution, which is above zero where it was paid, and ccxt hands that
    on as if it were a change of the balance.
    """
    fee = (answer.get("info") or {}).get("execFee")
    return VenueIncome(
        venue_income_id=str(answer["id"]),
        kind="funding",
        symbol=rules.symbol,
        amount=money(answer["amount"]) if fee is None else -money(fee),
        currency=str(answer.get("code") or rules.quote),
        occurred_at=from_ms(int(answer["timestamp"])),
    )


def _above_zero(value: Any) -> Decimal | None:
    number = ZERO if value is None else money(value)
    return number if number > ZERO else None
