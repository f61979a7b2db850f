"""What an answer to an order command means. Only the venue can say that an order does not exist.

| answer                                                       | outcome    |
|--------------------------------------------------------------|------------|
| acknowledged                                                 | confirmed  |
| a definite refusal: ExchangeError that names its reason      | rejected   |
| "invalid key" although the key worked before (Binance -2015) | rejected   |
| "this client order id was used before"                       | unresolved |
| an error of the venue itself, or one that names no reason    | unresolved |
| timeout, disconnect, 5xx, unparsable (OperationFailed)       | unresolved |
| any exception that is not ccxt's                             | it rises; the order stays `intended`, which |
|                                                              | is treated like unresolved                  |
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from ccxt.base import errors

from shared.redaction import redact


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
_DUPLICATES = frozenset(
    {
        "-4116",  # Binance USD-M: ClientOrderId is duplicated
        "-20132",  # Binance: the client algo id is duplicated
        "51011",  # OKX: Duplicated order ID
        "51016",  # OKX: Duplicated client order ID
        "12141",  # Bybit: Duplicate clientOrderId
        "170141",  # Bybit spot: Duplicate clientOrderId
        "110030",  # Bybit: Duplicate orderId
        "110072",  # Bybit: OrderLinkedID is duplicate
    }
)
# Troubles of the venue's own that ccxt hands on as if they were refusals: the order may be in the book.
_TROUBLES = frozenset(
    {
        "-1000",  # Binance: unknown error while processing the request
        "-1001",  # Binance: internal error, unable to process the request
        "-1006",  # Binance: unexpected response from the message bus, execution status unknown
        "-1007",  # Binance: timeout, send status unknown
        "10000",  # Bybit: server timeout
        "10016",  # Bybit: internal server error, or service restarting
        "10019",  # Bybit: service restarting
        "170001",  # Bybit spot: internal error
        "170007",  # Bybit spot: timeout waiting for response from backend server
        "170032",  # Bybit spot: network error
        "131200",  # Bybit: service error
        "50001",  # OKX: service temporarily unavailable
        "50004",  # OKX: endpoint request timeout, neither success nor failure
        "50013",  # OKX: systems are busy
        "50026",  # OKX: system error
        "51149",  # OKX: order timed out
        "51054",  # OKX: request timed out
    }
)
# Binance: no such key, address or right. ccxt calls it DDoSProtection once the key has worked, for it comes
# with temporary bans as well; refused the order was either way.
_NO_RIGHT = "-2015"
# The venue does not trade the symbol now, for which ccxt has no class at these venues.
_NOT_TRADED = frozenset(
    {
        "-4140",  # Binance USD-M: invalid status of the symbol for opening a position
        "-4141",  # Binance USD-M: the symbol is closed
        "110074",  # Bybit: this contract is not live
        "170209",  # Bybit spot: this pair is not available, or not where the account is
    }
)
# The order misses the venue's steps or limits, or its symbol is none.
_MISFITS = frozenset(
    {
        "-1013",  # Binance spot: a filter failed
        "-1111",  # Binance: more digits than the symbol has
        "-1121",  # Binance: no such symbol
        "-4003",  # Binance USD-M: the quantity is too small
        "-4005",  # Binance USD-M: the quantity is too large
        "-4014",  # Binance USD-M: the price is off the tick
        "-4023",  # Binance USD-M: the quantity is off the step
        "-4164",  # Binance USD-M: worth less than the least notional
        "10001",  # Bybit: a parameter is wrong, and which one only its text tells
        "110094",  # Bybit: worth less than the least
        "170121",  # Bybit spot: no such symbol
        "170124",  # Bybit spot: an invalid amount
        "170134",  # Bybit spot: the price has too many digits
        "170135",  # Bybit spot: the quantity is too large
        "170136",  # Bybit spot: the quantity is too small
        "170137",  # Bybit spot: the quantity has too many digits
        "170140",  # Bybit spot: worth less than the least
        "51001",  # OKX: no such instrument
        "51020",  # OKX: under the least amount
        "51121",  # OKX: no multiple of the lot
    }
)
# The venue's own code in the text of an error, as JSON has it: {"code":-2010, …}, {"retCode":110007, …}.
_CODE = re.compile(r'"(?:code|retCode|ret_code|sCode)"\s*:\s*"?(-?\d+)"?')

_SENTENCE = re.compile(r'"(?:msg|retMsg|ret_msg|sMsg|message)"\s*:\s*"([^"]*)"')


def judge(error: errors.BaseError) -> Verdict:
    """The outcome of an order whose placing raised `error`."""
    message = describe(error)
    codes = set(_CODE.findall(str(error)))
    unresolved = Verdict(Outcome.UNRESOLVED, "order_unresolved", message)
    if _NO_RIGHT in codes:
        return Verdict(Outcome.REJECTED, "account_inactive", message)
    if codes & _TROUBLES or isinstance(error, errors.OperationFailed | errors.ExchangeClosedByUser):
        return unresolved
    if isinstance(error, errors.DuplicateOrderId) or _is_duplicate(error, codes):
        # The order that we sent before is there: it has to be asked for, not given up.
        return unresolved
    if isinstance(error, errors.InsufficientFunds):
        return Verdict(Outcome.REJECTED, "insufficient_balance", message)
    if codes & _NOT_TRADED or isinstance(
        error, errors.BadSymbol | errors.MarketClosed | errors.ContractUnavailable
    ):
        return Verdict(Outcome.REJECTED, "symbol_not_tradable", message)
    if isinstance(error, errors.AuthenticationError):
        return Verdict(Outcome.REJECTED, "account_inactive", message)
    if type(error) is errors.ExchangeError and not codes:
        # What neither ccxt nor the venue has a name for is no refusal: a page of a proxy, half an answer.
        return unresolved
    if isinstance(error, errors.ExchangeError):
        return Verdict(Outcome.REJECTED, "order_rejected", message)
    return unresolved


def is_key_refused(error: errors.BaseError) -> bool:
    """Whether the venue refuses the account's key, or a right of it: only a person mends that."""
    return isinstance(error, errors.AuthenticationError) or _NO_RIGHT in _CODE.findall(str(error))


def is_misfit(error: errors.BaseError) -> bool:
    """Whether a refusal says that the order misses the venue's steps, limits or list of symbols: what is
    known of them may be of yesterday. ccxt's own check of precision has no code."""
    codes = set(_CODE.findall(str(error)))
    if codes & (_MISFITS | _NOT_TRADED):
        return True
    named = errors.BadSymbol | errors.MarketClosed | errors.ContractUnavailable
    return isinstance(error, named) or (type(error) is errors.InvalidOrder and not codes)


def describe(error: BaseException) -> str:
    """An exception for a record: its kind and the beginning of its text, never a whole page of a proxy."""
    detail = " ".join(redact(str(error)).split())
    return f"{type(error).__name__}: {detail[:300]}" if detail else type(error).__name__


def _is_duplicate(error: errors.BaseError, codes: set[str]) -> bool:
    """By the venue's code, or by its sentence: the rest of an answer may hold any number and any word."""
    if not isinstance(error, errors.ExchangeError):
        return False
    said = _SENTENCE.findall(str(error)) or [str(error)]
    return bool(codes & _DUPLICATES) or any("duplicat" in one.lower() for one in said)
