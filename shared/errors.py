"""Every exception of Sigtrail, and what whoever catches one has to do.

    SigtrailError
    ├── ConfigurationError  the environment or a setting is missing or wrong      stop the process
    ├── InputError          what was given cannot be used: a row, a candle        tell who gave it, go on
    ├── DatabaseError       the database answered, and the answer was no
    │   ├── Refused         a rule of the schema said no (states, quotas, …)       tell, never retry
    │   ├── NotAllowed      the token's role may not do this, or the token is bad stop the process
    │   └── NotFound        the function, table or row does not exist             stop the process
    ├── Unavailable         no answer that can be used came from the database     retry later
    │   ├── NotSent         certainly nothing happened                            retry anything
    │   └── OutcomeUnknown  it may have happened                                  retry what is idempotent
    ├── RealtimeError       a subscription was refused                            tell, subscribe again
    └── TradingError        an order or an account                                see the outcome policy
        ├── OrderDenied     our own checks refused it before it was sent          record the code
        ├── OrderRejected   the venue refused it, definitely                      record the code
        └── OrderUnresolved nobody knows yet whether it exists                    ask, never send blindly

Nothing catches `Exception` around money. A role lets `Unavailable` rise to the machine, which waits and takes
the step again; everything else that rises out of a step is counted, logged and shown.
"""

from __future__ import annotations


class SigtrailError(Exception):
    """Anything that Sigtrail itself reports; the message says what was wrong and what to do."""


class ConfigurationError(SigtrailError):
    """The environment or a setting is missing or wrong."""


class InputError(SigtrailError):
    """What was given (a row, a candle, a condition, an argument) cannot be used."""


class DatabaseError(SigtrailError):
    """The database answered, and the answer was no.

    `code` is the SQLSTATE or PostgREST's code, `details` and `hint` are as the database gave them.
    """

    def __init__(
        self, message: str, *, code: str | None = None, details: str | None = None, hint: str | None = None
    ) -> None:
        super().__init__(message)
        self.code = code
        self.details = details
        self.hint = hint


class Refused(DatabaseError):
    """A rule of the schema said no: an illegal transition, a quota, a constraint, a limit."""


class NotAllowed(DatabaseError):
    """The token is not valid, or its role may not do this."""


class NotFound(DatabaseError):
    """The function, table or row that was asked for does not exist."""


class Unavailable(SigtrailError):
    """No usable answer came from the database; the same call may succeed later.

    `code` is the database's or PostgREST's own, where it was they who said so.
    """

    def __init__(self, message: str = "", *, code: str | None = None) -> None:
        super().__init__(message)
        self.code = code


class NotSent(Unavailable):
    """Certainly nothing happened: the call never reached the database, or was rolled back by it."""


class OutcomeUnknown(Unavailable):
    """The call was sent and no answer came: it may have happened."""


class RealtimeError(SigtrailError):
    """The Realtime server refused a subscription."""


class TradingError(SigtrailError):
    """Something about an order or an account; `code` is an outcome code of the lifecycle."""

    def __init__(self, message: str, *, code: str) -> None:
        super().__init__(message)
        self.code = code


class OrderDenied(TradingError):
    """Our own checks refused the order before it was sent."""


class OrderRejected(TradingError):
    """The venue refused the order, definitely."""


class OrderUnresolved(TradingError):
    """The order was sent and nobody knows yet whether it exists."""
