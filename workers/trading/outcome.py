"""What an answer to an order command means. Only the venue can say that an order does not exist.

| answer                                                    | outcome    |
|-----------------------------------------------------------|------------|
| acknowledged                                              | confirmed  |
| a definite refusal (ExchangeError)                        | rejected   |
| "this client order id was used before"                    | unresolved |
| timeout, disconnect, 5xx, unparsable (OperationFailed)    | unresolved |
| any exception that is not ccxt's                          | it rises; the order stays `intended`, which |
|                                                           | is treated like unresolved                  |
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from ccxt.base import errors


class Outcome(StrEnum):
    """What is known about an order after a command."""

    CONFIRMED = "confirmed"
    REJECTED = "rejected"
    UNRESOLVED = "unresolved"


@dataclass(frozen=True, slots=True)
class Verdict:
    """An outcome, and for a refusal the outcome code that a signal would end with."""

    outcome: Outcome
    code: str
    message: str


# No venue raises DuplicateOrderId: duplicates come as InvalidOrder or BadRequest and tell by code or text.
_DUPLICATE_MARKS = (
    "duplicate",
    "-4116",  # Binance USD-M: ClientOrderId is duplicated
    "51016",  # OKX: Duplicated client order ID
    "170141",  # Bybit spot: Duplicate clientOrderId
    "110072",  # Bybit: OrderLinkedID is duplicate
)


def judge(error: errors.BaseError) -> Verdict:
    """The outcome of an order whose placing raised `error`."""
    message = describe(error)
    if isinstance(error, errors.OperationFailed | errors.ExchangeClosedByUser):
        return Verdict(Outcome.UNRESOLVED, "order_unresolved", message)
    if isinstance(error, errors.DuplicateOrderId) or _is_duplicate(error):
        # The order that we sent before is there: it has to be asked for, not given up.
        return Verdict(Outcome.UNRESOLVED, "order_unresolved", message)
    if isinstance(error, errors.InsufficientFunds):
        return Verdict(Outcome.REJECTED, "insufficient_balance", message)
    if isinstance(error, errors.BadSymbol | errors.MarketClosed | errors.ContractUnavailable):
        return Verdict(Outcome.REJECTED, "symbol_not_tradable", message)
    if isinstance(error, errors.AuthenticationError):
        return Verdict(Outcome.REJECTED, "account_inactive", message)
    if isinstance(error, errors.ExchangeError):
        return Verdict(Outcome.REJECTED, "order_rejected", message)
    return Verdict(Outcome.UNRESOLVED, "order_unresolved", message)


def describe(error: BaseException) -> str:
    """An exception for a record: its kind and the beginning of its text, never a whole page of a proxy."""
    detail = " ".join(str(error).split())
    return f"{type(error).__name__}: {detail[:300]}" if detail else type(error).__name__


def _is_duplicate(error: errors.BaseError) -> bool:
    if not isinstance(error, errors.InvalidOrder | errors.BadRequest | errors.OperationRejected):
        return False
    detail = str(error).lower()
    return any(mark in detail for mark in _DUPLICATE_MARKS)
