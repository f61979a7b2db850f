"""What fees in a third currency were worth: asked of the venue, never a reason to leave a fill out.

A fill is recorded whatever is known of its fee. What nobody could say then stays open in the record, with the
reason, and is told once it is known.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

import structlog
from ccxt.base.errors import BaseError

from shared.errors import OrderDenied
from shared.money import money, text
from workers.trading.decisions.outcome import describe
from workers.trading.ledger import Facts
from workers.trading.policy import Policy
from workers.trading.venues.venue import Venue

log = structlog.get_logger(__name__)

# The latest of them: the database keeps all.
MOST_OPEN = 200

# A coin, the quote currency that it was paid beside, and the minute; None for now.
_Question = tuple[str, str, datetime | None]


class Fees:
    """Of one account's fills, as they are told to the record."""

    def __init__(self, venue: Venue, policy: Policy) -> None:
        self._venue = venue
        self._policy = policy
        # Fills in the record whose fees are open, by client order id and trade id.
        self._open: dict[tuple[str, str], dict[str, Any]] = {}
        self._asked_at: datetime | None = None

    def begin(self, fills: Iterable[Mapping[str, Any]]) -> None:
        """What the record knows of open fees."""
        self._open = {(one["client_order_id"], one["venue_trade_id"]): dict(one) for one in fills}

    async def value(self, facts: Facts, symbols: Mapping[str, str], now: datetime) -> None:
        """Write the rates of fees, or why there is none, on these facts. `symbols` are those of orders, by
        client order id, and of positions, by id. Each coin is asked about once."""
        fills = [(symbols.get(one["client_order_id"], ""), one) for one in facts.fills]
        fills += [(symbols.get(one["position_id"], ""), one["fill"]) for one in facts.venue_closes]
        answers: dict[_Question, Decimal | str] = {}
        for symbol, fill in fills:
            if is_third(fill, symbol) and "fee_rate" not in fill:
                await self._value(fill, symbol, now, answers)

    def recorded(self, fills: Iterable[dict[str, Any]], symbols: Mapping[str, str]) -> None:
        """These fills are in the record now: what is open of their fees is asked again later."""
        for fill in fills:
            key = (fill["client_order_id"], fill["venue_trade_id"])
            if "fee_open" in fill:
                self._open[key] = {**fill, "symbol": symbols.get(key[0], "")}
            else:
                self._open.pop(key, None)
        while len(self._open) > MOST_OPEN:
            self._open.pop(next(iter(self._open)))

    async def look(self, now: datetime) -> list[dict[str, Any]]:
        """Fills to be told again, now that their fees can be valued. Asks now and then."""
        if not self._open or (
            self._asked_at is not None and now < self._asked_at + self._policy.funding_every
        ):
            return []
        self._asked_at = now
        known: list[dict[str, Any]] = []
        answers: dict[_Question, Decimal | str] = {}
        for fill in list(self._open.values()):
            again = {name: value for name, value in fill.items() if name not in ("symbol", "fee_open")}
            await self._value(again, fill["symbol"], now, answers)
            if "fee_rate" in again:
                known.append(again)
        return known

    async def _value(
        self, fill: dict[str, Any], symbol: str, now: datetime, answers: dict[_Question, Decimal | str]
    ) -> None:
        executed = datetime.fromisoformat(fill["executed_at"])
        # What was traded just now is worth the last price; of what is older, the minute's is asked for.
        at = None if now - executed <= self._policy.overlap else executed.replace(second=0, microsecond=0)
        question = (str(fill["fee_currency"]), quote_of(symbol), at)
        if question not in answers:
            try:
                answers[question] = await self._venue.rate(*question)
            except (BaseError, OrderDenied) as error:
                log.warning("fee_not_valued", currency=question[0], quote=question[1], error=describe(error))
                answers[question] = describe(error)
        answer = answers[question]
        if isinstance(answer, str):
            fill["fee_open"] = answer
        else:
            fill["fee_rate"] = text(answer)


def quote_of(symbol: str) -> str:
    """The quote currency in ccxt's name of a symbol."""
    return symbol.partition("/")[2].partition(":")[0]


def is_third(fill: Mapping[str, Any], symbol: str) -> bool:
    """Whether a fee was paid in neither of the currencies that were traded."""
    currency = fill.get("fee_currency")
    traded = (symbol.partition("/")[0], quote_of(symbol))
    return bool(symbol) and currency not in (None, "", *traded) and money(fill.get("fee_cost") or 0) != 0
