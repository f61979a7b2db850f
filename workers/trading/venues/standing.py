"""How an account stands at its venue, as ccxt answers it: nearness to liquidation, and funding."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from shared.identity import from_ms
from shared.money import ZERO, money, multiply
from workers.trading.decisions.external import VenueIncome
from workers.trading.decisions.margin import VenuePosition
from workers.trading.decisions.rules import Rules


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
